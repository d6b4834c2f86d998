#include <algorithm>
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
  std::string text((bytes.size() * 4 + 2) / 3, '\0');
  char* out = text.data();
  const auto digits = [&](std::uint32_t bits, int count) {
    for (int shift = 18; count > 0; shift -= 6, --count) *out++ = alphabet[(bits >> shift) & 63];
  };
  for (; bytes.size() >= 3; bytes = bytes.subspan(3)) {
    digits(std::uint32_t{bytes[0]} << 16 | std::uint32_t{bytes[1]} << 8 | bytes[2], 4);
  }
  if (bytes.size() == 2) digits(std::uint32_t{bytes[0]} << 16 | std::uint32_t{bytes[1]} << 8, 3);
  if (bytes.size() == 1) digits(std::uint32_t{bytes[0]} << 16, 2);
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

std::string base64(Bytes bytes) {
  auto text = base64url(bytes);
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  text.append((4 - text.size() % 4) % 4, '=');
  return text;
}

std::optional<std::vector<std::uint8_t>> parse_base64(std::string_view text) {
  if (text.size() % 4 == 0 && text.ends_with('=')) {
    text.remove_suffix(text.ends_with("==") ? 2 : 1);
  }
  if (text.find_first_of("-_") != text.npos) return std::nullopt;
  std::string other(text);
  std::ranges::replace(other, '+', '-');
  std::ranges::replace(other, '/', '_');
  return parse_base64url(other);
}

}  // namespace schemas
