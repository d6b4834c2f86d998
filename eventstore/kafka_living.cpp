#include "eventstore/kafka_living.h"

#include <chrono>

#include <fmt/core.h>

#include "eventstore/heartbeat.h"
#include "eventstore/kafka_cursor.h"
#include "eventstore/kafka_topics.h"

namespace eventstore::kafka {
namespace {

using schemas::fail;
using schemas::Result;

constexpr std::chrono::milliseconds listened{1'800};  // three heartbeats
constexpr LogId cluster{TopicId{0}, 0};               // any will do: only this is fetched

}  // namespace

Result<std::optional<std::string>> hear_living_process(const Options& options) {
  const auto topic = options.topic_prefix + "cluster";
  auto fetcher = Fetcher::make(options);
  if (!fetcher) return fail(std::move(fetcher).error());
  const auto exists = topic_exists((*fetcher)->handle(), topic, options.answer_within);
  if (!exists) return fail(exists.error());
  if (!*exists) return std::nullopt;
  auto started = (*fetcher)->start(cluster, topic, static_cast<Offset>(RD_KAFKA_OFFSET_END));
  if (!started) return fail(std::move(started).error());
  const auto until = std::chrono::steady_clock::now() + listened;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return std::nullopt;
    auto heard = (*fetcher)->next(left);
    if (!heard) return fail(std::move(heard).error());
    if (!*heard || !(*heard)->message || (*heard)->message->payload == nullptr) continue;
    const auto& message = *(*heard)->message;
    const auto heartbeat =
        decode_heartbeat({static_cast<const std::uint8_t*>(message.payload), message.len});
    if (heartbeat) return fmt::format("{} at {}", heartbeat->name, heartbeat->address);
  }
}

}  // namespace eventstore::kafka
