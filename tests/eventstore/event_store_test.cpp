// Goal: the writer's side of every partition: claims only when first written, own claims known
// again, places and chains right, time that never falls, refusals that let it go on and unknown
// outcomes that do not. Method: a memory log that commits when the test says so, a clock that
// stands still, and an owner that remembers what it was told.

#include "eventstore/event_store.h"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "eventstore/memory_log.h"
#include "schemas/batch.h"
#include "schemas/crypto.h"
#include "tests/support/world.h"

namespace eventstore {
namespace {

using schemas::ErrorCode;
using namespace std::chrono_literals;

constexpr TopicId topic{1};
constexpr LogId log_a{topic, 0};
constexpr LogId log_b{topic, 1};
const schemas::Error disk_full{ErrorCode::disk_full, "no space", {}, {}};

class RememberingOwner final : public EventStore::Owner {
 public:
  void durable(const std::vector<StoredRecord>& group) override {
    groups.push_back(group);
    for (const auto& record : group) told.push_back("durable " + place(record.log, record.offset));
  }
  void landed(LogId log, Offset offset) override {
    if (tells_landings) told.push_back("landed " + place(log, offset));
  }
  void voided(LogId log, const schemas::Error&) override {
    told.push_back("voided " + std::to_string(log.partition));
  }
  void failed(const AppendFailure& failure) override {
    failures.push_back(failure);
    told.push_back("failed " + place(failure.log, failure.first));
  }
  void claimed(LogId log) override {
    told.push_back("claimed " + std::to_string(log.partition));
    if (on_claimed) on_claimed(log);
  }
  static std::string place(LogId log, Offset offset) {
    return std::to_string(log.partition) + "/" + std::to_string(offset);
  }
  std::vector<std::vector<StoredRecord>> groups;
  std::vector<AppendFailure> failures;
  std::vector<std::string> told;
  bool tells_landings = false;
  std::function<void(LogId)> on_claimed;
};

/// One process: its own seed makes its own nonces.
struct Process {
  Process(std::shared_ptr<MemoryStorage> storage, const Clock& clock, std::uint64_t seed)
      : nonce([seed](LogId log, const Epoch& epoch) {
          return seed * 1'000'003 + log.partition * 101 +
                 static_cast<std::uint64_t>(epoch.offset + 2);
        }),
        store(context.get_executor(), clock, nonce, "process"),
        log(store, MemoryLog::Drive::manual, std::move(storage)) {
    EXPECT_TRUE(log.open_topic({topic, "test", 4}));
    store.attach(log, owner);
  }
  /// Commits once and tells.
  void commit() {
    log.pump();
    tell();
  }
  void tell() {
    context.restart();
    context.poll();
  }
  void own(LogId id) {
    store.claim(id);
    commit();
    EXPECT_TRUE(store.owned(id));
  }
  PartitionState submit(LogId id, std::string_view text = "x") {
    using namespace schemas;
    const EventDraft draft{.id = EventId(Uuid{{1}}),
                           .type = "test.happened",
                           .kind = "test",
                           .entity = {{}, "it"},
                           .version = Version{1},
                           .data = Json{text}};
    auto now = store.now(id);
    EXPECT_TRUE(now);
    auto built = build_batch({.organization = OrganizationId(Uuid{{1}}),
                              .recorded = now ? *now : Time{},
                              .command = CommandId(Uuid{{1}})},
                             {&draft, 1});
    return store.submit(id, RecordKind::events, Payload(built.owner, built.bytes));
  }

  boost::asio::io_context context;
  RememberingOwner owner;
  EventStore::Nonce nonce;
  EventStore store;
  MemoryLog log;
};

class EventStoreTest : public testing::Test {
 protected:
  void start(std::uint64_t seed = 1) {
    process.reset();
    process = std::make_unique<Process>(storage, clock, seed);
  }
  /// What every reader makes of the partition: the rule from its beginning.
  PartitionState folded(LogId id) {
    PartitionState state;
    for (std::size_t i = 0; i < storage->size(); ++i) {
      auto record = *storage->at(i);
      if (record.log != id) continue;
      auto verdict = state.apply(record.offset, record.head, record.payload.bytes());
      EXPECT_FALSE(is_void(verdict)) << to_text(verdict) << " at " << record.offset;
      EXPECT_TRUE(record.head.payload_matches(record.payload.bytes()));
    }
    return state;
  }
  void SetUp() override { start(); }

  std::shared_ptr<MemoryStorage> storage = std::make_shared<MemoryStorage>();
  manager::TestClock clock;
  std::unique_ptr<Process> process;
};

TEST_F(EventStoreTest, APartitionIsClaimedWhenFirstAskedForAndNotBefore) {
  EXPECT_FALSE(process->store.owned(log_a));
  process->commit();
  EXPECT_EQ(storage->size(), 0u);
  process->store.claim(log_a);
  process->store.claim(log_a);
  EXPECT_FALSE(process->store.owned(log_a)) << "not before its claim is durable";
  process->commit();
  EXPECT_TRUE(process->store.owned(log_a));
  EXPECT_FALSE(process->store.owned(log_b));
  EXPECT_EQ(storage->size(), 1u);
  EXPECT_EQ(process->owner.told, (std::vector<std::string>{"durable 0/0", "claimed 0"}));
}

TEST_F(EventStoreTest, RecordsAreSubmittedOnTopOfOnesThatStillSync) {
  process->own(log_a);
  process->own(log_b);
  EXPECT_EQ(process->submit(log_a).next_offset, 2u);
  process->store.flush();
  EXPECT_EQ(process->submit(log_a).next_offset, 3u);
  EXPECT_EQ(process->submit(log_b).next_offset, 2u);
  process->store.flush();
  EXPECT_EQ(storage->size(), 2u) << "nothing is durable yet";
  process->commit();
  EXPECT_EQ(folded(log_a), process->store.tip(log_a));
  EXPECT_EQ(folded(log_b), process->store.tip(log_b));
  EXPECT_EQ(folded(log_a).sequence, 2u);
}

TEST_F(EventStoreTest, WithoutAFlushNothingReachesTheLog) {
  process->own(log_a);
  process->submit(log_a);
  process->commit();
  EXPECT_EQ(storage->size(), 1u);
  process->store.flush();
  process->commit();
  EXPECT_EQ(storage->size(), 2u);
}

TEST_F(EventStoreTest, ControlsTakeASequenceAndLeaveTheChain) {
  process->own(log_a);
  auto before = process->submit(log_a);
  auto built = schemas::build_control(schemas::TopicAdded{TopicId{7}, "t"});
  auto after = process->store.submit(log_a, RecordKind::control, Payload(built.owner, built.bytes));
  EXPECT_EQ(after.chain, before.chain);
  EXPECT_EQ(after.sequence, before.sequence + 1);
  process->store.flush();
  process->commit();
  EXPECT_EQ(folded(log_a), after);
}

// ---- restarts ----

TEST_F(EventStoreTest, TheOwnClaimIsKnownAgainAfterARestart) {
  process->own(log_a);
  process->submit(log_a);
  process->store.flush();
  process->commit();
  start();
  EXPECT_TRUE(process->store.owned(log_a));
  process->submit(log_a);
  process->store.flush();
  process->commit();
  EXPECT_EQ(folded(log_a).sequence, 2u);
  EXPECT_EQ(storage->size(), 3u) << "no second claim";
}

TEST_F(EventStoreTest, AForeignClaimIsFollowedByAnOwnOne) {
  process->own(log_a);
  process->submit(log_a);
  process->store.flush();
  process->commit();
  start(2);
  EXPECT_FALSE(process->store.owned(log_a));
  process->own(log_a);
  process->submit(log_a);
  process->store.flush();
  process->commit();
  auto state = folded(log_a);
  EXPECT_EQ(state.epoch.offset, 2);
  EXPECT_EQ(state.sequence, 1u);
}

TEST_F(EventStoreTest, AClaimThatWasNeverWrittenIsMadeAnewAfterARestart) {
  process->store.claim(log_a);
  start();
  EXPECT_FALSE(process->store.owned(log_a));
  process->own(log_a);
}

TEST_F(EventStoreTest, ARestoredCopyThatLostItsTailIsClaimedAnewByAnotherSeed) {
  process->own(log_a);
  for (int i = 0; i < 3; ++i) process->submit(log_a);
  process->store.flush();
  process->commit();
  storage->lose_tail(log_a, 2);
  start(2);
  process->own(log_a);
  EXPECT_EQ(process->submit(log_a).next_offset, 4u);
  process->store.flush();
  process->commit();
  folded(log_a);
}

// ---- failures ----

TEST_F(EventStoreTest, ARefusedWriteIsForgottenAndTheNextGoesOnUnderTheSameClaim) {
  process->own(log_a);
  process->submit(log_a, "kept");
  process->store.flush();
  process->commit();
  process->submit(log_a, "refused");
  process->store.flush();
  process->submit(log_a, "behind it");
  process->store.flush();
  process->log.refuse_next(disk_full);
  process->commit();
  ASSERT_EQ(process->owner.failures.size(), 1u);
  EXPECT_EQ(process->owner.failures[0].first, 2u);
  EXPECT_EQ(process->owner.failures[0].outcome, AppendFailure::Outcome::refused);
  EXPECT_EQ(process->store.tip(log_a).next_offset, 2u);
  EXPECT_TRUE(process->store.owned(log_a));
  process->submit(log_a, "next");
  process->store.flush();
  process->commit();
  EXPECT_EQ(folded(log_a), process->store.tip(log_a));
  EXPECT_EQ(folded(log_a).sequence, 2u);
}

TEST_F(EventStoreTest, WhatWasSubmittedAndNotFlushedGoesWithTheFailureBeforeIt) {
  process->own(log_a);
  process->own(log_b);
  process->submit(log_a, "refused");
  process->store.flush();
  process->log.refuse_next(disk_full);
  process->log.pump();
  process->submit(log_a, "not flushed");
  process->submit(log_b, "another partition's");
  process->tell();
  process->store.flush();
  process->commit();
  EXPECT_EQ(folded(log_a).sequence, 0u);
  EXPECT_EQ(folded(log_b).sequence, 1u);
  EXPECT_EQ(process->owner.failures.size(), 1u);
}

TEST_F(EventStoreTest, WhatWasFlushedBehindAFailureThatTheCoreHasNotHeardOfIsCoveredByIt) {
  process->own(log_a);
  process->own(log_b);
  process->submit(log_a, "refused");
  process->store.flush();
  process->log.refuse_next(disk_full);
  process->log.pump();
  process->submit(log_a, "behind");
  process->submit(log_b, "another partition's");
  process->store.flush();
  process->tell();
  process->submit(log_a, "new");
  process->store.flush();
  process->commit();
  EXPECT_EQ(process->owner.failures.size(), 1u) << "told once";
  EXPECT_EQ(folded(log_a).sequence, 1u);
  EXPECT_EQ(folded(log_b).sequence, 1u);
  EXPECT_EQ(process->store.tip(log_a), folded(log_a));
}

TEST_F(EventStoreTest, ARefusedClaimIsTriedAgain) {
  process->store.claim(log_a);
  process->log.refuse_next(disk_full);
  process->commit();
  EXPECT_FALSE(process->store.owned(log_a));
  ASSERT_EQ(process->owner.failures.size(), 1u);
  process->own(log_a);
  process->submit(log_a);
  process->store.flush();
  process->commit();
  folded(log_a);
}

TEST_F(EventStoreTest, AfterAnUnknownOutcomeNothingIsWrittenUntilTheLogIsOpenedAgain) {
  for (std::size_t kept : {0u, 1u, 2u}) {
    storage = std::make_shared<MemoryStorage>();
    start();
    process->own(log_a);
    process->submit(log_a);
    process->submit(log_a);
    process->store.flush();
    process->log.lose_next_outcome(kept);
    process->commit();
    ASSERT_EQ(process->owner.failures.size(), 1u);
    EXPECT_EQ(process->owner.failures[0].outcome, AppendFailure::Outcome::unknown);
    EXPECT_TRUE(process->log.read_only());
    process->submit(log_a);
    process->store.flush();
    process->commit();
    EXPECT_EQ(process->owner.failures.size(), 2u);
    start();
    EXPECT_EQ(process->store.tip(log_a).sequence, kept);
    process->submit(log_a);
    process->store.flush();
    process->commit();
    EXPECT_EQ(folded(log_a).sequence, kept + 1);
  }
}

TEST_F(EventStoreTest, ClaimsThatWaitedAreToldInTheirGroup) {
  process->owner.on_claimed = [&](LogId log) { process->submit(log); };
  process->store.claim(log_a);
  process->store.claim(log_b);
  process->commit();
  process->store.flush();
  process->commit();
  EXPECT_EQ(folded(log_a).sequence, 1u);
  EXPECT_EQ(folded(log_b).sequence, 1u);
}

TEST_F(EventStoreTest, AnotherProcessesClaimIsNotTakenForItsOwn) {
  process->store.claim(log_a);
  auto theirs = make_claim({}, 999, "another");
  auto ours = make_claim({}, process->nonce(log_a, {}), "process");
  process->store.on_durable(
      std::make_shared<const std::vector<StoredRecord>>(std::vector<StoredRecord>{
          {log_a, 0, theirs.head, theirs.payload}, {log_a, 1, ours.head, ours.payload}}));
  process->tell();
  EXPECT_FALSE(process->store.owned(log_a));
  EXPECT_EQ(process->owner.told.back(), "claimed 0") << "so that it is claimed again";
}

// ---- time ----

TEST_F(EventStoreTest, RecordedTimeNeverFallsWithinAPartition) {
  process->own(log_a);
  const auto first = *process->store.now(log_a);
  process->submit(log_a);
  clock.jump(-30s);
  EXPECT_EQ(*process->store.now(log_a), first);
  process->submit(log_a);
  process->store.flush();
  process->commit();
  EXPECT_EQ(folded(log_a).recorded, first);
  clock.pass(1min);
  EXPECT_EQ(*process->store.now(log_a), first + 30s);
  EXPECT_LT(*process->store.now(log_b), first + 31s) << "another partition knows nothing of it";
}

TEST_F(EventStoreTest, RecordedTimeDoesNotFallOverARestartEither) {
  process->own(log_a);
  const auto first = *process->store.now(log_a);
  process->submit(log_a);
  process->store.flush();
  process->commit();
  clock.jump(-1h);  // while it was down: no monotonic clock saw that
  start();
  EXPECT_EQ(*process->store.now(log_a), first);
}

TEST_F(EventStoreTest, AJumpOfMoreThanAMinuteIsRefusedUntilTheClockIsRightAgain) {
  process->own(log_a);
  for (auto jump : {61s, -61s}) {
    clock.jump(jump);
    for (int i = 0; i < 3; ++i) {
      auto now = process->store.now(log_a);
      ASSERT_FALSE(now);
      EXPECT_EQ(now.error().code, ErrorCode::clock_jump);
      clock.pass(1h);
    }
    clock.jump(-jump);
    EXPECT_TRUE(process->store.now(log_a));
  }
  clock.jump(60s);
  EXPECT_TRUE(process->store.now(log_a)) << "a minute is not more than a minute";
}

TEST_F(EventStoreTest, TimeThatBothClocksSawPassingIsNoJump) {
  process->own(log_a);
  clock.pass(240h);
  EXPECT_TRUE(process->store.now(log_a));
}

}  // namespace
}  // namespace eventstore
