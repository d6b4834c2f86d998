#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "schemas/cel/memory.h"
#include "schemas/cel/value.h"

/// What expressions can call. Arguments are no errors; what a function has no answer for is one.
namespace schemas::cel {

using Arguments = std::span<const Value>;

struct Function {
  std::string_view name;       // with its namespace: "math.abs"
  std::uint8_t arguments_min;  // the receiver is one of them, and the first
  std::uint8_t arguments_max;
  bool has_receiver;
  Value (*call)(Memory& memory, Arguments arguments);
  bool reads_texts = true;  // those among its arguments, whole: which is charged before
};

inline constexpr std::uint8_t any_number = 255;

/// Null: there is none of that name that is called so.
const Function* find_function(std::string_view name, bool has_receiver);

// Where they stand: one file for each.
std::span<const Function> operators();
std::span<const Function> conversions();
std::span<const Function> string_functions();
std::span<const Function> format_functions();
std::span<const Function> math_functions();
std::span<const Function> time_functions();
std::span<const Function> optional_functions();

inline Value made(std::int64_t value) {
  return Value::integer(value);
}
inline Value made(std::uint64_t value) {
  return Value::unsigned_integer(value);
}
inline Value no_overload() {
  return Value::error("no such overload");
}
inline Value out_of_range() {
  return Value::error("the result is out of range");
}

}  // namespace schemas::cel
