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

}  // namespace

StoredRecord record_of(LogId log, Offset offset, const rd_kafka_message_t& message) {
  const auto decoded = decode(message);
  if (!decoded) return {log, offset, filler_head(), {}};
  return {log, offset, decoded->head, Payload::copy(decoded->payload)};
}

bool is_out_of_range(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE ||
         code == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET;
}

/// Whatever is read next would not follow what was read before, so nothing is.
std::optional<schemas::Error> ReadTrouble::judge(rd_kafka_resp_err_t code,
                                                 std::string_view reason) {
  const auto stop = [&](std::string_view what) {
    return schemas::Error{ErrorCode::read_only,
                          fmt::format("{} ({}); nothing is written until the brokers hold this log "
                                      "again and this process is started anew",
                                      what, reason),
                          {},
                          {}};
  };
  const auto now = std::chrono::steady_clock::now();
  switch (code) {
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      return stop(
          "a topic ends before what was read of it: it was truncated or made anew, or these "
          "are other brokers than before");
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      if (!gone_since_ || now - gone_last_ > forgotten_after) gone_since_ = now;
      gone_last_ = now;
      if (now - *gone_since_ < believed_after) return std::nullopt;
      return stop("a topic is gone: it was deleted, or these are other brokers than before");
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      return stop("the brokers do not let this user read a topic");
    default:
      return std::nullopt;
  }
}

Result<std::unique_ptr<Fetcher>> Fetcher::make(const Options& options) {
  std::unique_ptr<Fetcher> fetcher(new Fetcher);
  auto consumer = make_consumer(options, &Fetcher::on_error, fetcher.get());
  if (!consumer) return fail(std::move(consumer).error());
  fetcher->consumer_ = std::move(*consumer);
  fetcher->queue_.reset(rd_kafka_queue_new(fetcher->consumer_.get()));
  return fetcher;
}

void Fetcher::on_error(rd_kafka_t* /*consumer*/, int code, const char* reason, void* fetcher) {
  auto& self = *static_cast<Fetcher*>(fetcher);
  auto trouble = self.judged_.judge(static_cast<rd_kafka_resp_err_t>(code), reason);
  if (trouble && !self.trouble_) self.trouble_ = std::move(trouble);
}

Fetcher::~Fetcher() {
  reset();
}

void Fetcher::reset() {
  fetched_.clear();
  trouble_.reset();
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
  rd_kafka_poll(consumer_.get(), 0);  // its errors
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
  if (trouble_) return fail(*std::exchange(trouble_, {}));
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
    const auto* reason = rd_kafka_message_errstr(message.get());
    const schemas::Error as_told{ErrorCode::read_only, reason, {}, {}};
    return fail(judged_.judge(message->err, reason).value_or(as_told));
  }
  return Fetched{log, offset, std::move(message)};
}

Result<Fetchers::Lent> Fetchers::lend() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      Lent lent(idle_.back().fetcher.release(), Return{this});
      idle_.pop_back();
      return lent;
    }
  }
  auto options = options_;
  options.fetch_wait = std::min(options.fetch_wait, one_reading);
  options.properties["fetch.message.max.bytes"] = std::to_string(bytes_);
  auto fetcher = Fetcher::make(options);
  if (!fetcher) return fail(std::move(fetcher).error());
  return Lent(fetcher->release(), Return{this});
}

void Fetchers::Return::operator()(Fetcher* fetcher) const {
  std::unique_ptr<Fetcher> back(fetcher);
  back->reset();
  const std::lock_guard lock(to->mutex_);
  if (to->idle_.size() < kept_max) to->idle_.push_back({std::move(back), Clock::now()});
}

void Fetchers::drop_unused() {
  if (parting_.valid() && parting_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    return;
  }
  std::vector<Kept> unused;
  const std::lock_guard lock(mutex_);
  const auto used = std::ranges::find_if(
      idle_, [oldest = Clock::now() - kept_for](const Kept& kept) { return kept.since > oldest; });
  std::move(idle_.begin(), used, std::back_inserter(unused));
  idle_.erase(idle_.begin(), used);
  if (unused.empty()) return;
  parting_ =
      std::async(std::launch::async, [parting = std::move(unused)]() mutable { parting.clear(); });
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
    auto& waiting = waiting_[log];
    waiting.push_back(record_of(log, offset, *message));
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
    if (at > offset) return not_found();
    auto record = record_of(log_, offset, *message);
    given_ = record.payload;
    return record;
  }
  return not_found();
}

}  // namespace eventstore::kafka
