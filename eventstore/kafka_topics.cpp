#include "eventstore/kafka_topics.h"

#include <array>
#include <thread>

#include <fmt/core.h>

namespace eventstore::kafka {
namespace {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

using Metadata = std::unique_ptr<const rd_kafka_metadata_t, Destroy<rd_kafka_metadata_destroy>>;
using NewTopic = std::unique_ptr<rd_kafka_NewTopic_t, Destroy<rd_kafka_NewTopic_destroy>>;
using AdminOptions =
    std::unique_ptr<rd_kafka_AdminOptions_t, Destroy<rd_kafka_AdminOptions_destroy>>;
using Event = std::unique_ptr<rd_kafka_event_t, Destroy<rd_kafka_event_destroy>>;

constexpr int brokers_for_replicas = 3;
/// A record of the largest size in a batch of its own, with room for Kafka's own bytes around it.
constexpr std::string_view message_bytes_max = "5242880";

int int_of(std::chrono::milliseconds time) {
  return static_cast<int>(time.count());
}

struct Found {
  int brokers = 0;
  int partitions = 0;  // 0: there is no such topic
};

Result<Found> look(rd_kafka_t* handle, const std::string& name, std::chrono::milliseconds within) {
  const TopicHandle topic(rd_kafka_topic_new(handle, name.c_str(), nullptr));
  const rd_kafka_metadata_t* raw = nullptr;
  const auto code = rd_kafka_metadata(handle, 0, topic.get(), &raw, int_of(within));
  const Metadata metadata(raw);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return fail(to_error("topic " + name, code));
  Found found{.brokers = metadata->broker_cnt};
  if (metadata->topic_cnt == 0) return found;
  const auto& described = metadata->topics[0];
  if (described.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) return found;
  if (described.err != RD_KAFKA_RESP_ERR_NO_ERROR &&
      described.err != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) {
    return fail(to_error("topic " + name, described.err));
  }
  found.partitions = described.partition_cnt;
  return found;
}

Result<void> create(rd_kafka_t* handle, const std::string& name, std::uint16_t partitions,
                    int brokers, std::chrono::milliseconds within) {
  const bool replicated = brokers >= brokers_for_replicas;
  std::array<char, 512> error{};
  const NewTopic topic(rd_kafka_NewTopic_new(
      name.c_str(), partitions, replicated ? brokers_for_replicas : 1, error.data(), error.size()));
  if (!topic) return fail(ErrorCode::internal, fmt::format("topic {}: {}", name, error.data()));
  const std::pair<const char*, std::string_view> settings[] = {
      {"cleanup.policy", "delete"},
      {"retention.ms", "-1"},
      {"retention.bytes", "-1"},
      {"max.message.bytes", message_bytes_max},
      {"min.insync.replicas", replicated ? "2" : "1"},
      {"unclean.leader.election.enable", "false"}};
  for (const auto& [setting, value] : settings) {
    rd_kafka_NewTopic_set_config(topic.get(), setting, value.data());
  }
  const AdminOptions options(rd_kafka_AdminOptions_new(handle, RD_KAFKA_ADMIN_OP_CREATETOPICS));
  rd_kafka_AdminOptions_set_operation_timeout(options.get(), int_of(within), nullptr, 0);
  const Queue answers(rd_kafka_queue_new(handle));
  auto* asked = topic.get();
  rd_kafka_CreateTopics(handle, &asked, 1, options.get(), answers.get());
  const Event event(rd_kafka_queue_poll(answers.get(), int_of(within) + 1'000));
  if (!event) return no_answer();
  auto code = rd_kafka_event_error(event.get());
  if (const auto* result = rd_kafka_event_CreateTopics_result(event.get())) {
    std::size_t count = 0;
    const auto* topics = rd_kafka_CreateTopics_result_topics(result, &count);
    if (count > 0) code = rd_kafka_topic_result_error(topics[0]);
  }
  const bool is_there =
      code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS;
  if (!is_there) return fail(to_error("making topic " + name, code));
  return {};
}

}  // namespace

Result<void> provide_topic(rd_kafka_t* handle, const std::string& name, std::uint16_t partitions,
                           std::chrono::milliseconds within) {
  const auto deadline = std::chrono::steady_clock::now() + within;
  auto found = look(handle, name, within);
  if (!found) return fail(std::move(found).error());
  if (found->partitions == 0) {
    auto created = create(handle, name, partitions, found->brokers, within);
    if (!created) return created;
  }
  // The brokers hear of a new topic one after the other.
  while (found->partitions == 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    found = look(handle, name, within);
    if (!found) return fail(std::move(found).error());
  }
  if (found->partitions == partitions) return {};
  return fail(ErrorCode::internal,
              fmt::format("topic {} has {} partitions among the brokers, the log says {}: point it "
                          "at the brokers that hold this log",
                          name, found->partitions, partitions));
}

}  // namespace eventstore::kafka
