// Goal: every RFC 3339 time is read to the millisecond before it, nothing else is read, and what is
// written reads as the same time. Method: the RFC's own examples, borders, and a sweep over all
// days.

#include "schemas/time.h"

#include <gtest/gtest.h>

namespace schemas {
namespace {

Time at(std::int64_t milliseconds) {
  return Time{std::chrono::milliseconds(milliseconds)};
}

/// What a text is read as, written again; empty when it is refused.
std::string reread(std::string_view text) {
  const auto time = parse_time(text);
  return time ? to_text(*time) : std::string();
}

TEST(TimeText, IsUtcWithMilliseconds) {
  EXPECT_EQ(to_text(at(0)), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(to_text(at(-1)), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(to_text(at(1'795'244'400'123)), "2026-11-21T07:00:00.123Z");
  EXPECT_EQ(to_text(at(951'782'400'000)), "2000-02-29T00:00:00.000Z");
}

TEST(TimeText, ReadsTheExamplesOfTheRfc) {
  EXPECT_EQ(reread("1985-04-12T23:20:50.52Z"), "1985-04-12T23:20:50.520Z");
  EXPECT_EQ(reread("1996-12-19T16:39:57-08:00"), "1996-12-20T00:39:57.000Z");
  EXPECT_EQ(reread("1937-01-01T12:00:27.87+00:20"), "1937-01-01T11:40:27.870Z");
  EXPECT_EQ(reread("1990-12-31T23:59:60Z"), "1991-01-01T00:00:00.000Z");
  EXPECT_EQ(reread("1990-12-31T15:59:60-08:00"), "1991-01-01T00:00:00.000Z");
}

TEST(TimeText, CutsFractionsTowardsThePast) {
  EXPECT_EQ(parse_time("1970-01-01T00:00:00.0009Z"), at(0));
  EXPECT_EQ(parse_time("1970-01-01T00:00:00.1Z"), at(100));
  EXPECT_EQ(parse_time("1969-12-31T23:59:59.9999999999999999999999Z"), at(-1));
  EXPECT_EQ(parse_time("1969-12-31T23:59:59.9980001Z"), at(-2));
}

TEST(TimeText, TakesLowerCaseAndAnyOffset) {
  EXPECT_EQ(parse_time("1970-01-01t00:00:00z"), at(0));
  EXPECT_EQ(parse_time("1970-01-01T00:00:00-00:00"), at(0));
  EXPECT_EQ(parse_time("1970-01-01T23:59:00+23:59"), at(0));
  EXPECT_EQ(parse_time("1969-12-31T00:01:00-23:59"), at(0));
}

TEST(TimeText, RefusesEverythingElse) {
  for (const std::string_view text : {"",
                                      "1970",
                                      "1970-01-01",
                                      "1970-01-01T00:00:00",
                                      "1970-01-01 00:00:00Z",
                                      "1970-01-01T00:00Z",
                                      "1970-01-01T00:00:00.Z",
                                      "1970-01-01T00:00:00,5Z",
                                      "1970-1-01T00:00:00Z",
                                      "70-01-01T00:00:00Z",
                                      "01970-01-01T00:00:00Z",
                                      "-1970-01-01T00:00:00Z",
                                      "+1970-01-01T00:00:00Z",
                                      "1970-00-01T00:00:00Z",
                                      "1970-13-01T00:00:00Z",
                                      "1970-01-00T00:00:00Z",
                                      "1970-01-32T00:00:00Z",
                                      "1970-02-29T00:00:00Z",
                                      "1900-02-29T00:00:00Z",
                                      "1970-04-31T00:00:00Z",
                                      "1970-01-01T24:00:00Z",
                                      "1970-01-01T00:60:00Z",
                                      "1970-01-01T00:00:61Z",
                                      "1970-01-01T00:00:60Z",
                                      "1990-12-31T23:59:60+01:00",
                                      "1990-12-30T23:59:60Z",
                                      "1970-01-01T00:00:00+24:00",
                                      "1970-01-01T00:00:00+00:60",
                                      "1970-01-01T00:00:00+0000",
                                      "1970-01-01T00:00:00+00",
                                      "1970-01-01T00:00:00 Z",
                                      "1970-01-01T00:00:00Z ",
                                      " 1970-01-01T00:00:00Z",
                                      "1970-01-01T00:00:00ZZ",
                                      "1970-01-01T00:00:00+00:00Z",
                                      "1970-01-01T00:00:00",
                                      "1970/01/01T00:00:00Z",
                                      "1970-01-01T00.00.00Z",
                                      "1970-01-01T00:00:0aZ",
                                      "\xd9\xa1"
                                      "970-01-01T00:00:00Z"}) {
    EXPECT_EQ(reread(text), "") << text;
  }
  EXPECT_EQ(parse_time(std::string_view("1970-01-01T00:00:00+99:00\0", 26)), std::nullopt);
}

TEST(TimeText, EndsWithTheYears1And9999) {
  EXPECT_EQ(reread("0001-01-01T00:00:00Z"), "0001-01-01T00:00:00.000Z");
  EXPECT_EQ(reread("9999-12-31T23:59:59.999Z"), "9999-12-31T23:59:59.999Z");
  EXPECT_EQ(reread("0000-12-31T23:59:59Z"), "");
  EXPECT_EQ(reread("0001-01-01T00:00:00+00:01"), "");
  EXPECT_EQ(reread("9999-12-31T23:59:59-00:01"), "");
  EXPECT_EQ(reread("9999-12-31T23:59:60Z"), "");
  EXPECT_FALSE(representable(Time::max()));
  EXPECT_FALSE(representable(Time::min()));
  EXPECT_DEATH(to_text(Time::max()), "representable");
}

TEST(TimeText, ReadsWhatItWrites) {
  const auto first = parse_time("0001-01-01T00:00:00Z").value();
  const auto last = parse_time("9999-12-31T23:59:59.999Z").value();
  std::string before;
  for (Time time = first; time <= last;
       time += std::chrono::milliseconds(7 * 86'400'000 - 123'457)) {
    const std::string text = to_text(time);
    ASSERT_EQ(parse_time(text), time) << text;
    ASSERT_LT(before, text);
    before = text;
  }
}

}  // namespace
}  // namespace schemas
