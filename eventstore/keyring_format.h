#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "schemas/crypto.h"
#include "schemas/ids.h"
#include "schemas/result.h"

// clang-format off
/// The bytes of the file `keyring`. All numbers are little-endian.
///
///     magic "tmkeys\r\n" | format u32 = 1 | fingerprint 8 | count u32 | count × key | CRC32C u32
///
///     fingerprint = the root key's
///     key = id u32 | purpose u8 | state u8 | zero u16 | organization 16 | nonce 12 | sealed 48
///
/// `sealed` is the key under the root key (AES-256-GCM), bound to id, purpose and organization:
/// bytes moved from one key to another do not open. A destroyed key keeps its id and is zero
/// otherwise, so that no id is given twice.
// clang-format on
namespace eventstore {

enum class KeyPurpose : std::uint8_t { mark = 1, hmac = 2, data = 3 };
enum class KeyState : std::uint8_t { active = 1, destroyed = 2 };

struct StoredKey {
  std::uint32_t id;
  KeyPurpose purpose;
  KeyState state;
  schemas::OrganizationId organization;  // whose data key; nil for the others
  std::array<std::uint8_t, 12> nonce;
  std::array<std::uint8_t, 48> sealed;
};

using Fingerprint = std::array<std::uint8_t, 8>;

struct StoredKeys {
  Fingerprint root;
  std::vector<StoredKey> keys;  // by id, ascending
};

std::vector<std::uint8_t> encode_keys(const StoredKeys& stored);
/// The error says what is wrong with the bytes; the caller adds which file and what to do.
schemas::Result<StoredKeys> decode_keys(schemas::Bytes bytes);

/// Tells root keys apart without telling anything about them.
Fingerprint fingerprint_of(std::span<const std::uint8_t, 32> root);

struct KeyName {
  std::uint32_t id;
  KeyPurpose purpose;
  schemas::OrganizationId organization;
};
/// A new random key, sealed under the root key.
StoredKey make_key(const KeyName& name, std::span<const std::uint8_t, 32> root);
/// A key that is there already.
StoredKey wrap_key(const KeyName& name, const schemas::Secret& key,
                   std::span<const std::uint8_t, 32> root);
/// Empty when `root` is not what the key was sealed under, or its bytes are not as they were.
std::optional<schemas::Secret> open_key(const StoredKey& key,
                                        std::span<const std::uint8_t, 32> root);

}  // namespace eventstore
