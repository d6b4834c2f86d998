#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "schemas/crypto.h"

struct evp_pkey_st;

namespace schemas {

/// Ed25519 (RFC 8032), the signing half: whoever has the public key can check what this key signed,
/// and not sign. The same message always gets the same signature. Any number of threads may sign at
/// once.
class Ed25519Key {
 public:
  using Seed = std::span<const std::uint8_t, 32>;
  using Public = std::array<std::uint8_t, 32>;
  using Signature = std::array<std::uint8_t, 64>;

  /// Any 32 bytes are a key.
  explicit Ed25519Key(Seed seed);

  Public public_key() const;
  Secret seed() const;
  Signature sign(Bytes message) const;

 private:
  struct Free {
    void operator()(evp_pkey_st* key) const;
  };
  std::unique_ptr<evp_pkey_st, Free> key_;  // wiped when it is freed
};

}  // namespace schemas
