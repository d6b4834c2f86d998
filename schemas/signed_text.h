#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/crypto.h"
#include "schemas/ids.h"

/// URL-safe text that only a holder of the key can have written: what marks and cursors have in
/// common.
///
///     prefix base64url( body | tag 8 )
///
/// `tag` is the start of HMAC-SHA-256 (RFC 2104, truncated as its section 5 allows) over prefix,
/// organization, space and body. The text is not encrypted. Each body has exactly one text.
namespace schemas {

struct TextScope {
  std::string_view prefix;
  OrganizationId organization;
  Space space;
};

inline constexpr std::size_t tag_bytes = 8;

std::string sign_text(const HmacKey& key, const TextScope& scope, Bytes body);
/// The body; empty for everything that `sign_text` did not give with this key and scope.
std::optional<std::vector<std::uint8_t>> open_text(const HmacKey& key, const TextScope& scope,
                                                   std::string_view text);

}  // namespace schemas
