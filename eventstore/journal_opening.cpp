#include "eventstore/journal_opening.h"

#include <algorithm>

#include <fmt/core.h>

#include "eventstore/journal_health.h"
#include "eventstore/journal_loss.h"
#include "schemas/crypto.h"
#include "schemas/planted.h"

namespace eventstore::journal {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Fault;
using schemas::planted;
using schemas::Result;

namespace {

/// No write of this journal's is longer than this: what it left unsynced lies within two of them
/// behind the last stated durable end.
constexpr std::uint64_t unsynced_max = 4 * (record_size_max + segment_header_size);

/// Writes again what may be in the page cache only, so that the next sync covers it.
Result<void> rewrite(File& file, const Segment& segment, Range range) {
  const auto at = segment.file_offset(range.from);
  std::vector<std::uint8_t> bytes(range.to - range.from);
  auto got = file.read_from_disk(at, bytes);
  if (!got) return fail(std::move(got).error());
  bytes.resize(*got);
  return write_all(file, at, bytes);
}

/// A failed sync is final, even where the disk says that it is full: after a second one, bytes that
/// only the page cache holds would count as durable.
Result<void> final_sync(Result<void> synced) {
  if (synced || synced.error().code != ErrorCode::disk_full) return synced;
  return fail(ErrorCode::internal, synced.error().detail);
}

}  // namespace

Result<Opening::Settled> Opening::settle() {
  if (auto loaded = folder_.load(); !loaded) return fail(std::move(loaded).error());
  if (folder_.bases().empty()) {
    if (auto created = create_first(); !created) return fail(std::move(created).error());
  }
  if (auto found = find_start(position_max); !found) return fail(std::move(found).error());
  auto walked = find_end();
  if (!walked) return fail(std::move(walked).error());
  if (walked->end < header_.base) {
    // The closing frame before that segment stood in the page cache only.
    if (auto found = find_start(header_.base); !found) return fail(std::move(found).error());
  }
  if (auto accepted = accept_earlier_losses(*walked); !accepted) {
    return fail(std::move(accepted).error());
  }

  if (planted(Fault::cut_too_much) && walked->end >= header_.base + 8) walked->end -= 8;
  report_.damages = walked->damages;
  report_.losses = walked->losses;
  const auto segment = folder_.containing(walked->end);
  if (!segment) return fail(segment.error());
  auto header = folder_.header(segment->base);
  if (!header) return fail(std::move(header).error());
  Settled settled{.id = header_.id,
                  .active_base = segment->base,
                  .active_file = nullptr,
                  .active_size = header->size_bytes,
                  .end = walked->end,
                  .durable_end = walked->durable_end,
                  .open_count = walked->open_count,
                  .losses = walked->losses};
  if (!walked->damages.empty()) return settled;
  if (auto repaired = repair_tail(*walked, settled); !repaired) {
    return fail(std::move(repaired).error());
  }
  return settled;
}

Result<Opening::Settled> Opening::look(std::uint64_t durable_end) {
  if (auto found = find_start(durable_end + 1); !found) return fail(std::move(found).error());
  Walk walk(folder_, crc_seed(header_.id), {});
  auto walked = walk.to_first_bad_place(walk_start_);
  if (walked && walked->end < durable_end) {
    auto from = *walked;
    from.damages.clear();
    walked = walk.to_end(std::move(from));
  }
  if (!walked) return fail(std::move(walked).error());
  walked->end = durable_end;
  if (auto accepted = accept_earlier_losses(*walked); !accepted) {
    return fail(std::move(accepted).error());
  }
  // Behind the durable end what looks damaged may be half a write.
  std::erase_if(walked->damages,
                [&](const Damage& damage) { return damage.range.from >= durable_end; });
  report_.damages = walked->damages;
  report_.losses = walked->losses;
  const auto segment = folder_.containing(durable_end);
  if (!segment) return fail(segment.error());
  return Settled{.id = header_.id,
                 .active_base = segment->base,
                 .active_file = nullptr,
                 .active_size = 0,  // nothing is written
                 .end = durable_end,
                 .durable_end = durable_end,
                 .open_count = walked->open_count,
                 .losses = walked->losses};
}

/// A journal's first segment is made like all others, under a name that does not count until it is
/// whole, so a numbered file always has its header.
Result<void> Opening::create_first() {
  auto& files = folder_.files();
  const std::string path = folder_.path() + "/next";
  if (auto gone = files.remove(path); !gone && gone.error().code != ErrorCode::not_found) {
    return gone;
  }
  auto file = files.open(path, FileSystem::Open::create_new);
  if (!file) return fail(std::move(file).error());
  SegmentHeader header{.id = {}, .base = 0, .size_bytes = options_.segment_size};
  schemas::random_bytes(header.id);
  if (auto zeroed = write_zeros(**file, 0, header.size_bytes); !zeroed) return zeroed;
  if (auto written = write_all(**file, 0, encode(header)); !written) return written;
  if (auto synced = (*file)->sync(); !synced) return synced;
  if (auto named = files.rename(path, folder_.path_of(0)); !named) return named;
  if (auto synced = files.sync_directory(folder_.path()); !synced) return synced;
  report_.created = true;
  return folder_.load();
}

/// Reading starts in the last segment whose predecessor was closed: the closing table there says
/// all that one needs of what is before.
Result<void> Opening::find_start(std::uint64_t before) {
  const auto bases = folder_.bases();
  for (auto base = bases.rbegin(); base != bases.rend(); ++base) {
    if (*base >= before) continue;
    auto header = folder_.header(*base);
    if (!header) return fail(std::move(header).error());
    if (base != bases.rbegin() && header->id != header_.id) {
      return fail(ErrorCode::internal,
                  fmt::format("{} belongs to another journal than the segment behind it",
                              folder_.path_of(*base)));
    }
    header_ = *header;
    start_ = {};
    walk_start_ = {.end = *base, .durable_end = *base};
    if (header->previous_base == SegmentHeader::none) return {};
    if (auto closing = read_closing_before(folder_, *base, crc_seed(header->id))) {
      start_ = std::move(closing->table);
      // Whether the closing frame itself was synced, only a frame behind it tells.
      walk_start_.durable_end = closing->frame.durable_end;
      walk_start_.open_count = closing->frame.open_count;
      walk_start_.losses = start_.losses;
      return {};
    }
  }
  return fail(ErrorCode::internal,
              fmt::format("the segment before {} is missing", folder_.path_of(bases.front())));
}

/// By the page cache's bytes to the first bad place, then again from the last durable end, by what
/// the disk holds.
Result<WalkState> Opening::find_end() {
  Walk walk(folder_, crc_seed(header_.id), options_.accept_losses);
  auto cached = walk.to_first_bad_place(walk_start_);
  if (!cached) return fail(std::move(cached).error());
  // The open count that counts is the one in front of that place, which is not known: the frames
  // there say theirs.
  WalkState from = walk_start_;
  from.end = from.durable_end = cached->durable_end;
  from.losses = cached->losses;
  auto walked = walk.to_end(from);
  if (walked) walked->open_count = std::max(walked->open_count, cached->open_count);
  return walked;
}

/// Losses before the place where reading starts: the closing table there knows nothing of them yet.
Result<void> Opening::accept_earlier_losses(WalkState& walked) {
  auto losses = walked.losses;
  for (const auto& loss : options_.accept_losses) {
    if (std::ranges::find(losses, loss) == losses.end()) losses.push_back(loss);
  }
  for (const auto& loss : losses) {
    const bool known = std::ranges::find(start_.losses, loss) != start_.losses.end();
    const bool met =
        loss.from >= header_.base && std::ranges::find(walked.losses, loss) != walked.losses.end();
    if (known || met) continue;
    auto affected = affected_by(folder_, crc_seed(header_.id), loss, walked.end);
    if (!affected) return fail(std::move(affected).error());
    for (const auto& log : *affected) start_.states[log].lose();
  }
  walked.losses = std::move(losses);
  return {};
}

Result<void> Opening::repair_tail(const WalkState& walked, Settled& settled) {
  // A segment that was being prepared is worth nothing, and on a full disk its space is needed.
  std::ignore = folder_.files().remove(folder_.path() + "/next");
  if (auto repaired = repair_closed(walked.durable_end, settled.active_base); !repaired) {
    return repaired;
  }
  auto opened =
      folder_.files().open(folder_.path_of(settled.active_base), FileSystem::Open::existing);
  if (!opened) return fail(std::move(opened).error());
  settled.active_file = std::move(*opened);
  File& file = *settled.active_file;
  const Segment segment{settled.active_base, settled.active_file};

  const Range last{std::max(walked.durable_end, segment.base), walked.end};
  if (!planted(Fault::skip_tail_rewrite)) {
    if (auto written = rewrite(file, segment, last); !written) return written;
  }
  // What was written again is shown from now on, whether the tail can be cut now or later.
  if (auto synced = final_sync(file.sync()); !synced) return synced;
  tail_end_ = walked.tail_end;
  if (auto done = cut(settled); !done) {
    const bool later = done.error().code == ErrorCode::disk_full && options_.accept_losses.empty();
    if (!later) return done;
    settled.torn = true;
    if (report_.cut) report_.cut->waits = true;
  }
  settled.durable_end = walked.end;
  return {};
}

Result<void> Opening::cut(const Settled& settled) {
  File& file = *settled.active_file;
  const Segment segment{settled.active_base, settled.active_file};
  if (!tail_kept_) {
    if (auto kept = keep_tail(segment, settled.end, tail_end_); !kept) return kept;
    tail_kept_ = true;  // another try may find zeros there
  }
  auto size = file.size();
  if (!size) return fail(std::move(size).error());
  // Zeros too may be in a cache only, of an opening before this one whose sync failed.
  const auto end = segment.file_offset(settled.end);
  const auto seen = segment.file_offset(tail_end_);
  const auto zeros =
      std::min(planted(Fault::believe_cached_zeros) ? seen : std::max(seen, end + unsynced_max),
               settled.active_size);
  if (!planted(Fault::keep_cut_tail)) {
    if (auto zeroed = write_zeros(file, end, zeros); !zeroed) return zeroed;
  }
  if (auto grown = write_zeros(file, std::max(*size, zeros), settled.active_size); !grown) {
    return grown;
  }
  if (auto synced = final_sync(file.sync()); !synced) return synced;
  return remove_unlinked(settled.active_base);
}

/// A closing frame that is not known durable: nothing may be written behind it before it is.
Result<void> Opening::repair_closed(std::uint64_t durable_end, std::uint64_t active_base) {
  for (auto from = durable_end; from < active_base;) {
    const auto found = folder_.containing(from);
    if (!found) return fail(found.error());
    const auto to = folder_.successor(found->base);
    ENSURE(to);
    auto file = folder_.files().open(folder_.path_of(found->base), FileSystem::Open::existing);
    if (!file) return fail(std::move(file).error());
    if (auto written = rewrite(**file, *found, {from, *to}); !written) return written;
    if (auto synced = (*file)->sync(); !synced) return synced;
    from = *to;
  }
  return {};
}

/// `cached_end`: where the bytes behind the end end in the page cache.
Result<void> Opening::keep_tail(const Segment& segment, std::uint64_t end,
                                std::uint64_t cached_end) {
  auto on_disk = end_of_bytes(segment, {end, end + unsynced_max}, FrameReader::Source::disk);
  if (!on_disk) return fail(std::move(on_disk).error());
  const auto behind = std::max(cached_end, *on_disk);
  if (behind == end) return {};
  const auto source = *on_disk > end ? FrameReader::Source::disk : FrameReader::Source::cache;
  return keep_aside(segment, {end, behind}, source);
}

Result<void> Opening::keep_aside(const Segment& segment, Range range, FrameReader::Source source) {
  std::vector<std::uint8_t> bytes(range.to - range.from);
  const auto at = segment.file_offset(range.from);
  auto got = source == FrameReader::Source::disk ? segment.file->read_from_disk(at, bytes)
                                                 : segment.file->read(at, bytes);
  if (!got) return fail(std::move(got).error());
  bytes.resize(*got);
  // A crash while opening cuts the same place again, perhaps with other bytes: nothing that was
  // kept is overwritten.
  const std::string name = fmt::format("{}/cut-{:020}", options_.directory, range.from);
  std::string path = name;
  for (int again = 2;; ++again) {
    auto before = read_whole(folder_.files(), path);
    if (!before && before.error().code != ErrorCode::not_found) {
      return fail(std::move(before).error());
    }
    if (!before || *before == bytes) break;
    path = fmt::format("{}-{}", name, again);
  }
  report_.cut = OpeningReport::Cut{range.from, bytes.size(), path};
  return replace_whole(folder_.files(), path, bytes);
}

/// A segment that was made to follow the active one, but whose predecessor was not closed before
/// the crash. No frame stands in it: writing there begins after the closing frame is durable.
Result<void> Opening::remove_unlinked(std::uint64_t active_base) {
  while (folder_.bases().back() != active_base) {
    const auto base = folder_.bases().back();
    auto segment = folder_.open(base);
    if (!segment) return fail(std::move(segment).error());
    auto end = end_of_bytes(*segment, {base, position_max}, FrameReader::Source::cache);
    if (!end) return fail(std::move(end).error());
    if (*end != base) {
      auto kept = keep_aside(*segment, {base, *end}, FrameReader::Source::cache);
      if (!kept) return kept;
    }
    if (auto removed = final_sync(folder_.remove_last()); !removed) return removed;
  }
  return {};
}

Result<Opening::Folded> Opening::fold(std::uint64_t durable_end) {
  Folded folded{.states = start_.states, .stopped = {}, .entries = {}};
  JournalReader reader(folder_, crc_seed(header_.id));
  if (auto there = reader.seek(header_.base, durable_end); !there) {
    return fail(std::move(there).error());
  }
  while (true) {
    auto step = reader.next();
    if (!step) return fail(std::move(step).error());
    if (std::holds_alternative<AtLimit>(*step)) break;
    const auto* good = std::get_if<GoodFrame>(&*step);
    const auto position = good != nullptr ? good->frame.position : reader.position();
    const auto behind = behind_unread(report_.losses, report_.damages, position);
    if (good != nullptr && !behind) {
      if (!good->frame.own()) fold_record(reader.segment().base, *good, folded);
      continue;
    }
    if (!behind || *behind >= durable_end) break;
    if (auto there = reader.seek(*behind, durable_end); !there) {
      return fail(std::move(there).error());
    }
  }
  stop_unseen(folded);
  lose_unseen(folded);
  return folded;
}

void Opening::fold_record(std::uint64_t segment_base, const GoodFrame& good, Folded& folded) {
  const auto& frame = good.frame;
  auto& state = folded.states[frame.log];
  const bool missing = frame.offset != state.next_offset;
  const bool lost = missing && lost_before(frame.log, frame.position);
  last_seen_[frame.log] = frame.position;
  if (missing && !lost) {
    // Without an accepted loss a missing offset is corruption: the partition stops there.
    const Damage damage{{frame.position, frame.position + frame.size_bytes()}, frame.log};
    if (report_.damages.empty()) report_.damages.push_back(damage);
    folded.stopped.try_emplace(frame.log, damage_error(folder_.path(), report_.damages.front()));
    return;
  }
  if (lost) state.lose();
  state.apply(frame.offset, frame.head, good.payload);
  if (samplers_[frame.log].wants(segment_base, frame.position)) {
    folded.entries.push_back({frame.log, frame.offset, frame.position});
  }
}

/// Whether a loss was accepted between the partition's record before `position` and that one.
bool Opening::lost_before(LogId log, std::uint64_t position) const {
  const auto seen = last_seen_.find(log);
  const auto from = seen == last_seen_.end() ? header_.base : seen->second;
  return std::ranges::any_of(
      report_.losses, [&](const Range& loss) { return from < loss.to && loss.to <= position; });
}

/// A record that cannot be read may have been any partition's last one.
void Opening::stop_unseen(Folded& folded) const {
  for (const auto& damage : report_.damages) {
    for (const auto& [log, state] : folded.states) {
      const auto seen = last_seen_.find(log);
      const bool later = seen != last_seen_.end() && seen->second > damage.range.from;
      if (damage.log ? *damage.log == log : !later) {
        folded.stopped.try_emplace(log, damage_error(folder_.path(), damage));
      }
    }
  }
}

/// The same, once the loss is accepted.
void Opening::lose_unseen(Folded& folded) const {
  for (const auto& loss : report_.losses) {
    if (loss.from < header_.base) continue;
    for (auto& [log, state] : folded.states) {
      const auto seen = last_seen_.find(log);
      if (seen == last_seen_.end() || seen->second < loss.from) state.lose();
    }
  }
}

}  // namespace eventstore::journal
