#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string>

#include <fmt/format.h>

#include "schemas/cel/functions.h"
#include "schemas/cel/text.h"
#include "schemas/json.h"

/// `format` of cel-go's extension for strings: %s %d %f %e %b %o %x %X %%, %f and %e with ".3".
namespace schemas::cel {
namespace {

constexpr int precision_default = 6;
constexpr int precision_max = 100;

/// One clause into `out`; what is wrong with its value, if anything.
using Problem = std::string_view;

Problem format_real(std::string& out, Value value, char clause, int precision) {
  double number = 0;
  switch (value.kind()) {
    case Kind::real:
      number = value.as_real();
      break;
    case Kind::integer:
      number = static_cast<double>(value.as_integer());
      break;
    case Kind::unsigned_integer:
      number = static_cast<double>(value.as_unsigned());
      break;
    default:
      return "%f and %e take numbers";
  }
  const auto to = std::back_inserter(out);
  if (!std::isfinite(number)) {
    append_text(out, Value::real(number));
  } else if (clause == 'f') {
    fmt::format_to(to, "{:.{}f}", number, precision);
  } else {
    fmt::format_to(to, "{:.{}e}", number, precision);
  }
  return {};
}

Problem format_decimal(std::string& out, Value value) {
  if (!value.is_number()) return "%d takes numbers";
  append_text(out, value);
  return {};
}

/// In base 2, 8 or 16; with its sign.
Problem format_integer(std::string& out, Value value, char clause) {
  std::uint64_t number = 0;
  switch (value.kind()) {
    case Kind::integer:
      number = static_cast<std::uint64_t>(value.as_integer());
      if (value.as_integer() < 0) {
        out += '-';
        number = 0 - number;
      }
      break;
    case Kind::unsigned_integer:
      number = value.as_unsigned();
      break;
    case Kind::boolean:
      if (clause != 'b') return "booleans are formatted by %s and %b";
      number = value.as_boolean() ? 1 : 0;
      break;
    default:
      return "%b, %o, %x and %X take integers";
  }
  const auto to = std::back_inserter(out);
  switch (clause) {
    case 'b':
      fmt::format_to(to, "{:b}", number);
      break;
    case 'o':
      fmt::format_to(to, "{:o}", number);
      break;
    case 'x':
      fmt::format_to(to, "{:x}", number);
      break;
    default:
      fmt::format_to(to, "{:X}", number);
      break;
  }
  return {};
}

Problem format_hex(std::string& out, Value value, char clause) {
  if (value.kind() != Kind::string && value.kind() != Kind::bytes) {
    return format_integer(out, value, clause);
  }
  const std::string_view digits = clause == 'x' ? "0123456789abcdef" : "0123456789ABCDEF";
  for (const char c : value.text()) {
    const auto byte = static_cast<unsigned char>(c);
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return {};
}

Problem format_one(std::string& out, Value value, char clause, int precision) {
  switch (clause) {
    case 's':
      if (value.kind() == Kind::optional) return "%s takes no optionals";
      append_text(out, value);
      return {};
    case 'd':
      return format_decimal(out, value);
    case 'f':
    case 'e':
      return format_real(out, value, clause, precision < 0 ? precision_default : precision);
    case 'b':
    case 'o':
      return format_integer(out, value, clause);
    case 'x':
    case 'X':
      return format_hex(out, value, clause);
    default:
      return "no such formatting clause";
  }
}

/// ".3" in front of a clause; -1 without one; -2 when it is wrong.
int take_precision(std::string_view& rest) {
  if (!rest.starts_with('.')) return -1;
  rest.remove_prefix(1);
  if (rest.empty() || rest[0] < '0' || rest[0] > '9') return -2;
  int precision = 0;
  for (; !rest.empty() && rest[0] >= '0' && rest[0] <= '9'; rest.remove_prefix(1)) {
    precision = precision * 10 + (rest[0] - '0');
    if (precision > precision_max) return -2;
  }
  return precision;
}

/// Whether the steps last for writing a value out, which may be a list of lists.
bool spend_writing(Memory& memory, Value value) {
  switch (value.kind()) {
    case Kind::string:
    case Kind::bytes:
      return memory.spend_text(value.size());
    case Kind::optional:
      return memory.spend(1) && (value.inner() == nullptr || spend_writing(memory, *value.inner()));
    case Kind::list:
    case Kind::map:
      for (Items i(value); i.has(); i.next()) {
        if (!spend_writing(memory, i.key()) || !spend_writing(memory, i.value())) return false;
      }
      return true;
    default:
      return memory.spend(1);
  }
}

/// Many digits are worked out one by one.
bool spend_digits(Memory& memory, Value value, int precision) {
  constexpr double few_digits = 1e15;
  const bool is_large = value.kind() == Kind::real && std::fabs(value.as_real()) > few_digits;
  const auto digits = (is_large ? 310 : 15) + std::max(precision, 0);
  return memory.spend(static_cast<std::size_t>(is_large || precision > 15 ? digits * 4 : 4));
}

Value format(Memory& memory, Arguments arguments) {
  if (arguments[0].kind() != Kind::string || arguments[1].kind() != Kind::list) {
    return no_overload();
  }
  std::string out;
  Items values(arguments[1]);
  auto rest = arguments[0].text();
  while (!rest.empty()) {
    const auto at = rest.find('%');
    out += rest.substr(0, at);
    if (at == rest.npos) break;
    rest.remove_prefix(at + 1);
    if (rest.starts_with('%')) {
      out += '%';
      rest.remove_prefix(1);
      continue;
    }
    const int precision = take_precision(rest);
    if (rest.empty() || precision == -2) return Value::error("a formatting clause is not whole");
    if (!values.has()) return Value::error("more formatting clauses than values");
    if (!spend_writing(memory, values.value()) ||
        !spend_digits(memory, values.value(), precision)) {
      return Memory::over_limits();
    }
    const auto problem = format_one(out, values.value(), rest.front(), precision);
    if (!problem.empty()) return Value::error(problem);
    values.next();
    rest.remove_prefix(1);
  }
  if (!json::valid_utf8(out)) return Value::error("bytes that are no UTF-8 in a text");
  return memory.string(out);
}

}  // namespace

std::span<const Function> format_functions() {
  static constexpr std::array<Function, 1> all{{{"format", 2, 2, true, format}}};
  return all;
}

}  // namespace schemas::cel
