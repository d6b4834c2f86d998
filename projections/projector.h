#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "eventstore/log.h"
#include "eventstore/topics.h"
#include "projections/fold.h"
#include "projections/progress.h"
#include "projections/read_store.h"
#include "schemas/batch.h"

/// Follows the logs and keeps rows and positions together, in one write per group: exactly once,
/// whatever crashes. What was written but not flushed when the process died is folded again.
///
/// An event that cannot be applied freezes its organization's product here: a row says why, later
/// records of it are only noted, everyone else goes on; the next start tries again from that event.
/// Core thread (catch_up: start-up, before any other call).
namespace projections {

class Projector {
 public:
  /// Without topics nothing is known of what manifests declare.
  Projector(ReadStore& rows, Progress& progress, const eventstore::Topics* topics = nullptr)
      : rows_(rows), progress_(progress), topics_(topics) {}

  struct CaughtUp {
    std::uint64_t records = 0;
    std::uint64_t events = 0;
    std::uint64_t stopped = 0;  // partitions whose records cannot be read to their end
  };
  using Report = std::function<void(const CaughtUp&)>;
  /// Folds what the log has and the rows have not; on a full disk in memory only, and the rows are
  /// broken then (ReadStore::hold). An error with code lost_mark means that the rows are not of
  /// this log: destroy them and start again. With `ends` it goes no further than those.
  using Ends = std::unordered_map<schemas::LogId, schemas::Offset>;
  schemas::Result<CaughtUp> catch_up(eventstore::Log& log, const Report& report = {},
                                     const std::optional<Ends>& ends = {});
  /// Of rows that follow others: goes on to these ends.
  schemas::Result<CaughtUp> follow(eventstore::Log& log, const Ends& ends);

  /// The changes that deciding a record has already folded; null: fold here.
  using Prepared = std::function<const WriteSet*(const eventstore::StoredRecord&)>;
  /// Folds a durable group into rows and moves the progress on; nothing before the rows have caught
  /// up, since what stands before the group may be missing then. After a failure nothing may be
  /// applied before resume() has folded that group too.
  schemas::Result<void> apply(const std::vector<eventstore::StoredRecord>& group,
                              const Prepared& prepared = {});
  /// After the store was full: when it takes writes again, folds from the log what it refused.
  schemas::Result<void> resume(eventstore::Log& log);
  /// After the store took other rows, which are as far as those before them: goes on with these.
  void go_on_with_other_rows();

  /// The indexes of a topic's product, for folds; null: none. Another number of the generation
  /// means that what was folded before has to be folded again.
  const KindIndexes* indexes(schemas::TopicId topic) const;
  std::uint64_t indexes_generation() const { return indexes_.generation(); }
  /// Makes what declared indexes lack, a piece of at most so many history rows; true when nothing
  /// is left to be made.
  schemas::Result<bool> build_indexes(std::size_t rows_max);

  /// Frozen products, as of now.
  const std::vector<Frozen>& frozen() const { return frozen_; }
  const Frozen* frozen(const FrozenScope& scope) const;

  /// Records that were skipped, by verdict: harmless by definition, but worth a metric. Any thread.
  std::uint64_t skipped(eventstore::Verdict verdict) const {
    return skipped_[static_cast<std::size_t>(verdict)].load(std::memory_order_relaxed);
  }

 private:
  struct Pass {
    /// What deciding folded, to be written before `changes`; owned by whoever prepared it.
    std::vector<const WriteSet*> ready;
    WriteSet changes;
    std::unordered_map<schemas::LogId, std::vector<schemas::Position>> accepted;
    std::uint64_t events = 0;
    std::size_t bytes = 0;  // of what was folded here
  };
  schemas::Result<void> take(const eventstore::StoredRecord& record, Pass& pass,
                             const Prepared& prepared);
  void fold_record(const eventstore::StoredRecord& record, Pass& pass, const Prepared& prepared);
  static void merge_ready(Pass& pass);
  void freeze(const eventstore::StoredRecord& record, std::string reason, Pass& pass);
  schemas::Result<void> write(Pass& pass);
  void forget_old_answers(schemas::LogId log, std::size_t limit, WriteSet& forgotten);

  /// Folds what the log has and the rows have not.
  schemas::Result<CaughtUp> fold_rest(eventstore::Log& log, const Report& report,
                                      const std::optional<Ends>& ends);
  schemas::Result<CaughtUp> fold_from(eventstore::Cursor& cursor, const Report& report,
                                      std::optional<Ends> ends);
  schemas::Result<void> check_beliefs(const eventstore::Log& log) const;

  schemas::Result<CaughtUp> check_and_fold(eventstore::Log& log, const Report& report,
                                           const std::optional<Ends>& ends);
  void forget();
  void load_positions();
  std::vector<Frozen> read_frozen() const;
  schemas::Result<void> load_frozen(eventstore::Log& log);
  schemas::Result<bool> thaw(Frozen& frozen, eventstore::Log& log);
  enum class Thawed : std::uint8_t { piece, all, stuck };
  Thawed thaw_piece(Frozen& frozen, eventstore::Log& log, WriteSet& changes);
  schemas::Result<void> check_position(eventstore::Log& log, schemas::LogId id,
                                       const eventstore::PartitionState& state) const;

  struct Unmade {
    std::string key;
    schemas::TopicId topic;
    std::string kind;
    const Index* index;
    IndexBuild build;
  };
  std::optional<Unmade> next_build() const;
  FoldedRecord folded(const eventstore::StoredRecord& record) const;
  void take_manifests(const schemas::BatchView& batch);
  void load_indexes();

  ReadStore& rows_;
  Progress& progress_;
  const eventstore::Topics* topics_;  // outlives the projector
  DeclaredIndexes indexes_;
  bool builds_left_ = true;
  bool caught_up_ = false;
  std::unordered_map<schemas::LogId, eventstore::PartitionState> states_;
  std::vector<Frozen> frozen_;
  std::array<std::atomic<std::uint64_t>, eventstore::verdict_count> skipped_{};
  /// Forgetting first answers: where a log's next look begins, and not before when, in log time.
  struct Sweep {
    std::string from;  // an expiry key
    schemas::Time next{};
  };
  std::unordered_map<schemas::LogId, Sweep> sweeps_;
  std::uint64_t unflushed_events_ = 0;
};

/// The row under a position key.
eventstore::PartitionState decode_position(std::string_view row);

/// How far rows have folded a partition.
eventstore::PartitionState folded_of(const RowReader& rows, schemas::LogId log);

/// Whether rows that were made beside others may take their place: they are exactly as far, and no
/// product stands still in them that goes on in the others.
bool can_replace(const RowReader& others, const RowReader& rows);

/// SHA-256 over all rows, positions and expired idempotency rows left out: equal for equal
/// histories.
std::string state_hash(const RowReader& rows);

}  // namespace projections
