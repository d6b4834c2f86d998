#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eventstore/claims.h"
#include "eventstore/record.h"

// clang-format off
/// Bytes of the embedded log on disk. All numbers are little-endian.
///
/// A journal is a sequence of segment files, named by the position at which they begin. A position
/// is a byte address that runs on from segment to segment, headers not counted:
///
///     00000000000000000000          00000000000004190208
///     | header | frame frame … closing | | header | frame frame … 0 0 0 0 0
///     4 KiB    ^ 0                       4 KiB    ^ 4190208
///
/// A frame is 96 bytes, then the record's payload, then zeros to the next 8-byte boundary:
///
///     0          8        16            24      26          28           32       88    92      96
///     | position | offset | durable_end | topic | partition | open count | record | CRC | magic |
///     |          |        |             |       |           |            | head   |     |       |
///     | u64      | u64    | u64         | u16   | u16       | u32        | 56 B   | u32 | 4 B   |
///
/// `durable_end` is the position up to which everything was known durable when the frame was
/// written. The CRC (CRC32C) begins with the journal's id, which every segment header carries, and
/// covers the 88 bytes before it, so another journal's frames do not count here. The last byte is
/// never zero: a sector of a frame that was not written is all zeros and can be told from one that
/// was. Topic 0xffff are the journal's own frames; `partition` says which.
// clang-format on
namespace eventstore::journal {

using JournalId = std::array<std::uint8_t, 16>;

inline constexpr std::size_t frame_size = 96;
inline constexpr std::size_t sector_size = 512;  // assumed to be written whole or not at all
inline constexpr std::size_t segment_header_size = 4096;
inline constexpr std::uint32_t format_version = 1;
inline constexpr std::array<std::uint8_t, 4> frame_magic = {'T', 'M', 'J', '1'};

static_assert(32 + RecordHead::size_bytes + 4 + frame_magic.size() == frame_size);
static_assert(frame_size % 8 == 0 && segment_header_size % sector_size == 0);
static_assert(frame_magic.back() != 0);

/// The journal's own frames have no offset, epoch or sequence.
inline constexpr TopicId own_topic{0xffff};
enum class OwnFrame : std::uint16_t {
  cover = 0,    // nothing but its `durable_end`
  closing = 1,  // last of its segment; payload: ClosingTable
  loss = 2,     // an operator accepts that a range is lost; payload: Range
};

struct Frame {
  std::uint64_t position;
  Offset offset;
  std::uint64_t durable_end;
  LogId log;
  std::uint32_t open_count;
  RecordHead head;

  bool own() const { return log.topic == own_topic; }
  bool is(OwnFrame kind) const {
    return own() && log.partition == static_cast<std::uint16_t>(kind);
  }
  /// From this frame's position to the next one's.
  std::uint64_t size_bytes() const;
};

/// Beyond every journal.
inline constexpr std::uint64_t position_max = ~std::uint64_t{0} / 2 - 7;
static_assert(position_max % 8 == 0);

constexpr std::uint64_t padded(std::uint64_t size_bytes) {
  return (size_bytes + 7) / 8 * 8;
}

/// What the journal's frame CRCs begin with.
std::uint32_t crc_seed(const JournalId& id);

void encode(const Frame& frame, std::uint32_t seed, std::span<std::uint8_t, frame_size> out);
/// Empty when CRC, magic or record head do not hold. The caller compares the position.
std::optional<Frame> decode_frame(std::span<const std::uint8_t, frame_size> in, std::uint32_t seed);

/// [from, to) in positions.
struct Range {
  std::uint64_t from;
  std::uint64_t to;
  bool contains(std::uint64_t position) const { return from <= position && position < to; }
  friend bool operator==(const Range&, const Range&) = default;
};
std::string to_text(const Range& range);

std::array<std::uint8_t, 16> encode(const Range& range);
std::optional<Range> decode_range(Bytes payload);

/// First 4 KiB of a segment, written before the file gets its name and never again. Stands there
/// twice, so that one bad sector does not take the segment with it.
struct SegmentHeader {
  static constexpr std::uint64_t none = ~std::uint64_t{0};
  JournalId id;
  std::uint64_t base;
  std::uint64_t size_bytes;  // of the file, header included
  std::uint64_t previous_base = none;
  std::uint64_t previous_closing = none;  // position of the predecessor's closing frame
};
std::array<std::uint8_t, segment_header_size> encode(const SegmentHeader& header);
/// `bytes` may be short; any whole copy will do.
std::optional<SegmentHeader> decode_segment_header(Bytes bytes);

using States = std::map<LogId, PartitionState>;

/// What stands behind a segment: opening the journal needs no segment before the last.
struct ClosingTable {
  std::uint64_t successor;
  States states;
  std::vector<Range> losses;  // accepted so far, in the whole journal

  static constexpr std::size_t size_bytes(std::size_t partitions, std::size_t losses) {
    return 16 + partitions * 96 + losses * 16;
  }
};
std::vector<std::uint8_t> encode(const ClosingTable& table);
std::optional<ClosingTable> decode_closing_table(Bytes payload);

/// 20 digits, so that names sort as positions do.
std::string segment_name(std::uint64_t base);
std::optional<std::uint64_t> parse_segment_name(std::string_view name);

}  // namespace eventstore::journal
