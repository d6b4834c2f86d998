#include "eventstore/kafka_cursor.h"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "eventstore/kafka_records.h"

namespace eventstore::kafka {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

namespace {

/// Fetched anew rather than passed over one by one.
constexpr Offset passed_over_max = 1'000;
constexpr std::size_t batch_max = 1'000;

StoredRecord record_of(LogId log, Offset offset, const Decoded& decoded) {
  return {log, offset, decoded.head, Payload::copy(decoded.payload)};
}

}  // namespace

Fetcher::~Fetcher() {
  fetched_.clear();
  stop();
}

void Fetcher::stop() {
  for (const auto& source : sources_) {
    rd_kafka_consume_stop(source->topic.get(), source->log.partition);
  }
}

Result<void> Fetcher::start(LogId log, const std::string& topic, Offset offset) {
  const auto known = std::ranges::find(sources_, log, [](const auto& s) { return s->log; });
  if (known != sources_.end()) {
    rd_kafka_consume_stop((*known)->topic.get(), log.partition);
    sources_.erase(known);
    std::erase_if(fetched_, [&](const auto& m) { return m->partition == log.partition; });
  }
  TopicHandle handle(rd_kafka_topic_new(consumer_.get(), topic.c_str(), nullptr));
  auto source = std::make_unique<Source>(log, std::move(handle));
  const auto started = rd_kafka_consume_start_queue(
      source->topic.get(), log.partition, static_cast<std::int64_t>(offset), queue_.get());
  if (started != 0) return fail(to_error("reading " + topic, rd_kafka_last_error()));
  sources_.push_back(std::move(source));
  return {};
}

/// Without waiting: a batch that waits does so until it is full.
void Fetcher::take_what_is_there() {
  std::array<rd_kafka_message_t*, batch_max> messages;
  const auto count =
      rd_kafka_consume_batch_queue(queue_.get(), 0, messages.data(), messages.size());
  for (ssize_t i = 0; i < count; ++i) fetched_.emplace_back(messages[static_cast<std::size_t>(i)]);
}

Result<std::optional<Fetcher::Fetched>> Fetcher::next(std::chrono::milliseconds within) {
  if (fetched_.empty()) take_what_is_there();
  if (fetched_.empty()) {
    Message message(rd_kafka_consume_queue(queue_.get(), static_cast<int>(within.count())));
    if (message) fetched_.push_back(std::move(message));
  }
  if (fetched_.empty()) return std::nullopt;
  auto message = std::move(fetched_.front());
  fetched_.pop_front();
  const auto source = std::ranges::find_if(sources_, [&](const auto& s) {
    return s->topic.get() == message->rkt && s->log.partition == message->partition;
  });
  ENSURE(source != sources_.end());
  const auto log = (*source)->log;
  const auto offset = static_cast<Offset>(message->offset);
  if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) return Fetched{log, offset, nullptr};
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return fail(ErrorCode::read_only,
                fmt::format("{}/{} at offset {}: {}", rd_kafka_topic_name(message->rkt),
                            log.partition, offset, rd_kafka_message_errstr(message.get())));
  }
  return Fetched{log, offset, std::move(message)};
}

Result<std::unique_ptr<Cursor>> KafkaCursor::open(const Options& options, const ReadSide& side,
                                                  const std::vector<ReadFrom>& from) {
  auto consumer = make_consumer(options);
  if (!consumer) return fail(std::move(consumer).error());
  std::unique_ptr<KafkaCursor> cursor(new KafkaCursor(options, side, std::move(*consumer)));
  for (const auto& [log, offset] : from) {
    const auto topic = side.topic_of(log.topic);
    if (topic.empty()) continue;
    // Nothing stands beyond the end, and brokers refuse to begin there.
    const auto begin = std::min(offset, side.end_of(log));
    if (auto started = cursor->fetcher_.start(log, topic, begin); !started) {
      return fail(std::move(started).error());
    }
    cursor->positions_[log] = offset;
  }
  return cursor;
}

bool KafkaCursor::at_end() const {
  return std::ranges::all_of(positions_,
                             [&](const auto& at) { return at.second >= side_.end_of(at.first); });
}

Result<std::optional<StoredRecord>> KafkaCursor::next() {
  const auto is_visible = [&](const StoredRecord& record) {
    return record.offset < side_.end_of(record.log);
  };
  if (pending_) {
    if (!is_visible(*pending_)) return std::nullopt;
    return std::exchange(pending_, {});
  }
  while (!at_end()) {
    auto fetched = fetcher_.next(patience_);
    if (!fetched) return fail(std::move(fetched).error());
    if (!*fetched) return no_answer();
    const auto& [log, offset, message] = **fetched;
    auto& position = positions_[log];
    if (!message) {
      position = std::max(position, offset);
      continue;
    }
    if (offset < position) continue;
    position = offset + 1;
    const auto decoded = decode(*message);
    if (!decoded) continue;
    auto record = record_of(log, offset, *decoded);
    if (is_visible(record)) return record;
    pending_ = std::move(record);
    return std::nullopt;
  }
  return std::nullopt;
}

Result<void> KafkaRecordReader::go_to(Offset offset) {
  if (!fetcher_) {
    auto consumer = make_consumer(options_);
    if (!consumer) return fail(std::move(consumer).error());
    fetcher_.emplace(std::move(*consumer));
  } else if (offset >= position_ && offset - position_ < passed_over_max) {
    return {};
  }
  position_ = offset;
  return fetcher_->start(log_, side_.topic_of(log_.topic), offset);
}

Result<StoredRecord> KafkaRecordReader::read(Offset offset) {
  const auto not_found = [&] {
    return fail(ErrorCode::not_found,
                fmt::format("topic {}, partition {} has no record at offset {}",
                            static_cast<std::uint16_t>(log_.topic), log_.partition, offset));
  };
  if (offset >= side_.end_of(log_)) return not_found();
  if (auto there = go_to(offset); !there) return fail(std::move(there).error());
  while (position_ <= offset) {
    auto fetched = fetcher_->next(options_.answer_within);
    if (!fetched) return fail(std::move(fetched).error());
    if (!*fetched) return no_answer();
    const auto& [log, at, message] = **fetched;
    if (!message || at < position_) continue;
    position_ = at + 1;
    if (at < offset) continue;
    const auto decoded = at == offset ? decode(*message) : std::nullopt;
    return decoded ? Result<StoredRecord>(record_of(log_, offset, *decoded)) : not_found();
  }
  return not_found();
}

}  // namespace eventstore::kafka
