#include "schemas/cel/text.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "schemas/time.h"

namespace schemas::cel {
namespace {

constexpr std::int64_t second = 1'000'000'000;

/// ".5", or nothing.
void append_fraction(std::string& out, std::uint32_t nanoseconds) {
  if (nanoseconds == 0) return;
  auto digits = fmt::format(".{:09}", nanoseconds);
  while (digits.back() == '0') digits.pop_back();
  out += digits;
}

void append_real(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value < 0 ? "-Infinity" : "Infinity";
  } else {
    fmt::format_to(std::back_inserter(out), "{}", value);
  }
}

void append_timestamp(std::string& out, Timestamp time) {
  auto text = schemas::to_text(schemas::Time(std::chrono::seconds(time.seconds)));
  text.resize(text.size() - std::string_view(".000Z").size());
  out += text;
  append_fraction(out, time.nanoseconds);
  out += 'Z';
}

void append_duration(std::string& out, std::int64_t nanoseconds) {
  const auto size = nanoseconds < 0 ? 0 - static_cast<std::uint64_t>(nanoseconds)
                                    : static_cast<std::uint64_t>(nanoseconds);
  fmt::format_to(std::back_inserter(out), "{}{}", nanoseconds < 0 ? "-" : "", size / second);
  append_fraction(out, static_cast<std::uint32_t>(size % second));
  out += 's';
}

void append_list(std::string& out, Value list) {
  out += '[';
  for (Items i(list); i.has(); i.next()) {
    if (i.key().as_integer() > 0) out += ", ";
    append_text(out, i.value());
  }
  out += ']';
}

void append_map(std::string& out, Value map) {
  std::vector<std::pair<std::string, Value>> entries;
  for (Items i(map); i.has(); i.next()) entries.emplace_back(to_text(i.key()), i.value());
  std::ranges::sort(entries, {}, &std::pair<std::string, Value>::first);
  std::string_view between;
  out += '{';
  for (const auto& [name, value] : entries) {
    out += std::exchange(between, ", ");
    out += name;
    out += ": ";
    append_text(out, value);
  }
  out += '}';
}

/// The number in front of a text: digits, with at most one point.
struct Amount {
  std::string_view whole, fraction;
};
std::optional<Amount> take_amount(std::string_view& text) {
  const auto take = [&] {
    const auto size = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto digits = text.substr(0, size);
    text.remove_prefix(size);
    return digits;
  };
  Amount amount{.whole = take(), .fraction = {}};
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    amount.fraction = take();
  }
  if (amount.whole.empty() && amount.fraction.empty()) return std::nullopt;
  return amount;
}

std::optional<std::int64_t> take_unit(std::string_view& text) {
  static constexpr std::array<std::pair<std::string_view, std::int64_t>, 8> units{{
      {"ns", 1},
      {"us", 1'000},
      {"µs", 1'000},
      {"μs", 1'000},
      {"ms", 1'000'000},
      {"s", second},
      {"m", 60 * second},
      {"h", 3600 * second},
  }};
  for (const auto& [name, size] : units) {
    if (!text.starts_with(name)) continue;
    text.remove_prefix(name.size());
    return size;
  }
  return std::nullopt;
}

/// Empty for what is longer than a duration can be, by far.
std::optional<__int128> in_nanoseconds(const Amount& amount, std::int64_t unit) {
  constexpr std::size_t digits_max = 20;
  if (amount.whole.size() > digits_max) return std::nullopt;
  __int128 whole = 0;
  for (const char digit : amount.whole) whole = whole * 10 + (digit - '0');
  __int128 part = 0;
  __int128 scale = 1;
  for (const char digit : amount.fraction.substr(0, digits_max)) {
    part = part * 10 + (digit - '0');
    scale *= 10;
  }
  return whole * unit + part * unit / scale;
}

}  // namespace

void append_text(std::string& out, Value value) {
  switch (value.kind()) {
    case Kind::null:
      out += "null";
      return;
    case Kind::boolean:
      out += value.as_boolean() ? "true" : "false";
      return;
    case Kind::integer:
      out += fmt::format_int(value.as_integer()).str();
      return;
    case Kind::unsigned_integer:
      out += fmt::format_int(value.as_unsigned()).str();
      return;
    case Kind::real:
      append_real(out, value.as_real());
      return;
    case Kind::timestamp:
      append_timestamp(out, value.as_timestamp());
      return;
    case Kind::duration:
      append_duration(out, value.as_integer());
      return;
    case Kind::list:
      append_list(out, value);
      return;
    case Kind::map:
      append_map(out, value);
      return;
    case Kind::optional:
      out += "optional";
      if (value.inner() == nullptr) {
        out += ".none()";
      } else {
        out += '(';
        append_text(out, *value.inner());
        out += ')';
      }
      return;
    default:
      out += value.text();
      return;
  }
}

std::string to_text(Value value) {
  std::string out;
  append_text(out, value);
  return out;
}

bool in_range(Timestamp time) {
  return representable(schemas::Time(std::chrono::seconds(time.seconds)));
}

std::optional<Timestamp> parse_timestamp(std::string_view text) {
  const auto time = schemas::parse_time(text);
  if (!time) return std::nullopt;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(*time).time_since_epoch();
  Timestamp stamp{.seconds = seconds.count(), .nanoseconds = 0};
  const auto point = text.find('.');
  if (point == text.npos) return stamp;
  std::uint32_t unit = second / 10;
  for (const char c : text.substr(point + 1, 9)) {
    if (c < '0' || c > '9') break;
    stamp.nanoseconds += static_cast<std::uint32_t>(c - '0') * unit;
    unit /= 10;
  }
  return stamp;
}

std::optional<std::int64_t> parse_duration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  __int128 sum = 0;
  constexpr auto sum_max = __int128{1} << 63;
  while (!text.empty()) {
    const auto amount = take_amount(text);
    const auto unit = amount ? take_unit(text) : std::nullopt;
    const auto part = unit ? in_nanoseconds(*amount, *unit) : std::nullopt;
    if (!part) return std::nullopt;
    sum += *part;
    if (sum > sum_max) return std::nullopt;
  }
  if (!negative && sum == sum_max) return std::nullopt;
  return static_cast<std::int64_t>(negative ? -sum : sum);
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::optional<std::size_t> offset_of(std::string_view text, std::size_t character) {
  std::size_t at = 0;
  for (; character > 0; --character) {
    if (at == text.size()) return std::nullopt;
    do ++at;
    while (at < text.size() && (text[at] & 0xC0) == 0x80);
  }
  return at;
}

}  // namespace schemas::cel
