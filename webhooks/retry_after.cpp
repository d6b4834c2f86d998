#include "webhooks/retry_after.h"

#include <algorithm>
#include <array>
#include <chrono>

namespace webhooks {
namespace {

using namespace std::chrono;
using schemas::Time;

/// More than any policy waits, and far from what a Time holds.
constexpr std::int64_t seconds_max = 10'000'000'000;

constexpr std::array<std::string_view, 12> month_names{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> day_names{"Mon", "Tue", "Wed", "Thu",
                                                    "Fri", "Sat", "Sun"};
constexpr std::array<std::string_view, 7> long_day_names{
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Reads a date from the front of a text; after the first failure nothing succeeds.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  void expect(std::string_view text) {
    if (!rest_.starts_with(text)) return refuse();
    rest_.remove_prefix(text.size());
  }

  /// One of the names, as its index from 1. Which day a date is said to be is read and not compared
  /// with the date: the date says it already.
  unsigned name(std::span<const std::string_view> names) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (!rest_.starts_with(names[i])) continue;
      rest_.remove_prefix(names[i].size());
      return static_cast<unsigned>(i + 1);
    }
    refuse();
    return 0;
  }

  int digits(std::size_t count) {
    if (rest_.size() < count || !std::ranges::all_of(rest_.substr(0, count), is_digit)) {
      refuse();
      return 0;
    }
    int value = 0;
    for (const char c : rest_.substr(0, count)) value = value * 10 + (c - '0');
    rest_.remove_prefix(count);
    return value;
  }

  /// Two digits, or a space and one.
  int padded_digits() {
    if (!rest_.starts_with(' ')) return digits(2);
    rest_.remove_prefix(1);
    return digits(1);
  }

  bool done() const { return ok_ && rest_.empty(); }

 private:
  void refuse() {
    ok_ = false;
    rest_ = {};
  }

  std::string_view rest_;
  bool ok_ = true;
};

struct DateParts {
  int year = 0;
  unsigned month = 0;
  int day = 0;
  int hour = 0, minute = 0, second = 0;
};

void scan_clock(Scanner& scanner, DateParts& parts) {
  parts.hour = scanner.digits(2);
  scanner.expect(":");
  parts.minute = scanner.digits(2);
  scanner.expect(":");
  parts.second = scanner.digits(2);
}

/// Second 60 is a leap second, which is the next one for us.
std::optional<Time> time_of(const Scanner& scanner, const DateParts& parts) {
  const year_month_day date{year{parts.year}, month{parts.month},
                            day{static_cast<unsigned>(parts.day)}};
  if (!scanner.done() || !date.ok()) return std::nullopt;
  if (parts.hour > 23 || parts.minute > 59 || parts.second > 60) return std::nullopt;
  return sys_days{date} + hours{parts.hour} + minutes{parts.minute} + seconds{parts.second};
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, the form that is sent today.
std::optional<Time> parse_fixdate(std::string_view text) {
  Scanner scanner(text);
  DateParts parts;
  scanner.name(day_names);
  scanner.expect(", ");
  parts.day = scanner.digits(2);
  scanner.expect(" ");
  parts.month = scanner.name(month_names);
  scanner.expect(" ");
  parts.year = scanner.digits(4);
  scanner.expect(" ");
  scan_clock(scanner, parts);
  scanner.expect(" GMT");
  return time_of(scanner, parts);
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`. What seems to be more than 50 years ahead is the last year
/// with these digits that is over.
std::optional<Time> parse_rfc850(std::string_view text, Time now) {
  Scanner scanner(text);
  DateParts parts;
  scanner.name(long_day_names);
  scanner.expect(", ");
  parts.day = scanner.digits(2);
  scanner.expect("-");
  parts.month = scanner.name(month_names);
  scanner.expect("-");
  const int year_now{year_month_day{floor<days>(now)}.year()};
  parts.year = year_now - year_now % 100 + scanner.digits(2);
  if (parts.year <= year_now - 50) parts.year += 100;
  if (parts.year > year_now + 50) parts.year -= 100;
  scanner.expect(" ");
  scan_clock(scanner, parts);
  scanner.expect(" GMT");
  return time_of(scanner, parts);
}

/// `Sun Nov  6 08:49:37 1994`
std::optional<Time> parse_asctime(std::string_view text) {
  Scanner scanner(text);
  DateParts parts;
  scanner.name(day_names);
  scanner.expect(" ");
  parts.month = scanner.name(month_names);
  scanner.expect(" ");
  parts.day = scanner.padded_digits();
  scanner.expect(" ");
  scan_clock(scanner, parts);
  scanner.expect(" ");
  parts.year = scanner.digits(4);
  return time_of(scanner, parts);
}

}  // namespace

std::optional<Time> parse_retry_after(std::string_view header, Time now) {
  constexpr std::string_view white_space = " \t";
  const auto begin = header.find_first_not_of(white_space);
  if (begin == header.npos) return std::nullopt;
  const auto text = header.substr(begin, header.find_last_not_of(white_space) - begin + 1);
  if (std::ranges::all_of(text, is_digit)) {
    std::int64_t delay = 0;
    for (const char c : text) delay = std::min(delay * 10 + (c - '0'), seconds_max);
    return now + seconds{delay};
  }
  if (const auto time = parse_fixdate(text)) return time;
  if (const auto time = parse_rfc850(text, now)) return time;
  return parse_asctime(text);
}

}  // namespace webhooks
