#include <array>

#include "schemas/cel/functions.h"

/// cel-go's optionals. What chooses between two (`or`, `orValue`) and what maps one is the
/// evaluator's, for it does not look at all its operands.
namespace schemas::cel {
namespace {

bool is_zero(Value value) {
  switch (value.kind()) {
    case Kind::null:
      return true;
    case Kind::boolean:
      return !value.as_boolean();
    case Kind::integer:
    case Kind::duration:
      return value.as_integer() == 0;
    case Kind::unsigned_integer:
      return value.as_unsigned() == 0;
    case Kind::real:
      return value.as_real() == 0;
    case Kind::string:
    case Kind::bytes:
    case Kind::list:
    case Kind::map:
      return value.size() == 0;
    case Kind::timestamp:
      return value.as_timestamp() == Timestamp{};
    case Kind::optional:
      return value.inner() == nullptr;
    default:
      return false;
  }
}

Value of(Memory& memory, Arguments arguments) {
  return memory.optional(arguments[0]);
}

Value of_non_zero(Memory& memory, Arguments arguments) {
  return is_zero(arguments[0]) ? Value::optional(nullptr) : memory.optional(arguments[0]);
}

Value none(Memory& /*memory*/, Arguments /*arguments*/) {
  return Value::optional(nullptr);
}

Value has_value(Memory& /*memory*/, Arguments arguments) {
  if (arguments[0].kind() != Kind::optional) return no_overload();
  return Value::boolean(arguments[0].inner() != nullptr);
}

Value value(Memory& /*memory*/, Arguments arguments) {
  if (arguments[0].kind() != Kind::optional) return no_overload();
  const auto* inner = arguments[0].inner();
  return inner != nullptr ? *inner : Value::error("optional.none() has no value");
}

}  // namespace

std::span<const Function> optional_functions() {
  static constexpr std::array<Function, 5> all{{
      {"optional.of", 1, 1, false, of, false},
      {"optional.ofNonZeroValue", 1, 1, false, of_non_zero, false},
      {"optional.none", 0, 0, false, none},
      {"hasValue", 1, 1, true, has_value},
      {"value", 1, 1, true, value},
  }};
  return all;
}

}  // namespace schemas::cel
