#include "webhooks/signature.h"

#include <array>

#include <fmt/format.h>

namespace webhooks {
namespace {

constexpr std::string_view prefix = "whsec_";
constexpr std::size_t key_bytes_min = 24;
constexpr std::size_t key_bytes_max = 64;
constexpr std::size_t key_bytes_made = 32;

schemas::Secret secret_of(std::span<const std::uint8_t> bytes) {
  return schemas::Secret({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace

SigningSecret SigningSecret::make() {
  std::array<std::uint8_t, key_bytes_made> key;
  schemas::random_bytes(key);
  return SigningSecret(secret_of(key));
}

schemas::Result<SigningSecret> SigningSecret::parse(std::string_view text) {
  const bool has_prefix = text.starts_with(prefix);
  const auto key = schemas::parse_base64(has_prefix ? text.substr(prefix.size()) : "");
  if (!has_prefix || !key || key->size() < key_bytes_min || key->size() > key_bytes_max) {
    return schemas::fail(schemas::ErrorCode::invalid_parameter,
                         fmt::format("a signing secret is {} and the Base64 of {} to {} bytes",
                                     prefix, key_bytes_min, key_bytes_max));
  }
  return SigningSecret(secret_of(*key));
}

std::string SigningSecret::text() const {
  return std::string(prefix) + schemas::base64(schemas::bytes_of(key_.reveal()));
}

std::string SigningSecret::sign(std::string_view id, std::string_view timestamp,
                                std::string_view body) const {
  const auto signed_text = fmt::format("{}.{}.{}", id, timestamp, body);
  const auto digest =
      schemas::hmac_sha256(schemas::bytes_of(key_.reveal()), schemas::bytes_of(signed_text));
  return "v1," + schemas::base64(digest);
}

}  // namespace webhooks
