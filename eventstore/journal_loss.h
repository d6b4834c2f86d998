#pragma once

#include <vector>

#include "eventstore/journal_segments.h"

/// Losses in segments that opening does not read: damage that was met later, and then accepted.
namespace eventstore::journal {

/// The partitions of which a record is missing in `loss`, which ends before `end`: their offsets on
/// both sides do not join, or the closing table behind has come further than they have. Reads from
/// the beginning of the segment to the next closing frame. invalid_parameter when nothing is
/// damaged at exactly that range.
schemas::Result<std::vector<LogId>> affected_by(SegmentFolder& folder, std::uint32_t seed,
                                                const Range& loss, std::uint64_t end);

}  // namespace eventstore::journal
