#include "eventstore/key_rotation.h"

#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace eventstore {
namespace {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

std::string next_to(const std::string& root_key) {
  return root_key + ".new";
}

Result<RootKey> required_root(FileSystem& files, const std::string& path) {
  auto root = read_root_key(files, path);
  if (!root) return fail(std::move(root).error());
  if (*root) return std::move(**root);
  return fail(ErrorCode::root_key_missing,
              fmt::format("the root key {} is missing; put it back, or name its place", path));
}

Result<StoredKeys> required_keys(FileSystem& files, const std::string& path) {
  auto bytes = read_whole(files, path);
  if (!bytes) return fail(std::move(bytes).error());
  auto stored = decode_keys(*bytes);
  if (stored) return stored;
  return fail(ErrorCode::internal,
              fmt::format("the keyring {} cannot be read: {}", path, stored.error().detail));
}

/// One that a rotation that was cut off has left may wrap keys by now, or soon: a record on its way
/// to brokers. What is no whole key wraps none.
Result<RootKey> next_root_key(FileSystem& files, const std::string& path) {
  auto left = read_root_key(files, path);
  if (left && *left) return std::move(**left);
  std::ignore = files.remove(path);
  return make_root_key(files, path);
}

StoredKeys wrapped_anew(const StoredKeys& stored, const RootKey& from, const RootKey& to,
                        KeyRotation& done) {
  StoredKeys after{fingerprint_of(to.view()), {}};
  std::set<schemas::OrganizationId> organizations;
  for (const auto& key : stored.keys) {
    if (key.state != KeyState::active) {
      after.keys.push_back(key);
      continue;
    }
    const auto opened = open_key(key, from.view());
    ENSURE(opened);
    after.keys.push_back(wrap_key({key.id, key.purpose, key.organization}, *opened, to.view()));
    ++done.keys;
    if (key.purpose == KeyPurpose::data) organizations.insert(key.organization);
  }
  for (const auto& organization : organizations) {
    const auto id = after.keys.back().id + 1;
    after.keys.push_back(make_key({id, KeyPurpose::data, organization}, to.view()));
  }
  done.data_keys = organizations.size();
  return after;
}

}  // namespace

std::vector<std::uint32_t> keys_that_stay_shut(const StoredKeys& stored, const RootKey& root) {
  std::vector<std::uint32_t> shut;
  for (const auto& key : stored.keys) {
    if (key.state == KeyState::active && !open_key(key, root.view())) shut.push_back(key.id);
  }
  return shut;
}

namespace {

std::string kept_as(const std::string& root_key, const Fingerprint& fingerprint) {
  return fmt::format("{}.{:02x}", root_key, fmt::join(fingerprint, ""));
}

/// Several data directories, and so several processes, may name one root key.
Result<std::unique_ptr<FileLock>> lock_root_key(FileSystem& files, const std::string& root_key) {
  auto lock = files.lock(std::filesystem::path(root_key).parent_path() / "rotation.lock");
  if (lock) return lock;
  auto error = std::move(lock).error();
  error.detail = fmt::format("another process gives {} its successor, wait until it is done: {}",
                             root_key, error.detail);
  return fail(std::move(error));
}

/// What would be left to do; empty: nothing.
Result<std::optional<RootKey>> unfinished(FileSystem& files, const std::string& root_key,
                                          const Fingerprint& wraps) {
  auto next = read_root_key(files, next_to(root_key));
  if (!next) {
    auto error = std::move(next).error();
    error.detail += "; if it holds no root key nothing is wrapped by it: move it away";
    return fail(std::move(error));
  }
  // One that nothing is wrapped with yet is of a rotation that did not get far.
  if (!*next || fingerprint_of((*next)->view()) != wraps) return std::nullopt;
  return next;
}

Result<void> finish_locked(FileSystem& files, const std::string& root_key,
                           const Fingerprint& wraps) {
  const auto next = unfinished(files, root_key, wraps);
  if (!next) return fail(next.error());
  if (!*next) return {};
  auto before = read_root_key(files, root_key);
  if (!before) return fail(std::move(before).error());
  if (*before) {
    const auto kept = kept_as(root_key, fingerprint_of((*before)->view()));
    if (auto moved = files.rename(root_key, kept); !moved) return moved;
  }
  if (auto moved = files.rename(next_to(root_key), root_key); !moved) return moved;
  return files.sync_directory(std::filesystem::path(root_key).parent_path());
}

/// That the key which wraps everything now is where it will be looked for.
Result<void> check_kept(FileSystem& files, const std::string& root_path, const RootKey& next) {
  const auto fingerprint = fingerprint_of(next.view());
  const auto there = read_root_key(files, root_path);
  if (there && *there && fingerprint_of((*there)->view()) == fingerprint) return {};
  const auto saved = kept_as(root_path, fingerprint);
  if (auto copied = copy_root_key(files, next, saved); !copied) return copied;
  return fail(ErrorCode::internal,
              fmt::format("the keyring has its new root key, but {} is another one: the new one is "
                          "in {}, put it in its place",
                          root_path, saved));
}

}  // namespace

Result<void> finish_rotation(FileSystem& files, const std::string& root_key,
                             const Fingerprint& wraps) {
  const auto next = unfinished(files, root_key, wraps);
  if (!next) return fail(next.error());
  if (!*next) return {};
  const auto lock = lock_root_key(files, root_key);
  if (!lock) return fail(lock.error());
  return finish_locked(files, root_key, wraps);
}

Result<KeyRotation> rotate_root_key(FileSystem& files, const KeyringPlace& place,
                                    const RotatedKeyring& keyring) {
  const auto root_path = place.root_key_path();
  const auto& before = keyring.before;
  const auto lock = lock_root_key(files, root_path);
  if (!lock) return fail(lock.error());
  if (auto ended = finish_locked(files, root_path, before.root); !ended) {
    return fail(std::move(ended).error());
  }
  auto root = required_root(files, root_path);
  if (!root) return fail(std::move(root).error());
  if (const auto shut = keys_that_stay_shut(before, *root); !shut.empty()) {
    return fail(ErrorCode::root_key_missing,
                fmt::format("keys {} of {} do not open with {}; nothing was changed: name the root "
                            "key that the keyring was made with",
                            fmt::join(shut, ", "), keyring.where, root_path));
  }
  auto next = next_root_key(files, next_to(root_path));
  if (!next) return fail(std::move(next).error());
  KeyRotation done{.root_key = root_path, .old_root_key = kept_as(root_path, before.root)};
  const auto after = wrapped_anew(before, *root, *next, done);
  if (auto replaced = keyring.replace(after); !replaced) {
    auto error = std::move(replaced).error();
    error.detail += fmt::format(
        "; {} may wrap the keys all the same, now or soon: keep it, and "
        "rotate again",
        next_to(root_path));
    return fail(std::move(error));
  }
  if (auto ended = finish_locked(files, root_path, after.root); !ended) {
    return fail(std::move(ended).error());
  }
  if (auto kept = check_kept(files, root_path, *next); !kept) return fail(std::move(kept).error());
  return done;
}

Result<KeyRotation> rotate_root_key(FileSystem& files, const KeyringPlace& place) {
  const auto path = place.directory + "/keyring";
  auto stored = required_keys(files, path);
  if (!stored) return fail(std::move(stored).error());
  const auto replace = [&](const StoredKeys& after) {
    return replace_whole(files, path, encode_keys(after));
  };
  auto done = rotate_root_key(files, place, {*stored, path, replace});
  if (!done) return done;
  // Opens it once, so that the service keys are of this keyring too.
  auto opened = Keyring::open_or_create(files, place);
  if (!opened) return fail(std::move(opened).error());
  return done;
}

}  // namespace eventstore
