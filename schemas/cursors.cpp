#include "schemas/cursors.h"

#include <algorithm>
#include <utility>

#include "schemas/signed_text.h"

namespace schemas {
namespace {

constexpr std::string_view prefix = "cur1_";
constexpr std::uint8_t format_version = 1;
constexpr std::size_t head_bytes = 1 + 4 + 16 + 1;
constexpr std::size_t body_bytes_max =
    head_bytes + MarkCodec::positions_max * marked_position_bytes + CursorCodec::last_key_bytes_max;
constexpr std::size_t text_bytes_max = prefix.size() + ((body_bytes_max + tag_bytes) * 4 + 2) / 3;

std::unexpected<Error> invalid(std::string detail) {
  return fail(Error{ErrorCode::invalid_parameter,
                    "1 parameter is wrong",
                    {{FieldError::In::parameter, "cursor", std::move(detail)}},
                    {}});
}

}  // namespace

ListDigest list_digest(std::string_view list) {
  const auto digest = sha256(bytes_of(list));
  ListDigest start;
  std::copy_n(digest.begin(), start.size(), start.begin());
  return start;
}

CursorCodec::CursorCodec(std::uint32_t key_id, HmacKey key) : key_id_(key_id), key_(key) {}

std::string CursorCodec::encode(OrganizationId organization, Space space, const ListDigest& list,
                                const ListCursor& cursor) const {
  ENSURE(cursor.began.size() <= MarkCodec::positions_max);
  ENSURE(cursor.last_key.size() <= last_key_bytes_max);
  Packer body(head_bytes + cursor.began.size() * marked_position_bytes + cursor.last_key.size());
  body.put(format_version);
  body.put(key_id_);
  body.put(list);
  body.put(static_cast<std::uint8_t>(cursor.began.size()));
  for (const auto& position : cursor.began) pack(body, position);
  body.put(bytes_of(cursor.last_key));
  return sign_text(key_, {prefix, organization, space}, body.bytes());
}

Result<ListCursor> CursorCodec::decode(OrganizationId organization, Space space,
                                       const ListDigest& list, std::string_view text) const {
  const auto foreign = [] {
    return invalid("not a cursor that this organization and space was given");
  };
  if (text.size() > text_bytes_max) return foreign();
  const auto body = open_text(key_, {prefix, organization, space}, text);
  if (!body) return foreign();
  Unpacker in(*body);
  if (in.get<std::uint8_t>() != format_version) return foreign();
  if (in.get<std::uint32_t>() != key_id_) return foreign();
  const auto for_list = in.get_array<16>();
  ListCursor cursor;
  for (auto n = in.get<std::uint8_t>(); n > 0; --n) {
    cursor.began.push_back(unpack_marked_position(in));
  }
  if (!in.ok() || cursor.began.size() > MarkCodec::positions_max) return foreign();
  if (in.rest().size() > last_key_bytes_max) return foreign();
  if (for_list != list) {
    return invalid("a cursor of another list; repeat the filters and order that it came from");
  }
  cursor.last_key = text_of(in.rest());
  return cursor;
}

}  // namespace schemas
