#include "api/cli/index_check.h"

#include <fmt/format.h>

namespace api::cli {

namespace journal = eventstore::journal;

void IndexCheck::take(const ScannedRecord& record) {
  if (segment_ != record.segment.base) enter(record);
  if (!index_) return;
  const auto& frame = record.frame;
  const auto entry = index_->find(frame.log, frame.offset);
  const bool found = entry && entry->position <= frame.position &&
                     frame.position - entry->position < journal::index_step;
  const bool exact = !entry || entry->offset != frame.offset || entry->position == frame.position;
  if (found && exact) return;
  faults_.add(
      fmt::format("{}/{}.idx: {} partition {} offset {} is at position {}, not where the "
                  "index says; remove the file, it is made anew",
                  path_, journal::segment_name(*segment_), record.topic, frame.log.partition,
                  frame.offset, frame.position));
}

/// The segment that is written to has no file yet.
void IndexCheck::enter(const ScannedRecord& record) {
  segment_ = record.segment.base;
  index_.reset();
  if (!record.segment.sealed) return;
  const auto file = fmt::format("{}/{}.idx", path_, journal::segment_name(*segment_));
  const auto bytes = eventstore::read_whole(files_, file);
  if (!bytes) {
    ++counts_.missing;
    return;
  }
  index_ = journal::SegmentIndex::decode(*bytes, record.segment.seed, *segment_);
  ++(index_ ? counts_.checked : counts_.unreadable);
}

}  // namespace api::cli
