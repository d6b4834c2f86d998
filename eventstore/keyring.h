#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "eventstore/file.h"
#include "eventstore/keyring_format.h"
#include "eventstore/root_key.h"
#include "schemas/crypto.h"

/// The keyring: keys outside the log, wrapped by a root key, so that destroying a key is erasure.
/// Now it holds the mark key and the HMAC key.
///
/// Promises: a key is durable before anybody can use it; an id names one key for ever; a crash
/// while writing leaves the old file or the new one. Immutable after opening; any thread. Does not
/// lock the data directory: its owner does. Where the log is on Kafka, so are the keys
/// (kafka_keyring.h).
namespace eventstore {

struct NamedKey {
  std::uint32_t id;
  schemas::HmacKey key;
};

struct KeyringPlace {
  std::string directory;  // the data directory; the file in it is `keyring`
  std::optional<std::string>
      root_key;  // a file of the operator's; else `root.key` in the directory
};

/// The keys that a new keyring begins with.
StoredKeys first_keys(const RootKey& root);

class Keyring {
 public:
  /// Makes the keyring when there is none, and `root.key` when none was named. Errors name the file
  /// and what to do.
  static schemas::Result<Keyring> open_or_create(FileSystem& files, const KeyringPlace& place);

  /// Of keys that were read elsewhere, whose place `where` names in errors. `hint` says what to do
  /// about a root key that they were not made with.
  static schemas::Result<Keyring> of_keys(const StoredKeys& stored, const RootKey& root,
                                          std::string_view where, std::string_view hint);

  /// Authenticates marks and cursors.
  const NamedKey& mark_key() const { return mark_; }
  /// Keys the digests that stand in the log.
  const NamedKey& hmac_key() const { return hmac_; }
  /// The path of the root key if this opening made it: say so, and that a backup leaves it out.
  const std::optional<std::string>& root_key_made() const { return root_key_made_; }

 private:
  Keyring(NamedKey mark, NamedKey hmac, std::optional<std::string> root_key_made)
      : mark_(mark), hmac_(hmac), root_key_made_(std::move(root_key_made)) {}

  NamedKey mark_;
  NamedKey hmac_;
  std::optional<std::string> root_key_made_;
};

}  // namespace eventstore
