#include "eventstore/keyring.h"

#include <ranges>

#include <fmt/core.h>

namespace eventstore {
namespace {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

/// Empty when there is no keyring yet.
Result<std::optional<StoredKeys>> read_keys(FileSystem& files, const std::string& path) {
  auto bytes = read_whole(files, path);
  if (!bytes && bytes.error().code == ErrorCode::not_found) return std::nullopt;
  if (!bytes) return fail(std::move(bytes).error());
  auto stored = decode_keys(*bytes);
  if (stored) return std::move(*stored);
  return fail(ErrorCode::internal,
              fmt::format("the keyring {} cannot be read: {}; put back the one from a backup", path,
                          stored.error().detail));
}

/// An existing root key, or a new one if that can be: not for an existing keyring, and not at a
/// place that the operator named.
Result<RootKey> root_key_for(FileSystem& files, const KeyringPlace& place, bool keyring_exists) {
  const auto path = place.root_key.value_or(place.directory + "/root.key");
  auto found = read_root_key(files, path);
  if (!found) return fail(std::move(found).error());
  if (*found) return std::move(**found);
  if (place.root_key) {
    return fail(ErrorCode::internal,
                fmt::format("there is no root key {}; put it there, or make one for a new data "
                            "directory: (umask 077; openssl rand -hex 32 > {})",
                            path, path));
  }
  if (keyring_exists) {
    return fail(ErrorCode::internal,
                fmt::format("the root key {} is missing (backups leave it out), and without it the "
                            "keyring in {} cannot be opened; put it back, or name its place",
                            path, place.directory));
  }
  return make_root_key(files, path);
}

/// The newest active key of a purpose.
Result<NamedKey> newest(const StoredKeys& stored, KeyPurpose purpose, const RootKey& root) {
  for (const auto& key : stored.keys | std::views::reverse) {
    if (key.purpose != purpose || key.state != KeyState::active) continue;
    const auto opened = open_key(key, root.view());
    if (opened) return NamedKey{key.id, schemas::HmacKey(schemas::bytes_of(opened->reveal()))};
    return fail(ErrorCode::internal, fmt::format("key {} does not open", key.id));
  }
  return fail(ErrorCode::internal, "a key that must be there is missing");
}

}  // namespace

StoredKeys first_keys(const RootKey& root) {
  const auto key = [&](std::uint32_t id, KeyPurpose purpose) {
    return make_key({id, purpose, schemas::platform_organization}, root.view());
  };
  return {fingerprint_of(root.view()), {key(1, KeyPurpose::mark), key(2, KeyPurpose::hmac)}};
}

Result<Keyring> Keyring::of_keys(const StoredKeys& stored, const RootKey& root,
                                 std::string_view where, std::string_view hint) {
  if (stored.root != fingerprint_of(root.view())) {
    return fail(ErrorCode::internal,
                fmt::format("the keyring {} was made with another root key than {}; {}", where,
                            root.path, hint));
  }
  auto mark = newest(stored, KeyPurpose::mark, root);
  auto hmac = newest(stored, KeyPurpose::hmac, root);
  if (!mark || !hmac) {
    return fail(ErrorCode::internal,
                fmt::format("the keyring {} is damaged: {}; put back the one from a backup", where,
                            (mark ? hmac : mark).error().detail));
  }
  return Keyring(*mark, *hmac, root.made ? std::optional(root.path) : std::nullopt);
}

Result<Keyring> Keyring::open_or_create(FileSystem& files, const KeyringPlace& place) {
  const auto path = place.directory + "/keyring";
  auto stored = read_keys(files, path);
  if (!stored) return fail(std::move(stored).error());
  auto root = root_key_for(files, place, stored->has_value());
  if (!root) return fail(std::move(root).error());
  if (!*stored) {
    *stored = first_keys(*root);
    auto written = replace_whole(files, path, encode_keys(**stored));
    if (!written) return fail(std::move(written).error());
  }
  return of_keys(**stored, *root, path, "put back or name the one it was made with");
}

}  // namespace eventstore
