#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "eventstore/log.h"

/// The vocabulary of tests over a Log: an observer that remembers, a writer of one partition that
/// builds valid records, and what it takes to open, kill and break one backend.
namespace eventstore {

/// Remembers everything that the log says. Any thread.
class Witness final : public LogObserver {
 public:
  void on_durable(Group group) override;
  void on_failure(AppendFailure failure) override;

  /// Waits until so many were told since the beginning; false after ten seconds.
  bool wait_for_records(std::size_t count);
  bool wait_for_failures(std::size_t count);
  std::vector<StoredRecord> records() const;
  std::vector<std::size_t> group_sizes() const;
  std::vector<AppendFailure> failures() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable told_;
  std::vector<StoredRecord> records_;
  std::vector<std::size_t> group_sizes_;
  std::vector<AppendFailure> failures_;
};

/// Builds the records of one partition as an event store would, each on top of the one before it.
class PartitionWriter {
 public:
  explicit PartitionWriter(LogId log, PartitionState state = {}) : log_(log), state_(state) {}

  Append claim(std::uint64_t nonce);
  Append noop(std::string_view payload);
  Append events(std::string_view text);
  /// A record of an epoch that never was: void.
  Append zombie(std::string_view payload);

  LogId log() const { return log_; }
  const PartitionState& state() const { return state_; }
  /// Goes on from here, as after a failure.
  void set_state(const PartitionState& state) { state_ = state; }

 private:
  Append finish(RecordKind kind, Payload payload);
  LogId log_;
  PartitionState state_;
};

/// One backend under test. Storage lives as long as the harness.
class LogHarness {
 public:
  virtual ~LogHarness() = default;
  virtual std::unique_ptr<Log> open(LogObserver& observer) = 0;
  /// Ends the process, so to say: without close.
  virtual void kill(std::unique_ptr<Log> log) = 0;
  /// Whether the next two do something.
  virtual bool can_break() const { return true; }
  /// What the next commit meets.
  virtual void refuse_next_commit() = 0;
  /// After that one: a backend that cannot say where a commit ends refuses all until then.
  virtual void refuse_no_more() {}
  /// As what it is refused then.
  virtual schemas::ErrorCode refusal() const { return schemas::ErrorCode::disk_full; }
  virtual void lose_next_outcome() = 0;
};

struct Backend {
  std::string name;
  std::unique_ptr<LogHarness> (*make)();
};
std::vector<Backend> all_backends();

std::string text_of_payload(const StoredRecord& record);

/// All that a cursor gives until the durable end. Payloads are copied.
schemas::Result<std::vector<StoredRecord>> read_all(Log& log, std::vector<ReadFrom> from);

}  // namespace eventstore
