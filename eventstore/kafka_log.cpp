#include "eventstore/kafka_log.h"

#include <algorithm>
#include <array>
#include <poll.h>
#include <pthread.h>
#include <set>
#include <sys/eventfd.h>
#include <unistd.h>

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include "eventstore/kafka_records.h"
#include "eventstore/kafka_topics.h"
#include "schemas/batch.h"

namespace eventstore {

using kafka::to_error;
using schemas::Error;
using schemas::ErrorCode;
using schemas::Result;

namespace {

constexpr std::size_t read_back_max = 1'000;
constexpr int longest_sleep_ms = 250;  // should news be missed
/// A question names every partition that is followed, and goes unanswered for so long when nothing
/// comes; a partition that is followed again has to wait for the next.
constexpr std::chrono::milliseconds follow_wait{250};
/// What is written here lands by its reports. To fetch it too would cost the broker as much again,
/// and more: each record would answer a question that names every partition.
constexpr std::chrono::milliseconds idle_after{100};
constexpr std::size_t busy_from = 8;  // records in that time
constexpr std::chrono::milliseconds leader_answers_within{2'000};
constexpr std::size_t stretch_bytes = 4 << 20;
constexpr std::size_t single_bytes = 64 << 10;
constexpr std::chrono::milliseconds single_within{2'000};

/// Who reads single records may be the core, which has others to serve.
kafka::Options impatient(kafka::Options options) {
  options.answer_within = std::min(options.answer_within, single_within);
  return options;
}

std::string described(const rd_kafka_message_t& message, const RecordHead& head,
                      const PartitionState& before) {
  return fmt::format(
      "{}/{} at offset {} holds a record of epoch {} and sequence {} that does not follow what "
      "stood before offset {}, of epoch {} and sequence {}",
      rd_kafka_topic_name(message.rkt), message.partition, message.offset, head.epoch.offset,
      head.sequence, before.next_offset, before.epoch.offset, before.sequence);
}

Error not_this_log(const std::string& what) {
  return {ErrorCode::read_only,
          what +
              ": the topic was truncated or made anew, or these are other brokers than before; "
              "nothing is written until the brokers hold this log again and this process is "
              "started anew",
          {},
          {}};
}

Error shorter_log(const std::string& name, std::uint16_t partition, Offset end) {
  return {ErrorCode::lost_mark,
          fmt::format("{}/{} ends at offset {}, before what was read of it: it was truncated or "
                      "made anew, or these are other brokers than before",
                      name, partition, end),
          {},
          {}};
}

}  // namespace

// ---- opening ----

KafkaLog::KafkaLog(kafka::Options options, LogObserver& observer, Folded folded)
    : options_(std::move(options)),
      observer_(observer),
      folded_(std::move(folded)),
      fetchers_(options_, stretch_bytes),
      singles_(impatient(options_), single_bytes) {}

Result<std::unique_ptr<KafkaLog>> KafkaLog::open(kafka::Options options, LogObserver& observer,
                                                 Folded folded) {
  std::unique_ptr<KafkaLog> log(new KafkaLog(std::move(options), observer, std::move(folded)));
  log->start();
  return log;
}

void KafkaLog::start() {
  news_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  ENSURE(news_ >= 0);
  thread_ = std::thread([this] { run(); });
  ::pthread_setname_np(thread_.native_handle(), "kafka-log");
}

void KafkaLog::tell_news_of(rd_kafka_queue_t* queue) const {
  static constexpr std::uint64_t one = 1;
  rd_kafka_queue_io_event_enable(queue, news_, &one, sizeof one);
}

Result<void> KafkaLog::make_topic(const Topic& topic, MayHold what) {
  auto fetcher = fetchers_.lend();
  if (!fetcher) return std::unexpected(std::move(fetcher).error());
  auto* handle = (*fetcher)->handle();
  const auto name = name_of(topic);
  auto made = kafka::provide_topic(handle, name, topic.partitions, options_.answer_within);
  if (!made || what == MayHold::records) return made;
  const auto ends = kafka::ends_of(handle, name, topic.partitions, options_.answer_within);
  if (!ends) return std::unexpected(ends.error());
  if (std::ranges::all_of(*ends, [](auto end) { return end == 0; })) return {};
  return schemas::fail(ErrorCode::internal,
                       fmt::format("topic {} holds records, and tm.log does not name it: they are "
                                   "somebody else's, or tm.log has lost its end; remove or rename "
                                   "the topic only if nobody needs them",
                                   name));
}

Result<std::optional<std::string>> KafkaLog::written_topic() {
  auto fetcher = fetchers_.lend();
  if (!fetcher) return std::unexpected(std::move(fetcher).error());
  return kafka::written_topic((*fetcher)->handle(), options_.topic_prefix, options_.answer_within);
}

Result<void> KafkaLog::open_topic(const Topic& topic) {
  if (const auto* known = find_topic(topic.id)) {
    if (known->topic.name == topic.name && known->topic.partitions == topic.partitions) return {};
    return schemas::fail(ErrorCode::internal,
                         fmt::format("topic {} is already open as something else", topic.name));
  }
  const auto name = name_of(topic);
  auto opened = std::make_unique<OpenTopic>();
  opened->topic = topic;
  for (std::uint16_t i = 0; i < topic.partitions; ++i) {
    opened->partitions.push_back(std::make_unique<Partition>(*opened, LogId{topic.id, i}));
  }
  if (auto folded = fold_existing(*opened); !folded) return folded;
  if (auto made = make_consumer(*opened); !made) return made;
  auto& open = *opened;
  {
    const std::unique_lock lock(topics_mutex_);
    topics_.emplace(topic.id, std::move(opened));
  }
  for (const auto& partition : open.partitions) {
    const auto next = static_cast<std::int64_t>(partition->state.next_offset);
    const auto started = rd_kafka_consume_start_queue(
        open.consumer.topic.get(), partition->log.partition, next, open.consumer.records.get());
    if (started != 0) return std::unexpected(to_error("reading " + name, rd_kafka_last_error()));
  }
  return {};
}

Result<void> KafkaLog::make_consumer(OpenTopic& topic) {
  auto options = options_;
  options.fetch_wait = std::min(options.fetch_wait, follow_wait);
  auto made = kafka::make_follower(options, &KafkaLog::on_error, this);
  if (!made) return std::unexpected(std::move(made).error());
  auto& [handle, from, records] = topic.consumer;
  handle = std::move(*made);
  from.reset(rd_kafka_topic_new(handle.get(), name_of(topic.topic).c_str(), nullptr));
  records.reset(rd_kafka_queue_new(handle.get()));
  tell_news_of(records.get());
  return {};
}

/// Reads each partition until the brokers say that it ends.
Result<void> KafkaLog::fold_existing(OpenTopic& topic) {
  auto fetcher = fetchers_.lend();
  if (!fetcher) return std::unexpected(std::move(fetcher).error());
  const auto name = name_of(topic.topic);
  auto checked = kafka::check_topic((*fetcher)->handle(), name, topic.topic.partitions,
                                    options_.answer_within);
  if (!checked) return checked;
  const auto ends =
      kafka::ends_of((*fetcher)->handle(), name, topic.topic.partitions, options_.answer_within);
  if (!ends) return std::unexpected(ends.error());
  std::size_t left = 0;
  for (const auto& partition : topic.partitions) {
    if (folded_) partition->state = folded_(partition->log);
    const auto begin = partition->state.next_offset;
    const auto end = (*ends)[partition->log.partition];
    if (begin > end) return std::unexpected(shorter_log(name, partition->log.partition, end));
    partition->end = begin;
    if (begin == end) continue;
    ++left;
    if (auto begun = (*fetcher)->start(partition->log, name, begin); !begun) return begun;
  }
  while (left > 0) {
    auto fetched = (*fetcher)->next(options_.answer_within);
    if (!fetched) return std::unexpected(std::move(fetched).error());
    if (!*fetched) return kafka::no_answer();
    const auto& [log, offset, message] = **fetched;
    auto& partition = *topic.partitions[log.partition];
    const auto end = (*ends)[log.partition];
    auto& next = partition.state.next_offset;
    // Others write on while the rest is read; that is for the log's thread to fold and to tell.
    if (next >= end) continue;
    if (message) {
      fold_into(partition, offset, *message);
    } else {
      next = std::max(next, offset);
    }
    partition.end = next;
    if (next >= end) --left;
  }
  for (const auto& partition : topic.partitions) partition->gate.go_on_at(partition->end);
  return {};
}

void KafkaLog::fold_into(Partition& partition, Offset offset, const rd_kafka_message_t& message) {
  const auto record = kafka::record_of(partition.log, offset, message);
  partition.state.apply(offset, record.head, record.payload.bytes());
}

// ---- the log's thread ----

KafkaLog::~KafkaLog() {
  stop(false);
  for (auto* topic : written_) {
    auto& producer = topic->producer;
    purge(producer);
    while (producer.unreported > 0 && rd_kafka_poll(producer.handle.get(), 100) >= 0) continue;
  }
  for (auto& [id, topic] : topics_) {
    for (const auto& partition : topic->partitions) {
      if (partition->followed)
        rd_kafka_consume_stop(topic->consumer.topic.get(), partition->log.partition);
    }
  }
  topics_.clear();
  if (news_ >= 0) ::close(news_);
}

void KafkaLog::close() {
  stop(true);
}

void KafkaLog::stop(bool drain) {
  {
    const std::lock_guard lock(mutex_);
    if (stop_ != Stop::at_once) stop_ = drain ? Stop::drained : Stop::at_once;
    drained_until_ = std::chrono::steady_clock::now() + options_.drain_within;
  }
  wake();
  if (thread_.joinable()) thread_.join();
}

void KafkaLog::wake() const {
  const std::uint64_t one = 1;
  // Full means that it is readable already.
  [[maybe_unused]] const auto written = ::write(news_, &one, sizeof one);
}

void KafkaLog::wait_for_news() {
  pollfd news{.fd = news_, .events = POLLIN, .revents = 0};
  ::poll(&news, 1, longest_sleep_ms);
  std::uint64_t count = 0;
  [[maybe_unused]] const auto taken = ::read(news_, &count, sizeof count);
}

void KafkaLog::run() {
  while (goes_on()) {
    end_draining();
    bool busy = send_queued();
    busy |= take_reports();
    tell_landed();
    busy |= read_back();
    for (auto* partition : std::exchange(reported_, {})) settle(*partition);
    if (reading_stopped_ && in_flight_ > 0) abandon_flights();
    part_with_the_fatal();
    look_around();
    if (!busy) wait_for_news();
  }
}

bool KafkaLog::take_reports() {
  bool any = false;
  for (auto* topic : written_) {
    auto* producer = topic->producer.handle.get();
    // Before it is believed: other brokers may have answered.
    if (topic->producer.unreported > 0) check_cluster(producer);
    any |= rd_kafka_poll(producer, 0) > 0;
  }
  return any;
}

bool KafkaLog::goes_on() {
  const std::lock_guard lock(mutex_);
  if (stop_ == Stop::no) return true;
  return stop_ == Stop::drained && (!queue_.empty() || in_flight_ > 0);
}

/// Brokers that are away would hold up whoever stops for as long as a record may be without an
/// answer.
void KafkaLog::end_draining() {
  {
    const std::lock_guard lock(mutex_);
    if (stop_ != Stop::drained || std::chrono::steady_clock::now() < drained_until_) return;
  }
  if (std::exchange(reading_stopped_, true)) return;
  turn_read_only(
      {ErrorCode::read_only, "the process ends, and the brokers did not answer in time", {}, {}});
}

bool KafkaLog::read_back() {
  bool any = false;
  for (auto* topic : open_topics()) any |= read_back(*topic);
  return any;
}

bool KafkaLog::read_back(OpenTopic& topic) {
  std::array<rd_kafka_message_t*, read_back_max> messages;
  const auto count = rd_kafka_consume_batch_queue(topic.consumer.records.get(), 0, messages.data(),
                                                  messages.size());
  std::vector<StoredRecord> group;
  for (ssize_t i = 0; i < count; ++i) {
    const kafka::Message message(messages[static_cast<std::size_t>(i)]);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      fold(topic, *message, group);
    } else if (kafka::is_out_of_range(message->err)) {
      doubt_the_end(*topic.partitions[static_cast<std::size_t>(message->partition)], *message);
    } else if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      on_error(nullptr, message->err, rd_kafka_message_errstr(message.get()), this);
    }
  }
  if (!group.empty()) {
    observer_.on_durable(std::make_shared<const std::vector<StoredRecord>>(std::move(group)));
  }
  return count > 0;
}

void KafkaLog::fold(OpenTopic& topic, const rd_kafka_message_t& message,
                    std::vector<StoredRecord>& group) {
  auto& partition = *topic.partitions[static_cast<std::size_t>(message.partition)];
  const auto offset = static_cast<Offset>(message.offset);
  if (partition.stopped || !partition.followed || offset < partition.state.next_offset) return;
  auto record = kafka::record_of(partition.log, offset, message);
  const auto flight = std::ranges::find(partition.flights, false, &Flight::landed);
  const bool is_ours = flight != partition.flights.end() && record.head == (*flight)->append.head;
  bool follows = true;
  const auto before = partition.state;
  const auto head = record.head;
  {
    const std::lock_guard lock(partition.mutex);
    auto verdict = partition.state.apply(offset, record.head, record.payload.bytes());
    // Nobody who reads this log can believe in an epoch that begins behind the current one.
    if (is_void(verdict) && record.head.epoch.offset > before.epoch.offset) verdict = Verdict::fork;
    // What does not count was verified by nobody, and everybody is told of it.
    const bool is_events = record.head.kind == RecordKind::events;
    if (is_void(verdict) && is_events && !schemas::BatchView::verify(record.payload.bytes())) {
      record.head = filler_head();
      record.payload = {};
    }
    follows = verdict != Verdict::fork && verdict != Verdict::malformed;
    if (follows) {
      partition.end.store(offset + 1, std::memory_order_release);
    } else {
      partition.state = before;
    }
  }
  if (!follows) return doubt_the_record(partition, offset, described(message, head, before));
  group.push_back(std::move(record));
  if (is_ours) {
    (*flight)->landed = true;
    --in_flight_;
  }
  const bool none_waits = std::ranges::all_of(partition.flights, &Flight::landed);
  if (none_waits) partition.gate.go_on_at(offset + 1);
  reported_.push_back(&partition);
}

void KafkaLog::look_around() {
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_around_ < idle_after) return;
  looked_around_ = now;
  fetchers_.drop_unused();
  singles_.drop_unused();
  doubt_the_late();
  follow_the_idle();
  for (auto* topic : open_topics()) {
    auto* consumer = topic->consumer.handle.get();
    rd_kafka_poll(consumer, 0);  // its errors
    check_cluster(consumer);
  }
}

void KafkaLog::follow_the_idle() {
  for (auto* topic : open_topics()) {
    for (const auto& partition : topic->partitions) {
      const bool is_busy = std::exchange(partition->reported, 0) >= busy_from;
      if (!is_busy) {
        follow(*partition);
      } else if (partition->followed) {
        rd_kafka_consume_stop(topic->consumer.topic.get(), partition->log.partition);
        partition->followed = false;
      }
    }
  }
}

/// From where its fold has come to.
void KafkaLog::follow(Partition& partition) {
  if (partition.followed || reading_stopped_) return;
  auto& consumer = partition.topic.consumer;
  const auto next = static_cast<std::int64_t>(partition.state.next_offset);
  const auto begun = rd_kafka_consume_start_queue(consumer.topic.get(), partition.log.partition,
                                                  next, consumer.records.get());
  ENSURE(begun == 0);  // it was stopped, and its number is one of the topic's
  partition.followed = true;
  partition.reported = 0;
}

/// What comes behind would not follow what was folded: neither read on nor written.
void KafkaLog::stop_reading(Error why) {
  reading_stopped_ = true;
  spdlog::critical("the log stops detail=\"{}\"", why.detail);
  turn_read_only(std::move(why));
}

/// The same address may come to be that of other brokers, with a log of their own.
void KafkaLog::check_cluster(rd_kafka_t* handle) {
  if (reading_stopped_) return;
  const auto now = kafka::cluster_of(handle);
  if (cluster_.empty()) cluster_ = now;
  if (now.empty() || now == cluster_) return;
  stop_reading({ErrorCode::read_only,
                fmt::format("the brokers are of the cluster {}, and were of {}: nothing is written "
                            "until the brokers hold this log again and this process is started "
                            "anew",
                            now, cluster_),
                {},
                {}});
}

/// What is read once is not believed against what was folded: it is fetched again, from there on.
void KafkaLog::doubt_the_record(Partition& partition, Offset offset, const std::string& what) {
  if (std::exchange(partition.doubted, offset) == offset) {
    partition.stopped = true;
    return stop_reading(not_this_log(what));
  }
  spdlog::warn("read again: {}", what);
  rd_kafka_consume_stop(partition.topic.consumer.topic.get(), partition.log.partition);
  partition.followed = false;
}

/// A broker that was the leader may answer as one that is behind, until the consumer hears of the
/// next: only the leader's own end is believed, and the partition fetched again.
void KafkaLog::doubt_the_end(Partition& partition, const rd_kafka_message_t& message) {
  const auto& topic = partition.topic;
  if (partition.followed) {
    rd_kafka_consume_stop(topic.consumer.topic.get(), partition.log.partition);
    partition.followed = false;
  }
  auto fetcher = kafka::Fetcher::make(options_);
  if (!fetcher) return;
  const auto ends = kafka::ends_of((*fetcher)->handle(), name_of(topic.topic),
                                   topic.topic.partitions, leader_answers_within);
  if (!ends || (*ends)[partition.log.partition] >= partition.state.next_offset) return;
  on_error(nullptr, message.err, rd_kafka_message_errstr(&message), this);
}

void KafkaLog::on_error(rd_kafka_t* /*consumer*/, int code, const char* reason, void* log) {
  auto& self = *static_cast<KafkaLog*>(log);
  auto why = self.trouble_.judge(static_cast<rd_kafka_resp_err_t>(code), reason);
  if (why && !self.reading_stopped_) self.stop_reading(std::move(*why));
}

// ---- from any thread ----

void KafkaLog::append(std::vector<Append> records) {
  {
    const std::lock_guard lock(mutex_);
    std::ranges::move(records, std::back_inserter(queue_));
  }
  wake();
}

Result<std::unique_ptr<Cursor>> KafkaLog::read(std::vector<ReadFrom> from) {
  return kafka::KafkaCursor::open(fetchers_, *this, from);
}

std::unique_ptr<RecordReader> KafkaLog::reader(LogId log) {
  const kafka::ReadSide& side = *this;
  return std::make_unique<kafka::KafkaRecordReader>(singles_, side, log);
}

Offset KafkaLog::durable_end(LogId log) const {
  const auto* partition = find(log);
  return partition == nullptr ? 0 : partition->end.load(std::memory_order_acquire);
}

Result<Offset> KafkaLog::ask_end(LogId log) {
  const auto* partition = find(log);
  if (partition == nullptr) return fail(ErrorCode::internal, "the topic is not known here yet");
  auto fetcher = singles_.lend();
  if (!fetcher) return std::unexpected(std::move(fetcher).error());
  std::int64_t begin = 0;
  std::int64_t end = 0;
  // ListOffsets in Kafka's protocol.
  const auto code = rd_kafka_query_watermark_offsets(
      (*fetcher)->handle(), name_of(partition->topic.topic).c_str(), log.partition, &begin, &end,
      static_cast<int>(leader_answers_within.count()));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return fail(kafka::to_error("asking where a partition ends", code));
  }
  return static_cast<Offset>(end);
}

PartitionState KafkaLog::state(LogId log) const {
  const auto* partition = find(log);
  if (partition == nullptr) return {};
  const std::lock_guard lock(partition->mutex);
  return partition->state;
}

std::vector<LogId> KafkaLog::partitions() const {
  const std::shared_lock lock(topics_mutex_);
  std::vector<LogId> logs;
  for (const auto& [id, topic] : topics_) {
    for (const auto& partition : topic->partitions) {
      if (partition->end.load(std::memory_order_acquire) > 0) logs.push_back(partition->log);
    }
  }
  return logs;
}

std::optional<Error> KafkaLog::read_only() const {
  const std::lock_guard lock(mutex_);
  return read_only_;
}

void KafkaLog::turn_read_only(Error why) {
  const std::lock_guard lock(mutex_);
  if (!read_only_) read_only_ = std::move(why);
}

KafkaLog::OpenTopic* KafkaLog::find_topic(TopicId id) const {
  const std::shared_lock lock(topics_mutex_);
  const auto found = topics_.find(id);
  return found == topics_.end() ? nullptr : found->second.get();
}

std::vector<KafkaLog::OpenTopic*> KafkaLog::open_topics() const {
  const std::shared_lock lock(topics_mutex_);
  std::vector<OpenTopic*> open;
  for (const auto& [id, topic] : topics_) open.push_back(topic.get());
  return open;
}

KafkaLog::Partition* KafkaLog::find(LogId log) const {
  const auto* topic = find_topic(log.topic);
  if (topic == nullptr || log.partition >= topic->partitions.size()) return nullptr;
  return topic->partitions[log.partition].get();
}

std::string KafkaLog::topic_of(TopicId topic) const {
  const auto* found = find_topic(topic);
  return found == nullptr ? std::string() : name_of(found->topic);
}

}  // namespace eventstore
