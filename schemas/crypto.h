#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Hashes, checksums, random bytes, sealing and secrets: the one place that touches OpenSSL, TLS
/// apart. Everything here may be called from any thread; nothing here keeps state between calls.
namespace schemas {

using Bytes = std::span<const std::uint8_t>;
using Digest = std::array<std::uint8_t, 32>;

inline Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A text that cannot be printed, logged, compared or copied by accident, and is wiped when it
/// dies. `reveal()` is the only way to the text, so a search for it finds every place that sees a
/// secret.
class Secret {
 public:
  explicit Secret(std::string_view text) : text_(text.begin(), text.end()) {}
  Secret(Secret&& other) noexcept = default;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  std::string_view reveal() const { return {text_.data(), text_.size()}; }
  Secret clone() const { return Secret(reveal()); }

  template <typename Stream>
  friend Stream& operator<<(Stream&, const Secret&) = delete;

 private:
  void wipe();
  // A vector, because a moved std::string leaves short texts behind in the object that it left.
  std::vector<char> text_;
};

/// SHA-256 (FIPS 180-4). Two parts hash like their concatenation, without making it.
Digest sha256(Bytes bytes);
Digest sha256(Bytes first, Bytes second);

/// HMAC-SHA-256 (RFC 2104). The key is digested once, so that a call costs the message and one
/// block.
class HmacKey {
 public:
  explicit HmacKey(Bytes key);
  HmacKey(const HmacKey&) = default;
  HmacKey& operator=(const HmacKey&) = default;
  ~HmacKey();

  Digest sign(Bytes message) const;

 private:
  // The hash states after the padded key, as inner and outer hash begin.
  std::array<std::uint32_t, 8> inner_;
  std::array<std::uint32_t, 8> outer_;
};
Digest hmac_sha256(Bytes key, Bytes message);

/// CRC-32C (Castagnoli, polynomial 0x1EDC6F41 reflected, RFC 3720 B.4), by the SSE4.2 instruction.
/// `seed` is the CRC of what came before, or a value that makes the CRC another file's.
std::uint32_t crc32c(Bytes bytes, std::uint32_t seed = 0);

/// CRC-32 ISO-HDLC (polynomial 0x04C11DB7 reflected, as in zip and Ethernet): the check of API
/// keys.
std::uint32_t crc32(Bytes bytes);

/// Fills `bytes` from the operating system's generator.
void random_bytes(std::span<std::uint8_t> bytes);

/// Takes as long for the first wrong byte as for the last. The lengths are not hidden.
bool constant_time_equal(Bytes a, Bytes b);

/// AES-256-GCM (NIST SP 800-38D). A nonce must never be used twice under one key.
struct SealingKey {
  std::span<const std::uint8_t, 32> key;
  std::span<const std::uint8_t, 12> nonce;
};
/// Ciphertext and behind it the 16-byte tag, over `plaintext` and `associated`.
std::vector<std::uint8_t> aes_256_gcm_seal(SealingKey key, Bytes associated, Bytes plaintext);
/// Empty when the key, the associated data or any bit of `sealed` is not what was sealed.
std::optional<Secret> aes_256_gcm_open(SealingKey key, Bytes associated, Bytes sealed);

/// base64url without padding (RFC 4648 5). Decoding takes exactly what encoding gives: no padding,
/// no other alphabet, no stray bits in the last character.
std::string base64url(Bytes bytes);
std::optional<std::vector<std::uint8_t>> parse_base64url(std::string_view text);
/// Base64 with padding (RFC 4648 4). Decoding takes it without padding too.
std::string base64(Bytes bytes);
std::optional<std::vector<std::uint8_t>> parse_base64(std::string_view text);

}  // namespace schemas
