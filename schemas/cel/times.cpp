#include <array>
#include <chrono>
#include <optional>

#include "schemas/cel/functions.h"

namespace schemas::cel {
namespace {

using namespace std::chrono;

/// What is added to UTC: "UTC", "+11:00", "-02:30", "02:00". The rules behind names of time zones
/// change, and with them what an old event would be taken for: names are not known.
std::optional<minutes> offset(std::string_view zone) {
  if (zone == "UTC" || zone == "Z" || zone.empty()) return 0min;
  const bool west = zone.starts_with('-');
  if (west || zone.starts_with('+')) zone.remove_prefix(1);
  const auto is_digit = [&](std::size_t i) { return zone[i] >= '0' && zone[i] <= '9'; };
  if (zone.size() != 5 || zone[2] != ':') return std::nullopt;
  if (!is_digit(0) || !is_digit(1) || !is_digit(3) || !is_digit(4)) return std::nullopt;
  const auto number = [&](std::size_t i) { return (zone[i] - '0') * 10 + zone[i + 1] - '0'; };
  if (number(0) > 23 || number(3) > 59) return std::nullopt;
  const auto size = hours(number(0)) + minutes(number(3));
  return west ? -size : size;
}

/// A moment as a calendar and a clock show it.
struct Local {
  year_month_day date;
  sys_days day;
  hh_mm_ss<seconds> clock;
};

Value no_zone() {
  return Value::error(
      "a time zone is UTC or an offset such as +01:00; names of zones are not known here");
}

using Of = std::int64_t (*)(const Local& local);

template <Of of>
Value part(Memory& /*memory*/, Arguments arguments) {
  if (arguments[0].kind() != Kind::timestamp) return no_overload();
  auto shift = std::optional(0min);
  if (arguments.size() == 2) {
    if (arguments[1].kind() != Kind::string) return no_overload();
    shift = offset(arguments[1].text());
    if (!shift) return no_zone();
  }
  const auto time = sys_seconds(seconds(arguments[0].as_timestamp().seconds)) + *shift;
  const auto day = floor<days>(time);
  return Value::integer(
      of({.date = year_month_day(day), .day = day, .clock = hh_mm_ss<seconds>(time - day)}));
}

/// The same words ask a duration for all of it in that unit.
template <Of of, std::int64_t unit>
Value part_or_all(Memory& memory, Arguments arguments) {
  if (arguments[0].kind() != Kind::duration) return part<of>(memory, arguments);
  if (arguments.size() > 1) return no_overload();
  return Value::integer(arguments[0].as_integer() / unit);
}

Value milliseconds_of(Memory& memory, Arguments arguments) {
  const auto value = arguments[0];
  if (value.kind() == Kind::duration && arguments.size() == 1) {
    return Value::integer(value.as_integer() / 1'000'000 % 1'000);
  }
  if (value.kind() != Kind::timestamp) return no_overload();
  const auto zone = part<[](const Local&) -> std::int64_t { return 0; }>(memory, arguments);
  if (zone.is_error()) return zone;
  return Value::integer(value.as_timestamp().nanoseconds / 1'000'000);
}

std::int64_t year_of(const Local& local) {
  return int{local.date.year()};
}
std::int64_t month_of(const Local& local) {
  return unsigned{local.date.month()} - 1;
}
std::int64_t date_of(const Local& local) {
  return unsigned{local.date.day()};
}
std::int64_t day_of_month(const Local& local) {
  return unsigned{local.date.day()} - 1;
}
std::int64_t day_of_week(const Local& local) {
  return weekday(local.day).c_encoding();
}
std::int64_t day_of_year(const Local& local) {
  return (local.day - sys_days(local.date.year() / January / 1)).count();
}
std::int64_t hours_of(const Local& local) {
  return local.clock.hours().count();
}
std::int64_t minutes_of(const Local& local) {
  return local.clock.minutes().count();
}
std::int64_t seconds_of(const Local& local) {
  return local.clock.seconds().count();
}

}  // namespace

std::span<const Function> time_functions() {
  constexpr std::int64_t second = 1'000'000'000;
  static constexpr std::array<Function, 10> all{{
      {"getFullYear", 1, 2, true, part<year_of>},
      {"getMonth", 1, 2, true, part<month_of>},
      {"getDate", 1, 2, true, part<date_of>},
      {"getDayOfMonth", 1, 2, true, part<day_of_month>},
      {"getDayOfWeek", 1, 2, true, part<day_of_week>},
      {"getDayOfYear", 1, 2, true, part<day_of_year>},
      {"getHours", 1, 2, true, part_or_all<hours_of, 3600 * second>},
      {"getMinutes", 1, 2, true, part_or_all<minutes_of, 60 * second>},
      {"getSeconds", 1, 2, true, part_or_all<seconds_of, second>},
      {"getMilliseconds", 1, 2, true, milliseconds_of},
  }};
  return all;
}

}  // namespace schemas::cel
