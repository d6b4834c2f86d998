#include "eventstore/kafka_heartbeats.h"

#include <pthread.h>

#include <spdlog/spdlog.h>

#include "eventstore/kafka_topics.h"

namespace eventstore::kafka {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using schemas::fail;
using schemas::Result;

constexpr auto worth_sending = 2s;
constexpr auto goodbye_max = 1s;
constexpr int ask_again_ms = 1'000;

Options for_heartbeats(Options options) {
  options.answer_within = std::min<std::chrono::milliseconds>(options.answer_within, worth_sending);
  return options;
}

std::string key_of(const schemas::Uuid& process) {
  return schemas::typeid_text("process", process);
}

/// Nobody asks: the next heartbeat says more than a report of the last.
void on_report(rd_kafka_t*, const rd_kafka_message_t*, void*) {}

}  // namespace

Heartbeats::Heartbeats(const Options& options, Self self, Listener& listener)
    : options_(options),
      name_(options.topic_prefix + "cluster"),
      self_(std::move(self)),
      listener_(listener) {}

Result<std::unique_ptr<Heartbeats>> Heartbeats::open(const Options& options, Self self,
                                                     Listener& listener) {
  std::unique_ptr<Heartbeats> made(new Heartbeats(options, std::move(self), listener));
  if (auto connected = made->connect(); !connected) return fail(std::move(connected).error());
  return made;
}

void Heartbeats::start() {
  thread_ = std::thread([this] { run(); });
  ::pthread_setname_np(thread_.native_handle(), "heartbeats");
}

Result<void> Heartbeats::connect() {
  auto consumer = make_consumer(options_);
  if (!consumer) return fail(std::move(consumer).error());
  consumer_ = std::move(*consumer);
  auto provided =
      provide_topic(consumer_.get(), name_, 1, options_.answer_within, Keeps::last_of_key);
  if (!provided) return provided;
  auto sender = make_sender(for_heartbeats(options_), Acks::leader, on_report, nullptr);
  if (!sender) return fail(std::move(sender).error());
  sender_ = std::move(*sender);
  to_.reset(rd_kafka_topic_new(sender_.get(), name_.c_str(), nullptr));
  from_.reset(rd_kafka_topic_new(consumer_.get(), name_.c_str(), nullptr));
  heard_.reset(rd_kafka_queue_new(consumer_.get()));
  return read_from_beginning();
}

/// The past ends where the topic ends now: others go on talking, so there is never silence to tell.
Result<void> Heartbeats::read_from_beginning() {
  const auto deadline = Clock::now() + options_.answer_within;
  while (true) {
    std::int64_t begin = 0;
    const auto code = rd_kafka_query_watermark_offsets(consumer_.get(), name_.c_str(), 0, &begin,
                                                       &past_end_, ask_again_ms);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) break;
    // A topic that was just made, or whose leader just died, has none for a moment.
    if (Clock::now() > deadline) return fail(to_error("reading " + name_, code));
    std::this_thread::sleep_for(20ms);
  }
  when_ = Listener::When::past;
  // Compaction, or whoever trimmed the topic, may have moved its beginning.
  if (rd_kafka_consume_start_queue(from_.get(), 0, RD_KAFKA_OFFSET_BEGINNING, heard_.get()) == 0) {
    return {};
  }
  return fail(to_error("reading " + name_, rd_kafka_last_error()));
}

Heartbeats::~Heartbeats() {
  stop();
  if (from_) rd_kafka_consume_stop(from_.get(), 0);
  heard_.reset();
  from_.reset();
  to_.reset();
}

void Heartbeats::changed() {
  changed_ = true;
  rd_kafka_queue_yield(heard_.get());
}

void Heartbeats::stop() {
  stopping_ = true;
  if (heard_) rd_kafka_queue_yield(heard_.get());
  if (thread_.joinable()) thread_.join();
}

void Heartbeats::take_away(const schemas::Uuid& process) {
  const auto key = key_of(process);
  rd_kafka_produce(to_.get(), 0, RD_KAFKA_MSG_F_COPY, nullptr, 0, key.data(), key.size(), nullptr);
}

void Heartbeats::run() {
  while (!stopping_) {
    changed_ = false;
    send();
    const auto next = Clock::now() + period;
    while (!stopping_ && !changed_ && Clock::now() < next) hear_until(next);
    if (std::exchange(lost_, false)) {
      rd_kafka_consume_stop(from_.get(), 0);
      lost_ = !read_from_beginning().has_value();
    }
  }
  take_away(self_().process);
  rd_kafka_flush(sender_.get(), static_cast<int>(std::chrono::milliseconds(goodbye_max).count()));
}

void Heartbeats::send() {
  auto heartbeat = self_();
  heartbeat.count = ++count_;
  auto value = encode(heartbeat);
  const auto key = key_of(heartbeat.process);
  // A queue that is full holds heartbeats that say the same.
  rd_kafka_produce(to_.get(), 0, RD_KAFKA_MSG_F_COPY, value.data(), value.size(), key.data(),
                   key.size(), nullptr);
  rd_kafka_poll(sender_.get(), 0);
}

void Heartbeats::hear_until(Clock::time_point until) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
  const Message message(
      rd_kafka_consume_queue(heard_.get(), static_cast<int>(std::max(left, 0ms).count())));
  if (message) hear(*message);
}

void Heartbeats::end_past() {
  if (std::exchange(when_, Listener::When::now) == Listener::When::past) {
    listener_.on_past_ended();
  }
}

void Heartbeats::hear(const rd_kafka_message_t& message) {
  if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) return end_past();
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (!lost_) spdlog::warn("{} is read anew: {}", name_, rd_kafka_message_errstr(&message));
    lost_ = true;
    return;
  }
  if (message.offset >= past_end_) end_past();
  const std::string_view key(static_cast<const char*>(message.key), message.key_len);
  if (message.len == 0) {
    if (const auto process = schemas::parse_typeid("process", key)) listener_.on_gone(*process);
    return;
  }
  const auto heartbeat =
      decode_heartbeat({static_cast<const std::uint8_t*>(message.payload), message.len});
  if (heartbeat) {
    listener_.on_heartbeat(*heartbeat, when_);
  } else {
    spdlog::warn("{} offset={}: {}", name_, message.offset, heartbeat.error().detail);
  }
}

}  // namespace eventstore::kafka
