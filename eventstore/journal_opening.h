#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "eventstore/journal_index.h"
#include "eventstore/journal_walk.h"

/// Opening a journal: from whatever a crash left to a place where the writer may go on.
///
///     settle   find the end, keep aside and zero a torn tail, write the last bytes again, sync
///     fold     the partitions' states, by the one rule
///     (the writer appends a cover frame with a raised open count, and syncs)
///
/// Nothing may be shown before all three are done: a tail that was only in
/// the page cache could be shown and then lost. A damaged journal is not written to: it is folded
/// up to the last place that a frame states to be durable. Where a full disk has no room for what a
/// torn tail holds, that stays where it is, and everything before it is shown: `cut` it before
/// anything is written. A crash at any step is repaired by the next opening. One thread at a time.
namespace eventstore::journal {

/// What opening found, for people.
struct OpeningReport {
  struct Cut {
    std::uint64_t position;
    std::uint64_t size_bytes;
    std::string kept_in;  // path of the file
    bool waits = false;   // there is no space for it yet
  };
  bool created = false;
  std::optional<Cut> cut;       // a torn tail
  std::vector<Damage> damages;  // the journal is read-only
  std::vector<Range> losses;    // accepted, now or before
};

class Opening {
 public:
  struct Options {
    std::string directory;       // for what is cut off
    std::uint64_t segment_size;  // of the first segment, when there is none
    std::vector<Range> accept_losses;
  };
  /// Where the writer goes on.
  struct Settled {
    JournalId id;
    std::uint64_t active_base;
    std::shared_ptr<File> active_file;  // empty when damaged
    std::uint64_t active_size;
    std::uint64_t end;
    std::uint64_t durable_end;  // what may be read
    std::uint32_t open_count;   // highest so far
    std::vector<Range> losses;
    bool torn = false;  // a tail stands behind the end that is to be cut first
  };
  struct Folded {
    States states;
    std::map<LogId, schemas::Error> stopped;
    std::vector<IndexEntry> entries;  // of the segments that were read
  };

  Opening(SegmentFolder& folder, Options options) : folder_(folder), options_(std::move(options)) {}

  schemas::Result<Settled> settle();
  /// Without changing anything, beside a process that may write behind this place.
  schemas::Result<Settled> look(std::uint64_t durable_end);
  /// Keeps aside and zeroes what stands behind the end. When the disk is full it changes nothing
  /// that matters: try again.
  schemas::Result<void> cut(const Settled& settled);
  /// Reads up to `durable_end`.
  schemas::Result<Folded> fold(std::uint64_t durable_end);

  const OpeningReport& report() const { return report_; }

 private:
  schemas::Result<void> create_first();
  /// In a segment that begins before `before`.
  schemas::Result<void> find_start(std::uint64_t before);
  schemas::Result<WalkState> find_end();
  schemas::Result<void> repair_tail(const WalkState& walked, Settled& settled);
  schemas::Result<void> repair_closed(std::uint64_t durable_end, std::uint64_t active_base);
  schemas::Result<void> keep_tail(const Segment& segment, std::uint64_t end,
                                  std::uint64_t cached_end);
  schemas::Result<void> keep_aside(const Segment& segment, Range range, FrameReader::Source source);
  schemas::Result<void> remove_unlinked(std::uint64_t active_base);
  void fold_record(std::uint64_t segment_base, const GoodFrame& good, Folded& folded);
  bool lost_before(LogId log, std::uint64_t position) const;
  void stop_unseen(Folded& folded) const;
  schemas::Result<void> accept_earlier_losses(WalkState& walked);
  void lose_unseen(Folded& folded) const;

  SegmentFolder& folder_;
  const Options options_;
  OpeningReport report_;
  SegmentHeader header_{};      // of the segment where reading starts
  ClosingTable start_{};        // what stands before it
  WalkState walk_start_{};      // at its base
  std::uint64_t tail_end_ = 0;  // of what stands behind the end
  bool tail_kept_ = false;
  std::map<LogId, std::uint64_t> last_seen_;  // positions that fold met
  std::unordered_map<LogId, IndexSampler> samplers_;
};

}  // namespace eventstore::journal
