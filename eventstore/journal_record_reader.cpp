#include "eventstore/journal_record_reader.h"

#include <fmt/core.h>

namespace eventstore::journal {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

JournalRecordReader::JournalRecordReader(ReadSide side, LogId log)
    : side_(side),
      log_(log),
      hops_(side.folder, side.seed, FrameReader::Source::cache, FrameReader::Payloads::skip,
            FrameReader::small_chunk_size) {}

Result<StoredRecord> JournalRecordReader::read(Offset offset) {
  const auto* partition = side_.partitions.find(log_);
  if (partition == nullptr || offset >= partition->durable_end()) return not_found(offset);
  // After that question: what a partition's end covers is readable.
  const auto limit = side_.durable_end.load(std::memory_order_acquire);
  if (auto there = go_near(offset, limit); !there) return fail(std::move(there).error());
  passed_.reset();
  const auto frame = hop_to(offset, limit);
  if (!frame) return fail(frame.error());
  if (!*frame) {
    if (auto damaged = side_.health.reason()) return fail(std::move(*damaged));
    return not_found(offset);
  }
  const auto payload = hops_.payload_of(**frame);
  if (!payload) return fail(payload.error());
  if (!*payload) {
    const auto damage = report_damage(side_, {(*frame)->position, **frame});
    return fail(damage ? damage_error(side_.folder.path(), *damage) : damage.error());
  }
  passed_ = offset;
  return StoredRecord{log_, offset, (*frame)->head, Payload(nullptr, **payload)};
}

Result<void> JournalRecordReader::go_near(Offset offset, std::uint64_t limit) {
  const auto entry = side_.index.locate(log_, offset);
  if (!entry) return fail(entry.error());
  if (!*entry) return not_found(offset);
  const bool is_nearer = passed_ && *passed_ < offset && hops_.position() > (*entry)->position;
  if (!is_nearer) return hops_.seek((*entry)->position, limit);
  hops_.set_limit(limit);
  return {};
}

/// Empty when the record is missing.
Result<std::optional<Frame>> JournalRecordReader::hop_to(Offset offset, std::uint64_t limit) {
  while (true) {
    const auto step = hops_.next();
    if (!step) return fail(step.error());
    if (std::holds_alternative<AtLimit>(*step)) return std::nullopt;
    const auto* good = std::get_if<GoodFrame>(&*step);
    const auto position = good != nullptr ? good->frame.position : hops_.position();
    if (const auto behind = side_.behind_unread(position)) {
      if (auto there = hops_.seek(*behind, limit); !there) return fail(std::move(there).error());
      continue;
    }
    if (good != nullptr) {
      const auto& frame = good->frame;
      if (frame.log != log_ || frame.offset < offset) continue;
      return frame.offset == offset ? std::optional(frame) : std::nullopt;
    }
    const auto damage = report_damage(side_, std::get<BadPlace>(*step));
    if (!damage) return fail(damage.error());
    if (auto there = hops_.seek(damage->range.to, limit); !there) {
      return fail(std::move(there).error());
    }
  }
}

std::unexpected<schemas::Error> JournalRecordReader::not_found(Offset offset) const {
  return fail(ErrorCode::not_found,
              fmt::format("topic {}, partition {} has no record at offset {}",
                          static_cast<std::uint16_t>(log_.topic), log_.partition, offset));
}

}  // namespace eventstore::journal
