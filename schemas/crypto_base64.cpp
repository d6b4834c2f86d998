#include <array>

#include "schemas/crypto.h"

namespace schemas {

namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t no_digit = 0xff;

constexpr std::array<std::uint8_t, 256> make_digits() {
  std::array<std::uint8_t, 256> digits;
  digits.fill(no_digit);
  for (std::uint8_t value = 0; value < 64; ++value) {
    digits[static_cast<std::uint8_t>(alphabet[value])] = value;
  }
  return digits;
}

}  // namespace

std::string base64url(Bytes bytes) {
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t pending = 0;  // its lowest `bits` bits are not written yet
  int bits = 0;
  for (const std::uint8_t byte : bytes) {
    pending = (pending << 8) | byte;
    for (bits += 8; bits >= 6;) {
      bits -= 6;
      text.push_back(alphabet[(pending >> bits) & 63]);
    }
  }
  if (bits > 0) text.push_back(alphabet[(pending << (6 - bits)) & 63]);
  return text;
}

std::optional<std::vector<std::uint8_t>> parse_base64url(std::string_view text) {
  static constexpr auto digits = make_digits();
  if (text.size() % 4 == 1) return std::nullopt;
  std::vector<std::uint8_t> bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t pending = 0;
  int bits = 0;
  for (const char character : text) {
    const std::uint8_t digit = digits[static_cast<std::uint8_t>(character)];
    if (digit == no_digit) return std::nullopt;
    pending = (pending << 6) | digit;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push_back(static_cast<std::uint8_t>(pending >> bits));
  }
  const std::uint32_t stray = pending & ((1u << bits) - 1);
  if (stray != 0) return std::nullopt;
  return bytes;
}

}  // namespace schemas
