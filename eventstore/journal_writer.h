#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "eventstore/journal_health.h"
#include "eventstore/journal_index.h"
#include "eventstore/journal_opening.h"
#include "eventstore/journal_partitions.h"
#include "eventstore/journal_space.h"

namespace eventstore::journal {

/// What the journal's parts share. Lives as long as the journal.
struct Shared {
  SegmentFolder& folder;
  Partitions& partitions;
  Index& index;
  Health& health;
  std::atomic<std::uint64_t>& durable_end;  // position up to which everyone may read
};

/// Writes records: stages them as frames, writes them at once, syncs, publishes, tells the
/// observer.
///
///     queue ─▶ staged ─▶ one write ─▶ one sync ─▶ index, durable end, states ─▶ on_durable
///                │           │            └ failed: unknown, read-only for ever
///                │           └ failed or short: zeroed and synced: refused; else as a failed sync
///                └ no room: roll to the prepared segment; no space for that: refused
///
/// Everything on one thread, the journal's writer.
class JournalWriter {
 public:
  struct Options {
    std::size_t write_size_max;  // records of one write, unless a single one is larger
  };

  JournalWriter(Shared shared, SpaceAhead& space, LogObserver& observer, Options options,
                const Opening::Settled& settled);

  /// The first write of an opening, once the partitions are loaded: a cover frame with a raised
  /// open count, and the losses that were accepted now. Writes nothing, and is no error, when there
  /// is neither room nor space for more: then appends are refused until there is.
  schemas::Result<void> begin(const std::vector<Range>& losses);

  /// Instead, on a full disk: an append waits for `cut` to succeed, then for what `begin` does.
  void begin_later(std::function<schemas::Result<void>()> cut) { cut_ = std::move(cut); }

  /// Each ends in on_durable or on_failure before this returns.
  void write(std::vector<Append> queued);

  /// Whether something was written since the last cover frame.
  bool uncovered() const { return uncovered_; }
  void cover();

  /// Rolls ahead of need when the active segment has little more than its reserve left.
  void make_room();

 private:
  struct Failed {
    AppendFailure::Outcome outcome;
    schemas::Error error;
  };

  schemas::Result<void> begin_now();
  bool admit(const Append& append);
  bool make_place(const Append& append, std::size_t size_bytes);
  void stage(Append append, Partition& partition, std::size_t size_bytes);
  std::size_t stage_frame(LogId log, Offset offset, const RecordHead& head, Bytes payload);
  void stage_own(OwnFrame kind, Bytes payload);
  void clear_staged();
  bool flush();
  void publish();
  void refuse(const Append& append, const schemas::Error& error);
  void fail_staged(const Failed& failed);
  std::optional<Failed> write_staged();
  schemas::Result<void> sync_commit();
  Failed after_bad_write(schemas::Error error);
  schemas::Result<void> write_own();

  std::uint64_t closing_size(std::size_t partitions) const;
  bool fits(std::uint64_t size_bytes) const;
  schemas::Result<void> roll(std::uint64_t size_bytes);
  schemas::Result<void> put_in_place(SpaceAhead::Prepared& prepared, const SegmentHeader& header);
  std::uint64_t segment_end() const { return segment_.base + segment_size_ - segment_header_size; }

  const Shared shared_;
  SpaceAhead& space_;
  LogObserver& observer_;
  const Options options_;
  const JournalId id_;
  const std::uint32_t seed_;

  Segment segment_;
  std::uint64_t segment_size_;
  std::uint64_t end_;  // everything before is durable
  const std::uint32_t open_count_;
  std::vector<Range> losses_;
  bool uncovered_ = false;
  std::function<schemas::Result<void>()> cut_;  // of a torn tail, while it waits for space

  // One write, from staging to sync.
  std::vector<std::uint64_t> buffer_;  // of words
  std::size_t staged_size_ = 0;
  std::vector<StoredRecord> group_;
  std::vector<Partition*> touched_;
  std::vector<IndexEntry> entries_;
  std::size_t group_size_ = 0;  // of the last one

  std::map<LogId, AppendGate> strays_;  // of partitions that are not open
};

}  // namespace eventstore::journal
