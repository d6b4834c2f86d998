#include "eventstore/keyring.h"

#include <ranges>

#include <fmt/core.h>

#include "eventstore/key_rotation.h"

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

/// The file `keyring` of a data directory.
class KeyringFile final : public KeyPlace {
 public:
  KeyringFile(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

  Result<StoredKeys> read() override {
    auto stored = read_keys(files_, path_);
    if (!stored) return fail(std::move(stored).error());
    if (*stored) return std::move(**stored);
    return fail(ErrorCode::internal, fmt::format("the keyring {} is gone", path_));
  }
  Result<StoredKeys> add(const Make& make) override {
    auto stored = read();
    if (!stored) return stored;
    stored->keys.push_back(make(stored->keys.back().id + 1));
    if (auto written = replace_whole(files_, path_, encode_keys(*stored)); !written) {
      return fail(std::move(written).error());
    }
    return stored;
  }

 private:
  FileSystem& files_;
  std::string path_;
};

/// An existing root key, or a new one if that can be: not for an existing keyring, and not at a
/// place that the operator named.
Result<RootKey> root_key_for(FileSystem& files, const KeyringPlace& place, bool keyring_exists) {
  const auto path = place.root_key_path();
  auto found = read_root_key(files, path);
  if (!found) return fail(std::move(found).error());
  if (*found) return std::move(**found);
  if (keyring_exists) {
    return fail(ErrorCode::root_key_missing,
                fmt::format("the root key {} is missing (backups leave it out), and without it the "
                            "keyring in {} cannot be opened; put it back, or name its place",
                            path, place.directory));
  }
  if (place.root_key) {
    return fail(ErrorCode::internal,
                fmt::format("there is no root key {}; put it there, or make one for a new data "
                            "directory: (umask 077; openssl rand -hex 32 > {})",
                            path, path));
  }
  return make_root_key(files, path);
}

/// The newest active key of a purpose.
Result<BareKey> newest(const StoredKeys& stored, KeyPurpose purpose, const RootKey& root) {
  for (const auto& key : stored.keys | std::views::reverse) {
    if (key.purpose != purpose || key.state != KeyState::active) continue;
    auto opened = open_key(key, root.view());
    if (opened) return BareKey{key.id, std::move(*opened)};
    return fail(ErrorCode::internal, fmt::format("key {} does not open", key.id));
  }
  return fail(ErrorCode::internal, "a key that must be there is missing");
}

Result<ServiceKeys> open_service_keys(const Keyring::Opening& opening) {
  auto mark = newest(opening.stored, KeyPurpose::mark, *opening.root);
  auto hmac = newest(opening.stored, KeyPurpose::hmac, *opening.root);
  if (mark && hmac) return ServiceKeys{std::move(*mark), std::move(*hmac)};
  return fail(ErrorCode::internal,
              fmt::format("the keyring {} is damaged: {}; put back the one from a backup",
                          opening.where, (mark ? hmac : mark).error().detail));
}

}  // namespace

StoredKeys first_keys(const RootKey& root) {
  const auto key = [&](std::uint32_t id, KeyPurpose purpose) {
    return make_key({id, purpose, schemas::platform_organization}, root.view());
  };
  return {fingerprint_of(root.view()), {key(1, KeyPurpose::mark), key(2, KeyPurpose::hmac)}};
}

Result<Keyring> Keyring::open(FileSystem& files, const std::string& directory, Opening opening) {
  const auto& root_of_keyring = opening.stored.root;
  if (opening.root && root_of_keyring != fingerprint_of(opening.root->view())) {
    opening.root = fail(ErrorCode::root_key_missing,
                        fmt::format("the keyring {} was made with another root key than {}; {}",
                                    opening.where, opening.root->path, opening.hint));
  }
  if (opening.root) {
    auto keys = open_service_keys(opening);
    if (!keys) return fail(std::move(keys).error());
    if (auto kept = keep_service_keys(files, directory, root_of_keyring, *keys); !kept) {
      return fail(std::move(kept).error());
    }
    const bool made = opening.root->made;
    const auto path = opening.root->path;
    Keyring keyring(*keys, std::make_unique<Sealing>(std::move(opening.place), opening.stored,
                                                     std::move(*opening.root)));
    if (made) keyring.root_key_made_ = path;
    return keyring;
  }
  if (opening.root.error().code != ErrorCode::root_key_missing) {
    return fail(std::move(opening.root).error());
  }
  auto keys = read_service_keys(files, directory, root_of_keyring);
  if (!keys) return fail(std::move(keys).error());
  if (!*keys) return fail(std::move(opening.root).error());
  return Keyring(**keys, std::make_unique<Sealing>(opening.root.error().detail));
}

Result<Keyring> Keyring::open_or_create(FileSystem& files, const KeyringPlace& place) {
  const auto path = place.directory + "/keyring";
  auto stored = read_keys(files, path);
  if (!stored) return fail(std::move(stored).error());
  if (*stored) {
    auto ended = finish_rotation(files, place.root_key_path(), (*stored)->root);
    if (!ended) return fail(std::move(ended).error());
  }
  auto root = root_key_for(files, place, stored->has_value());
  if (!*stored) {
    if (!root) return fail(std::move(root).error());
    *stored = first_keys(*root);
    auto written = replace_whole(files, path, encode_keys(**stored));
    if (!written) return fail(std::move(written).error());
  }
  return open(files, place.directory,
              {.stored = std::move(**stored),
               .root = std::move(root),
               .place = std::make_unique<KeyringFile>(files, path),
               .where = path,
               .hint = "put back or name the one it was made with"});
}

}  // namespace eventstore
