#include "api/edge/key_text.h"

#include <algorithm>
#include <array>
#include <ranges>

#include "schemas/result.h"

namespace api::edge {
namespace {

constexpr std::string_view alphabet =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::string_view live_prefix = "le_live_";
constexpr std::string_view test_prefix = "le_test_";
constexpr std::size_t prefix_size = live_prefix.size();
constexpr std::size_t shown_size = 12;
constexpr std::size_t secret_size = 32;
constexpr std::size_t check_size = 6;
constexpr std::size_t key_size = prefix_size + shown_size + secret_size + check_size;

/// Most significant character first; 62^6 is more than 2^32.
std::array<char, check_size> check_of(std::string_view text) {
  std::array<char, check_size> check{};
  auto rest = schemas::crc32(schemas::bytes_of(text));
  for (auto& character : std::views::reverse(check)) {
    character = alphabet[rest % alphabet.size()];
    rest /= static_cast<std::uint32_t>(alphabet.size());
  }
  return check;
}

/// Bytes from 248 on are drawn again: 248 = 4 × 62, so every character is equally likely.
void append_random(std::string& text, std::size_t count) {
  std::array<std::uint8_t, 64> drawn;
  while (count > 0) {
    schemas::random_bytes(drawn);
    for (auto byte : drawn) {
      if (byte >= 4 * alphabet.size() || count == 0) continue;
      text.push_back(alphabet[byte % alphabet.size()]);
      --count;
    }
  }
}

}  // namespace

schemas::Secret make_key_text(schemas::Space space) {
  std::string text(space == schemas::Space::live ? live_prefix : test_prefix);
  text.reserve(key_size);
  append_random(text, shown_size + secret_size);
  auto check = check_of(text);
  text.append(check.begin(), check.end());
  schemas::Secret secret(text);
  std::ranges::fill(text, '\0');
  return secret;
}

bool is_key_text(std::string_view text) {
  if (text.size() != key_size) return false;
  if (!text.starts_with(live_prefix) && !text.starts_with(test_prefix)) return false;
  if (text.substr(prefix_size).find_first_not_of(alphabet) != std::string_view::npos) return false;
  auto check = check_of(text.substr(0, key_size - check_size));
  return text.ends_with(std::string_view(check.data(), check.size()));
}

std::string key_hint(std::string_view key) {
  ENSURE(key.size() == key_size);
  return std::string(key.substr(0, prefix_size + shown_size));
}

std::string key_digest(std::string_view key) {
  auto digest = schemas::sha256(schemas::bytes_of(key));
  return {digest.begin(), digest.end()};
}

}  // namespace api::edge
