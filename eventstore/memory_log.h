#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "eventstore/append_gate.h"
#include "eventstore/log.h"

/// The log contract in memory, for tests: same order, same refusals, same failures as the journal.
///
/// What is "on disk" is a MemoryStorage, which outlives the log: give it to the next MemoryLog to
/// reopen it. What was queued and not committed when a log dies is lost.
namespace eventstore {

/// Durable records of all partitions. Any thread.
class MemoryStorage {
 public:
  std::size_t size() const;
  std::optional<StoredRecord> at(std::size_t index) const;
  /// Index of the record at (log, offset).
  std::optional<std::size_t> find(LogId log, Offset offset) const;
  void add(StoredRecord record);
  std::map<LogId, PartitionState> states() const;
  PartitionState state(LogId log) const;

  /// As if an older copy had been restored: records of `log` from `from` on are gone.
  void lose_tail(LogId log, Offset from);

 private:
  struct Partition {
    PartitionState state;
    std::vector<std::size_t> places;  // by offset
  };
  void add_locked(StoredRecord record);

  mutable std::shared_mutex mutex_;
  std::deque<StoredRecord> records_;
  std::map<LogId, Partition> partitions_;
};

class MemoryLog : public Log {
 public:
  /// thread: commits on a thread of its own as appends come. manual: only `pump` commits, on the
  /// thread that calls it, and calls the observer there; `close` pumps too.
  enum class Drive { thread, manual };

  /// The observer must outlive the log.
  explicit MemoryLog(LogObserver& observer, Drive drive = Drive::thread,
                     std::shared_ptr<MemoryStorage> storage = std::make_shared<MemoryStorage>());
  ~MemoryLog() override;

  /// Commits everything queued as one group. Manual drive only.
  void pump();

  /// The next commit is refused as a whole with this error; the log goes on after it.
  void refuse_next(schemas::Error error);
  /// The next commit's outcome is unknown: its first `kept` records stand, and the log is read-only
  /// until it is reopened. What stands is visible only then.
  void lose_next_outcome(std::size_t kept);

  schemas::Result<void> open_topic(const Topic& topic) override;
  void append(std::vector<Append> records) override;
  schemas::Result<std::unique_ptr<Cursor>> read(std::vector<ReadFrom> from) override;
  std::unique_ptr<RecordReader> reader(LogId log) override;
  Offset durable_end(LogId log) const override;
  PartitionState state(LogId log) const override;
  std::vector<LogId> partitions() const override;
  std::optional<schemas::Error> read_only() const override;
  void turn_read_only(schemas::Error why) override;
  void close() override;

 private:
  struct LostOutcome {
    std::size_t kept;
  };

  void run();
  void stop(bool drain);
  void commit(std::vector<Append> queued);
  void write(std::vector<StoredRecord> accepted);
  void fail(std::span<const StoredRecord> records, AppendFailure::Outcome outcome,
            const schemas::Error& error);
  bool known(LogId log) const;
  AppendGate& gate(LogId log);

  LogObserver& observer_;
  const Drive drive_;
  const std::shared_ptr<MemoryStorage> storage_;

  mutable std::mutex mutex_;  // over everything below but gates_, which only commits touch
  std::condition_variable wake_;
  std::map<TopicId, Topic> topics_;
  std::vector<Append> queue_;
  std::optional<schemas::Error> refusal_;
  std::optional<LostOutcome> lost_outcome_;
  std::optional<schemas::Error> read_only_;
  std::vector<StoredRecord> stand_after_reopen_;
  bool stopping_ = false;

  std::map<LogId, AppendGate> gates_;
  std::thread thread_;
};

}  // namespace eventstore
