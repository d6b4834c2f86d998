#include "api/cli/frame_check.h"

#include <algorithm>

#include <fmt/format.h>

namespace api::cli {

namespace journal = eventstore::journal;
using journal::OwnFrame;

void FrameCheck::fault(std::uint64_t position, const std::string& what) {
  faults_.add(fmt::format("journal position {}: {}", position, what));
}

void FrameCheck::take(const journal::GoodFrame& good, const journal::States& states) {
  const auto& frame = good.frame;
  check_segment(frame);
  check_durable_end(frame);
  check_open_count(frame);
  if (frame.is(OwnFrame::closing)) check_closing(good, states);
  last_ = frame;
}

/// The header of a segment, where its first frame is met.
void FrameCheck::check_segment(const Frame& frame) {
  auto segment = folder_.containing(frame.position);
  if (!segment || (header_ && header_->base == segment->base)) return;
  const auto before = header_;
  auto header = folder_.header(segment->base);
  if (!header) return fault(segment->base, header.error().detail);
  header_ = *header;
  if (auto size = segment->file->size(); size && folder_.successor(header->base)) {
    if (*size != header->size_bytes) {
      fault(header->base,
            fmt::format("the segment has {} bytes, its header says {}", *size, header->size_bytes));
    }
  }
  if (!before || jumped_) return;
  if (header->id != before->id) fault(header->base, "the segment is of another journal");
  if (header->previous_base != before->base || header->previous_closing != closed_at_) {
    fault(header->base, "the segment's header does not name what is before it");
  }
}

void FrameCheck::check_durable_end(const Frame& frame) {
  const auto stated = frame.durable_end;
  const auto before = last_ ? last_->durable_end : frame.durable_end;
  if (stated < before) {
    fault(frame.position, fmt::format("it states the durable end {}, after {}", stated, before));
  }
  if (stated > before && !jumped_ && !std::ranges::binary_search(ends_, stated)) {
    fault(frame.position, fmt::format("it states the durable end {}, where no frame ends", stated));
  }
  const bool alone = frame.is(OwnFrame::cover) || frame.is(OwnFrame::closing);
  if (alone && stated != frame.position) {
    fault(frame.position, fmt::format("it states the durable end {} and not itself", stated));
  }
  if (stated > before) {
    ends_.erase(ends_.begin(), std::ranges::upper_bound(ends_, stated));
    jumped_ = false;
  }
  ends_.push_back(frame.position + frame.size_bytes());
}

void FrameCheck::check_open_count(const Frame& frame) {
  const std::uint32_t before = last_ ? last_->open_count : 0;
  const bool begins = frame.is(OwnFrame::cover) || frame.is(OwnFrame::closing);
  if (frame.open_count > before && !begins && !jumped_) {
    fault(frame.position,
          fmt::format("open count {} begins without a cover frame", frame.open_count));
  }
}

void FrameCheck::check_closing(const journal::GoodFrame& good, const journal::States& states) {
  const auto& frame = good.frame;
  closed_at_ = frame.position;
  const auto table = journal::decode_closing_table(good.payload);
  if (!table) return fault(frame.position, "its closing table cannot be read");
  if (table->successor != frame.position + frame.size_bytes()) {
    fault(frame.position,
          fmt::format("its successor is {}, and not where it ends", table->successor));
  }
  // Behind a loss states are made up, by this reader and by the writer each in its way.
  if (table->losses.empty() && !jumped_ && table->states != states) {
    fault(frame.position, "its closing table is not what the records before it come to");
  }
}

}  // namespace api::cli
