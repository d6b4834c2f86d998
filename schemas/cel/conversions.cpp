#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>
#include <string>

#include "schemas/cel/functions.h"
#include "schemas/cel/text.h"
#include "schemas/json.h"

namespace schemas::cel {
namespace {

Value not_convertible() {
  return Value::error("the text does not say such a value");
}

template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

Value to_integer(Memory& /*memory*/, Arguments arguments) {
  constexpr double end = 9223372036854775808.0;  // 2^63; both ends are out, as in cel-go
  const auto value = arguments[0];
  switch (value.kind()) {
    case Kind::integer:
      return value;
    case Kind::unsigned_integer:
      if (value.as_unsigned() > std::numeric_limits<std::int64_t>::max()) return out_of_range();
      return Value::integer(static_cast<std::int64_t>(value.as_unsigned()));
    case Kind::real:
      if (!(value.as_real() > -end && value.as_real() < end)) return out_of_range();
      return Value::integer(static_cast<std::int64_t>(value.as_real()));
    case Kind::timestamp:
      return Value::integer(value.as_timestamp().seconds);
    case Kind::string: {
      const auto number = parse_number<std::int64_t>(value.text());
      return number ? Value::integer(*number) : not_convertible();
    }
    default:
      return no_overload();
  }
}

Value to_unsigned(Memory& /*memory*/, Arguments arguments) {
  constexpr double end = 18446744073709551616.0;  // 2^64
  const auto value = arguments[0];
  switch (value.kind()) {
    case Kind::unsigned_integer:
      return value;
    case Kind::integer:
      if (value.as_integer() < 0) return out_of_range();
      return Value::unsigned_integer(static_cast<std::uint64_t>(value.as_integer()));
    case Kind::real:
      if (!(value.as_real() >= 0 && value.as_real() < end)) return out_of_range();
      return Value::unsigned_integer(static_cast<std::uint64_t>(value.as_real()));
    case Kind::string: {
      const auto number = parse_number<std::uint64_t>(value.text());
      return number ? Value::unsigned_integer(*number) : not_convertible();
    }
    default:
      return no_overload();
  }
}

Value to_real(Memory& /*memory*/, Arguments arguments) {
  const auto value = arguments[0];
  switch (value.kind()) {
    case Kind::real:
      return value;
    case Kind::integer:
      return Value::real(static_cast<double>(value.as_integer()));
    case Kind::unsigned_integer:
      return Value::real(static_cast<double>(value.as_unsigned()));
    case Kind::string: {
      const auto number = parse_number<double>(value.text());
      return number ? Value::real(*number) : not_convertible();
    }
    default:
      return no_overload();
  }
}

Value to_string(Memory& memory, Arguments arguments) {
  const auto value = arguments[0];
  switch (value.kind()) {
    case Kind::string:
      return value;
    case Kind::bytes:
      if (!json::valid_utf8(value.text())) return Value::error("invalid UTF-8");
      return Value::string(value.text());
    case Kind::boolean:
    case Kind::integer:
    case Kind::unsigned_integer:
    case Kind::real:
    case Kind::timestamp:
    case Kind::duration:
      return memory.string(to_text(value));
    default:
      return no_overload();
  }
}

Value to_bytes(Memory& /*memory*/, Arguments arguments) {
  const auto value = arguments[0];
  const bool has = value.kind() == Kind::bytes || value.kind() == Kind::string;
  return has ? Value::bytes(value.text()) : no_overload();
}

Value to_boolean(Memory& /*memory*/, Arguments arguments) {
  const auto value = arguments[0];
  if (value.kind() == Kind::boolean) return value;
  if (value.kind() != Kind::string) return no_overload();
  for (const std::string_view yes : {"1", "t", "true", "TRUE", "True"}) {
    if (value.text() == yes) return Value::boolean(true);
  }
  for (const std::string_view no : {"0", "f", "false", "FALSE", "False"}) {
    if (value.text() == no) return Value::boolean(false);
  }
  return not_convertible();
}

Value to_timestamp(Memory& /*memory*/, Arguments arguments) {
  const auto value = arguments[0];
  if (value.kind() == Kind::timestamp) return value;
  if (value.kind() == Kind::integer) {
    // Years beyond 9999 are also beyond what the milliseconds of a Time hold.
    constexpr std::int64_t seconds_max = 253'402'300'799;
    const Timestamp time{.seconds = value.as_integer(), .nanoseconds = 0};
    const bool small = time.seconds <= seconds_max && time.seconds >= -seconds_max;
    return small && in_range(time) ? Value::timestamp(time) : out_of_range();
  }
  if (value.kind() != Kind::string) return no_overload();
  const auto time = parse_timestamp(value.text());
  return time ? Value::timestamp(*time) : not_convertible();
}

Value to_duration(Memory& /*memory*/, Arguments arguments) {
  const auto value = arguments[0];
  if (value.kind() == Kind::duration) return value;
  if (value.kind() != Kind::string) return no_overload();
  const auto nanoseconds = parse_duration(value.text());
  return nanoseconds ? Value::duration(*nanoseconds) : not_convertible();
}

Value same(Memory& /*memory*/, Arguments arguments) {
  return arguments[0];
}

Value type(Memory& /*memory*/, Arguments arguments) {
  return Value::type(arguments[0].type_name());
}

Value size(Memory& /*memory*/, Arguments arguments) {
  const auto value = arguments[0];
  switch (value.kind()) {
    case Kind::string:
      return Value::integer(static_cast<std::int64_t>(count_characters(value.text())));
    case Kind::bytes:
    case Kind::list:
    case Kind::map:
      return Value::integer(static_cast<std::int64_t>(value.size()));
    default:
      return no_overload();
  }
}

}  // namespace

std::span<const Function> conversions() {
  static constexpr std::array<Function, 12> all{{
      {"int", 1, 1, false, to_integer},
      {"uint", 1, 1, false, to_unsigned},
      {"double", 1, 1, false, to_real},
      {"string", 1, 1, false, to_string},
      {"bytes", 1, 1, false, to_bytes, false},
      {"bool", 1, 1, false, to_boolean},
      {"timestamp", 1, 1, false, to_timestamp},
      {"duration", 1, 1, false, to_duration},
      {"dyn", 1, 1, false, same, false},
      {"type", 1, 1, false, type, false},
      {"size", 1, 1, false, size},
      {"size", 1, 1, true, size},
  }};
  return all;
}

}  // namespace schemas::cel
