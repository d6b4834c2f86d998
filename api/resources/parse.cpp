#include "api/resources/parse.h"

#include <limits>

namespace api::resources {
namespace {

bool is_slug_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

constexpr schemas::json::TextRule any_text{
    .characters_min = 0,
    .characters_max = std::numeric_limits<std::size_t>::max(),
    .control_characters = schemas::json::ControlCharacters::allow};

void refuse_null(ObjectReader& reader, Value body, std::string_view name) {
  auto member = body.find(name);
  if (member && member->is_null())
    reader.wrong(name, "cannot be taken away; leave it out to keep it");
}

}  // namespace

bool is_slug(std::string_view text) {
  if (text.empty() || text.size() > slug_max) return false;
  bool hyphen = true;  // as if one stood before the text: none may follow another, or begin it
  for (char c : text) {
    if (!is_slug_character(c) && (c != '-' || hyphen)) return false;
    hyphen = c == '-';
  }
  return !hyphen;
}

std::string read_name(ObjectReader& reader) {
  return reader.text("name", {.characters_max = name_max});
}

std::optional<std::string> read_slug(ObjectReader& reader, Value body) {
  auto member = body.find("slug");
  auto slug = reader.optional_text("slug", any_text);
  if (member && member->is_string() && !is_slug(*slug)) {
    reader.wrong("slug",
                 "must match " + std::string(slug_pattern) + " and have at most 63 characters");
  }
  return slug;
}

schemas::Result<NameAndSlug> parse_name_and_slug_patch(Value body) {
  ObjectReader reader(body);
  refuse_null(reader, body, "name");
  refuse_null(reader, body, "slug");
  NameAndSlug patch;
  patch.name = reader.optional_text("name", {.characters_max = name_max});
  patch.slug = read_slug(reader, body);
  auto read = reader.finish();
  if (!read) return std::unexpected(std::move(read).error());
  return patch;
}

bool is_entity_name(std::string_view name) {
  if (name.empty() || name.size() > entity_name_max || name == "." || name == "..") return false;
  unsigned char before = 0;
  for (char c : name) {
    // C0, DEL, and C1 (in UTF-8 0xc2 and a byte below 0xa0).
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || (before == 0xc2 && byte < 0xa0)) return false;
    before = byte;
  }
  return schemas::json::valid_utf8(name);
}

}  // namespace api::resources
