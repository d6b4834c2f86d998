// Goal: every process comes to the same owner of each partition, a process that comes or goes moves
// only its own share, hand-over waits for the owner but not for ever, and neither old records, nor
// a pause of one's own, nor somebody's silence makes anybody claim what another has. Method: time
// and heartbeats given by hand; a few processes that hear each other.
#include "manager/cluster.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace manager {
namespace {

using namespace std::chrono_literals;
using schemas::LogId;
using schemas::TopicId;
using schemas::Uuid;
using testing::ElementsAre;
using testing::IsEmpty;

Uuid process(std::uint8_t number) {
  // Alike but for one byte, as ids are that were made in the same second.
  Uuid uuid;
  uuid.bytes.fill(0x42);
  uuid.bytes.back() = number;
  return uuid;
}

std::vector<LogId> logs() {
  std::vector<LogId> all;
  for (std::uint16_t topic = 0; topic < 5; ++topic) {
    for (std::uint16_t partition = 0; partition < 64; ++partition) {
      all.push_back({TopicId{topic}, partition});
    }
  }
  return all;
}

/// One process's view, and a clock.
class View {
 public:
  explicit View(std::uint8_t self, const char* roles = "gateway,manager,projector,deliverer")
      : cluster_({process(self), "self", "127.0.0.1:1", *eventstore::parse_roles(roles)}) {}

  /// Started, and hears itself.
  View& up() {
    cluster_.past_ended(now_);
    hear_self();
    return *this;
  }
  void hear_self() { cluster_.heard(says(), now_); }
  Cluster::Heartbeat says() {
    auto heartbeat = cluster_.self();
    heartbeat.count = ++count_;
    return heartbeat;
  }
  void hear(std::uint8_t number, std::vector<LogId> owned = {},
            Cluster::Heartbeat::State state = Cluster::Heartbeat::State::serving,
            const char* roles = "manager") {
    cluster_.heard({.process = process(number),
                    .count = ++count_,
                    .state = state,
                    .roles = *eventstore::parse_roles(roles),
                    .name = "other",
                    .address = "127.0.0.1:2",
                    .owned = std::move(owned)},
                   now_);
  }
  /// Everybody in `talking` and we ourselves go on saying the same, twice a second.
  void pass(std::chrono::milliseconds time,
            std::map<std::uint8_t, std::vector<LogId>> talking = {}) {
    for (const auto end = now_ + time; now_ < end;) {
      now_ = std::min(end, now_ + 500ms);
      hear_self();
      for (const auto& [number, owned] : talking) hear(number, owned);
    }
  }
  void pass_unheard(std::chrono::milliseconds time) { now_ += time; }

  Cluster& operator*() { return cluster_; }
  Cluster* operator->() { return &cluster_; }
  Cluster::Time now() const { return now_; }
  std::vector<std::uint8_t> living() {
    std::vector<std::uint8_t> numbers;
    for (const auto& said : cluster_.living(now_)) numbers.push_back(said.process.bytes.back());
    return numbers;
  }
  std::uint8_t owner(LogId log) {
    const auto owner = cluster_.owner_of(log, now_);
    return owner ? owner->process.bytes.back() : std::uint8_t{0};
  }
  std::map<LogId, std::uint8_t> owners() {
    std::map<LogId, std::uint8_t> all;
    for (const auto& log : logs()) all[log] = owner(log);
    return all;
  }
  bool may_claim(LogId log) { return cluster_.may_claim(log, now_); }
  /// One that the process should own, other than `not_this`.
  LogId log_of(std::uint8_t number, std::optional<LogId> not_this = {}) {
    for (const auto& log : logs()) {
      if (owner(log) == number && log != not_this) return log;
    }
    ADD_FAILURE() << "nothing for " << int(number);
    return {};
  }

 private:
  Cluster cluster_;
  std::uint64_t count_ = 0;
  Cluster::Time now_ = Cluster::Time() + 1h;
};

// ---- who should own what ----

TEST(Cluster, EveryProcessComesToTheSameOwners) {
  std::map<LogId, std::uint8_t> expected;
  for (std::uint8_t self = 1; self <= 3; ++self) {
    View view(self);
    view.up();
    for (std::uint8_t other = 3; other >= 1; --other) {
      if (other != self) view.hear(other);
    }
    if (self == 1) expected = view.owners();
    EXPECT_EQ(view.owners(), expected) << "process " << int(self);
  }
}

TEST(Cluster, PartitionsAreSpreadEvenly) {
  // Over many sets of processes, since one could be lucky.
  std::size_t outside = 0;
  for (std::uint8_t first = 1; first <= 60; first += 3) {
    View view(first);
    view.up();
    view.hear(first + 1);
    view.hear(first + 2);
    std::map<std::uint8_t, int> counts;
    for (const auto& [log, owner] : view.owners()) ++counts[owner];
    ASSERT_EQ(counts.size(), 3u);
    // 320 over three, give or take a quarter.
    for (const auto& [owner, count] : counts) outside += count < 80 || count > 134;
  }
  // A quarter is 3.2 standard deviations of a fair throw: once in 700 shares.
  EXPECT_LE(outside, 1u);
}

TEST(Cluster, WhoComesOnlyTakesAndWhoGoesOnlyGives) {
  for (std::uint8_t members = 1; members <= 6; ++members) {
    View view(1);
    view.up();
    for (std::uint8_t other = 2; other <= members; ++other) view.hear(other);
    const auto before = view.owners();
    const std::uint8_t newcomer = members + 1;
    view.hear(newcomer);
    int moved = 0;
    for (const auto& [log, owner] : view.owners()) {
      if (owner == before.at(log)) continue;
      EXPECT_EQ(owner, newcomer);
      ++moved;
    }
    EXPECT_NEAR(moved, 320 / newcomer, 320 / newcomer / 2);
    view->gone(process(newcomer), view.now());
    EXPECT_EQ(view.owners(), before);
  }
}

TEST(Cluster, OnlyManagersThatStayOwn) {
  View view(1, "gateway");
  view.up();
  EXPECT_EQ(view.owner(logs()[0]), 0);
  view.hear(2, {}, Cluster::Heartbeat::State::leaving);
  view.hear(3, {}, Cluster::Heartbeat::State::serving, "gateway,projector");
  EXPECT_EQ(view.owner(logs()[0]), 0);
  view.hear(4);
  for (const auto& [log, owner] : view.owners()) EXPECT_EQ(owner, 4);
  EXPECT_THAT(view.living(), ElementsAre(1, 2, 3, 4));
  EXPECT_FALSE(view.may_claim(logs()[0]));
}

TEST(Cluster, TheOwnerIsToldWithItsAddress) {
  View view(1);
  view.up();
  view.hear(2);
  const auto other = view->owner_of(view.log_of(2), view.now());
  EXPECT_EQ(other->address, "127.0.0.1:2");
  EXPECT_FALSE(other->is_self);
  EXPECT_TRUE(view->owner_of(view.log_of(1), view.now())->is_self);
}

// ---- who lives ----

TEST(Cluster, TheSilentAreGone) {
  View view(1);
  view.up();
  view.hear(2);
  view.pass(2'000ms);
  EXPECT_THAT(view.living(), ElementsAre(1, 2));
  view.pass(500ms);
  EXPECT_THAT(view.living(), ElementsAre(1));
  EXPECT_TRUE(view.may_claim(logs()[0]));
}

TEST(Cluster, WhoSaysGoodbyeIsGoneAtOnce) {
  View view(1);
  view.up();
  view.hear(2, {logs()[0]});
  view->gone(process(2), view.now());
  EXPECT_THAT(view.living(), ElementsAre(1));
  EXPECT_TRUE(view.may_claim(logs()[0]));
}

TEST(Cluster, WhoWasPausedJudgesNobodyBeforeItListenedAgain) {
  View view(1);
  view.up();
  view.pass(3s, {{2, {}}});
  view.pass_unheard(20s);  // SIGSTOP
  EXPECT_THAT(view.living(), ElementsAre(1, 2));
  for (const auto& log : logs()) EXPECT_FALSE(view.may_claim(log));
  view.hear_self();
  EXPECT_THAT(view.living(), ElementsAre(1, 2)) << "it had no time to say anything";
  EXPECT_FALSE(view.may_claim(view.log_of(2)));
  view.pass(2'500ms);
  EXPECT_THAT(view.living(), ElementsAre(1)) << "now it had";
}

TEST(Cluster, WhoDoesNotHearItselfClaimsNothing) {
  View view(1);
  view->past_ended(view.now());
  EXPECT_FALSE(view.may_claim(logs()[0]));
  view.hear_self();
  EXPECT_TRUE(view.may_claim(logs()[0]));
  view.pass_unheard(2s);
  EXPECT_FALSE(view.may_claim(logs()[0]));
}

TEST(Cluster, AnOldHeartbeatThatComesLateSaysNothing) {
  View view(1);
  view.up();
  view.hear(2, {logs()[3]});
  auto late = view->living(view.now()).back();
  view.hear(2);
  late.owned = {logs()[3]};
  view.pass(1500ms);
  view->heard(late, view.now());
  EXPECT_THAT(view->living(view.now()).back().owned, IsEmpty());
  view.pass(1000ms);
  EXPECT_THAT(view.living(), ElementsAre(1)) << "it does not prolong a life";
}

// ---- starting ----

TEST(Cluster, AloneOnAnEmptyTopicItClaimsAtOnce) {
  View view(1);
  view.hear_self();
  EXPECT_FALSE(view.may_claim(logs()[0])) << "before it knows that the topic is empty";
  view.up();
  EXPECT_TRUE(view.may_claim(logs()[0]));
}

TEST(Cluster, OldRecordsDoNotLookAliveAndAreWaitedForThreeHeartbeats) {
  View view(1);
  view->heard_of(process(2), view.now());
  view.up();
  EXPECT_THAT(view.living(), ElementsAre(1));
  EXPECT_FALSE(view.may_claim(view.log_of(1)));
  view.pass(1'000ms);
  EXPECT_FALSE(view.may_claim(view.log_of(1)));
  view.pass(500ms);
  EXPECT_TRUE(view.may_claim(view.log_of(1)));
}

TEST(Cluster, CandidatesThatSpeakOrSaidGoodbyeAreNotWaitedFor) {
  View view(1);
  view->heard_of(process(2), view.now());
  view->heard_of(process(3), view.now());
  view->gone(process(3), view.now());
  view.up();
  EXPECT_FALSE(view.may_claim(view.log_of(1)));
  view.hear(2);
  EXPECT_TRUE(view.may_claim(view.log_of(1)));
  EXPECT_FALSE(view.may_claim(view.log_of(2)));
}

TEST(Cluster, OnesOwnRecordIsNoCandidate) {
  View view(1);
  view->heard_of(process(1), view.now());
  view.up();
  EXPECT_TRUE(view.may_claim(logs()[0]));
}

TEST(Cluster, WhoJoinsIsGivenNothingBeforeItCanClaim) {
  View newcomer(1);
  newcomer->heard_of(process(2), newcomer.now());
  newcomer->heard_of(process(9), newcomer.now());  // died long ago
  newcomer.up();
  newcomer.hear(2);
  View other(2);
  other.up();
  const auto tell = [&] { other->heard(newcomer.says(), other.now()); };
  tell();
  for (const auto& log : logs()) {
    EXPECT_EQ(newcomer.owner(log), 2);
    EXPECT_EQ(other.owner(log), 2);
  }
  newcomer.pass(1'500ms, {{2, {}}});
  tell();
  const auto log = newcomer.log_of(1);
  EXPECT_TRUE(newcomer.may_claim(log));
  EXPECT_EQ(other.owner(log), 1);
}

TEST(Cluster, WhoJoinsAloneIsTheOneToWaitFor) {
  View view(1);
  view->heard_of(process(9), view.now());
  view.up();
  EXPECT_EQ(view.owner(logs()[0]), 1);
  EXPECT_FALSE(view.may_claim(logs()[0]));
}

// ---- handing over ----

TEST(Cluster, WhatAnotherOwnsIsClaimedWhenItIsReleased) {
  View view(1);
  view.up();
  view.hear(2);
  const auto log = view.log_of(1);
  const auto next = view.log_of(1, log);
  view.hear(2, {log});
  EXPECT_FALSE(view.may_claim(log));
  EXPECT_TRUE(view.may_claim(next));
  view.hear(2);
  EXPECT_TRUE(view.may_claim(log));
}

TEST(Cluster, AnOwnerThatDoesNotReleaseIsNotWaitedForForEver) {
  View view(1);
  view.up();
  view.hear(2);
  const auto log = view.log_of(1);
  view.pass(1'000ms, {{2, {log}}});
  EXPECT_FALSE(view.may_claim(log));
  view.pass(500ms, {{2, {log}}});
  EXPECT_TRUE(view.may_claim(log));
}

TEST(Cluster, TheOwnerReleasesWhatANewcomerShouldHave) {
  View view(1);
  view.up();
  for (const auto& log : logs()) {
    view->own(log);
    EXPECT_FALSE(view->release_wanted(log, view.now()));
  }
  view.hear(2);
  for (const auto& log : logs()) {
    EXPECT_EQ(view->release_wanted(log, view.now()), view.owner(log) == 2);
    if (view.owner(log) == 2) view->release(log);
    EXPECT_FALSE(view->release_wanted(log, view.now()));
  }
  for (const auto& log : view->self().owned) EXPECT_EQ(view.owner(log), 1);
}

TEST(Cluster, WhoLeavesReleasesAllAndClaimsNothing) {
  View view(1);
  view.up();
  view.hear(2);
  const auto log = view.log_of(1);
  view->own(log);
  view->leave();
  EXPECT_TRUE(view->release_wanted(log, view.now()));
  EXPECT_EQ(view.owner(log), 2);
  EXPECT_FALSE(view.may_claim(log));
  EXPECT_EQ(view->self().state, Cluster::Heartbeat::State::leaving);
  EXPECT_THAT(view->self().owned, ElementsAre(log)) << "until it is released";
}

TEST(Cluster, WhatALeavingOneOwnsIsWaitedFor) {
  View view(1);
  view.up();
  view.hear(2, {logs()[0], logs()[1]});
  view.pass(2s, {{2, {logs()[0], logs()[1]}}});
  const auto log = view.owner(logs()[0]) == 2 ? logs()[0] : view.log_of(2);
  view.hear(2, {log}, Cluster::Heartbeat::State::leaving);
  EXPECT_EQ(view.owner(log), 1);
  EXPECT_FALSE(view.may_claim(log));
  view.hear(2, {}, Cluster::Heartbeat::State::leaving);
  EXPECT_TRUE(view.may_claim(log));
}

// ---- records of the dead ----

TEST(Cluster, RecordsOfTheLongSilentAreTakenAwayOnce) {
  View view(1);
  view->heard_of(process(3), view.now());
  view.up();
  view.hear(2);
  view.pass(55s);
  EXPECT_THAT(view->long_silent(view.now()), IsEmpty());
  view.pass(10s);
  EXPECT_THAT(view->long_silent(view.now()), ElementsAre(process(2), process(3)));
  EXPECT_THAT(view->long_silent(view.now()), IsEmpty());
}

TEST(Cluster, WhoSpeaksAgainKeepsItsRecord) {
  View view(1);
  view.up();
  view.hear(2);
  view.pass(55s);
  view.hear(2);
  view.pass(30s);
  EXPECT_THAT(view->long_silent(view.now()), IsEmpty());
}

}  // namespace
}  // namespace manager
