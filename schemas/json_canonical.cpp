#include <algorithm>

#include "schemas/json_number.h"
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

void write_canonical(Writer& writer, Value value) {
  if (value.is_number()) {
    std::string number;
    append_es6(number, *value.as_double());
    writer.raw(number);
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
