// Goal: rate and remaining time are what the last seconds say, and are told in a line for people.
// Method: made-up times.
#include <gtest/gtest.h>

#include "api/cli/progress.h"

namespace api::cli {
namespace {

using namespace std::chrono_literals;
using eventstore::MonotonicTime;

TEST(Pace, KnowsNothingFromOneLook) {
  Pace pace;
  EXPECT_FALSE(pace.rate());
  pace.note(MonotonicTime(1s), {10, 0.1});
  EXPECT_FALSE(pace.rate());
  EXPECT_FALSE(pace.remaining());
}

TEST(Pace, IsSteady) {
  Pace pace;
  for (int second = 0; second <= 20; ++second) {
    pace.note(MonotonicTime(std::chrono::seconds(second)),
              {static_cast<std::uint64_t>(second) * 50, second * 0.01});
  }
  EXPECT_DOUBLE_EQ(*pace.rate(), 50.0);
  EXPECT_EQ(pace.remaining(), 80s);
}

TEST(Pace, ForgetsHowItWas) {
  Pace pace;
  pace.note(MonotonicTime(0s), {0, 0.0});
  pace.note(MonotonicTime(10s), {1'000'000, 0.5});
  pace.note(MonotonicTime(20s), {1'000'100, 0.6});
  EXPECT_DOUBLE_EQ(*pace.rate(), 10.0);
  EXPECT_EQ(pace.remaining(), 40s);
}

TEST(Pace, StandingStillHasNoEnd) {
  Pace pace;
  pace.note(MonotonicTime(0s), {5, 0.5});
  pace.note(MonotonicTime(1s), {5, 0.5});
  EXPECT_DOUBLE_EQ(*pace.rate(), 0.0);
  EXPECT_FALSE(pace.remaining());
}

TEST(Progress, TextsForPeople) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(98257), "98,257");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(to_text(45s), "45 s");
  EXPECT_EQ(to_text(720s), "12 min");
  EXPECT_EQ(to_text(11'100s), "3 h 5 min");
}

TEST(Progress, Line) {
  Pace pace;
  EXPECT_EQ(progress_text("replay", "events", {.done = 12, .fraction = {}}, pace),
            "replay  12 events");
  pace.note(MonotonicTime(0s), {0, 0.0});
  pace.note(MonotonicTime(2s), {2000, 0.5});
  EXPECT_EQ(progress_text("import", "events", {2000, 0.5}, pace),
            "import  [###############...............]  50 %  2,000 events  1,000/s  2 s left");
  EXPECT_EQ(progress_text("import", "events", {2000, 1.0}, Pace()),
            "import  [##############################] 100 %  2,000 events");
}

}  // namespace
}  // namespace api::cli
