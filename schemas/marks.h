#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/crypto.h"
#include "schemas/ids.h"
#include "schemas/result.h"

/// Marks: opaque URL-safe text of positions. A write's mark names its own log, a read's every log that
/// its answer reflects.
///
///     tm1_ base64url( version u8 | key id u32 | n × position | tag 8 )
///     position = topic u16 | partition u16 | offset i64 | index u32 | check 8        (24 bytes, LE)
///
/// `check` is the start of SHA-256 over the rest of the position (epoch, sequence, chain), so that a
/// mark from a lost tail is told from one of today's log. `tag` is the start of HMAC-SHA256 with the
/// mark key over organization, space and everything before it: a mark of another organization, space or
/// log is not accepted. At most 85 positions (2 KiB of bytes).
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

/// Writes and checks marks. Immutable after construction; any thread.
class MarkCodec {
 public:
  static constexpr std::size_t positions_max = 85;

  MarkCodec(std::uint32_t key_id, HmacKey key);
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
