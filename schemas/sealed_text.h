#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "schemas/crypto.h"

// clang-format off
/// A sealed value as it stands in the JSON of a declared product's events and rows: a text.
///
///     sealed:1:<sealed field, base64url>                  (eventstore/sealing.h says what that is)
///     sealed:1:<sealed field>:<16 bytes, base64url>       where an index names the field
///
/// The last part is a keyed hash of the value, the blind index: equal values of one field of one
/// organization have the same, so that rows are found and kept unique by it, and who has not the
/// root key learns only which are equal.
// clang-format on
namespace schemas {

using BlindHash = std::array<std::uint8_t, 16>;

struct SealedText {
  std::string_view sealed;  // base64url
  std::string_view blind;   // the same, or empty
};

std::string sealed_text(Bytes sealed, const std::optional<BlindHash>& blind);
/// Of what stands in keys of the index.
std::string blind_text(const BlindHash& blind);
/// Empty when the text has not this form.
std::optional<SealedText> parse_sealed_text(std::string_view text);
/// Whether there may be one in it; a quick look.
bool may_hold_sealed(std::string_view json);

}  // namespace schemas
