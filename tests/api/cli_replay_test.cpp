#include <gtest/gtest.h>

#include "api/cli/replay_output.h"

namespace api::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

TEST(ReplayTiming, RatesAndSpeedsAsPeopleWriteThem) {
  EXPECT_EQ(parse_rate("500/s"), 500);
  EXPECT_EQ(parse_rate("0.5"), 0.5);
  EXPECT_EQ(parse_speed("10x"), 10);
  EXPECT_EQ(parse_speed("1e3"), 1'000);
  for (const std::string_view wrong :
       {"", "0", "-1", "x", "/s", "10x/s", "inf", "nan", "1 x", "1,5"}) {
    EXPECT_FALSE(parse_rate(wrong)) << wrong;
    EXPECT_FALSE(parse_speed(wrong)) << wrong;
  }
}

TEST(ReplayTiming, TheLaterOfRateAndSpeedCounts) {
  const schemas::Time first{milliseconds(1'000)};
  const schemas::Time later{milliseconds(5'000)};
  EXPECT_EQ(ReplayTiming{}.due(1'000, first, later), nanoseconds(0));
  EXPECT_EQ((ReplayTiming{.per_second = 500, .speed = {}}).due(1'000, first, later),
            milliseconds(2'000));
  EXPECT_EQ((ReplayTiming{.per_second = {}, .speed = 10}).due(1'000, first, later),
            milliseconds(400));
  EXPECT_EQ((ReplayTiming{.per_second = 500, .speed = 1}).due(1'000, first, later),
            milliseconds(4'000));
  EXPECT_EQ((ReplayTiming{.per_second = {}, .speed = 1}).due(1, later, first), nanoseconds(0))
      << "a clock that fell";
  EXPECT_EQ((ReplayTiming{.per_second = 1e-300, .speed = {}}).due(1, first, later),
            std::chrono::hours(24 * 365));
}

}  // namespace
}  // namespace api::cli
