#include "eventstore/journal_loss.h"

#include <map>
#include <set>

#include <fmt/core.h>

#include "eventstore/journal_frames.h"
#include "eventstore/journal_index.h"

namespace eventstore::journal {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

namespace {

/// Next offsets while going over frames, and which partitions skipped one behind the loss.
class Offsets {
 public:
  void begin(const States& states) {
    for (const auto& [log, state] : states) next_[log] = state.next_offset;
  }

  void see(const GoodFrame& good, const Range& loss) {
    const auto& frame = good.frame;
    if (frame.own()) return;
    auto& next = next_[frame.log];
    if (frame.position >= loss.to && frame.offset > next) affected_.insert(frame.log);
    next = frame.offset + 1;
  }

  void close(const ClosingTable& table) {
    for (const auto& [log, state] : table.states) {
      if (state.next_offset > next_[log]) affected_.insert(log);
    }
  }

  void lost(LogId log) { affected_.insert(log); }

  std::vector<LogId> affected() const { return {affected_.begin(), affected_.end()}; }

 private:
  std::map<LogId, Offset> next_;
  std::set<LogId> affected_;
};

Result<Offsets> before_segment(SegmentFolder& folder, std::uint32_t seed, std::uint64_t base) {
  Offsets offsets;
  auto header = folder.header(base);
  if (!header) return fail(std::move(header).error());
  if (header->previous_base == SegmentHeader::none) return offsets;
  auto closing = read_closing_before(folder, base, seed);
  if (!closing) return fail(std::move(closing).error());
  offsets.begin(closing->table.states);
  return offsets;
}

}  // namespace

Result<std::vector<LogId>> affected_by(SegmentFolder& folder, std::uint32_t seed, const Range& loss,
                                       std::uint64_t end) {
  auto segment = folder.containing(loss.from);
  if (!segment) return fail(std::move(segment).error());
  auto offsets = before_segment(folder, seed, segment->base);
  if (!offsets) return fail(std::move(offsets).error());
  JournalReader reader(folder, seed);
  if (auto there = reader.seek(segment->base, end); !there) return fail(std::move(there).error());
  bool met = false;
  while (true) {
    auto step = reader.next();
    if (!step) return fail(std::move(step).error());
    if (std::holds_alternative<AtLimit>(*step)) break;
    if (const auto* good = std::get_if<GoodFrame>(&*step)) {
      offsets->see(*good, loss);
      const bool behind = good->frame.position >= loss.to;
      if (!behind || !good->frame.is(OwnFrame::closing)) continue;
      if (const auto table = decode_closing_table(good->payload)) offsets->close(*table);
      break;
    }
    const auto& bad = std::get<BadPlace>(*step);
    if (bad.position == loss.from && bad.head) offsets->lost(bad.head->log);
    auto range = unreadable(folder, seed, bad, end);
    if (!range) return fail(std::move(range).error());
    met |= loss == *range;
    if (auto there = reader.seek(range->to, end); !there) return fail(std::move(there).error());
  }
  if (met) return offsets->affected();
  return fail(
      ErrorCode::invalid_parameter,
      fmt::format("nothing is damaged at positions {}: a loss is accepted exactly as it was "
                  "named",
                  to_text(loss)));
}

}  // namespace eventstore::journal
