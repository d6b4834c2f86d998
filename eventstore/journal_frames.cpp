#include "eventstore/journal_frames.h"

#include <algorithm>
#include <cstring>

namespace eventstore::journal {

using schemas::fail;
using schemas::Result;

void FrameReader::seek(Segment segment, std::uint64_t position, std::uint64_t limit) {
  ENSURE(position >= segment.base && position % 8 == 0);
  if (segment.file != segment_.file) chunk_begin_ = chunk_end_ = 0;
  segment_ = std::move(segment);
  position_ = position;
  limit_ = limit;
}

Result<Bytes> FrameReader::view(std::uint64_t position, std::size_t wanted) {
  const std::uint64_t end_wanted = std::min<std::uint64_t>(position + wanted, limit_);
  if (position < chunk_begin_ || position > chunk_end_ || end_wanted > chunk_end_) {
    const auto size = static_cast<std::size_t>(
        std::min<std::uint64_t>(std::max(wanted, chunk_size_), limit_ - position));
    if (chunk_capacity_ < size) {
      chunk_capacity_ = padded(size);
      chunk_ = std::make_unique_for_overwrite<std::uint64_t[]>(chunk_capacity_ / 8);
    }
    const std::span<std::uint8_t> out(reinterpret_cast<std::uint8_t*>(chunk_.get()), size);
    const auto at = segment_.file_offset(position);
    auto got = source_ == Source::cache ? segment_.file->read(at, out)
                                        : segment_.file->read_from_disk(at, out);
    chunk_begin_ = chunk_end_ = position;
    if (!got) return fail(std::move(got).error());
    chunk_end_ += *got;
  }
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(chunk_.get());
  return Bytes(bytes + (position - chunk_begin_), bytes + (chunk_end_ - chunk_begin_));
}

std::optional<Frame> FrameReader::frame_at(Bytes bytes, std::uint64_t position) const {
  if (bytes.size() < frame_size) return std::nullopt;
  std::uint64_t stands_there = 0;
  std::memcpy(&stands_there, bytes.data(), sizeof stands_there);
  if (stands_there != position) return std::nullopt;
  return decode_frame(bytes.first<frame_size>(), seed_);
}

Result<FrameStep> FrameReader::next() {
  if (position_ >= limit_) return AtLimit{};
  auto bytes = view(position_, frame_size);
  if (!bytes) return fail(std::move(bytes).error());
  const auto frame = frame_at(*bytes, position_);
  if (!frame) return BadPlace{position_, std::nullopt};
  Bytes payload;
  if (payloads_ == Payloads::check) {
    const auto good = payload_of(*frame);
    if (!good) return fail(good.error());
    if (!*good) return BadPlace{position_, frame};
    payload = **good;
  }
  position_ += frame->size_bytes();
  return GoodFrame{*frame, payload};
}

Result<std::optional<Bytes>> FrameReader::payload_of(const Frame& frame) {
  const std::size_t whole = frame_size + frame.head.length;
  const auto bytes = view(frame.position, whole);
  if (!bytes) return fail(bytes.error());
  if (bytes->size() < whole) return std::nullopt;
  const auto payload = bytes->subspan(frame_size, frame.head.length);
  return frame.head.payload_matches(payload) ? std::optional(payload) : std::nullopt;
}

Result<std::optional<Frame>> FrameReader::find_head(std::uint64_t from) {
  std::uint64_t position = padded(from);
  while (position < limit_) {
    auto bytes = view(position, frame_size);
    if (!bytes) return fail(std::move(bytes).error());
    if (bytes->size() < frame_size) return std::nullopt;
    // A frame begins with its own position, which hardly any other bytes do.
    const auto* at = bytes->data();
    for (const auto* last = at + bytes->size() - frame_size; at <= last; at += 8, position += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, at, sizeof word);
      if (word != position) continue;
      if (auto frame = frame_at({at, frame_size}, position)) return frame;
    }
  }
  return std::nullopt;
}

Result<void> JournalReader::seek(std::uint64_t position, std::uint64_t limit) {
  auto segment = folder_.containing(position);
  if (!segment) return fail(std::move(segment).error());
  limit_ = limit;
  segment_end_ = folder_.successor(segment->base);
  frames_.seek(std::move(*segment), position, std::min(limit, segment_end_.value_or(limit)));
  return {};
}

void JournalReader::set_limit(std::uint64_t limit) {
  limit_ = limit;
  // A segment that was the last one may have ended since; one behind it may be gone with a torn
  // tail.
  segment_end_ = folder_.successor(segment().base);
  frames_.set_limit(std::min(limit, segment_end_.value_or(limit)));
}

Result<FrameStep> JournalReader::next() {
  while (segment_end_ && position() >= *segment_end_ && *segment_end_ < limit_) {
    if (auto entered = seek(*segment_end_, limit_); !entered) {
      return fail(std::move(entered).error());
    }
  }
  return frames_.next();
}

Result<std::optional<Frame>> JournalReader::find_head(std::uint64_t from) {
  if (auto there = seek(from, limit_); !there) return fail(std::move(there).error());
  while (true) {
    auto found = frames_.find_head(std::max(from, segment().base));
    if (!found) return fail(std::move(found).error());
    if (*found) {
      frames_.seek(segment(), (*found)->position, frames_.limit());
      return found;
    }
    if (!segment_end_ || *segment_end_ >= limit_) return std::nullopt;
    if (auto there = seek(*segment_end_, limit_); !there) return fail(std::move(there).error());
  }
}

Result<Range> unreadable(SegmentFolder& folder, std::uint32_t seed, const BadPlace& bad,
                         std::uint64_t limit) {
  if (bad.head) return Range{bad.position, bad.position + bad.head->size_bytes()};
  JournalReader behind(folder, seed);
  if (auto there = behind.seek(bad.position, limit); !there) return fail(std::move(there).error());
  auto valid = behind.find_head(bad.position + 8);
  if (!valid) return fail(std::move(valid).error());
  return Range{bad.position, *valid ? (*valid)->position : limit};
}

}  // namespace eventstore::journal
