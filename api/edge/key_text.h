#pragma once

#include <string>
#include <string_view>

#include "schemas/crypto.h"
#include "schemas/ids.h"

/// The text of an API key: `le_live_` or `le_test_`, 12 characters that may be shown, 32 that are
/// the secret, 6 of CRC-32 over everything before them, all of 0-9A-Za-z. The check lets a mistyped
/// key be told from an unknown one without looking it up, and lets scanners find leaked ones.
namespace api::edge {

/// A new key from the operating system's generator.
schemas::Secret make_key_text(schemas::Space space);

/// Whether `text` has the form and the check of a key.
bool is_key_text(std::string_view text);

/// The part that may be shown: prefix and the 12 characters behind it.
std::string key_hint(std::string_view key);

/// What is stored and looked up instead of the key: SHA-256 of its whole text.
std::string key_digest(std::string_view key);

}  // namespace api::edge
