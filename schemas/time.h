#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "schemas/ids.h"

/// RFC 3339 text of a Time, in the years 0001 to 9999.
namespace schemas {

/// Whether a Time has a text. Foreign bytes that hold a time are asked before it is shown.
bool representable(Time time);

/// `2026-11-21T07:00:00.123Z`: always 24 characters. The time must be representable.
std::string to_text(Time time);
void append_text(std::string& out, Time time);

/// Any RFC 3339 date-time: any offset, any fraction (cut to milliseconds, towards the past), `t`
/// and `z` in either case. A leap second (:60, only where UTC has room for one, at the end of a
/// month) is the second after it. Empty for everything else.
std::optional<Time> parse_time(std::string_view text);

}  // namespace schemas
