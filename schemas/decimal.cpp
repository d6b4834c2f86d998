#include "schemas/decimal.h"

#include <algorithm>

namespace schemas {
namespace {

bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::expected<Decimal, std::string> Decimal::parse(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const auto point = text.find('.');
  const auto whole = text.substr(0, point);
  const auto fraction =
      point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
  const bool has_point = point != std::string_view::npos;
  if (!is_digits(whole) || (has_point && !is_digits(fraction)) ||
      (whole.size() > 1 && whole.front() == '0')) {
    return std::unexpected("must be a decimal number in a text, such as \"12.34\"");
  }
  if (whole.size() > whole_digits_max) {
    return std::unexpected("may have " + std::to_string(whole_digits_max) +
                           " digits before the point");
  }
  if (fraction.size() > fraction_digits_max) {
    return std::unexpected("may have " + std::to_string(fraction_digits_max) +
                           " digits behind the point");
  }
  Int128 number = 0;
  for (char c : whole) number = number * 10 + (c - '0');
  for (std::size_t i = 0; i < fraction_digits_max; ++i) {
    number = number * 10 + (i < fraction.size() ? fraction[i] - '0' : 0);
  }
  return Decimal(negative ? -number : number, static_cast<std::uint8_t>(fraction.size()));
}

std::string Decimal::text() const {
  // Digits from behind, so that the smallest number needs no positive counterpart.
  auto rest = billionths_;
  std::string backwards;
  for (unsigned place = 0; place <= fraction_digits_max || rest != 0; ++place) {
    if (place == fraction_digits_max) backwards.push_back('.');
    const auto digit = static_cast<int>(rest % 10);
    backwards.push_back(static_cast<char>('0' + (digit < 0 ? -digit : digit)));
    rest /= 10;
  }
  std::size_t dropped = 0;
  while (dropped < fraction_digits_max - digits_ && backwards[dropped] == '0') ++dropped;
  if (dropped == fraction_digits_max) ++dropped;  // the point too
  if (billionths_ < 0) backwards.push_back('-');
  return {backwards.rbegin(), backwards.rend() - static_cast<std::ptrdiff_t>(dropped)};
}

std::optional<Decimal> add(const Decimal& a, const Decimal& b) {
  const auto sum = checked_add(a.billionths(), b.billionths());
  if (!sum) return std::nullopt;
  return Decimal(*sum, std::max(a.digits(), b.digits()));
}

}  // namespace schemas
