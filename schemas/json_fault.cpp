#include "schemas/json_fault.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>
#include <simdjson.h>

#include "schemas/json.h"
#include "schemas/json_number.h"

namespace schemas::json {

namespace {

/// Whether the shortest text of a double has the digits of this integer.
bool has_digits(double real, std::string_view integer) {
  const Decimal decimal(std::abs(real));
  if (integer.starts_with('-')) integer.remove_prefix(1);
  return static_cast<std::size_t>(decimal.point()) == integer.size() &&
         integer.starts_with(decimal.digits()) &&
         integer.find_first_not_of('0', decimal.digits().size()) == integer.npos;
}

/// The grammar of RFC 8259 by recursive descent, over a text from its beginning. Every function
/// takes what its name says from the front, or notes the fault and returns false.
class Checker {
 public:
  explicit Checker(std::string_view text) : text_(text) {}

  Check run() {
    if (text_.starts_with("\xef\xbb\xbf")) {
      refuse("the text begins with a byte order mark");
    } else if (value(0)) {
      skip_space();
      if (at_ < text_.size()) refuse("nothing may follow the value");
    }
    return std::move(result_);
  }

 private:
  bool value(std::size_t depth) {
    skip_space();
    if (ended()) return refuse("the text ends where a value should stand");
    switch (text_[at_]) {
      case '{':
        return object(depth + 1);
      case '[':
        return array(depth + 1);
      case '"':
        return string(nullptr);
      case 't':
        return literal("true");
      case 'f':
        return literal("false");
      case 'n':
        return literal("null");
      default:
        return number();
    }
  }

  bool object(std::size_t depth) {
    if (depth > depth_max) return too_deep();
    ++at_;
    if (take('}')) return true;
    std::set<std::string> names;
    do {
      skip_space();
      const std::size_t name_at = at_;
      std::string name;
      if (ended() || text_[at_] != '"') return refuse("a member name in quotes should stand here");
      if (!string(&name)) return false;
      if (!names.insert(name).second) {
        at_ = name_at;
        return refuse("this object has a member of the same name already");
      }
      if (!take(':')) return refuse("a colon should stand here");
      if (!value(depth)) return false;
    } while (take(','));
    return take('}') || refuse("a comma or a closing brace should stand here");
  }

  bool array(std::size_t depth) {
    if (depth > depth_max) return too_deep();
    ++at_;
    if (take(']')) return true;
    do {
      if (!value(depth)) return false;
    } while (take(','));
    return take(']') || refuse("a comma or a closing bracket should stand here");
  }

  /// `unescaped` is where the text goes, or null.
  bool string(std::string* unescaped) {
    ++at_;
    for (;;) {
      if (ended()) return refuse("the text ends inside a string");
      const char c = text_[at_];
      const std::size_t begin = at_;
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c == '\\') {
        if (!escape(unescaped)) return false;
        continue;
      }
      if (static_cast<unsigned char>(c) < 0x20) {
        return refuse("a control character in a string must be escaped");
      }
      if (!utf8_character()) return refuse("these bytes are not UTF-8");
      if (unescaped != nullptr) unescaped->append(text_.substr(begin, at_ - begin));
    }
  }

  bool escape(std::string* unescaped) {
    static constexpr std::string_view letters = "\"\\/bfnrt";
    static constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    const char letter = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    if (letter == 'u') return unicode_escape(unescaped);
    const std::size_t which = letters.find(letter);
    if (which == letters.npos) return refuse("no escape sequence begins like this");
    if (unescaped != nullptr) unescaped->push_back(meanings[which]);
    at_ += 2;
    return true;
  }

  bool unicode_escape(std::string* unescaped) {
    const auto unit = hex_unit(at_);
    if (!unit) return refuse("\\u must be followed by four hexadecimal digits");
    char32_t character = *unit;
    std::size_t size = 6;
    if (*unit >= 0xd800 && *unit < 0xe000) {
      const auto low = hex_unit(at_ + 6);
      const bool pair = *unit < 0xdc00 && low && *low >= 0xdc00 && *low < 0xe000;
      if (!pair) return refuse("half of a surrogate pair stands alone");
      character = 0x10000 + ((*unit - 0xd800) << 10) + (*low - 0xdc00);
      size = 12;
    }
    at_ += size;
    if (unescaped != nullptr) append_utf8(*unescaped, character);
    return true;
  }

  /// The value of a \uXXXX at that place.
  std::optional<char32_t> hex_unit(std::size_t at) const {
    const std::string_view escape = at < text_.size() ? text_.substr(at, 6) : "";
    if (escape.size() < 6 || !escape.starts_with("\\u")) return std::nullopt;
    char32_t unit = 0;
    for (const char c : escape.substr(2)) {
      static constexpr std::string_view digits = "0123456789abcdef";
      const std::size_t digit = digits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
      if (digit == digits.npos) return std::nullopt;
      unit = unit * 16 + static_cast<char32_t>(digit);
    }
    return unit;
  }

  static void append_utf8(std::string& out, char32_t c) {
    const auto byte = [&out](char32_t bits) { out.push_back(static_cast<char>(bits)); };
    const auto continuation = [&byte](char32_t bits) { byte(0x80 | (bits & 0x3f)); };
    if (c < 0x80) return byte(c);
    if (c < 0x800) {
      byte(0xc0 | (c >> 6));
    } else if (c < 0x10000) {
      byte(0xe0 | (c >> 12));
      continuation(c >> 6);
    } else {
      byte(0xf0 | (c >> 18));
      continuation(c >> 12);
      continuation(c >> 6);
    }
    continuation(c);
  }

  /// One character as RFC 3629 section 4 has it: shortest form, no surrogates, nothing above
  /// U+10FFFF.
  bool utf8_character() {
    const auto byte = [this](std::size_t i) {
      return at_ + i < text_.size() ? static_cast<unsigned char>(text_[at_ + i]) : 0u;
    };
    const unsigned lead = byte(0);
    const std::size_t size = lead < 0x80   ? 1
                             : lead < 0xc2 ? 0
                             : lead < 0xe0 ? 2
                             : lead < 0xf0 ? 3
                             : lead < 0xf5 ? 4
                                           : 0;
    if (size == 0) return false;
    for (std::size_t i = 1; i < size; ++i) {
      unsigned low = 0x80;
      unsigned high = 0xbf;
      if (i == 1 && lead == 0xe0) low = 0xa0;
      if (i == 1 && lead == 0xed) high = 0x9f;
      if (i == 1 && lead == 0xf0) low = 0x90;
      if (i == 1 && lead == 0xf4) high = 0x8f;
      if (byte(i) < low || byte(i) > high) return false;
    }
    at_ += size;
    return true;
  }

  bool literal(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return no_value();
    at_ += word.size();
    return true;
  }

  bool number() {
    const std::size_t begin = at_;
    if (here('-')) ++at_;
    if (here('0')) {
      ++at_;
    } else if (!digits()) {
      if (at_ > begin) return refuse("a digit should stand here");
      return no_value();
    }
    if (here('.')) {
      ++at_;
      if (!digits()) return refuse("a digit should stand here");
    }
    if (here('e') || here('E')) {
      ++at_;
      if (here('+') || here('-')) ++at_;
      if (!digits()) return refuse("a digit should stand here");
    }
    return fits(text_.substr(begin, at_ - begin)) || refuse_number(begin);
  }

  bool fits(std::string_view number) {
    // simdjson's word, so that both looks agree to the last digit.
    if (number_parser_.parse(std::string(number)).error() == simdjson::SUCCESS) return true;
    if (number.find_first_of(".eE") != number.npos) return false;
    const auto real = number_parser_.parse(std::string(number) + ".0");
    if (real.error() != simdjson::SUCCESS || !has_digits(double(real), number)) return false;
    result_.large_integers.push_back(at_);
    return true;
  }

  bool refuse_number(std::size_t begin) {
    at_ = begin;
    return refuse("this number fits neither 64 bits nor a double; send it as a string");
  }

  bool digits() {
    const std::size_t begin = at_;
    while (!ended() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ > begin;
  }

  void skip_space() {
    while (!ended() && std::string_view(" \t\n\r").contains(text_[at_])) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (!here(c)) return false;
    ++at_;
    return true;
  }
  bool here(char c) const { return !ended() && text_[at_] == c; }
  bool ended() const { return at_ >= text_.size(); }

  bool no_value() { return refuse("a value should stand here"); }
  bool too_deep() {
    return refuse(fmt::format("arrays and objects may stand at most {} deep", depth_max));
  }
  bool refuse(std::string detail) {
    result_.fault = Fault{at_, std::move(detail)};
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Check result_;
  simdjson::dom::parser number_parser_;
};

}  // namespace

Check check(std::string_view text) {
  return Checker(text).run();
}

Place place_of(std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, at);
  const auto line = 1 + std::ranges::count(before, '\n');
  const std::size_t last_break = before.rfind('\n');  // npos + 1 is 0
  const auto column = 1 + std::ranges::count_if(before.substr(last_break + 1), [](char c) {
                        return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
                      });
  return {static_cast<std::size_t>(line), static_cast<std::size_t>(column)};
}

}  // namespace schemas::json
