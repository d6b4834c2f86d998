// Goal: whoever waits for a place is called once it is folded, once, and never before; recent
// checks are found. Method: by hand, and with many threads under the thread sanitizer.

#include "projections/progress.h"

#include <thread>

#include <gtest/gtest.h>

namespace projections {
namespace {

constexpr LogId log_a{schemas::TopicId{1}, 0};
constexpr LogId log_b{schemas::TopicId{1}, 1};

eventstore::PartitionState state_at(schemas::Offset end) {
  eventstore::PartitionState state;
  state.next_offset = end;
  return state;
}
schemas::Position position_at(std::int64_t offset) {
  return {.log = log_a, .offset = offset, .epoch = {0, 1}, .sequence = 7, .chain = {1, 2, 3}};
}

TEST(Progress, AnUnknownLogStandsAtItsBeginning) {
  Progress progress;
  EXPECT_EQ(progress.applied_end(log_a), 0u);
  EXPECT_EQ(progress.applied(log_a).last_offset, -1);
  EXPECT_FALSE(progress.check_at(log_a, 0));
}

TEST(Progress, WhoWaitsForWhatIsThereIsToldAtOnce) {
  Progress progress;
  progress.advance(log_a, state_at(5), {});
  EXPECT_FALSE(progress.wait(log_a, 5, [] { FAIL(); }));
  EXPECT_FALSE(progress.wait(log_a, 0, [] { FAIL(); }));
  EXPECT_FALSE(progress.wait(log_b, 0, [] { FAIL(); }));
}

TEST(Progress, WaitersAreCalledInTheirTurnAndOnce) {
  Progress progress;
  std::vector<int> called;
  for (int end : {3, 1, 2, 5}) {
    EXPECT_TRUE(progress.wait(log_a, static_cast<schemas::Offset>(end),
                              [&called, end] { called.push_back(end); }));
  }
  EXPECT_TRUE(progress.wait(log_b, 1, [] { FAIL() << "another log"; }));
  progress.advance(log_a, state_at(1), {});
  EXPECT_EQ(called, std::vector{1});
  progress.advance(log_a, state_at(3), {});
  std::ranges::sort(called);
  EXPECT_EQ(called, (std::vector{1, 2, 3}));
  progress.advance(log_a, state_at(4), {});
  EXPECT_EQ(called.size(), 3u);
}

/// Rows that are folded again after a full disk pass places that were shown before.
TEST(Progress, WhatWasShownStaysShown) {
  Progress progress;
  const auto show = [&](std::int64_t offset) {
    const auto position = position_at(offset);
    progress.advance(log_a, state_at(static_cast<schemas::Offset>(offset) + 1), {&position, 1});
  };
  for (std::int64_t offset = 0; offset < 8; ++offset) show(offset);
  show(3);
  EXPECT_EQ(progress.applied_end(log_a), 8u);
  EXPECT_FALSE(progress.wait(log_a, 8, [] { FAIL(); }));
  for (std::int64_t offset = 4; offset < 10; ++offset) show(offset);
  EXPECT_EQ(progress.applied_end(log_a), 10u);
  for (std::int64_t offset = 0; offset < 10; ++offset) {
    EXPECT_EQ(progress.check_at(log_a, offset), schemas::check_of(position_at(offset))) << offset;
  }
}

TEST(Progress, WhoGivesUpIsForgotten) {
  Progress progress;
  int calls = 0;
  const auto token = std::make_shared<int>();
  const auto gives_up = progress.wait(log_a, 1, [token] { FAIL(); });
  progress.wait(log_a, 1, [&] { ++calls; });
  EXPECT_EQ(token.use_count(), 2);
  progress.forget(log_b, gives_up);
  EXPECT_EQ(token.use_count(), 2);
  progress.forget(log_a, gives_up);
  EXPECT_EQ(token.use_count(), 1);
  progress.advance(log_a, state_at(1), {});
  EXPECT_EQ(calls, 1);
}

TEST(Progress, AWaiterMayWaitAgainFromWithinItsCall) {
  Progress progress;
  int calls = 0;
  ASSERT_TRUE(progress.wait(log_a, 1, [&] {
    ++calls;
    EXPECT_FALSE(progress.wait(log_a, 1, [] { FAIL(); }));
    EXPECT_TRUE(progress.wait(log_a, 2, [&] { ++calls; }));
  }));
  progress.advance(log_a, state_at(1), {});
  progress.advance(log_a, state_at(2), {});
  EXPECT_EQ(calls, 2);
}

TEST(Progress, RecentPlacesKnowTheirCheckOlderOnesHaveToBeAsked) {
  Progress progress;
  for (std::int64_t offset = 0; offset < 5000; offset += 2) {
    const auto position = position_at(offset);
    progress.advance(log_a, state_at(static_cast<schemas::Offset>(offset) + 1), {&position, 1});
  }
  EXPECT_EQ(progress.check_at(log_a, 4998), schemas::check_of(position_at(4998)));
  EXPECT_EQ(progress.check_at(log_a, 4000), schemas::check_of(position_at(4000)));
  EXPECT_FALSE(progress.check_at(log_a, 4001)) << "no record of events";
  EXPECT_FALSE(progress.check_at(log_a, 0)) << "long ago";
  EXPECT_FALSE(progress.check_at(log_a, 5000));
  EXPECT_FALSE(progress.check_at(log_b, 4998));
}

TEST(Progress, OfManyRecordsAtOnceTheNewestAreRecent) {
  Progress progress;
  std::vector<schemas::Position> positions;
  for (std::int64_t offset = 0; offset < 5000; ++offset) positions.push_back(position_at(offset));
  progress.advance(log_a, state_at(5000), positions);
  EXPECT_EQ(progress.check_at(log_a, 4999), schemas::check_of(position_at(4999)));
  EXPECT_EQ(progress.check_at(log_a, 5000 - 1024), schemas::check_of(position_at(5000 - 1024)));
  EXPECT_FALSE(progress.check_at(log_a, 5000 - 1025));
}

TEST(Progress, FrozenIsWhatWasSetLast) {
  Progress progress;
  const FrozenScope scope{schemas::platform_organization, schemas::Space::live,
                          schemas::TopicId{1}};
  EXPECT_FALSE(progress.frozen(scope));
  progress.set_frozen({{scope, 0, 7, "why"}});
  EXPECT_EQ(progress.frozen(scope)->reason, "why");
  auto other = scope;
  other.space = schemas::Space::test;
  EXPECT_FALSE(progress.frozen(other));
  progress.set_frozen({});
  EXPECT_TRUE(progress.frozen().empty());
}

TEST(Progress, ManyThreadsWaitWhileOneAdvances) {
  Progress progress;
  constexpr schemas::Offset last = 2000;
  std::atomic<std::uint64_t> called = 0;
  std::atomic<std::uint64_t> at_once = 0;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (schemas::Offset end = 1; end <= last; ++end) {
        const auto waiting = progress.wait(log_a, end, [&, end] {
          EXPECT_GE(progress.applied_end(log_a), end);
          ++called;
        });
        if (waiting == 0) ++at_once;
        progress.check_at(log_a, static_cast<std::int64_t>(end));
      }
    });
  }
  for (schemas::Offset end = 1; end <= last; ++end) {
    const auto position = position_at(static_cast<std::int64_t>(end) - 1);
    progress.advance(log_a, state_at(end), {&position, 1});
  }
  for (auto& thread : threads) thread.join();
  progress.advance(log_a, state_at(last), {});
  EXPECT_EQ(called + at_once, 3 * last);
}

}  // namespace
}  // namespace projections
