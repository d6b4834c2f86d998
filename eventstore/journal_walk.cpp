#include "eventstore/journal_walk.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "schemas/planted.h"

namespace eventstore::journal {

using schemas::fail;
using schemas::Result;

namespace {

bool all_zero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

/// How much of `bytes`, which ends in zeros or not, is left without them.
std::size_t size_without_zeros(Bytes bytes) {
  static constexpr std::array<std::uint8_t, 4096> zeros{};
  while (bytes.size() >= zeros.size() &&
         std::memcmp(bytes.last(zeros.size()).data(), zeros.data(), zeros.size()) == 0) {
    bytes = bytes.first(bytes.size() - zeros.size());
  }
  while (!bytes.empty() && bytes.back() == 0) bytes = bytes.first(bytes.size() - 1);
  return bytes.size();
}

bool holds(const std::vector<Range>& ranges, const Range& range) {
  return std::ranges::find(ranges, range) != ranges.end();
}

void see(const GoodFrame& good, WalkState& state) {
  state.end = good.frame.position + good.frame.size_bytes();
  state.durable_end = std::max(state.durable_end, good.frame.durable_end);
  state.open_count = good.frame.open_count;
  if (!good.frame.is(OwnFrame::loss)) return;
  const auto range = decode_range(good.payload);
  if (range && !holds(state.losses, *range)) state.losses.push_back(*range);
}

}  // namespace

std::optional<std::uint64_t> behind_unread(const std::vector<Range>& losses,
                                           const std::vector<Damage>& damages,
                                           std::uint64_t position) {
  for (const auto& loss : losses) {
    if (loss.contains(position)) return loss.to;
  }
  for (const auto& damage : damages) {
    if (damage.range.contains(position)) return damage.range.to;
  }
  return std::nullopt;
}

Result<WalkState> Walk::to_first_bad_place(WalkState state) {
  return run(std::move(state), FrameReader::Source::cache, false);
}

Result<WalkState> Walk::to_end(WalkState state) {
  return run(std::move(state), FrameReader::Source::disk, true);
}

Result<WalkState> Walk::run(WalkState state, FrameReader::Source source, bool judging) {
  JournalReader reader(folder_, seed_, source);
  if (auto there = reader.seek(state.end, position_max); !there) {
    return fail(std::move(there).error());
  }
  while (true) {
    auto step = reader.next();
    if (!step) return fail(std::move(step).error());
    auto bad = BadPlace{reader.position(), std::nullopt};
    if (const auto* good = std::get_if<GoodFrame>(&*step)) {
      // A lower open count: it was cut off by an opening since.
      if (good->frame.open_count >= state.open_count) {
        see(*good, state);
        if (!good->frame.is(OwnFrame::closing) || folder_.has(state.end)) continue;
        state.damages.push_back({{state.end, position_max}, std::nullopt});
        return state;
      }
      bad = {good->frame.position, good->frame};
    } else if (std::holds_alternative<BadPlace>(*step)) {
      bad = std::get<BadPlace>(*step);
    }
    if (!judging) return state;
    auto goes_on = judge(bad, reader, state);
    if (!goes_on) return fail(std::move(goes_on).error());
    if (!*goes_on) return state;
  }
}

Result<bool> Walk::judge(const BadPlace& bad, JournalReader& reader, WalkState& state) {
  auto clean = nothing_behind(bad, reader.segment(), state);
  if (!clean) return fail(std::move(clean).error());
  if (*clean) return false;
  if (auto collected = collect_losses(bad.position, state); !collected) {
    return fail(std::move(collected).error());
  }
  auto damage = find_damage(bad, reader, state);
  if (!damage) return fail(std::move(damage).error());
  if (!*damage) return false;
  if (const auto loss = accepted(**damage, state)) {
    if (!holds(state.losses, *loss)) state.losses.push_back(*loss);
  } else {
    state.damages.push_back({**damage, bad.head ? std::optional(bad.head->log) : std::nullopt});
  }
  state.end = (*damage)->to;
  if (auto there = reader.seek(state.end, position_max); !there) {
    return fail(std::move(there).error());
  }
  return true;
}

/// The usual end: zeros only, to the end of the last file.
Result<bool> Walk::nothing_behind(const BadPlace& bad, const Segment& segment, WalkState& state) {
  auto end = end_of_bytes(segment, {bad.position, position_max}, FrameReader::Source::cache);
  if (!end) return fail(std::move(end).error());
  state.tail_end = *end;
  const bool last = !folder_.successor(segment.base);
  return last && !bad.head && state.tail_end == bad.position;
}

/// Empty for a torn tail.
Result<std::optional<Range>> Walk::find_damage(const BadPlace& bad, const JournalReader& reader,
                                               const WalkState& state) {
  JournalReader behind(folder_, seed_);
  if (auto there = behind.seek(bad.position, position_max); !there) {
    return fail(std::move(there).error());
  }
  std::optional<std::uint64_t> first_valid;
  bool proven = false;
  for (auto from = bad.position + 8; !proven; from = behind.position() + 8) {
    auto valid = behind.find_head(from);
    if (!valid) return fail(std::move(valid).error());
    if (!*valid) break;
    if ((*valid)->open_count < state.open_count) continue;
    if (!first_valid) first_valid = (*valid)->position;
    proven = (*valid)->durable_end > bad.position;
  }
  if (planted(schemas::Fault::take_corruption_for_torn_tail)) return std::nullopt;
  if (!proven) {
    auto whole = was_written_whole(bad, reader.segment());
    if (!whole) return fail(std::move(whole).error());
    if (!*whole && !planted(schemas::Fault::take_torn_tail_for_corruption)) return std::nullopt;
  }
  if (bad.head) return Range{bad.position, bad.position + bad.head->size_bytes()};
  if (first_valid) return Range{bad.position, *first_valid};
  auto end =
      end_of_bytes(reader.segment(), {bad.position, position_max}, FrameReader::Source::disk);
  if (!end) return fail(std::move(end).error());
  return Range{bad.position, std::max(*end, bad.position + 8)};
}

/// A piece is the record's share of one sector. One that was never written is zero, because its
/// place was zeroed before; one beyond the end of the file was not written either.
Result<bool> Walk::was_written_whole(const BadPlace& bad, const Segment& segment) {
  const auto begin = segment.file_offset(bad.position);
  const std::size_t size = bad.head ? frame_size + bad.head->head.length : frame_size;
  std::vector<std::uint8_t> bytes(size);
  auto got = segment.file->read_from_disk(begin, bytes);
  if (!got) return fail(std::move(got).error());
  if (*got < size) return false;
  for (std::size_t at = 0; at < size;) {
    const std::size_t piece = std::min(size - at, sector_size - (begin + at) % sector_size);
    if (all_zero(Bytes(bytes).subspan(at, piece))) return false;
    at += piece;
  }
  return true;
}

/// A loss frame stands behind the damage that it names, so it is looked for before judging.
Result<void> Walk::collect_losses(std::uint64_t from, WalkState& state) {
  if (losses_collected_) return {};
  losses_collected_ = true;
  JournalReader reader(folder_, seed_);
  if (auto there = reader.seek(from, position_max); !there) return there;
  while (true) {
    auto found = reader.find_head(from + 8);
    if (!found) return fail(std::move(found).error());
    if (!*found) return {};
    from = (*found)->position;
    if (!(*found)->is(OwnFrame::loss)) continue;
    auto step = reader.next();
    if (!step) return fail(std::move(step).error());
    const auto* good = std::get_if<GoodFrame>(&*step);
    const auto range = good != nullptr ? decode_range(good->payload) : std::nullopt;
    if (range && !holds(state.losses, *range)) state.losses.push_back(*range);
  }
}

std::optional<Range> Walk::accepted(const Range& damage, const WalkState& state) const {
  for (const auto* ranges : {&state.losses, &accepted_}) {
    if (holds(*ranges, damage)) return damage;
  }
  return std::nullopt;
}

Result<std::uint64_t> end_of_bytes(const Segment& segment, Range range,
                                   FrameReader::Source source) {
  constexpr std::size_t piece_size = 256 * 1024;
  const auto bytes = std::make_unique_for_overwrite<std::uint8_t[]>(piece_size);
  std::uint64_t end = range.from;
  for (auto position = range.from; position < range.to;) {
    const auto size = std::min<std::uint64_t>(piece_size, range.to - position);
    const std::span<std::uint8_t> out(bytes.get(), static_cast<std::size_t>(size));
    const auto at = segment.file_offset(position);
    auto got = source == FrameReader::Source::cache ? segment.file->read(at, out)
                                                    : segment.file->read_from_disk(at, out);
    if (!got) return fail(std::move(got).error());
    if (const auto used = size_without_zeros(out.first(*got)); used > 0) {
      end = padded(position + used);
    }
    position += *got;
    if (*got < out.size()) break;
  }
  return end;
}

}  // namespace eventstore::journal
