#include "eventstore/memory_log.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/core.h>

namespace eventstore {

using schemas::Error;
using schemas::ErrorCode;
using schemas::Result;

std::size_t MemoryStorage::size() const {
  const std::shared_lock lock(mutex_);
  return records_.size();
}

std::optional<StoredRecord> MemoryStorage::at(std::size_t index) const {
  const std::shared_lock lock(mutex_);
  if (index >= records_.size()) return std::nullopt;
  return records_[index];
}

std::optional<std::size_t> MemoryStorage::find(LogId log, Offset offset) const {
  const std::shared_lock lock(mutex_);
  const auto partition = partitions_.find(log);
  if (partition == partitions_.end() || offset >= partition->second.places.size()) {
    return std::nullopt;
  }
  return partition->second.places[offset];
}

void MemoryStorage::add(StoredRecord record) {
  const std::unique_lock lock(mutex_);
  add_locked(std::move(record));
}

void MemoryStorage::add_locked(StoredRecord record) {
  auto& partition = partitions_[record.log];
  ENSURE(record.offset == partition.state.next_offset);
  partition.state.apply(record.offset, record.head, record.payload.bytes());
  partition.places.push_back(records_.size());
  records_.push_back(std::move(record));
}

std::map<LogId, PartitionState> MemoryStorage::states() const {
  const std::shared_lock lock(mutex_);
  std::map<LogId, PartitionState> states;
  for (const auto& [log, partition] : partitions_) states.emplace(log, partition.state);
  return states;
}

PartitionState MemoryStorage::state(LogId log) const {
  const std::shared_lock lock(mutex_);
  const auto partition = partitions_.find(log);
  return partition == partitions_.end() ? PartitionState{} : partition->second.state;
}

void MemoryStorage::lose_tail(LogId log, Offset from) {
  const std::unique_lock lock(mutex_);
  auto all = std::exchange(records_, {});
  partitions_.clear();
  for (auto& record : all) {
    if (record.log != log || record.offset < from) add_locked(std::move(record));
  }
}

namespace {

class MemoryCursor final : public Cursor {
 public:
  MemoryCursor(std::shared_ptr<const MemoryStorage> storage, const std::vector<ReadFrom>& from)
      : storage_(std::move(storage)) {
    for (const auto& [log, offset] : from) from_[log] = offset;
  }

  Result<std::optional<StoredRecord>> next() override {
    while (auto record = storage_->at(index_)) {
      ++index_;
      const auto wanted = from_.find(record->log);
      if (wanted != from_.end() && record->offset >= wanted->second) return record;
    }
    return std::nullopt;
  }

 private:
  std::shared_ptr<const MemoryStorage> storage_;
  std::map<LogId, Offset> from_;
  std::size_t index_ = 0;
};

class MemoryRecordReader final : public RecordReader {
 public:
  MemoryRecordReader(std::shared_ptr<const MemoryStorage> storage, LogId log)
      : storage_(std::move(storage)), log_(log) {}

  Result<StoredRecord> read(Offset offset) override {
    const auto index = storage_->find(log_, offset);
    if (!index) return schemas::fail(ErrorCode::not_found, "no record stands there");
    return *storage_->at(*index);
  }

 private:
  std::shared_ptr<const MemoryStorage> storage_;
  LogId log_;
};

}  // namespace

MemoryLog::MemoryLog(LogObserver& observer, Drive drive, std::shared_ptr<MemoryStorage> storage)
    : observer_(observer), drive_(drive), storage_(std::move(storage)) {
  for (const auto& [log, state] : storage_->states()) gates_.emplace(log, state.next_offset);
  if (drive_ == Drive::thread) thread_ = std::thread([this] { run(); });
}

MemoryLog::~MemoryLog() {
  stop(false);
  for (auto& record : stand_after_reopen_) storage_->add(std::move(record));
}

void MemoryLog::close() {
  stop(true);
}

void MemoryLog::stop(bool drain) {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (!drain) queue_.clear();
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (drain && drive_ == Drive::manual) pump();
}

void MemoryLog::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    auto queued = std::exchange(queue_, {});
    lock.unlock();
    commit(std::move(queued));
    lock.lock();
  }
}

void MemoryLog::pump() {
  std::unique_lock lock(mutex_);
  auto queued = std::exchange(queue_, {});
  lock.unlock();
  if (!queued.empty()) commit(std::move(queued));
}

void MemoryLog::refuse_next(Error error) {
  const std::lock_guard lock(mutex_);
  refusal_ = std::move(error);
}

void MemoryLog::lose_next_outcome(std::size_t kept) {
  const std::lock_guard lock(mutex_);
  lost_outcome_ = LostOutcome{kept};
}

Result<void> MemoryLog::open_topic(const Topic& topic) {
  const std::lock_guard lock(mutex_);
  const auto [known, added] = topics_.emplace(topic.id, topic);
  if (!added &&
      (known->second.name != topic.name || known->second.partitions != topic.partitions)) {
    return schemas::fail(ErrorCode::internal,
                         fmt::format("topic {} is already open as something else", topic.name));
  }
  return {};
}

void MemoryLog::append(std::vector<Append> records) {
  {
    const std::lock_guard lock(mutex_);
    std::ranges::move(records, std::back_inserter(queue_));
  }
  wake_.notify_one();
}

bool MemoryLog::known(LogId log) const {
  const std::lock_guard lock(mutex_);
  const auto topic = topics_.find(log.topic);
  return topic != topics_.end() && log.partition < topic->second.partitions;
}

AppendGate& MemoryLog::gate(LogId log) {
  return gates_.try_emplace(log).first->second;
}

void MemoryLog::commit(std::vector<Append> queued) {
  const auto closed = read_only();
  std::vector<StoredRecord> accepted;
  for (auto& append : queued) {
    const bool writable = !closed && known(append.log);
    const auto answer = writable ? gate(append.log).admit(append.expected)
                                 : gate(append.log).turn_away(append.expected);
    if (answer == AppendGate::Answer::take) {
      accepted.push_back({append.log, append.expected, append.head, std::move(append.payload)});
    } else if (answer == AppendGate::Answer::refuse) {
      observer_.on_failure(
          {append.log, append.expected, AppendFailure::Outcome::refused,
           closed.value_or(
               Error{ErrorCode::internal, "not the next offset of a known partition", {}, {}})});
    }
  }
  if (!accepted.empty()) write(std::move(accepted));
}

void MemoryLog::write(std::vector<StoredRecord> accepted) {
  std::unique_lock lock(mutex_);
  auto refusal = std::exchange(refusal_, {});
  auto lost = std::exchange(lost_outcome_, {});
  if (lost) {
    read_only_ = Error{ErrorCode::read_only, "the outcome of a write is unknown", {}, {}};
    const auto kept = std::min(lost->kept, accepted.size());
    stand_after_reopen_.assign(accepted.begin(), accepted.begin() + static_cast<long>(kept));
  }
  lock.unlock();
  if (refusal) return fail(accepted, AppendFailure::Outcome::refused, *refusal);
  if (lost) {
    return fail(accepted, AppendFailure::Outcome::unknown,
                {ErrorCode::outcome_unknown, "the outcome of a write is unknown", {}, {}});
  }
  auto group = std::make_shared<const std::vector<StoredRecord>>(std::move(accepted));
  for (const auto& record : *group) storage_->add(record);
  observer_.on_durable(std::move(group));
}

void MemoryLog::fail(std::span<const StoredRecord> records, AppendFailure::Outcome outcome,
                     const Error& error) {
  std::set<LogId> told;
  for (const auto& record : records) {
    if (!told.insert(record.log).second) continue;
    gate(record.log).take_back(record.offset);
    observer_.on_failure({record.log, record.offset, outcome, error});
  }
}

Result<std::unique_ptr<Cursor>> MemoryLog::read(std::vector<ReadFrom> from) {
  return std::make_unique<MemoryCursor>(storage_, from);
}

std::unique_ptr<RecordReader> MemoryLog::reader(LogId log) {
  return std::make_unique<MemoryRecordReader>(storage_, log);
}

Offset MemoryLog::durable_end(LogId log) const {
  return storage_->state(log).next_offset;
}

PartitionState MemoryLog::state(LogId log) const {
  return storage_->state(log);
}

std::vector<LogId> MemoryLog::partitions() const {
  std::vector<LogId> logs;
  for (const auto& [log, state] : storage_->states()) logs.push_back(log);
  return logs;
}

std::optional<Error> MemoryLog::read_only() const {
  const std::lock_guard lock(mutex_);
  return read_only_;
}

void MemoryLog::turn_read_only(Error why) {
  const std::lock_guard lock(mutex_);
  if (!read_only_) read_only_ = std::move(why);
}

}  // namespace eventstore
