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
constexpr Offset passed_over_max = 100;
constexpr std::size_t batch_max = 1'000;
/// At the end of a partition a broker holds a question back so long, and with it the next reader's.
constexpr std::chrono::milliseconds one_reading{10};

StoredRecord record_of(LogId log, Offset offset, const Decoded& decoded) {
  return {log, offset, decoded.head, Payload::copy(decoded.payload)};
}

}  // namespace

/// Whatever is read next would not follow what was read before, so nothing is.
schemas::Error cannot_read(const rd_kafka_message_t& message) {
  const auto place = fmt::format("{}/{} cannot be read at offset {}",
                                 message.rkt ? rd_kafka_topic_name(message.rkt) : "a topic",
                                 message.partition, message.offset);
  switch (message.err) {
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      return {ErrorCode::read_only,
              place +
                  ": it ends before that. The topic was truncated or made anew, or these are "
                  "other brokers than before; nothing is written until they hold this log again",
              {},
              {}};
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return {ErrorCode::read_only,
              place +
                  ": the topic is gone. It was deleted, or these are other brokers than before; "
                  "nothing is written until they hold this log again",
              {},
              {}};
    default:
      return {ErrorCode::read_only,
              fmt::format("{}: {}", place, rd_kafka_message_errstr(&message)),
              {},
              {}};
  }
}

Fetcher::~Fetcher() {
  reset();
}

void Fetcher::reset() {
  fetched_.clear();
  if (sources_.empty()) return;
  for (const auto& source : sources_) {
    rd_kafka_consume_stop(source->topic.get(), source->log.partition);
  }
  sources_.clear();
  queue_.reset(rd_kafka_queue_new(consumer_.get()));
}

Result<void> Fetcher::start(LogId log, const std::string& topic, Offset offset) {
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
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) return fail(cannot_read(*message));
  return Fetched{log, offset, std::move(message)};
}

Result<Fetchers::Lent> Fetchers::lend() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      Lent lent(idle_.back().release(), Return{this});
      idle_.pop_back();
      return lent;
    }
  }
  auto options = options_;
  options.fetch_wait = std::min(options.fetch_wait, one_reading);
  options.properties["fetch.message.max.bytes"] = std::to_string(bytes_);
  auto consumer = make_consumer(options);
  if (!consumer) return fail(std::move(consumer).error());
  return Lent(new Fetcher(std::move(*consumer)), Return{this});
}

void Fetchers::Return::operator()(Fetcher* fetcher) const {
  std::unique_ptr<Fetcher> back(fetcher);
  back->reset();
  const std::lock_guard lock(to->mutex_);
  if (to->idle_.size() < kept_max) to->idle_.push_back(std::move(back));
}

Result<std::unique_ptr<Cursor>> KafkaCursor::open(Fetchers& fetchers, const ReadSide& side,
                                                  const std::vector<ReadFrom>& from) {
  auto fetcher = fetchers.lend();
  if (!fetcher) return fail(std::move(fetcher).error());
  std::unique_ptr<KafkaCursor> cursor(new KafkaCursor(fetchers, side, std::move(*fetcher)));
  for (const auto& [log, offset] : from) {
    const auto topic = side.topic_of(log.topic);
    if (topic.empty()) continue;
    // Nothing stands beyond the end, and brokers refuse to begin there.
    const auto begin = std::min(offset, side.end_of(log));
    if (auto started = cursor->fetcher_->start(log, topic, begin); !started) {
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

/// What was fetched before the log had it waits in its own partition: others may have more to give.
std::optional<StoredRecord> KafkaCursor::take(std::deque<StoredRecord>& waiting) {
  if (waiting.empty() || waiting.front().offset >= side_.end_of(waiting.front().log)) {
    return std::nullopt;
  }
  auto record = std::move(waiting.front());
  waiting.pop_front();
  given_ = record.payload;
  return record;
}

Result<std::optional<StoredRecord>> KafkaCursor::next() {
  for (auto& [log, waiting] : waiting_) {
    if (auto record = take(waiting)) return record;
  }
  while (!at_end()) {
    auto fetched = fetcher_->next(patience_);
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
    auto& waiting = waiting_[log];
    waiting.push_back(record_of(log, offset, *decoded));
    if (auto record = take(waiting)) return record;
  }
  return std::nullopt;
}

Result<void> KafkaRecordReader::go_to(Offset offset) {
  if (!fetcher_) {
    auto fetcher = fetchers_.lend();
    if (!fetcher) return fail(std::move(fetcher).error());
    fetcher_ = std::move(*fetcher);
  } else if (offset >= position_ && offset - position_ < passed_over_max) {
    return {};
  }
  position_ = offset;
  fetcher_->reset();
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
    auto fetched = fetcher_->next(fetchers_.patience());
    if (!fetched) return fail(std::move(fetched).error());
    if (!*fetched) return no_answer();
    const auto& [log, at, message] = **fetched;
    if (!message || at < position_) continue;
    position_ = at + 1;
    if (at < offset) continue;
    const auto decoded = at == offset ? decode(*message) : std::nullopt;
    if (!decoded) return not_found();
    auto record = record_of(log_, offset, *decoded);
    given_ = record.payload;
    return record;
  }
  return not_found();
}

}  // namespace eventstore::kafka
