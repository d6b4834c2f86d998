#include "schemas/time.h"

#include <array>

#include "schemas/result.h"

namespace schemas {

namespace {

using namespace std::chrono;

constexpr Time time_min = sys_days{year{1} / January / 1};
constexpr Time time_max = sys_days{year{9999} / December / 31} + 24h - 1ms;

/// Reads fixed pieces from the front of a text; after the first failure nothing succeeds.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  /// Exactly `count` digits.
  int digits(std::size_t count) {
    int value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (i >= rest_.size() || !is_digit(rest_[i])) return refuse();
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(count);
    return value;
  }

  /// One of two characters, which may be the same.
  void expect(char one, char other) {
    if (!at(one) && !at(other)) {
      refuse();
      return;
    }
    rest_.remove_prefix(1);
  }
  void expect(char one) { expect(one, one); }

  bool take(char one) {
    if (!at(one)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  /// At least one digit after the point, of which the first three count.
  milliseconds fraction() {
    std::array<int, 3> kept{};
    std::size_t count = 0;
    for (; count < rest_.size() && is_digit(rest_[count]); ++count) {
      if (count < kept.size()) kept[count] = rest_[count] - '0';
    }
    if (count == 0) refuse();
    rest_.remove_prefix(ok_ ? count : 0);
    return milliseconds{kept[0] * 100 + kept[1] * 10 + kept[2]};
  }

  int refuse() {
    ok_ = false;
    rest_ = {};
    return 0;
  }
  bool done() const { return ok_ && rest_.empty(); }

 private:
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  bool at(char c) const { return ok_ && !rest_.empty() && rest_.front() == c; }

  std::string_view rest_;
  bool ok_ = true;
};

/// `Z` or ±hh:mm, as what to subtract from the local time.
minutes scan_offset(Scanner& scanner) {
  if (scanner.take('Z') || scanner.take('z')) return 0min;
  const bool west = scanner.take('-');
  if (!west) scanner.expect('+');
  const int hour = scanner.digits(2);
  scanner.expect(':');
  const int minute = scanner.digits(2);
  if (hour > 23 || minute > 59) scanner.refuse();
  const minutes offset = hours{hour} + minutes{minute};
  return west ? -offset : offset;
}

bool ends_a_month(Time second_after) {
  const auto day = floor<days>(second_after);
  return second_after - day < 1s && year_month_day{day}.day() == std::chrono::day{1};
}

char* put_digits(char* at, unsigned value, int count) {
  for (int i = count; i-- > 0; value /= 10) at[i] = static_cast<char>('0' + value % 10);
  return at + count;
}

}  // namespace

bool representable(Time time) {
  return time >= time_min && time <= time_max;
}

void append_text(std::string& out, Time time) {
  ENSURE(representable(time));
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const auto in_day = static_cast<unsigned>((time - day).count());
  char text[] = "0000-00-00T00:00:00.000Z";
  put_digits(text, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  put_digits(text + 5, static_cast<unsigned>(date.month()), 2);
  put_digits(text + 8, static_cast<unsigned>(date.day()), 2);
  put_digits(text + 11, in_day / 3'600'000, 2);
  put_digits(text + 14, in_day / 60'000 % 60, 2);
  put_digits(text + 17, in_day / 1'000 % 60, 2);
  put_digits(text + 20, in_day % 1'000, 3);
  out.append(text, sizeof text - 1);
}

std::string to_text(Time time) {
  std::string text;
  append_text(text, time);
  return text;
}

std::optional<Time> parse_time(std::string_view text) {
  Scanner scanner(text);
  const year years{scanner.digits(4)};
  scanner.expect('-');
  const month months{static_cast<unsigned>(scanner.digits(2))};
  scanner.expect('-');
  const year_month_day date{years, months, day{static_cast<unsigned>(scanner.digits(2))}};
  scanner.expect('T', 't');
  const int hour = scanner.digits(2);
  scanner.expect(':');
  const int minute = scanner.digits(2);
  scanner.expect(':');
  const int second = scanner.digits(2);
  const milliseconds fraction = scanner.take('.') ? scanner.fraction() : 0ms;
  const minutes offset = scan_offset(scanner);
  if (!scanner.done() || !date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;

  const Time time =
      sys_days{date} + hours{hour} + minutes{minute} + seconds{second} + fraction - offset;
  if (second == 60 && !ends_a_month(time)) return std::nullopt;
  if (!representable(time)) return std::nullopt;
  return time;
}

}  // namespace schemas
