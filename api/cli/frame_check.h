#pragma once

#include <cstdint>
#include <vector>

#include "api/cli/faults.h"
#include "eventstore/journal_frames.h"

namespace api::cli {

/// Checks what a journal says of itself, beyond that every frame can be read: headers that name
/// their neighbours, closing tables that say what the records before them come to, durable ends
/// that are ends of frames and never fall, open counts that only an opening raises. One thread.
class FrameCheck {
 public:
  explicit FrameCheck(eventstore::journal::SegmentFolder& folder, Faults& faults)
      : folder_(folder), faults_(faults) {}

  /// Every frame in journal order, after it was folded into `states`.
  void take(const eventstore::journal::GoodFrame& good, const eventstore::journal::States& states);
  /// Something in front of the next frame is missing: what depends on it is not judged.
  void jump() { jumped_ = true; }

 private:
  using Frame = eventstore::journal::Frame;

  void check_segment(const Frame& frame);
  void check_durable_end(const Frame& frame);
  void check_open_count(const Frame& frame);
  void check_closing(const eventstore::journal::GoodFrame& good,
                     const eventstore::journal::States& states);
  void fault(std::uint64_t position, const std::string& what);

  eventstore::journal::SegmentFolder& folder_;
  Faults& faults_;
  bool jumped_ = false;
  std::optional<Frame> last_;
  std::optional<eventstore::journal::SegmentHeader> header_;            // of the segment of `last_`
  std::uint64_t closed_at_ = eventstore::journal::SegmentHeader::none;  // the last closing frame
  std::vector<std::uint64_t> ends_;  // of frames since the last durable end
};

}  // namespace api::cli
