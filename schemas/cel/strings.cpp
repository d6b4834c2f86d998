#include <algorithm>
#include <array>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

#include "schemas/cel/functions.h"
#include "schemas/cel/text.h"
#include "schemas/crypto.h"

/// The standard's functions of texts, and cel-go's extensions for strings and Base64. Positions
/// count code points.
namespace schemas::cel {
namespace {

/// Whether arguments are of these kinds, as many as there are.
bool are(Arguments arguments, std::initializer_list<Kind> kinds) {
  return std::ranges::equal(arguments, std::views::take(kinds, arguments.size()), {}, &Value::kind);
}

Value no_position(Memory& memory, std::int64_t at) {
  return memory.error("index out of range: " + std::to_string(at));
}

using Ask = bool (*)(std::string_view text, std::string_view part);

/// Of no more text than the part has.
template <Ask ask>
Value question(Memory& memory, Arguments arguments) {
  if (!are(arguments, {Kind::string, Kind::string})) return no_overload();
  if (!memory.spend_text(arguments[1].size())) return Memory::over_limits();
  return Value::boolean(ask(arguments[0].text(), arguments[1].text()));
}

/// A search begins anew at each byte, in the worst case.
bool spend_search(Memory& memory, std::string_view text, std::string_view part) {
  constexpr std::size_t together = 64;
  return memory.spend(1 + text.size() * std::min(part.size(), together) / together);
}

Value contains(Memory& memory, Arguments arguments) {
  if (!are(arguments, {Kind::string, Kind::string})) return no_overload();
  const auto text = arguments[0].text(), part = arguments[1].text();
  if (!spend_search(memory, text, part)) return Memory::over_limits();
  return Value::boolean(text.contains(part));
}

/// The byte at a position that an argument gives; empty when the text ends before.
std::optional<std::size_t> position(std::string_view text, Value argument) {
  if (argument.as_integer() < 0) return std::nullopt;
  return offset_of(text, static_cast<std::size_t>(argument.as_integer()));
}

Value char_at(Memory& memory, Arguments arguments) {
  if (!are(arguments, {Kind::string, Kind::integer})) return no_overload();
  const auto text = arguments[0].text();
  const auto at = position(text, arguments[1]);
  if (!at) return no_position(memory, arguments[1].as_integer());
  const auto rest = text.substr(*at);
  return Value::string(rest.substr(0, rest.empty() ? 0 : *offset_of(rest, 1)));
}

Value found(std::string_view text, std::size_t at) {
  if (at == text.npos) return Value::integer(-1);
  return Value::integer(static_cast<std::int64_t>(count_characters(text.substr(0, at))));
}

Value index_of(Memory& memory, Arguments arguments) {
  if (!are(arguments, {Kind::string, Kind::string, Kind::integer})) return no_overload();
  const auto text = arguments[0].text();
  if (!spend_search(memory, text, arguments[1].text())) return Memory::over_limits();
  const auto from = arguments.size() > 2 ? position(text, arguments[2]) : 0;
  if (!from) return no_position(memory, arguments[2].as_integer());
  return found(text, text.find(arguments[1].text(), *from));
}

Value last_index_of(Memory& memory, Arguments arguments) {
  if (!are(arguments, {Kind::string, Kind::string, Kind::integer})) return no_overload();
  const auto text = arguments[0].text();
  if (!spend_search(memory, text, arguments[1].text())) return Memory::over_limits();
  const auto from = arguments.size() > 2 ? position(text, arguments[2]) : text.size();
  if (!from) return no_position(memory, arguments[2].as_integer());
  return found(text, text.rfind(arguments[1].text(), *from));
}

template <char first, char last>
Value change_case(Memory& memory, Arguments arguments) {
  if (!are(arguments, {Kind::string})) return no_overload();
  std::string text(arguments[0].text());
  for (auto& c : text) {
    if (c >= first && c <= last) c = static_cast<char>(c ^ 0x20);
  }
  return memory.string(text);
}

/// How often at most; negative: always.
std::size_t limit(Arguments arguments, std::size_t which) {
  if (arguments.size() <= which || arguments[which].as_integer() < 0) {
    return std::numeric_limits<std::size_t>::max();
  }
  return static_cast<std::size_t>(arguments[which].as_integer());
}

/// Cuts a text at each separator, into `count` pieces at most. An empty one stands between all
/// characters. False: the limits are reached.
bool cut(Memory& memory, std::string_view text, std::string_view separator, std::size_t count,
         std::vector<Value>& pieces) {
  if (!spend_search(memory, text, separator)) return false;
  while (pieces.size() + 1 < count) {
    const auto at =
        separator.empty() ? (text.empty() ? text.npos : *offset_of(text, 1)) : text.find(separator);
    if (at == text.npos || (separator.empty() && at == text.size())) break;
    if (!memory.spend_text(at)) return false;
    pieces.push_back(Value::string(text.substr(0, at)));
    text.remove_prefix(at + separator.size());
  }
  pieces.push_back(Value::string(text));
  return memory.spend_text(text.size());
}

Value split(Memory& memory, Arguments arguments) {
  if (!are(arguments, {Kind::string, Kind::string, Kind::integer})) return no_overload();
  const auto count = limit(arguments, 2);
  std::vector<Value> pieces;
  if (count > 0 && !cut(memory, arguments[0].text(), arguments[1].text(), count, pieces)) {
    return Memory::over_limits();
  }
  return memory.list(pieces);
}

Value joined(Memory& memory, std::span<const Value> pieces, std::string_view between) {
  std::size_t size = pieces.empty() ? 0 : (pieces.size() - 1) * between.size();
  for (const auto piece : pieces) {
    if (piece.kind() != Kind::string) return no_overload();
    size += piece.size();
  }
  if (!memory.spend_text(size)) return Memory::over_limits();
  std::string text;
  text.reserve(size);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (i > 0) text += between;
    text += pieces[i].text();
  }
  return memory.string(text);
}

Value join(Memory& memory, Arguments arguments) {
  if (!are(arguments, {Kind::list, Kind::string})) return no_overload();
  if (!memory.spend(arguments[0].size())) return Memory::over_limits();
  std::vector<Value> pieces;
  for (Items i(arguments[0]); i.has(); i.next()) pieces.push_back(i.value());
  return joined(memory, pieces, arguments.size() > 1 ? arguments[1].text() : "");
}

Value replace(Memory& memory, Arguments arguments) {
  if (!are(arguments, {Kind::string, Kind::string, Kind::string, Kind::integer})) {
    return no_overload();
  }
  const auto count = limit(arguments, 3);
  if (count == 0) return arguments[0];
  const auto text = arguments[0].text(), old = arguments[1].text(), now = arguments[2].text();
  std::vector<Value> pieces;
  // Between all characters is also before the first and behind the last.
  if (old.empty()) pieces.push_back(Value::string(""));
  const auto pieces_max = count == std::numeric_limits<std::size_t>::max() ? count : count + 1;
  if (!cut(memory, text, old, pieces_max, pieces)) return Memory::over_limits();
  if (old.empty() && !text.empty() && pieces.size() < pieces_max) {
    pieces.push_back(Value::string(""));
  }
  return joined(memory, pieces, now);
}

Value substring(Memory& memory, Arguments arguments) {
  if (!are(arguments, {Kind::string, Kind::integer, Kind::integer})) return no_overload();
  const auto text = arguments[0].text();
  const auto begin = position(text, arguments[1]);
  if (!begin) return no_position(memory, arguments[1].as_integer());
  const auto end = arguments.size() > 2 ? position(text, arguments[2]) : text.size();
  if (!end) return no_position(memory, arguments[2].as_integer());
  if (*end < *begin) return Value::error("a substring that ends before it begins");
  return Value::string(text.substr(*begin, *end - *begin));
}

/// Unicode's White_Space, as UTF-8.
constexpr auto blanks = std::to_array<std::string_view>(
    {"\t",           "\n",           "\v",           "\f",           "\r",           " ",
     "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81", "\xE2\x80\x82",
     "\xE2\x80\x83", "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86", "\xE2\x80\x87", "\xE2\x80\x88",
     "\xE2\x80\x89", "\xE2\x80\x8A", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F",
     "\xE3\x80\x80"});

Value trim(Memory& /*memory*/, Arguments arguments) {
  if (!are(arguments, {Kind::string})) return no_overload();
  auto text = arguments[0].text();
  const auto leads = [&](std::string_view blank) { return text.starts_with(blank); };
  const auto trails = [&](std::string_view blank) { return text.ends_with(blank); };
  for (auto at = std::ranges::find_if(blanks, leads); at != blanks.end();
       at = std::ranges::find_if(blanks, leads)) {
    text.remove_prefix(at->size());
  }
  for (auto at = std::ranges::find_if(blanks, trails); at != blanks.end();
       at = std::ranges::find_if(blanks, trails)) {
    text.remove_suffix(at->size());
  }
  return Value::string(text);
}

Value reverse(Memory& memory, Arguments arguments) {
  if (!are(arguments, {Kind::string})) return no_overload();
  const auto text = arguments[0].text();
  std::string reversed(text.size(), '\0');
  auto to = reversed.end();
  for (std::size_t from = 0; from < text.size();) {
    const auto character = text.substr(from, *offset_of(text.substr(from), 1));
    to -= static_cast<std::ptrdiff_t>(character.size());
    std::ranges::copy(character, to);
    from += character.size();
  }
  return memory.string(reversed);
}

Value quote(Memory& memory, Arguments arguments) {
  if (!are(arguments, {Kind::string})) return no_overload();
  constexpr std::string_view escaped = "\a\b\f\n\r\t\v\\\"", names = "abfnrtv\\\"";
  std::string quoted = "\"";
  for (const char c : arguments[0].text()) {
    const auto at = escaped.find(c);
    if (at != escaped.npos) quoted += '\\';
    quoted += at != escaped.npos ? names[at] : c;
  }
  return memory.string(quoted + '"');
}

Value encode(Memory& memory, Arguments arguments) {
  if (!are(arguments, {Kind::bytes})) return no_overload();
  return memory.string(base64(bytes_of(arguments[0].text())));
}

Value decode(Memory& memory, Arguments arguments) {
  if (!are(arguments, {Kind::string})) return no_overload();
  const auto bytes = parse_base64(arguments[0].text());
  if (!bytes) return Value::error("no Base64");
  return memory.bytes({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
}

bool starts_with(std::string_view text, std::string_view part) {
  return text.starts_with(part);
}
bool ends_with(std::string_view text, std::string_view part) {
  return text.ends_with(part);
}

}  // namespace

std::span<const Function> string_functions() {
  static constexpr std::array<Function, 17> all{{
      {"startsWith", 2, 2, true, question<starts_with>, false},
      {"endsWith", 2, 2, true, question<ends_with>, false},
      {"contains", 2, 2, true, contains},
      {"charAt", 2, 2, true, char_at},
      {"indexOf", 2, 3, true, index_of},
      {"lastIndexOf", 2, 3, true, last_index_of},
      {"lowerAscii", 1, 1, true, change_case<'A', 'Z'>},
      {"upperAscii", 1, 1, true, change_case<'a', 'z'>},
      {"split", 2, 3, true, split},
      {"join", 1, 2, true, join},
      {"replace", 3, 4, true, replace},
      {"substring", 2, 3, true, substring},
      {"trim", 1, 1, true, trim},
      {"reverse", 1, 1, true, reverse},
      {"strings.quote", 1, 1, false, quote},
      {"base64.encode", 1, 1, false, encode},
      {"base64.decode", 1, 1, false, decode},
  }};
  return all;
}

}  // namespace schemas::cel
