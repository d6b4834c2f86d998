#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "eventstore/journal_frames.h"
#include "eventstore/journal_segments.h"

/// Finds the end of a journal, by the rules of LOG.md 4:
///
///     frame frame frame h . . . . . . . . . . . . . . . . . . end of the last file
///                       ^ first bad place
///       - a valid frame behind h has durable_end > h:          corruption
///       - the bad record has no all-zero piece in any sector:  corruption (it was written whole)
///       - else:                                                a torn tail; the journal ends at h
///
/// Used while opening, before anything is shown. Changes nothing. One thread.
namespace eventstore::journal {

/// Bytes that held a record and do not any more.
struct Damage {
  Range range;
  /// Whose record it was, when its head can still be read.
  std::optional<LogId> log;
};

/// Where to go on when `position` lies in a loss or a damage. Every reader asks this of whole
/// frames too: one that an opening since had cut off may stand there, and must not count.
std::optional<std::uint64_t> behind_unread(const std::vector<Range>& losses,
                                           const std::vector<Damage>& damages,
                                           std::uint64_t position);

/// Where a walk stands, and what it has seen so far.
struct WalkState {
  std::uint64_t end;          // where the next frame stands or would stand
  std::uint64_t durable_end;  // the last one that a frame states
  std::uint32_t open_count = 0;
  std::uint64_t tail_end = 0;   // where the bytes behind the end end; none when not behind it
  std::vector<Range> losses;    // accepted by loss frames
  std::vector<Damage> damages;  // accepted by nobody
};

class Walk {
 public:
  /// `losses` of the caller's are accepted as if a loss frame named them.
  Walk(SegmentFolder& folder, std::uint32_t seed, std::vector<Range> losses)
      : folder_(folder), seed_(seed), accepted_(std::move(losses)) {}

  /// From state.end to the first bad place, by the page cache's bytes.
  schemas::Result<WalkState> to_first_bad_place(WalkState state);

  /// From state.end to the end of the journal, by the disk's bytes, judging bad places.
  schemas::Result<WalkState> to_end(WalkState state);

 private:
  schemas::Result<WalkState> run(WalkState state, FrameReader::Source source, bool judging);
  /// Whether the walk goes on, in `reader` behind the damage; else the journal ends at `bad`.
  schemas::Result<bool> judge(const BadPlace& bad, JournalReader& reader, WalkState& state);
  schemas::Result<std::optional<Range>> find_damage(const BadPlace& bad,
                                                    const JournalReader& reader,
                                                    const WalkState& state);
  schemas::Result<bool> was_written_whole(const BadPlace& bad, const Segment& segment);
  schemas::Result<bool> nothing_behind(const BadPlace& bad, const Segment& segment,
                                       WalkState& state);
  schemas::Result<void> collect_losses(std::uint64_t from, WalkState& state);
  std::optional<Range> accepted(const Range& damage, const WalkState& state) const;

  SegmentFolder& folder_;
  const std::uint32_t seed_;
  const std::vector<Range> accepted_;
  bool losses_collected_ = false;
};

/// The position behind the last byte of `segment` in `range` that is not zero, rounded up to a
/// frame's boundary; the range's begin when there is none. It may end beyond the file.
schemas::Result<std::uint64_t> end_of_bytes(const Segment& segment, Range range,
                                            FrameReader::Source source);

}  // namespace eventstore::journal
