#include "webhooks/signature.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace webhooks {
namespace {

constexpr std::string_view secret_prefix = "whsec_";
constexpr std::size_t secret_bytes_min = 24;
constexpr std::size_t secret_bytes_max = 64;
constexpr std::size_t secret_bytes_made = 32;

constexpr std::string_view key_prefix = "whsk_";
constexpr std::string_view public_prefix = "whpk_";
constexpr std::size_t seed_bytes = 32;
constexpr std::size_t pair_bytes = 64;

std::string signed_text(std::string_view id, std::string_view timestamp, std::string_view body) {
  return fmt::format("{}.{}.{}", id, timestamp, body);
}

/// What stands behind the prefix, decoded.
std::optional<schemas::Secret> decode(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return std::nullopt;
  const auto bytes = schemas::parse_base64(text.substr(prefix.size()));
  return bytes ? std::optional<schemas::Secret>(schemas::text_of(*bytes)) : std::nullopt;
}

}  // namespace

SigningSecret SigningSecret::make() {
  std::array<std::uint8_t, secret_bytes_made> key;
  schemas::random_bytes(key);
  return SigningSecret(schemas::Secret(schemas::text_of(key)));
}

schemas::Result<SigningSecret> SigningSecret::parse(std::string_view text) {
  auto key = decode(text, secret_prefix);
  const std::size_t size = key ? key->reveal().size() : 0;
  if (size < secret_bytes_min || size > secret_bytes_max) {
    return schemas::fail(schemas::ErrorCode::invalid_parameter,
                         fmt::format("a signing secret is {} and the Base64 of {} to {} bytes",
                                     secret_prefix, secret_bytes_min, secret_bytes_max));
  }
  return SigningSecret(*std::move(key));
}

std::string SigningSecret::text() const {
  return std::string(secret_prefix) + schemas::base64(schemas::bytes_of(key_.reveal()));
}

std::string SigningSecret::sign(std::string_view id, std::string_view timestamp,
                                std::string_view body) const {
  const auto text = signed_text(id, timestamp, body);
  const auto digest =
      schemas::hmac_sha256(schemas::bytes_of(key_.reveal()), schemas::bytes_of(text));
  return "v1," + schemas::base64(digest);
}

SigningKey SigningKey::make() {
  std::array<std::uint8_t, seed_bytes> bytes;
  schemas::random_bytes(bytes);
  const schemas::Secret seed(schemas::text_of(bytes));
  return SigningKey(schemas::bytes_of(seed.reveal()).first<seed_bytes>());
}

schemas::Result<SigningKey> SigningKey::parse(std::string_view text) {
  const auto decoded = decode(text, key_prefix);
  const auto bytes = schemas::bytes_of(decoded ? decoded->reveal() : "");
  if (bytes.size() != seed_bytes && bytes.size() != pair_bytes) {
    return schemas::fail(
        schemas::ErrorCode::invalid_parameter,
        fmt::format("a signing key is {} and the Base64 of {} bytes, an Ed25519 seed and its "
                    "public key, or of the seed's {}",
                    key_prefix, pair_bytes, seed_bytes));
  }
  SigningKey key(bytes.first<seed_bytes>());
  const auto rest = bytes.subspan(seed_bytes);
  if (!rest.empty() && !std::ranges::equal(rest, key.key_.public_key())) {
    return schemas::fail(schemas::ErrorCode::invalid_parameter,
                         "the signing key's public half does not belong to its seed");
  }
  return key;
}

std::string SigningKey::text() const {
  const auto seed = key_.seed();
  const auto public_key = key_.public_key();
  const schemas::Secret pair(fmt::format("{}{}", seed.reveal(), schemas::text_of(public_key)));
  return std::string(key_prefix) + schemas::base64(schemas::bytes_of(pair.reveal()));
}

std::string SigningKey::public_text() const {
  return std::string(public_prefix) + schemas::base64(key_.public_key());
}

std::string SigningKey::sign(std::string_view id, std::string_view timestamp,
                             std::string_view body) const {
  const auto text = signed_text(id, timestamp, body);
  return "v1a," + schemas::base64(key_.sign(schemas::bytes_of(text)));
}

schemas::Result<Signer> parse_signer(std::string_view text) {
  if (text.starts_with(key_prefix)) return SigningKey::parse(text);
  return SigningSecret::parse(text);
}

std::string signature_header(std::span<const Signer> signers, std::string_view id,
                             std::string_view timestamp, std::string_view body) {
  std::string header;
  for (const Signer& signer : signers) {
    if (!header.empty()) header.push_back(' ');
    header += std::visit([&](const auto& one) { return one.sign(id, timestamp, body); }, signer);
  }
  return header;
}

}  // namespace webhooks
