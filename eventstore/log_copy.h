#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "eventstore/log.h"
#include "eventstore/topics.h"

// clang-format off
/// A whole history from one log into another, whatever keeps them: the same records at the same
/// offsets, void ones included, so that every mark stays valid.
///
///     offset    0      1       2     3       4            5
///     source    claim  events  void  events  no record    events  ...  claim  moved
///     target    claim  events  void  events  filler       events  ...
///
/// Both are used through the contract of log.h, and that is enough: an append names its offset, and
/// no backend judges what it is given, so records of epochs long past stand where they stood.
/// Kafka has offsets without a record (another program's message); a journal has none, so there a
/// filler takes the place: a no-op of an epoch that never was, void for every reader. Every record
/// of the source is judged by the one rule on its way, and what the target folds to in the end is
/// compared with that.
// clang-format on
namespace eventstore {

/// Appends finished records to a log and sees that each became durable where it was meant to stand.
/// The log's observer; outlives it. One writer thread.
class RecordWriter final : public LogObserver {
 public:
  void attach(Log& log) { log_ = &log; }

  /// Waits while much is on its way. An error is the first failure of any record so far.
  schemas::Result<void> append(Append record);
  /// Until everything that was appended is durable.
  schemas::Result<void> wait();

  void on_durable(Group group) override;
  void on_failure(AppendFailure failure) override;

 private:
  struct Expected {
    Offset offset;
    RecordHead head;
  };
  void send();
  schemas::Result<void> wait_until(std::size_t bytes_max);

  Log* log_ = nullptr;
  std::vector<Append> staged_;
  std::size_t staged_bytes_ = 0;

  std::mutex mutex_;  // over what follows
  std::condition_variable told_;
  std::map<LogId, std::deque<Expected>> on_their_way_;
  std::size_t bytes_ = 0;
  std::optional<schemas::Error> failed_;
};

/// One copy, or the rest of one that was interrupted: what stands at the target already must be a
/// beginning of the source, partition by partition. Nobody else may write to either. One thread.
class LogCopy {
 public:
  struct Side {
    Log& log;
    RecordWriter& writer;
  };
  struct Options {
    /// What the source will say of where it went.
    std::string to;
    /// Called after every record.
    std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};
  };
  struct Report {
    std::uint64_t records = 0;  // by this run; fillers included
    std::uint64_t fillers = 0;
    std::uint64_t found = 0;  // at the target, of a run before this one
  };

  LogCopy(Side source, Side target, Options options)
      : source_(source), target_(target), options_(std::move(options)) {}

  /// Reads which topics there are and compares what the target has. Changes nothing but that topics
  /// are made. An error says why this cannot be copied there.
  schemas::Result<void> prepare();
  /// tm.log, which names the topics, then all of these.
  schemas::Result<void> copy();
  /// The record that ends the source, once all of it is copied. Does nothing where it stands.
  schemas::Result<void> end_source();

  const Report& report() const { return report_; }

 private:
  schemas::Result<void> look_for_end();
  schemas::Result<void> open_topics();
  schemas::Result<void> open_target(const Topic& topic);
  schemas::Result<void> compare(LogId log);
  schemas::Result<void> copy_all(const std::vector<LogId>& logs);
  schemas::Result<void> copy_record(const StoredRecord& record);
  schemas::Result<void> fill(LogId log, Offset to);
  schemas::Result<void> put(LogId log, const RecordHead& head, Payload payload);
  schemas::Result<void> check_ends() const;
  std::string place(LogId log, Offset offset) const;
  std::unexpected<schemas::Error> wrong(LogId log, Offset offset, std::string_view what) const;

  const Side source_;
  const Side target_;
  const Options options_;
  Topics topics_;
  bool moved_ = false;                      // the source is ended already
  std::map<LogId, Offset> ends_;            // of the source; of tm.log without what ends it
  std::map<LogId, PartitionState> states_;  // of what was copied
  std::uint64_t total_ = 0;
  Report report_;
};

}  // namespace eventstore
