#pragma once

#include <array>
#include <string>
#include <string_view>

namespace schemas::json {

/// A double in the fewest digits that read as the same double: 0.d1d2d3… × 10^point, without the
/// sign and without zeros at the end.
class Decimal {
 public:
  explicit Decimal(double magnitude);

  std::string_view digits() const { return {digits_.data(), count_}; }
  int point() const { return point_; }

 private:
  std::array<char, 24> digits_;
  std::size_t count_ = 0;
  int point_ = 0;
};

/// Number::toString of ECMA-262 for a finite number, which RFC 8785 prescribes; minus zero is 0.
void append_es6(std::string& out, double number);

}  // namespace schemas::json
