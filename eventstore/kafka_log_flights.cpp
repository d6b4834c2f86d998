#include <algorithm>
#include <array>

#include "eventstore/kafka_log.h"
#include "eventstore/kafka_records.h"

/// The writing side of the log on Kafka: what is sent, and what becomes of it.
namespace eventstore {

using kafka::to_error;
using schemas::Error;
using schemas::ErrorCode;
using schemas::Result;

namespace {

using Fault = std::unique_ptr<rd_kafka_error_t, kafka::Destroy<rd_kafka_error_destroy>>;

/// A record that was delivered is read back sooner, if it is there.
constexpr std::chrono::seconds late_after{5};

}  // namespace

Result<void> KafkaLog::make_producer(OpenTopic& topic) {
  auto made = kafka::make_producer(options_, &KafkaLog::on_report, this);
  if (!made) return std::unexpected(std::move(made).error());
  auto& producer = topic.producer;
  producer.handle = std::move(*made);
  const auto name = name_of(topic.topic);
  producer.topic.reset(rd_kafka_topic_new(producer.handle.get(), name.c_str(), nullptr));
  producer.purged = false;
  const kafka::Queue reports(rd_kafka_queue_get_main(producer.handle.get()));
  tell_news_of(reports.get());
  written_.push_back(&topic);
  return {};
}

void KafkaLog::purge(Producer& producer) {
  if (std::exchange(producer.purged, true)) return;
  rd_kafka_purge(producer.handle.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

/// A producer that met a fatal error takes nothing any more; the next record makes another.
void KafkaLog::part_with_the_fatal() {
  std::erase_if(written_, [](OpenTopic* topic) {
    auto& [handle, to, unreported, purged] = topic->producer;
    if (rd_kafka_fatal_error(handle.get(), nullptr, 0) == RD_KAFKA_RESP_ERR_NO_ERROR) return false;
    purge(topic->producer);
    if (unreported > 0) return false;
    to.reset();
    handle.reset();
    return true;
  });
}

bool KafkaLog::send_queued() {
  std::vector<Append> queued;
  {
    const std::lock_guard lock(mutex_);
    queued.swap(queue_);
  }
  for (auto& append : queued) send(std::move(append));
  return !queued.empty();
}

void KafkaLog::send(Append append) {
  auto* partition = find(append.log);
  const auto closed = read_only();
  if (partition == nullptr || closed) {
    auto& gate = partition ? partition->gate : strays_.try_emplace(append.log).first->second;
    if (gate.turn_away(append.expected) == AppendGate::Answer::covered) return;
    refuse(append, closed.value_or(Error{ErrorCode::no_owner, "the topic is not open", {}, {}}));
    return;
  }
  const auto& head = append.head;
  // Others write too: where a claim will stand nobody can know, and nothing waits behind it. And
  // where others have written since, an offset does not tell whether a run goes on: the sequence
  // does, for whoever heard of the failure begins at or before it.
  auto& failed = partition->failed_from;
  if (head.kind == RecordKind::claim) {
    partition->gate.go_on_at(append.expected);
  } else if (failed && head.epoch == failed->first && head.sequence > failed->second) {
    return;
  }
  failed.reset();
  if (partition->gate.admit(append.expected) != AppendGate::Answer::take) {
    failed.emplace(head.epoch, head.sequence);
    refuse(append, {ErrorCode::no_owner,
                    "another process wrote in between; nothing was written, try it again",
                    {},
                    {}});
    return;
  }
  partition->flights.push_back(std::make_unique<Flight>(partition, std::move(append)));
  auto& flight = *partition->flights.back();
  ++in_flight_;
  // Behind a failure nothing is sent: it shares that one's fate.
  flight.failure = partition->broken ? RD_KAFKA_RESP_ERR__PURGE_QUEUE : produce(flight);
  if (flight.failure == RD_KAFKA_RESP_ERR_NO_ERROR) {
    ++partition->topic.producer.unreported;
    return;
  }
  partition->broken = true;
  flight.report = Flight::Report::surely_not;
  reported_.push_back(partition);
}

rd_kafka_resp_err_t KafkaLog::produce(Flight& flight) {
  const auto& [log, expected, head, payload] = flight.append;
  auto& topic = flight.partition->topic;
  if (!topic.producer.handle && !make_producer(topic)) return RD_KAFKA_RESP_ERR__FAIL;
  const auto value = kafka::encode(head, payload.bytes());
  const auto key = kafka::key_of(head, payload.bytes());
  auto headers = kafka::headers_of(head, payload.bytes(), topic.topic.name);
  std::array<rd_kafka_vu_t, 7> parts{};
  parts[0] = {.vtype = RD_KAFKA_VTYPE_RKT, .u = {.rkt = topic.producer.topic.get()}};
  parts[1] = {.vtype = RD_KAFKA_VTYPE_PARTITION, .u = {.i32 = log.partition}};
  parts[2] = {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u = {.i = RD_KAFKA_MSG_F_FREE}};
  parts[3] = {.vtype = RD_KAFKA_VTYPE_VALUE, .u = {.mem = {value.bytes, value.size}}};
  parts[4] = {.vtype = RD_KAFKA_VTYPE_KEY,
              .u = {.mem = {key.empty() ? nullptr : const_cast<char*>(key.data()), key.size()}}};
  parts[5] = {.vtype = RD_KAFKA_VTYPE_HEADERS, .u = {.headers = headers.get()}};
  parts[6] = {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u = {.ptr = &flight}};
  const Fault fault(rd_kafka_produceva(topic.producer.handle.get(), parts.data(), parts.size()));
  if (!fault) {
    static_cast<void>(headers.release());  // the message's now
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  }
  std::free(value.bytes);
  return rd_kafka_error_code(fault.get());
}

void KafkaLog::refuse(const Append& append, Error error) {
  observer_.on_failure(
      {append.log, append.expected, AppendFailure::Outcome::refused, std::move(error)});
}

void KafkaLog::on_report(rd_kafka_t* /*producer*/, const rd_kafka_message_t* message, void* log) {
  auto& self = *static_cast<KafkaLog*>(log);
  auto& flight = *static_cast<Flight*>(message->_private);
  --flight.partition->topic.producer.unreported;
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    flight.report = Flight::Report::delivered;
    flight.delivered_at = std::chrono::steady_clock::now();
    self.land(flight, static_cast<Offset>(message->offset));
  } else {
    const bool surely_not = rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
    flight.report = surely_not ? Flight::Report::surely_not : Flight::Report::perhaps;
    flight.failure = message->err;
    flight.partition->broken = true;
    self.follow(*flight.partition);
  }
  self.reported_.push_back(flight.partition);
}

/// By its delivery report, if nothing can stand between it and what was folded.
void KafkaLog::land(Flight& flight, Offset offset) {
  if (flight.landed) return;
  auto& partition = *flight.partition;
  const auto first = std::ranges::find(partition.flights, false, &Flight::landed);
  const bool is_next = first != partition.flights.end() && first->get() == &flight &&
                       offset == partition.state.next_offset;
  if (!is_next || partition.broken || partition.stopped || reading_stopped_) {
    return follow(partition);
  }
  {
    const std::lock_guard lock(partition.mutex);
    partition.state.apply_own(offset, flight.append.head, flight.append.payload.bytes());
    partition.end.store(offset + 1, std::memory_order_release);
  }
  landed_.push_back({partition.log, offset, flight.append.head, flight.append.payload});
  flight.landed = true;
  --in_flight_;
  ++partition.reported;
  const bool none_waits = std::ranges::all_of(partition.flights, &Flight::landed);
  if (none_waits) partition.gate.go_on_at(offset + 1);
}

void KafkaLog::tell_landed() {
  if (landed_.empty()) return;
  observer_.on_durable(
      std::make_shared<const std::vector<StoredRecord>>(std::exchange(landed_, {})));
}

/// A report may say delivered of what is not there (librdkafka takes a broker's word for
/// duplicates, and counts their offsets up from -1): what is not read back in time is as good as
/// lost.
void KafkaLog::doubt_the_late() {
  if (in_flight_ == 0) return;
  const auto now = std::chrono::steady_clock::now();
  for (const auto* topic : open_topics()) {
    for (const auto& partition : topic->partitions) {
      const auto first = std::ranges::find(partition->flights, false, &Flight::landed);
      if (first == partition->flights.end()) continue;
      auto& flight = **first;
      const bool delivered = flight.report == Flight::Report::delivered;
      if (!delivered || now - flight.delivered_at < late_after) continue;
      flight.report = Flight::Report::perhaps;
      flight.failure = RD_KAFKA_RESP_ERR__TIMED_OUT;
      partition->broken = true;
      reported_.push_back(partition.get());
    }
  }
}

/// After reading has stopped nothing lands any more: once the producer has let go of it all, what
/// is in flight is unknown.
void KafkaLog::abandon_flights() {
  for (auto* topic : written_) purge(topic->producer);
  if (std::ranges::any_of(written_, [](auto* topic) { return topic->producer.unreported > 0; })) {
    return;
  }
  for (const auto* topic : open_topics()) {
    for (const auto& partition : topic->partitions) {
      auto& flights = partition->flights;
      const auto first = std::ranges::find(flights, false, &Flight::landed);
      if (first == flights.end()) continue;
      const auto offset = (*first)->append.expected;
      flights.clear();
      observer_.on_failure({partition->log, offset, AppendFailure::Outcome::unknown,
                            Error{ErrorCode::outcome_unknown, read_only()->detail, {}, {}}});
    }
  }
  in_flight_ = 0;
}

/// Lets go of what was reported and read back, and tells of a failure once all that it takes along
/// has come to rest.
void KafkaLog::settle(Partition& partition) {
  auto& flights = partition.flights;
  using Report = Flight::Report;
  while (!flights.empty() && flights.front()->landed && flights.front()->report != Report::none) {
    flights.pop_front();
  }
  if (!partition.broken) return;
  const auto first = std::ranges::find(flights, false, &Flight::landed);
  const std::ranges::subrange behind(first, flights.end());
  const auto waits = [](const auto& f) { return f->report == Report::none; };
  if (first == flights.end()) {
    partition.broken = false;  // what failed is there all the same
    return;
  }
  if (std::ranges::any_of(behind, waits)) return;
  if ((*first)->report == Report::delivered) return;  // it will be read back
  give_up(partition, first);
}

void KafkaLog::give_up(Partition& partition, Flights::iterator first) {
  auto& flights = partition.flights;
  const bool refused = std::all_of(first, flights.end(), [](const auto& flight) {
    return flight->report == Flight::Report::surely_not;
  });
  const auto offset = (*first)->append.expected;
  const auto head = (*first)->append.head;
  auto error = to_error("appending", (*first)->failure);
  partition.broken = false;
  partition.failed_from.reset();
  if (head.kind != RecordKind::claim) partition.failed_from.emplace(head.epoch, head.sequence);
  in_flight_ -= static_cast<std::size_t>(
      std::count_if(first, flights.end(), [](const auto& flight) { return !flight->landed; }));
  flights.erase(first, flights.end());
  partition.gate.take_back(offset);
  if (refused) {
    if (error.code == ErrorCode::internal) error.code = ErrorCode::no_owner;
    observer_.on_failure(
        {partition.log, offset, AppendFailure::Outcome::refused, std::move(error)});
    return;
  }
  error.code = ErrorCode::outcome_unknown;
  observer_.on_failure({partition.log, offset, AppendFailure::Outcome::unknown, std::move(error)});
}

}  // namespace eventstore
