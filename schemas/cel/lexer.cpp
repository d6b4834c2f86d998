#include "schemas/cel/lexer.h"

#include <algorithm>
#include <array>
#include <optional>

#include "schemas/cel/syntax.h"

namespace schemas::cel {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_name(char c) {
  return is_letter(c) || is_digit(c);
}

std::uint32_t hex_value(char c) {
  if (is_digit(c)) return static_cast<std::uint32_t>(c - '0');
  return static_cast<std::uint32_t>((c | 0x20) - 'a') + 10;
}

/// False for what is no character: a surrogate, or too large.
bool append_utf8(std::string& out, std::uint32_t c) {
  if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return false;
  const auto rest = [&](int shift) { out += static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    rest(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    rest(6);
    rest(0);
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    rest(12);
    rest(6);
    rest(0);
  }
  return true;
}

/// What stands for one character behind a backslash.
std::optional<char> simple_escape(char c) {
  static constexpr std::string_view names = "abfnrtv\\?\"'`";
  static constexpr std::string_view meanings = "\a\b\f\n\r\t\v\\?\"'`";
  const auto at = names.find(c);
  return at != names.npos ? std::optional(meanings[at]) : std::nullopt;
}

}  // namespace

std::unexpected<Error> Lexer::fault(std::string_view what) const {
  return std::unexpected(fault_at(source_, at_, what));
}

void Lexer::skip_blanks() {
  while (at_ < source_.size()) {
    if (std::string_view(" \t\n\f\r").contains(source_[at_])) {
      ++at_;
    } else if (source_.substr(at_).starts_with("//")) {
      at_ = std::min(source_.find('\n', at_), source_.size());
    } else {
      return;
    }
  }
}

Token Lexer::token(Token::Kind kind, std::size_t size) {
  Token token{.kind = kind, .source = source_.substr(at_, size), .text = {}, .at = at_};
  at_ += token.source.size();
  return token;
}

Result<Token> Lexer::next() {
  skip_blanks();
  const auto rest = source_.substr(at_);
  if (rest.empty()) return token(Token::Kind::end, 0);
  const char first = rest.front();
  if (is_digit(first) || (first == '.' && rest.size() > 1 && is_digit(rest[1]))) return number();
  if (first == '`') return quoted_name();
  // r and b, in either order and case, are a prefix if a quote follows them.
  bool raw = false, bytes = false;
  std::size_t prefix = 0;
  for (; prefix < std::min<std::size_t>(rest.size(), 2); ++prefix) {
    const char c = static_cast<char>(rest[prefix] | 0x20);
    auto& which = c == 'r' ? raw : bytes;
    if ((c != 'r' && c != 'b') || which) break;
    which = true;
  }
  const char behind = prefix < rest.size() ? rest[prefix] : '\0';
  if (behind == '"' || behind == '\'') return text(raw, bytes, prefix);
  if (is_letter(first)) {
    return token(Token::Kind::identifier,
                 static_cast<std::size_t>(std::ranges::find_if_not(rest, is_name) - rest.begin()));
  }
  for (const std::string_view symbol : {"==", "!=", "<=", ">=", "&&", "||"}) {
    if (rest.starts_with(symbol)) return token(Token::Kind::symbol, 2);
  }
  if (std::string_view("<>+-*/%!?:.,()[]{}").contains(first)) {
    return token(Token::Kind::symbol, 1);
  }
  return fault("is no part of an expression");
}

Token Lexer::number() {
  const auto rest = source_.substr(at_);
  const auto digits_from = [&](std::size_t from, auto is) {
    while (from < rest.size() && is(rest[from])) ++from;
    return from;
  };
  auto kind = Token::Kind::integer;
  std::size_t size = 0;
  if (rest.size() > 2 && rest[0] == '0' && (rest[1] | 0x20) == 'x' && is_hex(rest[2])) {
    size = digits_from(2, is_hex);
  } else {
    size = digits_from(0, is_digit);
    if (size + 1 < rest.size() && rest[size] == '.' && is_digit(rest[size + 1])) {
      kind = Token::Kind::real;
      size = digits_from(size + 1, is_digit);
    }
    if (size < rest.size() && (rest[size] | 0x20) == 'e') {
      const bool sign = size + 1 < rest.size() && (rest[size + 1] == '+' || rest[size + 1] == '-');
      const auto digits = size + 1 + (sign ? 1 : 0);
      if (const auto end = digits_from(digits, is_digit); end > digits) {
        kind = Token::Kind::real;
        size = end;
      }
    }
  }
  auto made = token(kind, size);
  const bool marked = size < rest.size() && (rest[size] | 0x20) == 'u';
  if (kind == Token::Kind::integer && marked) {
    made.kind = Token::Kind::unsigned_integer;
    ++at_;
  }
  return made;
}

Result<Token> Lexer::quoted_name() {
  const auto end = source_.find('`', at_ + 1);
  const auto allowed = [](char c) { return is_name(c) || std::string_view(".-/ ").contains(c); };
  if (end == source_.npos || end == at_ + 1 ||
      !std::ranges::all_of(source_.substr(at_ + 1, end - at_ - 1), allowed)) {
    return fault("a name in back quotes has letters, digits, spaces and . - / _");
  }
  auto made = token(Token::Kind::quoted, end + 1 - at_);
  made.source = made.source.substr(1, made.source.size() - 2);
  return made;
}

Result<Token> Lexer::text(bool raw, bool bytes, std::size_t prefix) {
  const auto begin = at_;
  at_ += prefix;
  const auto one = source_.substr(at_, 1);
  const bool is_long = source_.substr(at_).starts_with(one == "\"" ? R"(""")" : "'''");
  const auto quote = source_.substr(at_, is_long ? 3 : 1);
  at_ += quote.size();
  Token made{.kind = bytes ? Token::Kind::bytes : Token::Kind::string,
             .source = {},
             .text = {},
             .at = begin};
  while (!source_.substr(at_).starts_with(quote)) {
    if (at_ == source_.size()) {
      at_ = begin;
      return fault("a text without its closing quote");
    }
    const char c = source_[at_];
    if (!is_long && (c == '\n' || c == '\r')) {
      return fault("a text in single quotes ends on its line; write \\n, or three quotes");
    }
    ++at_;
    if (raw || c != '\\') {
      made.text += c;
    } else if (auto escaped = escape(made.text, bytes); !escaped) {
      return std::unexpected(std::move(escaped).error());
    }
  }
  at_ += quote.size();
  made.source = source_.substr(begin, at_ - begin);
  return made;
}

Result<void> Lexer::escape(std::string& out, bool bytes) {
  const char name = at_ < source_.size() ? source_[at_] : '\0';
  if (const auto simple = simple_escape(name)) {
    ++at_;
    out += *simple;
    return {};
  }
  const bool octal = name >= '0' && name <= '3';
  const bool hex = name == 'x' || name == 'X';
  const std::size_t count = octal ? 3 : hex ? 2 : name == 'u' ? 4 : name == 'U' ? 8 : 0;
  if (count == 0 || (bytes && !octal && !hex)) return fault("no such escape");
  const auto digits = source_.substr(at_ + (octal ? 0 : 1), count);
  const auto is = [&](char c) { return octal ? c >= '0' && c <= '7' : is_hex(c); };
  if (digits.size() < count || !std::ranges::all_of(digits, is)) {
    return fault("an escape with too few digits");
  }
  std::uint32_t value = 0;
  for (const char digit : digits) value = value * (octal ? 8 : 16) + hex_value(digit);
  at_ += count + (octal ? 0 : 1);
  if (bytes) {
    out += static_cast<char>(value);
  } else if (!append_utf8(out, value)) {
    return fault("an escape that is no character");
  }
  return {};
}

}  // namespace schemas::cel
