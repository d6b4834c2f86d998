#include "schemas/json_number.h"

#include <charconv>
#include <cmath>

namespace schemas::json {

Decimal::Decimal(double magnitude) {
  std::array<char, 32> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), magnitude,
                                    std::chars_format::scientific);
  const std::string_view text(buffer.data(), result.ptr);
  const std::size_t e = text.find('e');
  for (const char c : text.substr(0, e)) {
    if (c != '.') digits_[count_++] = c;
  }
  const std::size_t exponent_at = e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(text.data() + exponent_at, text.data() + text.size(), point_);
  ++point_;
}

void append_es6(std::string& out, double number) {
  if (number == 0) {
    out.push_back('0');
    return;
  }
  if (number < 0) out.push_back('-');
  const Decimal decimal(std::abs(number));
  const std::string_view digits = decimal.digits();
  const int point = decimal.point();
  const auto zeros = [](int count) { return static_cast<std::size_t>(count); };
  if (point > 21 || point <= -6) {
    out += digits.front();
    if (digits.size() > 1) (out += '.') += digits.substr(1);
    out += point > 0 ? "e+" : "e-";
    out += std::to_string(std::abs(point - 1));
  } else if (point <= 0) {
    out += "0.";
    out.append(zeros(-point), '0') += digits;
  } else if (static_cast<std::size_t>(point) >= digits.size()) {
    (out += digits).append(zeros(point) - digits.size(), '0');
  } else {
    (out += digits.substr(0, zeros(point))) += '.';
    out += digits.substr(zeros(point));
  }
}

}  // namespace schemas::json
