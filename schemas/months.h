#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "schemas/ids.h"

/// Months as accounts are kept: of the calendar, in UTC.
namespace schemas {

using Month = std::chrono::year_month;

inline Time begin_of(Month month) {
  return std::chrono::time_point_cast<Time::duration>(std::chrono::sys_days(month / 1));
}
inline Time end_of(Month month) {
  return begin_of(month + std::chrono::months(1));
}
inline Month month_of(Time time) {
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(time));
  return day.year() / day.month();
}

/// `2026-11`; of the years 0001 to 9999.
std::string to_text(Month month);
std::optional<Month> parse_month(std::string_view text);

/// Calls `visit(month, time in it)` for each month that [from, to) touches; the one of `from` when
/// the two are the same.
template <typename Visit>
void each_month(Time from, Time to, const Visit& visit) {
  auto month = month_of(from);
  do {
    const auto end = std::min(to, end_of(month));
    visit(month, end - std::max(from, begin_of(month)));
    month += std::chrono::months(1);
  } while (begin_of(month) < to);
}

}  // namespace schemas
