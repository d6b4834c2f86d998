#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <limits>
#include <vector>

#include "schemas/cel/functions.h"
#include "schemas/cel/text.h"

namespace schemas::cel {
namespace {

constexpr std::int64_t second = 1'000'000'000;

/// Both of one kind of integer, or both double.
template <typename Integers, typename Reals>
Value calculate(Arguments arguments, Integers integers, Reals reals) {
  const auto left = arguments[0], right = arguments[1];
  if (left.kind() != right.kind()) return no_overload();
  switch (left.kind()) {
    case Kind::integer:
      return integers(left.as_integer(), right.as_integer());
    case Kind::unsigned_integer:
      return integers(left.as_unsigned(), right.as_unsigned());
    case Kind::real:
      return reals(left.as_real(), right.as_real());
    default:
      return no_overload();
  }
}

Value shifted(Timestamp time, __int128 nanoseconds) {
  auto sum = __int128{time.seconds} * second + time.nanoseconds + nanoseconds;
  auto seconds = sum / second;
  auto rest = sum % second;
  if (rest < 0) {
    rest += second;
    --seconds;
  }
  const Timestamp made{.seconds = static_cast<std::int64_t>(seconds),
                       .nanoseconds = static_cast<std::uint32_t>(rest)};
  return in_range(made) ? Value::timestamp(made) : out_of_range();
}

Value duration(__int128 nanoseconds) {
  const bool fits = nanoseconds >= std::numeric_limits<std::int64_t>::min() &&
                    nanoseconds <= std::numeric_limits<std::int64_t>::max();
  return fits ? Value::duration(static_cast<std::int64_t>(nanoseconds)) : out_of_range();
}

__int128 nanoseconds(Timestamp time) {
  return __int128{time.seconds} * second + time.nanoseconds;
}

Value joined(Memory& memory, Value left, Value right) {
  if (!memory.spend(left.size() + right.size())) return Memory::over_limits();
  std::vector<Value> items;
  items.reserve(left.size() + right.size());
  for (const auto part : {left, right}) {
    for (Items i(part); i.has(); i.next()) items.push_back(i.value());
  }
  return memory.list(items);
}

Value add(Memory& memory, Arguments arguments) {
  const auto left = arguments[0], right = arguments[1];
  using enum Kind;
  if (left.kind() == timestamp && right.kind() == Kind::duration) {
    return shifted(left.as_timestamp(), right.as_integer());
  }
  if (left.kind() == Kind::duration && right.kind() == timestamp) {
    return shifted(right.as_timestamp(), left.as_integer());
  }
  if (left.kind() != right.kind()) return no_overload();
  switch (left.kind()) {
    case Kind::duration:
      return cel::duration(__int128{left.as_integer()} + right.as_integer());
    case string:
    case bytes:
      return memory.concatenation(left.kind(), left.text(), right.text());
    case list:
      return joined(memory, left, right);
    default:
      break;
  }
  const auto sum = []<typename T>(T a, T b) {
    T result{};
    return __builtin_add_overflow(a, b, &result) ? out_of_range() : made(result);
  };
  return calculate(arguments, sum, [](double a, double b) { return Value::real(a + b); });
}

Value subtract(Memory& /*memory*/, Arguments arguments) {
  const auto left = arguments[0], right = arguments[1];
  if (left.kind() == Kind::timestamp && right.kind() == Kind::duration) {
    return shifted(left.as_timestamp(), -__int128{right.as_integer()});
  }
  if (left.kind() == Kind::timestamp && right.kind() == Kind::timestamp) {
    return cel::duration(nanoseconds(left.as_timestamp()) - nanoseconds(right.as_timestamp()));
  }
  if (left.kind() == Kind::duration && right.kind() == Kind::duration) {
    return cel::duration(__int128{left.as_integer()} - right.as_integer());
  }
  const auto difference = []<typename T>(T a, T b) {
    T result{};
    return __builtin_sub_overflow(a, b, &result) ? out_of_range() : made(result);
  };
  return calculate(arguments, difference, [](double a, double b) { return Value::real(a - b); });
}

Value multiply(Memory& /*memory*/, Arguments arguments) {
  const auto product = []<typename T>(T a, T b) {
    T result{};
    return __builtin_mul_overflow(a, b, &result) ? out_of_range() : made(result);
  };
  return calculate(arguments, product, [](double a, double b) { return Value::real(a * b); });
}

template <typename T>
bool has_no_quotient(T a, T b) {
  return std::is_signed_v<T> && a == std::numeric_limits<T>::min() && b == static_cast<T>(-1);
}

Value divide(Memory& /*memory*/, Arguments arguments) {
  const auto quotient = []<typename T>(T a, T b) {
    if (b == 0) return Value::error("divide by zero");
    return has_no_quotient(a, b) ? out_of_range() : made(static_cast<T>(a / b));
  };
  return calculate(arguments, quotient, [](double a, double b) { return Value::real(a / b); });
}

Value modulo(Memory& /*memory*/, Arguments arguments) {
  const auto rest = []<typename T>(T a, T b) {
    if (b == 0) return Value::error("modulus by zero");
    return has_no_quotient(a, b) ? out_of_range() : made(static_cast<T>(a % b));
  };
  return calculate(arguments, rest, [](double, double) { return no_overload(); });
}

Value negate(Memory& /*memory*/, Arguments arguments) {
  const auto value = arguments[0];
  if (value.kind() == Kind::real) return Value::real(-value.as_real());
  if (value.kind() != Kind::integer && value.kind() != Kind::duration) return no_overload();
  std::int64_t result = 0;
  if (__builtin_sub_overflow(std::int64_t{0}, value.as_integer(), &result)) return out_of_range();
  return value.kind() == Kind::integer ? Value::integer(result) : Value::duration(result);
}

Value negation(Memory& /*memory*/, Arguments arguments) {
  if (arguments[0].kind() != Kind::boolean) return no_overload();
  return Value::boolean(!arguments[0].as_boolean());
}

template <bool is_equal>
Value equality(Memory& memory, Arguments arguments) {
  return Value::boolean(equal(arguments[0], arguments[1], &memory) == is_equal);
}

template <Order wanted, bool or_same>
Value comparison(Memory& memory, Arguments arguments) {
  const auto left = arguments[0], right = arguments[1];
  const bool of_texts = left.kind() == Kind::string || left.kind() == Kind::bytes;
  if (of_texts && !memory.spend_text(std::min(left.size(), right.size()))) {
    return Memory::over_limits();
  }
  const auto order = compare(left, right);
  if (order == Order::no_overload) return no_overload();
  return Value::boolean(order == wanted || (or_same && order == Order::same));
}

Value contained(Memory& memory, Arguments arguments) {
  const auto value = arguments[0], in = arguments[1];
  if (in.kind() == Kind::map) return Value::boolean(in.find(value, &memory).has_value());
  if (in.kind() != Kind::list) return no_overload();
  for (Items i(in); i.has() && memory.spend(1); i.next()) {
    if (equal(value, i.value(), &memory)) return Value::boolean(true);
  }
  return Value::boolean(false);
}

}  // namespace

std::span<const Function> operators() {
  static constexpr std::array<Function, 14> all{{
      {"_+_", 2, 2, false, add, false},
      {"_-_", 2, 2, false, subtract, false},
      {"_*_", 2, 2, false, multiply, false},
      {"_/_", 2, 2, false, divide, false},
      {"_%_", 2, 2, false, modulo, false},
      {"-_", 1, 1, false, negate, false},
      {"!_", 1, 1, false, negation, false},
      {"_==_", 2, 2, false, equality<true>, false},
      {"_!=_", 2, 2, false, equality<false>, false},
      {"_<_", 2, 2, false, comparison<Order::less, false>, false},
      {"_<=_", 2, 2, false, comparison<Order::less, true>, false},
      {"_>_", 2, 2, false, comparison<Order::greater, false>, false},
      {"_>=_", 2, 2, false, comparison<Order::greater, true>, false},
      {"@in", 2, 2, false, contained, false},
  }};
  return all;
}

}  // namespace schemas::cel
