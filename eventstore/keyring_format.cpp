#include "eventstore/keyring_format.h"

#include <algorithm>

#include <fmt/core.h>

#include "schemas/packing.h"

namespace eventstore {
namespace {

using schemas::Bytes;
using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

constexpr std::string_view magic = "tmkeys\r\n";  // a transfer as text changes it
constexpr std::uint32_t format_version = 1;
constexpr std::size_t head_bytes = 8 + 4 + 8 + 4;
constexpr std::size_t key_bytes = 4 + 1 + 1 + 2 + 16 + 12 + 48;
constexpr std::size_t crc_bytes = 4;

std::vector<std::uint8_t> associated(const KeyName& name) {
  constexpr std::string_view label = "tidemark keyring";
  schemas::Packer bytes(label.size() + 4 + 1 + 16);
  bytes.put(schemas::bytes_of(label));
  bytes.put(name.id);
  bytes.put(name.purpose);
  bytes.put(name.organization.uuid().bytes);
  return std::move(bytes).take();
}

void pack(schemas::Packer& out, const StoredKey& key) {
  out.put(key.id);
  out.put(key.purpose);
  out.put(key.state);
  out.put(std::uint16_t{0});
  out.put(key.organization.uuid().bytes);
  out.put(key.nonce);
  out.put(key.sealed);
}

StoredKey unpack(schemas::Unpacker& in) {
  const auto id = in.get<std::uint32_t>();
  const auto purpose = in.get<KeyPurpose>();
  const auto state = in.get<KeyState>();
  in.take(sizeof(std::uint16_t));
  const schemas::OrganizationId organization(schemas::Uuid{in.get_array<16>()});
  const auto nonce = in.get_array<12>();
  return {id, purpose, state, organization, nonce, in.get_array<48>()};
}

bool known(const StoredKey& key) {
  return key.purpose >= KeyPurpose::mark && key.purpose <= KeyPurpose::data &&
         key.state >= KeyState::active && key.state <= KeyState::destroyed;
}

bool ids_ascend(const std::vector<StoredKey>& keys) {
  const auto not_before = [](const auto& a, const auto& b) { return a.id >= b.id; };
  return std::ranges::adjacent_find(keys, not_before) == keys.end();
}

}  // namespace

std::vector<std::uint8_t> encode_keys(const StoredKeys& stored) {
  ENSURE(ids_ascend(stored.keys));
  schemas::Packer out(head_bytes + stored.keys.size() * key_bytes + crc_bytes);
  out.put(schemas::bytes_of(magic));
  out.put(format_version);
  out.put(stored.root);
  out.put(static_cast<std::uint32_t>(stored.keys.size()));
  for (const auto& key : stored.keys) pack(out, key);
  out.put(schemas::crc32c(out.bytes()));
  return std::move(out).take();
}

Result<StoredKeys> decode_keys(Bytes bytes) {
  const auto wrong = [](std::string what) { return fail(ErrorCode::internal, std::move(what)); };
  if (bytes.size() < head_bytes + crc_bytes) return wrong("it is cut off");
  schemas::Unpacker in(bytes.first(bytes.size() - crc_bytes));
  if (schemas::text_of(in.take(magic.size())) != magic) return wrong("it is not a keyring");
  const auto format = in.get<std::uint32_t>();
  if (format > format_version) {
    return wrong(fmt::format("it has format {}, which a newer version wrote", format));
  }
  schemas::Unpacker crc(bytes.last(crc_bytes));
  if (crc.get<std::uint32_t>() != schemas::crc32c(bytes.first(bytes.size() - crc_bytes))) {
    return wrong("its checksum is wrong");
  }
  StoredKeys stored{in.get_array<8>(), {}};
  const auto count = in.get<std::uint32_t>();
  if (in.rest().size() != std::size_t{count} * key_bytes) return wrong("its length is wrong");
  while (!in.rest().empty()) stored.keys.push_back(unpack(in));
  if (format != format_version || !std::ranges::all_of(stored.keys, known) ||
      !ids_ascend(stored.keys)) {
    return wrong("it holds keys that no version writes");
  }
  return stored;
}

Fingerprint fingerprint_of(std::span<const std::uint8_t, 32> root) {
  const auto digest = schemas::hmac_sha256(root, schemas::bytes_of("tidemark root key"));
  Fingerprint start;
  std::copy_n(digest.begin(), start.size(), start.begin());
  return start;
}

StoredKey make_key(const KeyName& name, std::span<const std::uint8_t, 32> root) {
  std::array<std::uint8_t, 32> bytes;
  schemas::random_bytes(bytes);
  return wrap_key(name, schemas::Secret(schemas::text_of(bytes)), root);
}

StoredKey wrap_key(const KeyName& name, const schemas::Secret& secret,
                   std::span<const std::uint8_t, 32> root) {
  StoredKey key{name.id, name.purpose, KeyState::active, name.organization, {}, {}};
  schemas::random_bytes(key.nonce);
  const auto sealed = schemas::aes_256_gcm_seal({root, key.nonce}, associated(name),
                                                schemas::bytes_of(secret.reveal()));
  ENSURE(sealed.size() == key.sealed.size());
  std::ranges::copy(sealed, key.sealed.begin());
  return key;
}

std::optional<schemas::Secret> open_key(const StoredKey& key,
                                        std::span<const std::uint8_t, 32> root) {
  const KeyName name{key.id, key.purpose, key.organization};
  return schemas::aes_256_gcm_open({root, key.nonce}, associated(name), key.sealed);
}

}  // namespace eventstore
