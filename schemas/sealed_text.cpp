#include "schemas/sealed_text.h"

namespace schemas {
namespace {

constexpr std::string_view prefix = "sealed:1:";

/// Of 16 bytes; a sealed field is longer than that.
constexpr std::size_t blind_characters = 22;

}  // namespace

std::string sealed_text(Bytes sealed, const std::optional<BlindHash>& blind) {
  auto text = std::string(prefix) + base64url(sealed);
  if (blind) text += ':' + blind_text(*blind);
  return text;
}

std::string blind_text(const BlindHash& blind) {
  return base64url(blind);
}

std::optional<SealedText> parse_sealed_text(std::string_view text) {
  if (!text.starts_with(prefix)) return std::nullopt;
  text.remove_prefix(prefix.size());
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return SealedText{text, {}};
  const auto blind = text.substr(colon + 1);
  if (blind.size() != blind_characters) return std::nullopt;
  return SealedText{text.substr(0, colon), blind};
}

bool may_hold_sealed(std::string_view json) {
  return json.contains("\"sealed:1:");
}

}  // namespace schemas
