#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "eventstore/file.h"
#include "eventstore/keyring_format.h"
#include "eventstore/root_key.h"
#include "eventstore/sealing.h"
#include "eventstore/service_keys.h"
#include "schemas/crypto.h"

/// The keyring: keys outside the log, wrapped by a root key, so that destroying a key is erasure.
/// It holds the mark key, the HMAC key, and the data keys of organizations (sealing.h).
///
/// Promises: a key is durable before anybody can use it; an id names one key for ever; a crash
/// while writing leaves the old file or the new one. Where the root key is lost or is another one,
/// it opens without data keys, by what service_keys.h keeps. Any thread. Does not lock the data
/// directory: its owner does. Where the log is on Kafka, so are the keys (kafka_keyring.h).
namespace eventstore {

struct NamedKey {
  std::uint32_t id;
  schemas::HmacKey key;
};

struct KeyringPlace {
  std::string directory;  // the data directory; the file in it is `keyring`
  std::optional<std::string>
      root_key;  // a file of the operator's; else `root.key` in the directory

  std::string root_key_path() const { return root_key.value_or(directory + "/root.key"); }
};

/// The keys that a new keyring begins with.
StoredKeys first_keys(const RootKey& root);

class Keyring {
 public:
  /// Makes the keyring when there is none, and `root.key` when none was named. Errors name the file
  /// and what to do.
  static schemas::Result<Keyring> open_or_create(FileSystem& files, const KeyringPlace& place);

  /// What is known of a keyring, wherever it is kept.
  struct Opening {
    StoredKeys stored;
    schemas::Result<RootKey> root;  // or why there is none, and what to do
    std::unique_ptr<KeyPlace> place;
    std::string where;  // names the keyring in errors
    std::string hint;   // what to do about a root key that it was not made with
  };
  static schemas::Result<Keyring> open(FileSystem& files, const std::string& directory,
                                       Opening opening);

  /// Authenticates marks and cursors.
  const NamedKey& mark_key() const { return mark_; }
  /// Keys the digests that stand in the log.
  const NamedKey& hmac_key() const { return hmac_; }
  Sealing& sealing() const { return *sealing_; }
  /// The path of the root key if this opening made it: say so, and that a backup leaves it out.
  const std::optional<std::string>& root_key_made() const { return root_key_made_; }

 private:
  Keyring(const ServiceKeys& keys, std::unique_ptr<Sealing> sealing)
      : mark_{keys.mark.id, schemas::HmacKey(schemas::bytes_of(keys.mark.key.reveal()))},
        hmac_{keys.hmac.id, schemas::HmacKey(schemas::bytes_of(keys.hmac.key.reveal()))},
        sealing_(std::move(sealing)) {}

  NamedKey mark_;
  NamedKey hmac_;
  std::unique_ptr<Sealing> sealing_;
  std::optional<std::string> root_key_made_;
};

}  // namespace eventstore
