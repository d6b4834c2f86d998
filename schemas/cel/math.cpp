#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <type_traits>
#include <vector>

#include "schemas/cel/functions.h"

/// cel-go's extension for numbers.
namespace schemas::cel {
namespace {

template <Order wanted>
Value extreme(Memory& memory, Arguments arguments) {
  std::vector<Value> listed;
  if (arguments.size() == 1 && arguments[0].kind() == Kind::list) {
    if (!memory.spend(arguments[0].size())) return Memory::over_limits();
    for (Items i(arguments[0]); i.has(); i.next()) listed.push_back(i.value());
    arguments = listed;
  }
  if (arguments.empty()) return Value::error("an empty list has no greatest and no least");
  auto best = arguments[0];
  for (const auto value : arguments) {
    if (!value.is_number()) return no_overload();
    if (compare(value, best) == wanted) best = value;
  }
  return best;
}

template <double (*function)(double)>
Value rounded(Memory& /*memory*/, Arguments arguments) {
  if (arguments[0].kind() != Kind::real) return no_overload();
  return Value::real(function(arguments[0].as_real()));
}

template <bool (*function)(double)>
Value question(Memory& /*memory*/, Arguments arguments) {
  if (arguments[0].kind() != Kind::real) return no_overload();
  return Value::boolean(function(arguments[0].as_real()));
}

Value absolute(Memory& /*memory*/, Arguments arguments) {
  const auto value = arguments[0];
  switch (value.kind()) {
    case Kind::real:
      return Value::real(std::fabs(value.as_real()));
    case Kind::unsigned_integer:
      return value;
    case Kind::integer:
      if (value.as_integer() == std::numeric_limits<std::int64_t>::min()) return out_of_range();
      return Value::integer(std::abs(value.as_integer()));
    default:
      return no_overload();
  }
}

Value sign(Memory& /*memory*/, Arguments arguments) {
  const auto value = arguments[0];
  switch (value.kind()) {
    case Kind::real:
      if (std::isnan(value.as_real()) || value.as_real() == 0) return value;
      return Value::real(value.as_real() < 0 ? -1 : 1);
    case Kind::unsigned_integer:
      return Value::unsigned_integer(value.as_unsigned() > 0 ? 1 : 0);
    case Kind::integer:
      return Value::integer((value.as_integer() > 0 ? 1 : 0) - (value.as_integer() < 0 ? 1 : 0));
    default:
      return no_overload();
  }
}

template <typename Operation>
Value bitwise(Memory& /*memory*/, Arguments arguments) {
  const auto left = arguments[0], right = arguments[1];
  if (left.kind() != right.kind()) return no_overload();
  if (left.kind() == Kind::integer) return made(Operation()(left.as_integer(), right.as_integer()));
  if (left.kind() != Kind::unsigned_integer) return no_overload();
  return made(Operation()(left.as_unsigned(), right.as_unsigned()));
}

Value complement(Memory& /*memory*/, Arguments arguments) {
  const auto value = arguments[0];
  if (value.kind() == Kind::integer) return made(~value.as_integer());
  if (value.kind() == Kind::unsigned_integer) return made(~value.as_unsigned());
  return no_overload();
}

/// Bits that come in are zero, on either side.
template <bool left>
Value shift(Memory& /*memory*/, Arguments arguments) {
  const auto value = arguments[0], by = arguments[1];
  const bool is_signed = value.kind() == Kind::integer;
  if ((!is_signed && value.kind() != Kind::unsigned_integer) || by.kind() != Kind::integer) {
    return no_overload();
  }
  if (by.as_integer() < 0) return Value::error("a shift by a negative number of bits");
  auto bits = is_signed ? static_cast<std::uint64_t>(value.as_integer()) : value.as_unsigned();
  if (by.as_integer() > 63) {
    bits = 0;
  } else {
    bits = left ? bits << by.as_integer() : bits >> by.as_integer();
  }
  return is_signed ? made(static_cast<std::int64_t>(bits)) : made(bits);
}

Value square_root(Memory& /*memory*/, Arguments arguments) {
  const auto value = arguments[0];
  switch (value.kind()) {
    case Kind::real:
      return Value::real(std::sqrt(value.as_real()));
    case Kind::integer:
      return Value::real(std::sqrt(static_cast<double>(value.as_integer())));
    case Kind::unsigned_integer:
      return Value::real(std::sqrt(static_cast<double>(value.as_unsigned())));
    default:
      return no_overload();
  }
}

bool is_nan(double value) {
  return std::isnan(value);
}
bool is_infinite(double value) {
  return std::isinf(value);
}
bool is_finite(double value) {
  return std::isfinite(value);
}

}  // namespace

std::span<const Function> math_functions() {
  static constexpr std::array<Function, 18> all{{
      {"math.greatest", 1, any_number, false, extreme<Order::greater>},
      {"math.least", 1, any_number, false, extreme<Order::less>},
      {"math.ceil", 1, 1, false, rounded<std::ceil>},
      {"math.floor", 1, 1, false, rounded<std::floor>},
      {"math.round", 1, 1, false, rounded<std::round>},
      {"math.trunc", 1, 1, false, rounded<std::trunc>},
      {"math.abs", 1, 1, false, absolute},
      {"math.sign", 1, 1, false, sign},
      {"math.sqrt", 1, 1, false, square_root},
      {"math.isNaN", 1, 1, false, question<is_nan>},
      {"math.isInf", 1, 1, false, question<is_infinite>},
      {"math.isFinite", 1, 1, false, question<is_finite>},
      {"math.bitAnd", 2, 2, false, bitwise<std::bit_and<>>},
      {"math.bitOr", 2, 2, false, bitwise<std::bit_or<>>},
      {"math.bitXor", 2, 2, false, bitwise<std::bit_xor<>>},
      {"math.bitNot", 1, 1, false, complement},
      {"math.bitShiftLeft", 2, 2, false, shift<true>},
      {"math.bitShiftRight", 2, 2, false, shift<false>},
  }};
  return all;
}

}  // namespace schemas::cel
