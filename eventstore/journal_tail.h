#pragma once

#include <functional>

#include "eventstore/journal_segments.h"

/// Where the durable part of a journal ends, found by somebody who does not hold the data
/// directory's lock, while a writer may be at work. Reads only.
///
///     record record cover │ record record │ record 0 0 0 0 0
///                         │               ^ being written
///                         ^ durable: what the last frame states
///
/// A writer states that what it wrote is durable with its next write, or 50 ms later when it is
/// idle.
namespace eventstore::journal {

/// Waits a little; answers false when it was long enough.
using Wait = std::function<bool()>;

struct Tail {
  JournalId id;
  std::uint64_t durable_end;  // behind every record that stood there when it was asked for
};

/// When `wait` gives up, the writer was killed or can write no more: then the end is where an
/// opening would find it, by the disk's bytes. read_only when the last segment is damaged,
/// not_found when there is no journal. Leaves `folder` loaded.
schemas::Result<Tail> find_durable_end(SegmentFolder& folder, const Wait& wait);

}  // namespace eventstore::journal
