// Goal: while all wait each priority has its share, evenly; nobody starves, and nobody is paid for
// having waited for nothing. Method: turns, counted.
#include "webhooks/priority_lines.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

namespace webhooks {
namespace {

TEST(PriorityLines, WhileAllWaitEachHasItsShare) {
  PriorityLines<Priority> lines;
  for (int i = 0; i < 100; ++i) {
    for (const auto priority : {Priority::low, Priority::normal, Priority::high}) {
      lines.add(priority, priority);
    }
  }
  for (int round = 0; round < 10; ++round) {
    std::map<Priority, int> turns;
    for (int i = 0; i < 7; ++i) ++turns[lines.next()];
    EXPECT_EQ(turns[Priority::high], 4);
    EXPECT_EQ(turns[Priority::normal], 2);
    EXPECT_EQ(turns[Priority::low], 1);
  }
}

TEST(PriorityLines, OfOnePriorityTheFirstComesFirst) {
  PriorityLines<int> lines;
  for (int i = 0; i < 5; ++i) lines.add(Priority::normal, i);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(lines.next(), i);
  EXPECT_TRUE(lines.empty());
}

TEST(PriorityLines, WhoWaitsAloneHasAllTurnsAndOwesNothing) {
  PriorityLines<std::string> lines;
  for (int i = 0; i < 50; ++i) lines.add(Priority::low, "low");
  for (int i = 0; i < 40; ++i) EXPECT_EQ(lines.next(), "low");
  lines.add(Priority::high, "high");
  lines.add(Priority::high, "high");
  std::string turns;
  for (int i = 0; i < 4; ++i) turns += lines.next().front();
  EXPECT_EQ(turns, "hhll");
}

}  // namespace
}  // namespace webhooks
