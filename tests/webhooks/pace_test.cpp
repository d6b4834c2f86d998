// Goal: an endpoint gets as much at once as it has shown to take, and never more often than its
// rate. Method: a made-up receiver with a capacity, and counting over every span.

#include "webhooks/pace.h"

#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace webhooks {
namespace {

using schemas::Time;
using std::chrono::milliseconds;
using namespace std::chrono_literals;
using Outcome = Pace::Outcome;

/// Sends as much as may be, then ends all of it so; as one round trip.
void round(Pace& pace, Outcome outcome) {
  std::vector<Pace::Send> sends;
  while (!pace.full()) sends.push_back(pace.begin());
  for (const auto send : sends) pace.end(send, outcome);
}

void rounds(Pace& pace, int count, Outcome outcome) {
  for (int i = 0; i < count; ++i) round(pace, outcome);
}

TEST(Pace, BeginsSmall) {
  EXPECT_EQ(Pace(100).limit(), 4u);
  EXPECT_EQ(Pace(2).limit(), 2u);
  EXPECT_EQ(Pace(0).limit(), 1u);
}

TEST(Pace, GrowsByOneForAWindowThatWentWell) {
  Pace pace(6);
  round(pace, Outcome::good);
  EXPECT_EQ(pace.limit(), 5u);
  round(pace, Outcome::good);
  EXPECT_EQ(pace.limit(), 6u);
  rounds(pace, 9, Outcome::good);
  EXPECT_EQ(pace.limit(), 6u) << "never above the endpoint's own limit";
}

TEST(Pace, HalvesOncePerWindowAndNeverBelowOne) {
  Pace pace(100);
  rounds(pace, 16, Outcome::good);
  ASSERT_EQ(pace.limit(), 20u);
  round(pace, Outcome::too_much);  // twenty refusals, one halving
  EXPECT_EQ(pace.limit(), 10u);
  round(pace, Outcome::too_much);
  EXPECT_EQ(pace.limit(), 5u);
  rounds(pace, 9, Outcome::too_much);
  EXPECT_EQ(pace.limit(), 1u);
}

TEST(Pace, AnswersToWhatWasSentBeforeAHalvingSayNothing) {
  Pace pace(100);
  std::vector<Pace::Send> before;
  while (!pace.full()) before.push_back(pace.begin());
  pace.end(before[0], Outcome::too_much);
  EXPECT_EQ(pace.limit(), 2u);
  pace.end(before[1], Outcome::too_much);
  EXPECT_EQ(pace.limit(), 2u);
  pace.end(before[2], Outcome::good);
  pace.end(before[3], Outcome::good);
  EXPECT_EQ(pace.limit(), 2u);
  round(pace, Outcome::good);
  EXPECT_EQ(pace.limit(), 3u);
}

TEST(Pace, OnlyFirstAttemptsMakeItGrow) {
  Pace pace(100);
  rounds(pace, 50, Outcome::good_retry);
  EXPECT_EQ(pace.limit(), 4u);
  rounds(pace, 50, Outcome::failed);
  EXPECT_EQ(pace.limit(), 4u);
}

TEST(Pace, AQuietEndpointDoesNotGrow) {
  Pace pace(100);
  for (int i = 0; i < 1000; ++i) pace.end(pace.begin(), Outcome::good);
  EXPECT_EQ(pace.limit(), 4u);
}

TEST(Pace, AfterAnOutageItIsNotAboveWhatWentWellBefore) {
  Pace pace(100);
  rounds(pace, 16, Outcome::good);
  const auto before = pace.limit();
  rounds(pace, 3, Outcome::too_much);
  rounds(pace, 1000, Outcome::failed);
  rounds(pace, 10, Outcome::good_retry);
  EXPECT_LE(pace.limit(), before / 8 + 1);
  rounds(pace, 3, Outcome::good);
  EXPECT_LT(pace.limit(), before);
  rounds(pace, 100, Outcome::good);
  EXPECT_GE(pace.limit(), before - 1) << "soon where it was";
  EXPECT_LE(pace.limit(), before + 3) << "and not soon above";
}

TEST(Pace, WhatWentWellIsNotForgottenByRefusalsOneBehindTheOther) {
  Pace pace(100);
  rounds(pace, 16, Outcome::good);
  rounds(pace, 10, Outcome::too_much);
  ASSERT_EQ(pace.limit(), 1u);
  rounds(pace, 18, Outcome::good);
  EXPECT_EQ(pace.limit(), 19u);
  rounds(pace, 63, Outcome::good);
  EXPECT_EQ(pace.limit(), 19u);
  round(pace, Outcome::good);
  EXPECT_EQ(pace.limit(), 20u);
}

TEST(Pace, FollowsTheEndpointsOwnLimit) {
  Pace pace(100);
  rounds(pace, 16, Outcome::good);
  std::vector<Pace::Send> sends;
  while (!pace.full()) sends.push_back(pace.begin());
  pace.set_in_flight_max(3);
  EXPECT_EQ(pace.limit(), 3u);
  EXPECT_TRUE(pace.full());
  EXPECT_EQ(pace.in_flight(), 20u);
  for (const auto send : sends) pace.end(send, Outcome::failed);
  EXPECT_FALSE(pace.full());
}

// A receiver that takes 40 at once and refuses the rest: most of it is used, little is refused.
TEST(Pace, FindsACapacityItDoesNotKnow) {
  constexpr unsigned capacity = 40;
  Pace pace(1000);
  unsigned sent = 0;
  unsigned refused = 0;
  for (int i = 0; i < 2000; ++i) {
    std::vector<Pace::Send> sends;
    while (!pace.full()) sends.push_back(pace.begin());
    for (std::size_t k = 0; k < sends.size(); ++k) {
      pace.end(sends[k], k < capacity ? Outcome::good : Outcome::too_much);
    }
    if (i < 100) continue;  // until it is there
    sent += static_cast<unsigned>(sends.size());
    refused += static_cast<unsigned>(sends.size() > capacity ? sends.size() - capacity : 0);
  }
  EXPECT_GT(sent, 1900 * capacity * 7 / 10);
  EXPECT_LT(refused * 100, sent);
}

/// When sends go that are all there at `begin`.
std::vector<Time> sends(RateCap& cap, Time begin, int count) {
  std::vector<Time> times;
  Time at = begin;
  for (int i = 0; i < count; ++i) {
    at = cap.next(at);
    cap.take(at);
    times.push_back(at);
  }
  return times;
}

constexpr Time start{1'800'000'000'000ms};

TEST(RateCap, SpacesWhatComesAtOnce) {
  RateCap cap(2);
  EXPECT_EQ(cap.burst(), 1);
  EXPECT_EQ(sends(cap, start, 3), (std::vector<Time>{start, start + 500ms, start + 1s}));
  EXPECT_EQ(cap.next(start + 1s), start + 1500ms);
  EXPECT_EQ(cap.next(start + 10s), start + 10s) << "what was not used is not saved up";
  EXPECT_EQ(sends(cap, start + 10s, 2), (std::vector<Time>{start + 10s, start + 10'500ms}));
}

TEST(RateCap, LetsATenthOfASecondsShareGoAtOnce) {
  RateCap cap(30);
  EXPECT_EQ(cap.burst(), 3);
  EXPECT_EQ(sends(cap, start, 5),
            (std::vector<Time>{start, start, start, start + 34ms, start + 67ms}));
}

TEST(RateCap, IsSlowToo) {
  RateCap cap(RateCap::per_second_min);
  EXPECT_EQ(sends(cap, start, 2), (std::vector<Time>{start, start + 1000s}));
}

TEST(RateCap, IsNeverExceededOverAnySpan) {
  std::mt19937 random(7);
  for (const double rate : {0.3, 1.0, 7.0, 30.0, 333.0, 1000.0, 4567.8}) {
    RateCap cap(rate);
    std::vector<Time> times;
    Time at = start;
    while (times.size() < 2000) {
      at += milliseconds(random() % 4 == 0 ? random() % 1000 : 0);
      at = cap.next(at);
      cap.take(at);
      times.push_back(at);
    }
    for (std::size_t i = 0; i < times.size(); ++i) {
      for (std::size_t k = i; k < times.size(); k += 1 + k / 9) {
        const double seconds = std::chrono::duration<double>(times[k] - times[i]).count();
        ASSERT_LE(static_cast<double>(k - i + 1),
                  static_cast<double>(cap.burst()) + rate * seconds + 1e-6)
            << rate << " " << i << " " << k;
      }
    }
  }
}

TEST(RateCap, UsesTheWholeRate) {
  RateCap cap(30);
  const auto times = sends(cap, start, 3003);
  EXPECT_LE(times.back() - start, 100s + 1ms);
}

TEST(RateCap, AClockThatIsSetBackDoesNotStopIt) {
  RateCap cap(10);
  sends(cap, start, 3);
  EXPECT_LE(cap.next(start - 1h), start - 1h + 100ms);
}

}  // namespace
}  // namespace webhooks
