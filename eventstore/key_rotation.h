#pragma once

#include <functional>
#include <string>

#include "eventstore/keyring.h"

// clang-format off
/// A new root key for a keyring: every key is wrapped anew under the same id, and each
/// organization that has data keys gets one more, for what is sealed from then on. What was sealed
/// before opens as before; backups from before still need the root key from before.
///
///     1 root.key.new is made     2 keys are replaced       3 root.key → root.key.<fingerprint>
///                                                          4 root.key.new → root.key
///
/// A crash before 2 leaves everything as it was, a root.key.new included, which the next rotation
/// uses; one behind 2 is made good by the next opening.
// clang-format on
namespace eventstore {

struct KeyRotation {
  std::string root_key;       // the path of the new one
  std::string old_root_key;   // where the one from before is now
  std::size_t keys = 0;       // wrapped anew
  std::size_t data_keys = 0;  // made
};

/// Of the keyring file: the directory must be locked, and no server may run on it.
schemas::Result<KeyRotation> rotate_root_key(FileSystem& files, const KeyringPlace& place);

/// A keyring wherever it is kept; `replace` puts `after` there if it still is `before`, and returns
/// when that is durable.
struct RotatedKeyring {
  const StoredKeys& before;
  std::string where;
  std::function<schemas::Result<void>(const StoredKeys& after)> replace;
};
schemas::Result<KeyRotation> rotate_root_key(FileSystem& files, const KeyringPlace& place,
                                             const RotatedKeyring& keyring);
/// Ends a rotation that was cut off, if there was one, of the keyring that `wraps` is the
/// fingerprint of.
schemas::Result<void> finish_rotation(FileSystem& files, const std::string& root_key,
                                      const Fingerprint& wraps);

/// Keys that should open and do not, by id; those that the root key was not the right one for, all.
std::vector<std::uint32_t> keys_that_stay_shut(const StoredKeys& stored, const RootKey& root);

}  // namespace eventstore
