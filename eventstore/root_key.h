#pragma once

#include <array>
#include <optional>
#include <string>

#include "eventstore/file.h"
#include "schemas/crypto.h"

/// The root key: 32 bytes that wrap every key of the keyring, in a file of 64 hexadecimal digits
/// that only its owner may read (`openssl rand -hex 32` makes one). It stays out of backups.
namespace eventstore {

struct RootKey {
  schemas::Secret bytes;  // 32
  std::string path;
  bool made;  // just now: tell the operator to keep a copy

  std::span<const std::uint8_t, 32> view() const;
};

/// Empty when there is no such file. An error when others may read it or it is no key.
schemas::Result<std::optional<RootKey>> read_root_key(FileSystem& files, const std::string& path);
/// Makes a new one; durable when it returns. There must be none yet.
schemas::Result<RootKey> make_root_key(FileSystem& files, const std::string& path);
/// The same key in another file; durable when it returns.
schemas::Result<void> copy_root_key(FileSystem& files, const RootKey& key, const std::string& path);

}  // namespace eventstore
