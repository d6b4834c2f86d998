#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/marks.h"

/// List cursors: opaque URL-safe text that says where a list goes on, at the mark it began with.
///
///     cur1_ base64url( version u8 | key id u32 | list 16 | n u8 × position 24 | last key | tag 8 )
///
/// `list` is the start of SHA-256 over the route and its filters, so that a cursor goes on only the
/// list that it came from; `tag` as in marks (signed_text.h).
namespace schemas {

using ListDigest = std::array<std::uint8_t, 16>;
/// `list`: everything that decides which rows a list has and in which order, written in one way
/// (route and sorted filters), without `limit` and `cursor`.
ListDigest list_digest(std::string_view list);

struct ListCursor {
  std::vector<MarkedPosition> began;  // the mark that the list goes on at
  std::string last_key;               // of the last row given; any bytes
  friend bool operator==(const ListCursor&, const ListCursor&) = default;
};

/// Writes and checks cursors. Immutable after construction; any thread. Does not know what the last
/// key means: who scans from it keeps it within the organization's rows.
class CursorCodec {
 public:
  static constexpr std::size_t last_key_bytes_max = 1024;

  CursorCodec(std::uint32_t key_id, HmacKey key);
  /// At most MarkCodec::positions_max positions, and last_key_bytes_max bytes of key.
  std::string encode(OrganizationId organization, Space space, const ListDigest& list,
                     const ListCursor& cursor) const;
  /// invalid_parameter (`cursor`) for everything that this codec did not write for this
  /// organization, space and list.
  Result<ListCursor> decode(OrganizationId organization, Space space, const ListDigest& list,
                            std::string_view text) const;

 private:
  std::uint32_t key_id_;
  HmacKey key_;
};

}  // namespace schemas
