#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "schemas/json_reader.h"

/// Members that several kinds of things have, read in one way.
namespace api::resources {

using schemas::json::ObjectReader;
using schemas::json::Value;

inline constexpr std::size_t name_max = 200;
inline constexpr std::size_t slug_max = 63;
inline constexpr std::string_view slug_pattern = "^[a-z0-9](-?[a-z0-9])*$";
bool is_slug(std::string_view text);

std::string read_name(ObjectReader& reader);
/// Of a member that is there; absent and null read the same.
std::optional<std::string> read_slug(ObjectReader& reader, Value body);

/// A patch of name and slug: absent members stay, null is refused for neither may be taken away.
struct NameAndSlug {
  std::optional<std::string> name;
  std::optional<std::string> slug;
};
schemas::Result<NameAndSlug> parse_name_and_slug_patch(Value body);

/// 1 to 512 bytes of UTF-8 without control characters, not `.` or `..`.
bool is_entity_name(std::string_view name);
inline constexpr std::size_t entity_name_max = 512;

}  // namespace api::resources
