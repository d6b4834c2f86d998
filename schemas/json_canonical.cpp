#include <algorithm>
#include <array>
#include <charconv>

#include "schemas/json_writer.h"

namespace schemas::json {

namespace {

/// Order of UTF-16 code units, told from UTF-8. Bytes give the order of code points, which differs
/// only where a character beyond U+FFFF (a surrogate pair there, a lead byte from 0xf0 here) meets
/// one of U+E000 to U+FFFF (lead bytes 0xee and 0xef).
bool utf16_less(std::string_view a, std::string_view b) {
  const auto [x, y] = std::ranges::mismatch(a, b);
  if (x == a.end() || y == b.end()) return x == a.end() && y != b.end();
  const auto p = static_cast<unsigned char>(*x);
  const auto q = static_cast<unsigned char>(*y);
  const bool turned = p >= 0xee && q >= 0xee && (p >= 0xf0) != (q >= 0xf0);
  return turned ? q < p : p < q;
}

/// Number::toString of ECMA-262, which RFC 8785 prescribes.
std::string es6_number(double number) {
  if (number == 0) return "0";  // minus zero, too
  std::array<char, 32> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number,
                                    std::chars_format::scientific);
  std::string_view text(buffer.data(), result.ptr);
  std::string out;
  if (text.front() == '-') {
    out = "-";
    text.remove_prefix(1);
  }
  const std::size_t e = text.find('e');
  std::string digits(text.substr(0, 1));
  if (e > 2) digits += text.substr(2, e - 2);
  int exponent = 0;
  const std::size_t exponent_at = e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(text.data() + exponent_at, text.data() + text.size(), exponent);

  const int count = static_cast<int>(digits.size());
  const int point = exponent + 1;  // the decimal point stands behind this many digits
  if (point > 21 || point <= -6) {
    out += digits.substr(0, 1);
    if (count > 1) out += '.' + digits.substr(1);
    return out + (exponent < 0 ? "e-" : "e+") + std::to_string(std::abs(exponent));
  }
  if (point <= 0) return out + "0." + std::string(static_cast<std::size_t>(-point), '0') + digits;
  if (point >= count)
    return out + digits + std::string(static_cast<std::size_t>(point - count), '0');
  return out + digits.insert(static_cast<std::size_t>(point), 1, '.');
}

void write_canonical(Writer& writer, Value value) {
  if (value.is_number()) {
    writer.raw(es6_number(*value.as_double()));
  } else if (value.is_array()) {
    writer.begin_array();
    for (const Value element : value.elements()) write_canonical(writer, element);
    writer.end_array();
  } else if (value.is_object()) {
    std::vector<Member> members;
    members.reserve(value.size());
    for (const Member member : value.members()) members.push_back(member);
    std::ranges::sort(members, utf16_less, &Member::name);
    writer.begin_object();
    for (const Member& member : members) write_canonical(writer.name(member.name), member.value);
    writer.end_object();
  } else {
    writer.value(value);
  }
}

}  // namespace

std::string canonical(Value value) {
  std::string out;
  Writer writer(out);
  write_canonical(writer, value);
  return out;
}

}  // namespace schemas::json
