// Goal: amounts of money are exact, and what has no room or no form is refused. Method: examples,
// and random sums against whole numbers.

#include "schemas/decimal.h"

#include <random>

#include <gtest/gtest.h>

#include "schemas/months.h"
#include "schemas/time.h"

namespace schemas {
namespace {

std::string again(std::string_view text) {
  const auto parsed = Decimal::parse(text);
  return parsed ? parsed->text() : "wrong";
}

TEST(Decimal, IsShownAsItWasWritten) {
  for (const auto* text : {"0", "7", "12.3400", "0.000000001", "-0.50", "999999999999999.999999999",
                           "-999999999999999.999999999", "0.0"}) {
    EXPECT_EQ(again(text), text);
  }
}

TEST(Decimal, RefusesWhatIsNone) {
  for (const auto* text : {"", "-", ".5", "1.", "01", "1e3", "+1", " 1", "1,5", "1.2.3", "--1",
                           "1.0000000001", "1000000000000000", "0x1", "1-"}) {
    EXPECT_EQ(again(text), "wrong") << text;
  }
}

TEST(Decimal, ASumIsAsFineAsItsFinestPart) {
  const auto sum = add(*Decimal::parse("12.3400"), *Decimal::parse("0.08"));
  EXPECT_EQ(sum->text(), "12.4200");
  EXPECT_EQ(Decimal(Int128{80'000'000}, 0).text(), "0.08");
  EXPECT_EQ(Decimal(Int128{-1}, 0).text(), "-0.000000001");
}

TEST(Decimal, ASumWithoutRoomIsNone) {
  const auto largest = static_cast<Int128>(~(static_cast<unsigned __int128>(1) << 127));
  EXPECT_FALSE(add(Decimal(largest, 0), Decimal(1, 0)));
  EXPECT_FALSE(add(Decimal(-largest - 1, 0), Decimal(-1, 0)));
  EXPECT_TRUE(add(Decimal(largest, 0), Decimal(-1, 0)));
  EXPECT_EQ(Decimal(-largest - 1, 0).text(), "-170141183460469231731687303715.884105728");
  EXPECT_FALSE(checked_multiply(largest, 2));
}

TEST(Decimal, RoundsHalfUp) {
  const auto rounded = [](int number, int divisor) {
    return static_cast<int>(divide_half_up(number, divisor));
  };
  EXPECT_EQ(rounded(5, 2), 3);
  EXPECT_EQ(rounded(-5, 2), -2);
  EXPECT_EQ(rounded(4, 3), 1);
  EXPECT_EQ(rounded(5, 3), 2);
  EXPECT_EQ(rounded(-4, 3), -1);
  EXPECT_EQ(rounded(-5, 3), -2);
  EXPECT_EQ(rounded(0, 7), 0);
}

TEST(Decimal, RandomTextsComeBack) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 10'000; ++i) {
    const auto whole = static_cast<std::int64_t>(random() % 1'000'000'000'000'000);
    const auto digits = random() % 10;
    auto text = (random() % 2 == 0 ? "-" : "") + std::to_string(whole);
    if (digits > 0) text += ".";
    for (std::uint64_t d = 0; d < digits; ++d) {
      text += static_cast<char>('0' + static_cast<int>(random() % 10));
    }
    const bool nothing = text.find_first_of("123456789") == std::string::npos;
    if (!nothing) EXPECT_EQ(again(text), text);
  }
}

TEST(Months, AreOfTheCalendarInUtc) {
  EXPECT_EQ(to_text(month_of(*parse_time("2026-11-30T23:59:59.999Z"))), "2026-11");
  EXPECT_EQ(to_text(month_of(*parse_time("2026-12-01T00:30:00+01:00"))), "2026-11");
  EXPECT_EQ(begin_of(*parse_month("2026-11")), *parse_time("2026-11-01T00:00:00Z"));
  EXPECT_EQ(end_of(*parse_month("2026-12")), *parse_time("2027-01-01T00:00:00Z"));
  for (const auto* text : {"2026-13", "2026-00", "2026-1", "26-11", "2026/11", "0000-01", ""}) {
    EXPECT_FALSE(parse_month(text)) << text;
  }
}

TEST(Months, AStretchIsSplitAtTheirEnds) {
  std::string parts;
  const auto visit = [&](Month month, auto time) {
    parts += to_text(month) + " " + std::to_string(time.count()) + ", ";
  };
  each_month(*parse_time("2026-01-31T23:59:59Z"), *parse_time("2026-03-01T00:00:00Z"), visit);
  EXPECT_EQ(parts, "2026-01 1000, 2026-02 2419200000, ");
  parts.clear();
  each_month(*parse_time("2026-02-01T00:00:00Z"), *parse_time("2026-02-01T00:00:00Z"), visit);
  EXPECT_EQ(parts, "2026-02 0, ");
}

}  // namespace
}  // namespace schemas
