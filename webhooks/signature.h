#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "schemas/crypto.h"
#include "schemas/crypto_ed25519.h"
#include "schemas/result.h"

/// Standard Webhooks (github.com/standard-webhooks, spec/standard-webhooks.md): how a receiver
/// knows who sent a message, and that it is whole. What is signed is `id.time.body`, the time in
/// seconds since 1970 as in `webhook-timestamp`.
namespace webhooks {

/// A key that sender and receiver share: `whsec_` and the Base64 of 24 to 64 bytes.
class SigningSecret {
 public:
  static SigningSecret make();
  /// An error's detail says what is wrong, and does not repeat the secret.
  static schemas::Result<SigningSecret> parse(std::string_view text);

  std::string text() const;

  /// HMAC-SHA256: `v1,…`.
  std::string sign(std::string_view id, std::string_view timestamp, std::string_view body) const;

 private:
  explicit SigningSecret(schemas::Secret key) : key_(std::move(key)) {}
  schemas::Secret key_;
};

/// A key pair, of which the receiver has only the public half, so that it can check messages and
/// not make any: `whsk_` and the Base64 of 64 bytes, seed and public key, as Svix writes it. The
/// seed alone is read too: the specification says `standard ed25519 key pair` and no more.
class SigningKey {
 public:
  static SigningKey make();
  /// Refuses a public key that is not the seed's. An error's detail does not repeat the key.
  static schemas::Result<SigningKey> parse(std::string_view text);

  std::string text() const;
  /// `whpk_` and the Base64 of the public key's 32 bytes: what receivers are given.
  std::string public_text() const;

  /// Ed25519: `v1a,…`.
  std::string sign(std::string_view id, std::string_view timestamp, std::string_view body) const;

 private:
  explicit SigningKey(schemas::Ed25519Key::Seed seed) : key_(seed) {}
  schemas::Ed25519Key key_;
};

using Signer = std::variant<SigningSecret, SigningKey>;
/// By its prefix.
schemas::Result<Signer> parse_signer(std::string_view text);

/// The value of `webhook-signature`: one signature of each signer, with spaces between them. While
/// a secret is rotated the new and the old one sign, and a receiver may know either.
std::string signature_header(std::span<const Signer> signers, std::string_view id,
                             std::string_view timestamp, std::string_view body);

}  // namespace webhooks
