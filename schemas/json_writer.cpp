#include "schemas/json_writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <emmintrin.h>

#include "schemas/json_number.h"
#include "schemas/time.h"

namespace schemas::json {

namespace {

constexpr auto must_escape = [] {
  std::array<bool, 256> table{};
  std::fill_n(table.begin(), 0x20, true);
  table['"'] = table['\\'] = true;
  return table;
}();

/// The first of 16 bytes that must be escaped, 16 when none must.
std::size_t first_special(const char* text) {
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  const __m128i last_control = _mm_set1_epi8(0x1f);
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text));
  const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
  const __m128i special =
      _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash));
  const auto found = static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(control, special)));
  return static_cast<std::size_t>(std::countr_zero(found | 0x10000U));
}

/// How many bytes at the front go out as they are; 16 at a time where there are as many, the last
/// ones together with some that were looked at already.
std::size_t plain_size(std::string_view text) {
  std::size_t at = 0;
  if (text.size() < 16) {
    while (at < text.size() && !must_escape[static_cast<unsigned char>(text[at])]) ++at;
    return at;
  }
  for (; at + 16 <= text.size(); at += 16) {
    const auto special = first_special(text.data() + at);
    if (special < 16) return at + special;
  }
  if (at == text.size()) return at;
  const auto last = text.size() - 16;
  return std::min(last + first_special(text.data() + last), text.size());
}

void append_escaped(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += c < 0x10 ? "\\u000" : "\\u001";
      out += "0123456789abcdef"[c & 0xf];
  }
}

template <typename Number>
std::string_view digits(std::array<char, 32>& buffer, Number number) {
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number);
  return {buffer.data(), result.ptr};
}

}  // namespace

void append_string(std::string& out, std::string_view text) {
  out.push_back('"');
  for (;;) {
    const std::size_t plain = plain_size(text);
    out.append(text.substr(0, plain));
    if (plain == text.size()) break;
    append_escaped(out, text[plain]);
    text.remove_prefix(plain + 1);
  }
  out.push_back('"');
}

std::string quote(std::string_view text) {
  std::string out;
  append_string(out, text);
  return out;
}

Writer& Writer::open(char bracket) {
  separate();
  out_.push_back(bracket);
  comma_ = false;
  return *this;
}

Writer& Writer::close(char bracket) {
  out_.push_back(bracket);
  comma_ = true;
  return *this;
}

Writer& Writer::name(std::string_view name) {
  separate();
  append_string(out_, name);
  out_.push_back(':');
  comma_ = false;
  return *this;
}

Writer& Writer::value(std::string_view text) {
  separate();
  append_string(out_, text);
  return *this;
}

Writer& Writer::integer(std::int64_t number) {
  std::array<char, 32> buffer;
  return raw(digits(buffer, number));
}

Writer& Writer::integer(std::uint64_t number) {
  std::array<char, 32> buffer;
  return raw(digits(buffer, number));
}

Writer& Writer::value(double number) {
  ENSURE(std::isfinite(number));
  separate();
  const std::size_t begin = out_.size();
  if (number == 0 && std::signbit(number)) out_.push_back('-');
  append_es6(out_, number);
  // So that it is read as a real again, not as an integer.
  if (std::string_view(out_).find_first_of(".e", begin) == out_.npos) out_ += ".0";
  return *this;
}

Writer& Writer::value(Time time) {
  separate();
  out_.push_back('"');
  append_text(out_, time);
  out_.push_back('"');
  return *this;
}

Writer& Writer::value(Value v) {
  switch (v.kind()) {
    case Kind::null:
      return null();
    case Kind::boolean:
      return value(*v.as_bool());
    case Kind::integer:
      return value(*v.as_int64());
    case Kind::unsigned_integer:
      return value(*v.as_uint64());
    case Kind::real:
      return value(*v.as_double());
    case Kind::string:
      return value(*v.as_string());
    case Kind::array:
      begin_array();
      for (const Value element : v.elements()) value(element);
      return end_array();
    case Kind::object:
      begin_object();
      for (const auto [its_name, its_value] : v.members()) name(its_name).value(its_value);
      return end_object();
  }
  ENSURE(false);
  return *this;
}

Writer& Writer::raw(std::string_view json) {
  separate();
  out_.append(json);
  return *this;
}

std::string minify(Value value) {
  std::string out;
  Writer(out).value(value);
  return out;
}

}  // namespace schemas::json
