#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "schemas/cel/value.h"

/// Texts of values, and values of texts.
namespace schemas::cel {

/// What `string()` and `%s` give. Doubles as the shortest text that reads as the same; durations in
/// seconds ("1.5s"); the entries of maps by their keys' texts. Not of errors.
void append_text(std::string& out, Value value);
std::string to_text(Value value);

/// RFC 3339; what a fraction has beyond nanoseconds is cut.
std::optional<Timestamp> parse_timestamp(std::string_view text);
/// Nanoseconds of "1h45m", "-1.5s", "300ms": h, m, s, ms, us, ns, each with a decimal number.
std::optional<std::int64_t> parse_duration(std::string_view text);

/// Whether it is within the years 1 to 9999.
bool in_range(Timestamp time);

/// Code points of a valid UTF-8 text.
std::size_t count_characters(std::string_view text);
/// The byte at which that code point begins; the end behind the last one; empty beyond.
std::optional<std::size_t> offset_of(std::string_view text, std::size_t character);

}  // namespace schemas::cel
