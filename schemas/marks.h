#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/crypto.h"
#include "schemas/ids.h"
#include "schemas/packing.h"
#include "schemas/result.h"

// clang-format off
/// Marks: opaque URL-safe text of positions. A write's mark names its own log, a read's every log
/// that its answer reflects.
///
///     tm1_ base64url( version u8 | key id u32 | n × position | tag 8 )
///     position = topic u16 | partition u16 | offset i64 | index u32 | check 8    (24 bytes, LE)
///
/// `check` is the start of SHA-256 over the rest of the position (epoch, sequence, chain), so that
/// a mark from a lost tail is told from one of today's log. `tag` is the start of HMAC-SHA256 with
/// the mark key over prefix, organization, space and everything before it (signed_text.h): a mark
/// of another organization, space or log is not accepted. Positions stand in the order of their
/// logs, so that what a mark says has one text.
// clang-format on
namespace schemas {

using Check = std::array<std::uint8_t, 8>;
Check check_of(const Position& position);

/// What a mark says of one log; the full position is what stands in the log there.
struct MarkedPosition {
  LogId log;
  std::int64_t offset;  // -1: before the first record
  std::uint32_t index;  // event within the record, or Position::whole_record
  Check check;
  friend bool operator==(const MarkedPosition&, const MarkedPosition&) = default;
};
MarkedPosition marked(const Position& position);

/// A position as it stands in marks and cursors.
inline constexpr std::size_t marked_position_bytes = 24;
void pack(Packer& out, const MarkedPosition& position);
MarkedPosition unpack_marked_position(Unpacker& in);

/// Writes and checks marks. Immutable after construction; any thread.
class MarkCodec {
 public:
  /// A text of at most 2 KiB, prefix and all: 4 + ⌈(5 + 63 × 24 + 8) × 4/3⌉ = 2038 characters.
  static constexpr std::size_t positions_max = 63;

  MarkCodec(std::uint32_t key_id, HmacKey key);
  /// At most positions_max positions of different logs, in any order.
  std::string encode(OrganizationId organization, Space space,
                     std::span<const MarkedPosition> positions) const;
  /// foreign_mark for everything that this codec did not write for this organization and space.
  Result<std::vector<MarkedPosition>> decode(OrganizationId organization, Space space,
                                             std::string_view text) const;

 private:
  std::uint32_t key_id_;
  HmacKey key_;
};

}  // namespace schemas
