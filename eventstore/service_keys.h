#pragma once

#include <optional>
#include <string>

#include "eventstore/file.h"
#include "eventstore/keyring_format.h"

// clang-format off
/// The two keys that every start needs, mark key and HMAC key, outside the keyring: with them a
/// server goes on whose root key is lost or wrong, and only what is sealed stays shut. The file
/// `service.keys` in the data directory, mode 0600, not wrapped; backups leave it out, like root.key.
///
///     magic "tmserv\r\n" | fingerprint 8 | mark id u32 | mark 32 | hmac id u32 | hmac 32 | CRC32C u32
///
///     fingerprint = of the root key that wraps the keyring they are from; numbers are little-endian
// clang-format on
namespace eventstore {

struct BareKey {
  std::uint32_t id;
  schemas::Secret key;
};
struct ServiceKeys {
  BareKey mark;
  BareKey hmac;
};

/// Makes the file what these keys are, if it is not that already.
schemas::Result<void> keep_service_keys(FileSystem& files, const std::string& directory,
                                        const Fingerprint& root, const ServiceKeys& keys);
/// Empty when there is no such file, or one of another keyring, or a damaged one.
schemas::Result<std::optional<ServiceKeys>> read_service_keys(FileSystem& files,
                                                              const std::string& directory,
                                                              const Fingerprint& root);

}  // namespace eventstore
