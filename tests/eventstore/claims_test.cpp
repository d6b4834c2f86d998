// Goal: the one rule that says which records count, whatever zombies, holes, double writes and
// rival claims do. Method: a story per fault, told as steps of writers who each believe something
// and a reader who judges.

#include "eventstore/claims.h"

#include <gtest/gtest.h>

#include "tests/eventstore/claim_writer.h"

namespace eventstore {
namespace {

constexpr LogId log{TopicId{3}, 5};

class Claims : public testing::Test {
 protected:
  /// The log takes the record at its next offset, the reader judges it.
  Verdict take(const Sent& sent) {
    return reader.apply(reader.next_offset, sent.head, sent.payload.bytes());
  }
  /// Reads to the end, as whoever claims or goes on does.
  void catch_up(Writer& writer) { writer.believe(reader); }

  PartitionState reader;
  Writer a;
  Writer b;
};

TEST_F(Claims, TheDrawingOfTheHeader) {
  EXPECT_EQ(take(a.claim(7)), Verdict::claim);
  EXPECT_EQ(reader.epoch, (Epoch{0, 7}));
  EXPECT_EQ(take(a.events("1")), Verdict::events);
  EXPECT_EQ(take(a.events("2")), Verdict::events);
  catch_up(b);
  EXPECT_EQ(take(b.claim(9)), Verdict::claim);
  EXPECT_EQ(reader.epoch, (Epoch{3, 9}));
  EXPECT_EQ(take(a.events("late")), Verdict::void_epoch);
  b.stands_at(reader.next_offset);
  EXPECT_EQ(take(b.events("3")), Verdict::events);
  b.events("never arrives");
  EXPECT_EQ(take(b.events("4")), Verdict::void_sequence);
  EXPECT_EQ(take(b.events("5")), Verdict::void_sequence) << "later ones of that epoch stay void";
}

TEST_F(Claims, NothingCountsBeforeTheFirstClaim) {
  PartitionState imagined;
  imagined.epoch = {0, 1};
  a.believe(imagined);
  EXPECT_EQ(take(a.events("x")), Verdict::void_epoch);
  EXPECT_EQ(reader.position(log).offset, -1);
}

TEST_F(Claims, OfTwoRivalClaimsTheFirstInTheLogWins) {
  take(a.claim(1));
  catch_up(a);
  catch_up(b);
  auto of_a = a.claim(2);
  auto of_b = b.claim(3);
  EXPECT_EQ(take(of_b), Verdict::claim);
  EXPECT_EQ(take(of_a), Verdict::void_claim);
  EXPECT_EQ(reader.epoch.nonce, 3u);
  EXPECT_EQ(take(a.events("x")), Verdict::void_epoch);
}

TEST_F(Claims, AClaimOnTheRightOffsetWithAnotherNonceIsVoid) {
  take(a.claim(1));
  PartitionState foreign;
  foreign.epoch = {0, 2};
  b.believe(foreign);
  EXPECT_EQ(take(b.claim(3)), Verdict::void_claim);
}

TEST_F(Claims, AClaimWrittenTwiceCountsOnce) {
  auto claim = a.claim(1);
  EXPECT_EQ(take(claim), Verdict::claim);
  EXPECT_EQ(take(claim), Verdict::void_claim);
  EXPECT_EQ(reader.epoch, (Epoch{0, 1}));
}

TEST_F(Claims, TheSameNonceAtAnotherOffsetIsAnotherEpoch) {
  take(a.claim(1));
  auto old = a;
  catch_up(a);
  EXPECT_EQ(take(a.claim(1)), Verdict::claim);
  EXPECT_EQ(reader.epoch, (Epoch{1, 1}));
  EXPECT_EQ(take(old.events("x")), Verdict::void_epoch);
}

TEST_F(Claims, ADoubleWriteCountsOnceAndWhatFollowsStillCounts) {
  take(a.claim(1));
  auto record = a.events("x");
  EXPECT_EQ(take(record), Verdict::events);
  EXPECT_EQ(take(record), Verdict::void_sequence);
  EXPECT_EQ(take(a.events("y")), Verdict::events);
}

TEST_F(Claims, WhatWasHeldUpAndArrivesOutOfOrderIsVoidUntilItsTurnComes) {
  take(a.claim(1));
  auto first = a.events("1");
  auto second = a.events("2");
  EXPECT_EQ(take(second), Verdict::void_sequence);
  EXPECT_EQ(take(first), Verdict::events);
  EXPECT_EQ(take(second), Verdict::events) << "a copy of it that arrives in order counts";
}

TEST_F(Claims, NoopsAndControlsTakeSequencesAndLeaveTheChain) {
  take(a.claim(1));
  take(a.events("x"));
  const auto chain = reader.chain;
  EXPECT_EQ(take(a.noop()), Verdict::control);
  EXPECT_EQ(take(a.control()), Verdict::control);
  EXPECT_EQ(reader.chain, chain);
  EXPECT_EQ(reader.sequence, 3u);
  EXPECT_EQ(reader.position(log).sequence, 0u) << "a mark stands at the last events";
  EXPECT_EQ(take(a.events("y")), Verdict::events);
}

TEST_F(Claims, SequencesBeginAnewWithEachEpochTheChainGoesOn) {
  take(a.claim(1));
  take(a.events("x"));
  const auto chain = reader.chain;
  catch_up(b);
  take(b.claim(2));
  EXPECT_EQ(reader.sequence, 0u);
  EXPECT_EQ(reader.chain, chain);
  EXPECT_EQ(reader.position(log).epoch, (Epoch{0, 1}));
  take(b.events("y"));
  EXPECT_EQ(reader.position(log).epoch, (Epoch{2, 2}));
  EXPECT_EQ(reader.position(log).offset, 3);
}

TEST_F(Claims, ARecordDecidedOnAnotherStateIsAForkAndChangesNothing) {
  take(a.claim(1));
  take(a.events("x"));
  const auto before = reader;
  for (auto make : {&Writer::noop, &Writer::control}) {
    auto other_state = reader;
    other_state.chain[3] ^= 1;
    Writer forger;
    forger.believe(other_state);
    EXPECT_EQ(take((forger.*make)()), Verdict::fork);
  }
  auto other_state = reader;
  other_state.chain[3] ^= 1;
  Writer forger;
  forger.believe(other_state);
  EXPECT_EQ(take(forger.events("y")), Verdict::fork);
  auto after = reader;
  after.next_offset = before.next_offset;
  EXPECT_EQ(after, before);
}

TEST_F(Claims, AnEventRecordWhoseChainIsNotOfItsBytesIsAFork) {
  take(a.claim(1));
  auto record = a.events("x");
  record.head.chain[0] ^= 1;
  EXPECT_EQ(take(record), Verdict::fork);
}

TEST_F(Claims, ARecordThatCountsButCannotBeReadIsMalformed) {
  take(a.claim(1));
  auto record = a.events("x");
  record.payload = Payload::copy(schemas::bytes_of("no batch"));
  record.head.chain = next_chain(reader.chain, record.payload.bytes());
  const auto sequence = reader.sequence;
  EXPECT_EQ(take(record), Verdict::malformed);
  EXPECT_EQ(reader.sequence, sequence);
  catch_up(b);
  auto claim = b.claim(2);
  claim.payload = Payload::copy(schemas::bytes_of("no claim"));
  EXPECT_EQ(take(claim), Verdict::malformed);
  auto other = schemas::build_control(schemas::Moved{"elsewhere"});
  claim.payload = Payload(other.owner, other.bytes);
  EXPECT_EQ(take(claim), Verdict::malformed) << "a control that is no claim";
}

TEST_F(Claims, AVoidRecordIsNotReadAtAll) {
  take(a.claim(1));
  auto late = a;
  catch_up(b);
  take(b.claim(2));
  auto record = late.events("x");
  record.payload = Payload::copy(schemas::bytes_of("garbage"));
  EXPECT_EQ(take(record), Verdict::void_epoch);
}

TEST_F(Claims, RecordedTimeNeverFalls) {
  take(a.claim(1));
  take(a.events("x", 100));
  take(a.events("y", 50));
  EXPECT_EQ(reader.recorded, schemas::Time{std::chrono::milliseconds{100}});
  take(a.events("z", 200));
  EXPECT_EQ(reader.recorded, schemas::Time{std::chrono::milliseconds{200}});
}

TEST_F(Claims, OffsetsMayHaveGapsWhereACopyLeftFillersOut) {
  take(a.claim(1));
  auto record = a.events("x");
  EXPECT_EQ(reader.apply(17, record.head, record.payload.bytes()), Verdict::events);
  EXPECT_EQ(reader.next_offset, 18u);
  EXPECT_EQ(reader.position(log).offset, 17);
}

TEST_F(Claims, AnOwnRecordIsJudgedLikeAnyOther) {
  take(a.claim(1));
  auto other = reader;
  auto record = a.events("x");
  EXPECT_EQ(other.apply_own(1, record.head, record.payload.bytes()), Verdict::events);
  take(record);
  EXPECT_EQ(other, reader);
  EXPECT_EQ(other.apply_own(2, record.head, record.payload.bytes()), Verdict::void_sequence);
}

// ---- behind an accepted loss ----

TEST_F(Claims, BehindALossNothingOfTheEpochCountsAndTheNextClaimIsBelieved) {
  take(a.claim(1));
  take(a.events("1"));
  a.events("lost");
  auto behind = a.events("decided on the lost one");
  reader.lose();
  EXPECT_EQ(take(behind), Verdict::void_sequence);
  a.stands_at(reader.next_offset);
  auto claim = a.claim(2);  // its chain goes over the lost record
  EXPECT_EQ(take(claim), Verdict::claim);
  EXPECT_FALSE(reader.lost());
  EXPECT_EQ(take(a.events("2")), Verdict::events);
}

TEST_F(Claims, WithoutALossWhatFollowsSuchAClaimIsAFork) {
  take(a.claim(1));
  take(a.events("1"));
  a.events("lost");
  a.stands_at(reader.next_offset);
  EXPECT_EQ(take(a.claim(2)), Verdict::claim);
  EXPECT_EQ(take(a.events("2")), Verdict::fork);
}

TEST_F(Claims, AClaimEndsAnEpochWhoseLastRecordsItsWriterHasNotSeen) {
  take(a.claim(1));
  take(a.events("1"));
  b.believe(reader);
  take(a.events("2"));
  take(a.events("3"));
  const auto chain = reader.chain;
  b.stands_at(reader.next_offset);
  EXPECT_EQ(take(b.claim(2)), Verdict::claim);
  EXPECT_EQ(reader.chain, chain) << "what the claim says of the chain is no promise";
  EXPECT_EQ(take(a.events("4")), Verdict::void_epoch);
  b.believe(reader);  // folded through its own claim
  EXPECT_EQ(take(b.events("5")), Verdict::events);
}

TEST_F(Claims, BehindALossAForeignClaimIsStillVoid) {
  take(a.claim(1));
  PartitionState foreign;
  foreign.epoch = {0, 99};
  b.believe(foreign);
  reader.lose();
  EXPECT_EQ(take(b.claim(3)), Verdict::void_claim);
  EXPECT_TRUE(reader.lost());
}

}  // namespace
}  // namespace eventstore
