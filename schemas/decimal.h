#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace schemas {

/// Room for sums of amounts; no floating point anywhere near money.
__extension__ using Int128 = __int128;

/// Empty when the result has no room.
inline std::optional<Int128> checked_add(Int128 a, Int128 b) {
  Int128 sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}
inline std::optional<Int128> checked_multiply(Int128 a, Int128 b) {
  Int128 product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

/// To the nearest whole number, half up (towards the larger). `divisor` is above zero.
constexpr Int128 divide_half_up(Int128 number, Int128 divisor) {
  auto quotient = number / divisor;
  auto rest = number % divisor;
  if (rest < 0) {
    rest += divisor;
    --quotient;
  }
  return rest >= divisor - rest ? quotient + 1 : quotient;
}

/// An exact decimal number: whole billionths, and how many digits behind the point it is shown with
/// at least. `12.3400` stays `12.3400`; a sum is shown as finely as the finest of its parts.
class Decimal {
 public:
  static constexpr unsigned fraction_digits_max = 9;
  static constexpr unsigned whole_digits_max = 15;
  static constexpr Int128 one = 1'000'000'000;

  constexpr Decimal() = default;
  constexpr Decimal(Int128 billionths, std::uint8_t digits)
      : billionths_(billionths), digits_(digits) {}

  /// `-?` digits, and behind a point more digits; else what is wrong with the text.
  static std::expected<Decimal, std::string> parse(std::string_view text);

  constexpr Int128 billionths() const { return billionths_; }
  constexpr std::uint8_t digits() const { return digits_; }
  /// All digits that are not zero, and `digits()` at least.
  std::string text() const;

  friend bool operator==(const Decimal&, const Decimal&) = default;

 private:
  Int128 billionths_ = 0;
  std::uint8_t digits_ = 0;
};

/// Empty when the sum has no room.
std::optional<Decimal> add(const Decimal& a, const Decimal& b);

}  // namespace schemas
