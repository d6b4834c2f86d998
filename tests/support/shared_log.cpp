#include "tests/support/shared_log.h"

#include <algorithm>
#include <set>

namespace eventstore {

using schemas::ErrorCode;
using schemas::Result;

Offset SharedBrokers::end(LogId log) const {
  const auto found = partitions_.find(log);
  return found == partitions_.end() ? 0 : found->second.size();
}

void SharedBrokers::take(const Append& append) {
  partitions_[append.log].push_back({append.head, append.payload});
}

std::vector<LogId> SharedBrokers::partitions() const {
  std::vector<LogId> logs;
  for (const auto& [log, records] : partitions_) logs.push_back(log);
  return logs;
}

namespace {

StoredRecord stored(const SharedBrokers& brokers, LogId log, Offset offset) {
  const auto& [head, payload] = brokers.at(log, offset);
  return {log, offset, head, payload};
}

class SharedCursor final : public Cursor {
 public:
  SharedCursor(const SharedBrokers& brokers, const SharedLog& log, std::vector<ReadFrom> from)
      : brokers_(brokers), log_(log), from_(std::move(from)) {}
  Result<std::optional<StoredRecord>> next() override {
    for (auto& [log, offset] : from_) {
      if (offset < log_.durable_end(log)) return stored(brokers_, log, offset++);
    }
    return std::nullopt;
  }

 private:
  const SharedBrokers& brokers_;
  const SharedLog& log_;
  std::vector<ReadFrom> from_;
};

class SharedReader final : public RecordReader {
 public:
  SharedReader(const SharedBrokers& brokers, const SharedLog& of, LogId log)
      : brokers_(brokers), of_(of), log_(log) {}
  Result<StoredRecord> read(Offset offset) override {
    if (offset >= of_.durable_end(log_)) return schemas::fail(ErrorCode::not_found, "not there");
    return stored(brokers_, log_, offset);
  }

 private:
  const SharedBrokers& brokers_;
  const SharedLog& of_;
  LogId log_;
};

}  // namespace

Result<void> SharedLog::open_topic(const Topic& topic) {
  if (!topics_.emplace(topic.id, topic).second) return {};
  for (std::uint16_t i = 0; i < topic.partitions; ++i) read_back({topic.id, i}, nullptr);
  return {};
}

void SharedLog::append(std::vector<Append> records) {
  for (auto& append : records) {
    const auto failed = failed_from_.find(append.log);
    const bool goes_on = failed != failed_from_.end() && append.head.kind != RecordKind::claim &&
                         append.head.epoch == failed->second.epoch &&
                         append.head.sequence > failed->second.sequence;
    if (goes_on) continue;
    if (failed != failed_from_.end()) failed_from_.erase(failed);
    flights_.push_back(std::move(append));
  }
}

void SharedLog::deliver(Fate fate) {
  if (flights_.empty()) return;
  auto append = std::move(flights_.front());
  flights_.pop_front();
  if (fate == Fate::lost) {
    reported_lost_.push_back(std::move(append));
    return;
  }
  brokers_->take(append);
  if (fate == Fate::stored_twice) brokers_->take(append);
}

void SharedLog::cut() {
  for (const auto& append : flights_) reported_lost_.push_back(append);
  leave_zombies();
}

void SharedLog::refuse() {
  pump();
  std::map<LogId, Offset> first;
  for (auto& append : std::exchange(flights_, {})) {
    const bool is_first = first.emplace(append.log, append.expected).second;
    if (is_first && append.head.kind != RecordKind::claim) {
      failed_from_.insert_or_assign(append.log, append.head);
    }
  }
  for (const auto& [log, expected] : first) {
    observer_.on_failure({log,
                          expected,
                          AppendFailure::Outcome::refused,
                          {ErrorCode::no_owner, "it was not sent", {}, {}}});
  }
}

void SharedLog::leave_zombies() {
  if (!flights_.empty()) brokers_->zombies.push_back(std::exchange(flights_, {}));
}

void SharedLog::read_back(LogId log, std::vector<StoredRecord>* group) {
  auto& state = states_[log];
  while (state.next_offset < brokers_->end(log)) {
    auto record = stored(*brokers_, log, state.next_offset);
    const auto verdict = state.apply(record.offset, record.head, record.payload.bytes());
    ENSURE(verdict != Verdict::fork && verdict != Verdict::malformed);
    // Read back before its loss was told: it is none.
    std::erase_if(reported_lost_, [&](const Append& lost) {
      return lost.log == log && lost.head.epoch == record.head.epoch &&
             lost.head.sequence == record.head.sequence && lost.head.kind == record.head.kind &&
             lost.head.payload_crc == record.head.payload_crc;
    });
    if (group != nullptr) group->push_back(std::move(record));
  }
}

void SharedLog::pump() {
  auto group = std::make_shared<std::vector<StoredRecord>>();
  for (auto& [log, state] : states_) read_back(log, group.get());
  if (!group->empty()) observer_.on_durable(std::move(group));
  std::set<LogId> told;
  for (const auto& lost : std::exchange(reported_lost_, {})) {
    if (!told.insert(lost.log).second) continue;
    // What was sent behind it shares its fate, and may still arrive.
    std::deque<Append> behind;
    std::deque<Append> kept;
    for (auto& flight : std::exchange(flights_, {})) {
      (flight.log == lost.log ? behind : kept).push_back(std::move(flight));
    }
    flights_ = std::move(kept);
    if (!behind.empty()) brokers_->zombies.push_back(std::move(behind));
    observer_.on_failure({lost.log,
                          lost.expected,
                          AppendFailure::Outcome::unknown,
                          {ErrorCode::outcome_unknown, "no answer came", {}, {}}});
  }
}

Result<std::unique_ptr<Cursor>> SharedLog::read(std::vector<ReadFrom> from) {
  return std::make_unique<SharedCursor>(*brokers_, *this, std::move(from));
}

std::unique_ptr<RecordReader> SharedLog::reader(LogId log) {
  return std::make_unique<SharedReader>(*brokers_, *this, log);
}

PartitionState SharedLog::state(LogId log) const {
  const auto found = states_.find(log);
  return found == states_.end() ? PartitionState{} : found->second;
}

std::vector<LogId> SharedLog::partitions() const {
  std::vector<LogId> logs;
  for (const auto& [log, state] : states_) {
    if (state.next_offset > 0) logs.push_back(log);
  }
  return logs;
}

}  // namespace eventstore
