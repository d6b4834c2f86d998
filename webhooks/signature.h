#pragma once

#include <string>
#include <string_view>

#include "schemas/crypto.h"
#include "schemas/result.h"

/// Standard Webhooks (github.com/standard-webhooks, spec/standard-webhooks.md): how a receiver
/// knows who sent a message, and that it is whole.
namespace webhooks {

/// A key that sender and receiver share: `whsec_` and the Base64 of 24 to 64 bytes.
class SigningSecret {
 public:
  static SigningSecret make();
  /// An error's detail says what is wrong, and does not repeat the secret.
  static schemas::Result<SigningSecret> parse(std::string_view text);

  std::string text() const;

  /// The value of `webhook-signature`: HMAC-SHA256 over id, time (seconds since 1970, as in
  /// `webhook-timestamp`) and body. `v1,…`.
  std::string sign(std::string_view id, std::string_view timestamp, std::string_view body) const;

 private:
  explicit SigningSecret(schemas::Secret key) : key_(std::move(key)) {}
  schemas::Secret key_;
};

}  // namespace webhooks
