// Goal: the one rule that says which records count, whatever zombies, holes, double writes and
// rival claims do. Method: a story per fault, told as steps of writers who each believe something
// and a reader who judges; and random stories against what must always hold.

#include "eventstore/claims.h"

#include <random>

#include <gtest/gtest.h>

#include "schemas/batch.h"
#include "schemas/controls.h"
#include "schemas/crypto.h"

namespace eventstore {
namespace {

constexpr LogId log{TopicId{3}, 5};

struct Sent {
  RecordHead head;
  Payload payload;
};

Payload batch_of(std::string_view text, std::int64_t recorded = 1) {
  using namespace schemas;
  const Uuid id{{1}};
  const EventDraft draft{.id = EventId(id),
                         .type = "test.happened",
                         .kind = "test",
                         .entity = {{}, "it"},
                         .version = Version{1},
                         .data = Json{text}};
  auto built = build_batch({.organization = OrganizationId(id),
                            .recorded = Time{std::chrono::milliseconds{recorded}},
                            .command = CommandId(id)},
                           {&draft, 1});
  return {built.owner, built.bytes};
}

/// A process that writes what follows from what it believes.
class Writer {
 public:
  void believe(const PartitionState& state) { state_ = state; }
  Sent claim(std::uint64_t nonce) {
    auto claim = make_claim(state_, nonce, "test");
    return send({claim.head, std::move(claim.payload)});
  }
  Sent events(std::string_view text, std::int64_t recorded = 1) {
    auto payload = batch_of(text, recorded);
    return send({head(RecordKind::events, payload, next_chain(state_.chain, payload.bytes())),
                 std::move(payload)});
  }
  Sent noop() { return send({head(RecordKind::noop, {}, state_.chain), {}}); }
  Sent control() {
    auto built = schemas::build_control(schemas::TopicAdded{TopicId{1}, "t"});
    Payload payload(built.owner, built.bytes);
    return send({head(RecordKind::control, payload, state_.chain), std::move(payload)});
  }
  /// Where its next record would stand, if the log agrees.
  void stands_at(Offset offset) { state_.next_offset = offset; }

 private:
  RecordHead head(RecordKind kind, const Payload& payload, const Chain& chain) const {
    return {.length = static_cast<std::uint32_t>(payload.bytes().size()),
            .kind = kind,
            .epoch = state_.epoch,
            .sequence = state_.sequence,
            .chain = chain,
            .payload_crc = schemas::crc32c(payload.bytes())};
  }
  Sent send(Sent sent) {
    state_.apply(state_.next_offset, sent.head, sent.payload.bytes());
    return sent;
  }
  PartitionState state_;
};

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
  forger.believe(other_state);
  EXPECT_EQ(take(forger.claim(2)), Verdict::fork);
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

TEST_F(Claims, WithoutALossSuchAClaimIsAFork) {
  take(a.claim(1));
  take(a.events("1"));
  a.events("lost");
  EXPECT_EQ(take(a.claim(2)), Verdict::fork);
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

// ---- random stories ----

struct Stored {
  Offset offset;
  Sent sent;
};

/// Writers claim, write, lose, repeat and delay records at random; each goes on under the epoch
/// that it once won, whatever happened since.
std::vector<Stored> random_story(std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Writer> writers(3);
  std::vector<Stored> log_records;
  std::vector<Sent> delayed;
  PartitionState truth;
  auto put = [&](const Sent& sent) {
    const auto offset = truth.next_offset + (random() % 10 == 0 ? 1 : 0);
    log_records.push_back({offset, sent});
    truth.apply(offset, sent.head, sent.payload.bytes());
  };
  auto claim = [&](Writer& writer) {
    writer.believe(truth);
    put(writer.claim(random()));
    // It owns the partition only once it has folded through its own claim.
    writer.believe(truth);
  };
  for (auto& writer : writers) claim(writer);
  for (int step = 0; step < 60; ++step) {
    auto& writer = writers[random() % writers.size()];
    switch (random() % 8) {
      case 0:
        claim(writer);
        break;
      case 1:
      case 2:
        delayed.push_back(writer.events("delayed " + std::to_string(step)));
        break;
      case 3:
        if (!delayed.empty()) put(delayed[random() % delayed.size()]);
        break;
      case 4:
        put(writer.noop());
        break;
      default: {
        auto sent = writer.events(std::to_string(step), step);
        put(sent);
        if (random() % 6 == 0) put(sent);
      }
    }
  }
  return log_records;
}

TEST(RandomClaims, EveryReaderBelievesTheSameFromWhereverItStarts) {
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const auto story = random_story(seed);
    PartitionState reader;
    std::vector<PartitionState> after;
    for (const auto& [offset, sent] : story) {
      reader.apply(offset, sent.head, sent.payload.bytes());
      after.push_back(reader);
    }
    for (std::size_t start = 0; start < story.size(); start += 7) {
      auto later = after[start];
      for (auto i = start + 1; i < story.size(); ++i) {
        later.apply(story[i].offset, story[i].sent.head, story[i].sent.payload.bytes());
      }
      ASSERT_EQ(later, reader);
    }
  }
}

TEST(RandomClaims, WhatCountsIsDenseInItsEpochAndDecidedOnWhatCountedBefore) {
  int accepted = 0;
  int forks = 0;
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    PartitionState reader;
    Chain chain{};
    Epoch epoch;
    std::uint64_t sequence = 0;
    for (const auto& [offset, sent] : random_story(seed)) {
      const auto verdict = reader.apply(offset, sent.head, sent.payload.bytes());
      forks += verdict == Verdict::fork ? 1 : 0;
      if (verdict == Verdict::claim) {
        ASSERT_EQ(sent.head.epoch, epoch);
        epoch = reader.epoch;
        sequence = 0;
      }
      if (verdict != Verdict::events && verdict != Verdict::control) continue;
      ASSERT_EQ(sent.head.epoch, epoch);
      ASSERT_EQ(sent.head.sequence, sequence++);
      if (verdict == Verdict::events) chain = next_chain(chain, sent.payload.bytes());
      ASSERT_EQ(sent.head.chain, chain);
      ++accepted;
    }
  }
  EXPECT_GT(accepted, 1'000);
  EXPECT_EQ(forks, 0) << "honest writers, however late, never fork";
}

}  // namespace
}  // namespace eventstore
