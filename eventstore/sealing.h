#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "eventstore/keyring_format.h"
#include "eventstore/root_key.h"
#include "schemas/crypto.h"
#include "schemas/ids.h"
#include "schemas/sealed_text.h"

// clang-format off
/// Sealed fields: secrets and personal data, encrypted before the append under a data key of their
/// organization, and never in clear in a record, a row or an index (DESIGN 4).
///
///     sealed field = format u8 = 1 | key id u32 | nonce 12 | AES-256-GCM ciphertext | tag 16
///
/// bound to organization, space, kind, entity and field: moved to any other place it does not open.
// clang-format on
namespace eventstore {

/// Whether the bytes have the form of a sealed field, of this or a later format.
bool is_sealed_field(schemas::Bytes bytes);

/// Where the keys of a keyring are kept. Calls may block for as long as a disk or brokers take.
class KeyPlace {
 public:
  virtual ~KeyPlace() = default;
  virtual schemas::Result<StoredKeys> read() = 0;
  /// Puts a key there under an id that no other has or will have. Durable when it returns what is
  /// there then.
  using Make = std::function<StoredKey(std::uint32_t id)>;
  virtual schemas::Result<StoredKeys> add(const Make& make) = 0;
};

struct FieldPlace {
  schemas::OrganizationId organization;
  schemas::Space space;
  std::string_view kind;
  const schemas::Entity& entity;
  std::string_view field;
};

/// Seals with an organization's newest data key, and makes its first one; opens with any. A key is
/// durable before anything is sealed with it. Any thread; may block.
class Sealing {
 public:
  /// `place` gives and keeps the keys, `root` wraps them.
  Sealing(std::unique_ptr<KeyPlace> place, const StoredKeys& stored, RootKey root);
  /// Without a root key: refuses everything with root_key_missing and this detail.
  explicit Sealing(std::string why_not);

  schemas::Result<std::string> seal(const FieldPlace& where, std::string_view text);
  schemas::Result<schemas::Secret> open(const FieldPlace& where, std::string_view sealed);
  /// For digests of what will be sealed, which stand in the log: made of the organization's first
  /// data key, so that they tell nothing to who has not the root key.
  schemas::Result<schemas::HmacKey> digest_key(schemas::OrganizationId organization);
  /// A keyed hash by which equal texts of one field are known, in whatever entity; of the same key.
  schemas::Result<schemas::BlindHash> blind(const FieldPlace& where, std::string_view text);

  /// Whether sealing for it needs neither disk nor brokers.
  bool has_key(schemas::OrganizationId organization);

  /// Why nothing can be sealed or opened, if so.
  const std::string& refusal() const { return why_not_; }

 private:
  using Key = std::shared_ptr<const schemas::Secret>;
  struct DataKey {
    std::uint32_t id;
    Key key;
  };
  schemas::Result<void> check_root() const;
  /// What `purpose` makes of the organization's first data key.
  schemas::Result<schemas::Digest> derived(schemas::OrganizationId organization,
                                           std::string_view purpose);
  void take(const StoredKeys& stored);
  schemas::Result<DataKey> newest(schemas::OrganizationId organization);
  Key find(schemas::OrganizationId organization, std::uint32_t id);

  const std::string why_not_;
  const std::unique_ptr<KeyPlace> place_;
  const std::optional<RootKey> root_;
  std::mutex place_mutex_;  // held while the place is asked
  std::mutex keys_mutex_;
  std::map<schemas::OrganizationId, std::map<std::uint32_t, Key>> keys_;
};

}  // namespace eventstore
