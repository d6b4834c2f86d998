#include "eventstore/journal_tail.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/core.h>

#include "eventstore/journal_health.h"
#include "eventstore/journal_index.h"
#include "eventstore/journal_walk.h"

namespace eventstore::journal {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

namespace {

/// Follows a journal to its end, from its last closed segment on.
class TailWalk {
 public:
  explicit TailWalk(SegmentFolder& folder) : folder_(folder) {}

  Result<void> begin();
  /// From where it stands to the first bad place.
  Result<void> follow();
  /// From the durable end to the end by the disk's bytes, as an opening does. False when somebody
  /// wrote meanwhile.
  Result<bool> settle();
  /// Goes on behind a loss that was accepted, from a place that is bad for good.
  Result<void> jump();

  const JournalId& id() const { return id_; }
  std::uint64_t end() const { return state_.end; }
  std::uint64_t durable_end() const { return state_.durable_end; }
  /// Whether something other than zeros stood at the end when it was reached.
  bool torn() const { return torn_; }
  /// Behind the last frame that says more than how far the journal is durable.
  Result<std::uint64_t> records_end();
  /// Whether a frame behind the end says that what stands there was durable.
  Result<bool> holds_durable_frames_behind();

 private:
  Result<bool> look_at_end();
  std::unexpected<schemas::Error> damaged(const Damage& damage) const {
    return fail(damage_error(folder_.path(), damage));
  }

  SegmentFolder& folder_;
  JournalId id_{};
  std::uint32_t seed_ = 0;
  WalkState start_{};
  WalkState state_{};
  bool torn_ = false;
};

/// As an opening does: the last segment whose predecessor is closed knows all that is before it.
Result<void> TailWalk::begin() {
  if (auto loaded = folder_.load(); !loaded) return loaded;
  const auto bases = folder_.bases();
  for (auto base = bases.rbegin(); base != bases.rend(); ++base) {
    auto header = folder_.header(*base);
    if (!header) return fail(std::move(header).error());
    id_ = header->id;
    seed_ = crc_seed(id_);
    start_ = {.end = *base, .durable_end = *base};
    if (header->previous_base != SegmentHeader::none) {
      auto closing = read_closing_before(folder_, *base, seed_);
      if (!closing) continue;
      start_.durable_end = closing->frame.durable_end;
      start_.open_count = closing->frame.open_count;
      start_.losses = closing->table.losses;
    }
    state_ = start_;
    return follow();
  }
  return fail(ErrorCode::not_found, folder_.path() + " holds no journal that can be read");
}

Result<void> TailWalk::follow() {
  while (true) {
    // Segments may have been made since; one that a closing frame names was made before it.
    if (auto loaded = folder_.load(); !loaded) return loaded;
    auto walked = Walk(folder_, seed_, {}).to_first_bad_place(state_);
    if (!walked) return fail(std::move(walked).error());
    state_ = std::move(*walked);
    if (state_.damages.empty()) break;
    const auto missing = std::exchange(state_.damages, {}).front();
    if (auto loaded = folder_.load(); !loaded) return loaded;
    if (!folder_.has(state_.end)) return damaged(missing);
  }
  auto torn = look_at_end();
  if (!torn) return fail(std::move(torn).error());
  torn_ = *torn;
  return {};
}

Result<bool> TailWalk::look_at_end() {
  auto segment = folder_.containing(state_.end);
  if (!segment) return fail(std::move(segment).error());
  std::array<std::uint8_t, frame_size> bytes{};
  auto got = segment->file->read(segment->file_offset(state_.end), bytes);
  if (!got) return fail(std::move(got).error());
  return std::ranges::any_of(bytes, [](std::uint8_t byte) { return byte != 0; });
}

Result<bool> TailWalk::holds_durable_frames_behind() {
  JournalReader reader(folder_, seed_);
  if (auto there = reader.seek(state_.end, position_max); !there) {
    return fail(std::move(there).error());
  }
  for (auto from = state_.end + 8;; from = reader.position() + 8) {
    auto found = reader.find_head(from);
    if (!found) return fail(std::move(found).error());
    if (!*found) return false;
    const bool counts = (*found)->open_count >= state_.open_count;
    if (counts && (*found)->durable_end > state_.end) return true;
  }
}

Result<void> TailWalk::jump() {
  auto judged = Walk(folder_, seed_, {}).to_end(state_);
  if (!judged) return fail(std::move(judged).error());
  // The writer may have gone on meanwhile, and what was judged was half a write.
  const auto end = state_.end;
  if (auto followed = follow(); !followed) return fail(std::move(followed).error());
  if (state_.end > end) return {};
  const auto damage = std::ranges::find_if(
      judged->damages, [&](const Damage& some) { return some.range.contains(state_.end); });
  if (damage != judged->damages.end()) return damaged(*damage);
  const auto behind = behind_unread(judged->losses, {}, state_.end);
  ENSURE(behind);  // a bad place before durable frames is damage or an accepted loss
  state_.end = *behind;
  state_.losses = judged->losses;
  return {};
}

Result<bool> TailWalk::settle() {
  auto from = state_;
  from.end = std::max(state_.durable_end, folder_.bases().front());
  from.open_count = start_.open_count;
  auto settled = Walk(folder_, seed_, {}).to_end(from);
  if (!settled) return fail(std::move(settled).error());
  const auto end = state_.end;
  if (auto followed = follow(); !followed) return fail(std::move(followed).error());
  if (state_.end > end) return false;
  if (!settled->damages.empty()) return damaged(settled->damages.front());
  state_ = std::move(*settled);
  state_.durable_end = state_.end;
  return true;
}

Result<std::uint64_t> TailWalk::records_end() {
  auto end = state_.durable_end;
  JournalReader reader(folder_, seed_);
  if (auto there = reader.seek(end, state_.end); !there) return fail(std::move(there).error());
  while (true) {
    auto step = reader.next();
    if (!step) return fail(std::move(step).error());
    const auto* good = std::get_if<GoodFrame>(&*step);
    if (good == nullptr) return end;
    const auto& frame = good->frame;
    if (!frame.is(OwnFrame::cover) && !frame.is(OwnFrame::closing)) end = reader.position();
  }
}

}  // namespace

Result<Tail> find_durable_end(SegmentFolder& folder, const Wait& wait) {
  TailWalk walk(folder);
  if (auto begun = walk.begin(); !begun) return fail(std::move(begun).error());
  auto wanted = walk.records_end();
  std::optional<std::uint64_t> stood_at;
  std::optional<std::uint64_t> enough_at;  // where it stood when all that is wanted was durable
  while (wanted) {
    const bool enough = walk.durable_end() >= *wanted;
    // The writer went on from there, so the place was not bad, and nothing acknowledged before
    // stands behind it. Without this, one that never pauses would be followed for as long as it
    // writes.
    if (enough_at && walk.end() > *enough_at) return Tail{walk.id(), walk.durable_end()};
    if (enough && !enough_at) enough_at = walk.end();
    const bool stated = enough && !walk.torn();
    const bool stuck = stood_at == walk.end();
    stood_at = walk.end();
    if (stated || stuck) {
      // What stands behind a bad place was written since it was looked at, or the place is bad for
      // good.
      auto more = walk.holds_durable_frames_behind();
      if (!more) return fail(std::move(more).error());
      if (stated && !*more) return Tail{walk.id(), walk.durable_end()};
      if (stuck && *more) {
        if (auto jumped = walk.jump(); !jumped) return fail(std::move(jumped).error());
        if (auto followed = walk.follow(); !followed) return fail(std::move(followed).error());
        wanted = walk.records_end();
        enough_at.reset();
        continue;
      }
    }
    if (!stated && !wait()) {
      auto settled = walk.settle();
      if (!settled) return fail(std::move(settled).error());
      if (*settled) return Tail{walk.id(), walk.durable_end()};
    } else if (auto followed = walk.follow(); !followed) {
      return fail(std::move(followed).error());
    }
  }
  return fail(std::move(wanted).error());
}

}  // namespace eventstore::journal
