#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "eventstore/claims.h"
#include "projections/row_keys.h"
#include "schemas/marks.h"

/// How far the rows are, per log, and who waits for them to get further. Written by the projector
/// on the core thread, read by every other thread; the lock is held for a few instructions only.
namespace projections {

using schemas::LogId;

/// Why an organization's product stands still in the rows.
struct Frozen {
  FrozenScope scope;
  std::uint16_t partition;
  schemas::Offset offset;  // of the record that could not be folded
  std::string reason;
};

class Progress {
 public:
  using Reached = std::move_only_function<void()>;

  /// What is folded into rows (and only that may be shown).
  eventstore::PartitionState applied(LogId log) const;
  /// Offset behind the last folded record.
  schemas::Offset applied_end(LogId log) const;

  /// The check that belongs to an applied offset, if it is recent; else the log has to be asked.
  std::optional<schemas::Check> check_at(LogId log, std::int64_t offset) const;

  /// Who waits; 0: nobody has to.
  using Waiting = std::uint64_t;
  /// Calls `reached` from the core thread once records below `end` are folded. When they are
  /// already, 0 is answered and `reached` is dropped.
  Waiting wait(LogId log, schemas::Offset end, Reached reached);
  /// For who gives up: it may be called all the same, if it just was about to be.
  void forget(LogId log, Waiting waiting);

  /// Products that stand still. Empty but for a broken fold.
  std::vector<Frozen> frozen() const;
  std::optional<Frozen> frozen(const FrozenScope& scope) const;
  /// Core thread.
  void set_frozen(std::vector<Frozen> frozen);

  /// Core thread: rows up to `state` are visible now; `accepted` are the event records on the way.
  /// Never goes back.
  void advance(LogId log, const eventstore::PartitionState& state,
               std::span<const schemas::Position> accepted);

 private:
  struct Waiter {
    Waiting id;
    schemas::Offset end;
    Reached reached;
  };
  struct Recent {
    std::int64_t offset;
    schemas::Check check;
  };
  struct Entry {
    eventstore::PartitionState state;
    std::deque<Recent> recent;
    std::vector<Waiter> waiters;
  };
  static constexpr std::size_t recent_max = 1024;

  mutable std::mutex mutex_;
  std::unordered_map<LogId, Entry> entries_;
  std::vector<Frozen> frozen_;
  Waiting waited_ = 0;  // last
};

}  // namespace projections
