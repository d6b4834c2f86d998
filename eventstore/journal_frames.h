#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <variant>

#include "eventstore/journal_format.h"
#include "eventstore/journal_segments.h"

/// Frames in journal order, read in chunks and checked: what cursors, the index and opening are
/// made of.
namespace eventstore::journal {

/// A good frame. The payload lives until the next call.
struct GoodFrame {
  Frame frame;
  Bytes payload;
};

/// No valid frame stands at this position: its head does not hold, or only its payload does not.
struct BadPlace {
  std::uint64_t position;
  std::optional<Frame> head;
};

/// The reader stands at its limit.
struct AtLimit {};

using FrameStep = std::variant<GoodFrame, BadPlace, AtLimit>;

/// Frames of one segment. Not thread-safe. Only looks at bytes before the limit, so a limit at the
/// durable end keeps it from racing with the writer.
class FrameReader {
 public:
  enum class Source { cache, disk };
  enum class Payloads { check, skip };  // skip: heads only, to hop over records

  static constexpr std::size_t chunk_size = 256 * 1024;
  static constexpr std::size_t small_chunk_size = 32 * 1024;  // to read one record

  explicit FrameReader(std::uint32_t seed, Source source = Source::cache,
                       Payloads payloads = Payloads::check, std::size_t chunk = chunk_size)
      : seed_(seed), source_(source), payloads_(payloads), chunk_size_(chunk) {}

  void seek(Segment segment, std::uint64_t position, std::uint64_t limit);
  void set_limit(std::uint64_t limit) { limit_ = limit; }
  std::uint64_t limit() const { return limit_; }
  std::uint64_t position() const { return position_; }
  const Segment& segment() const { return segment_; }

  /// The frame at `position()`, and moves on behind it. Does not move over a bad place.
  schemas::Result<FrameStep> next();

  /// The payload of a frame of this segment that `next` gave, until the next call; empty when it
  /// does not hold.
  schemas::Result<std::optional<Bytes>> payload_of(const Frame& frame);

  /// The first place at or behind `from` where a valid head with that very position stands, before
  /// the limit. Every frame begins at a multiple of 8.
  schemas::Result<std::optional<Frame>> find_head(std::uint64_t from);

 private:
  /// Bytes from `position` on, at least `wanted` of them unless the limit or the file ends before.
  schemas::Result<Bytes> view(std::uint64_t position, std::size_t wanted);
  std::optional<Frame> frame_at(Bytes bytes, std::uint64_t position) const;

  const std::uint32_t seed_;
  const Source source_;
  const Payloads payloads_;
  const std::size_t chunk_size_;
  Segment segment_{};
  std::uint64_t position_ = 0;
  std::uint64_t limit_ = 0;

  std::unique_ptr<std::uint64_t[]> chunk_;  // of words, because payloads are read in place
  std::size_t chunk_capacity_ = 0;          // in bytes
  std::uint64_t chunk_begin_ = 0;           // positions
  std::uint64_t chunk_end_ = 0;
};

/// Frames of all segments: goes on in the next one where a segment ends. Not thread-safe.
class JournalReader {
 public:
  JournalReader(SegmentFolder& folder, std::uint32_t seed,
                FrameReader::Source source = FrameReader::Source::cache,
                FrameReader::Payloads payloads = FrameReader::Payloads::check,
                std::size_t chunk = FrameReader::chunk_size)
      : folder_(folder), frames_(seed, source, payloads, chunk) {}

  /// Stands at `position` and reads up to `limit`. Also jumps over what cannot be read.
  schemas::Result<void> seek(std::uint64_t position, std::uint64_t limit);
  void set_limit(std::uint64_t limit);
  std::uint64_t position() const { return frames_.position(); }
  const Segment& segment() const { return frames_.segment(); }

  schemas::Result<FrameStep> next();
  schemas::Result<std::optional<Bytes>> payload_of(const Frame& frame) {
    return frames_.payload_of(frame);
  }
  /// As FrameReader::find_head, to the limit or the end of the last file. Then stands there.
  schemas::Result<std::optional<Frame>> find_head(std::uint64_t from);

 private:
  SegmentFolder& folder_;
  FrameReader frames_;
  std::uint64_t limit_ = 0;
  std::optional<std::uint64_t> segment_end_;  // base of the next one
};

/// What cannot be read at a bad place: the record, when its head still says how long it is; else
/// everything to the next valid head, or to `limit` when there is none.
schemas::Result<Range> unreadable(SegmentFolder& folder, std::uint32_t seed, const BadPlace& bad,
                                  std::uint64_t limit);

}  // namespace eventstore::journal
