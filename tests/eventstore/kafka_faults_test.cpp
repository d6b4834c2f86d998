// Goal: whatever librdkafka and brokers do to records on their way, each ends once, as what is
// there afterwards: shown where everybody finds it, refused and not there, or unknown until the
// next claim. Method: librdkafka's mock cluster, whose answers the test chooses; after each fault a
// process that comes anew reads what the topic holds.
#include <map>

#include "tests/eventstore/kafka_fixture.h"

namespace eventstore {
namespace {

// The thread sanitizer does not know threads of C11, which librdkafka has.
#if !__has_feature(thread_sanitizer)

using Outcome = AppendFailure::Outcome;
using namespace std::chrono_literals;

constexpr auto no_error = RD_KAFKA_RESP_ERR_NO_ERROR;
constexpr LogId elsewhere{blue, 2};

class KafkaFaults : public KafkaLogTest {
 protected:
  /// The first broker leads, of one or several.
  explicit KafkaFaults(int brokers = 1) : KafkaLogTest(brokers) {
    harness_.lead("tm.blue", in_blue, 1);
    harness_.lead("tm.blue", elsewhere, 1);
  }

  /// Requests of ten records.
  void open_in_tens() {
    harness_.options.properties["batch.num.messages"] = "10";
    open();
  }
  /// Of `noops` the first so many count, and nothing else.
  static void expect_first_ones(const Held& held, std::uint64_t count) {
    const auto texts = held.texts();
    ASSERT_EQ(texts.size(), count);
    for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(texts[i], std::to_string(i));
  }
  /// The one failure that was told: from where on, and what counts before it.
  AppendFailure only_failure() {
    EXPECT_TRUE(witness_.wait_for_failures(1));
    const auto failures = witness_.failures();
    EXPECT_EQ(failures.size(), 1u);
    return failures.empty() ? AppendFailure{} : failures[0];
  }
};

// ---- a producer that fails for good ----

TEST_F(KafkaFaults, AFatalErrorEndsAllInFlightAndANewProducerGoesOnAfterAClaim) {
  harness_.options.outcome_after = 60s;  // nothing ends by itself
  open_in_tens();
  PartitionWriter other(elsewhere);
  write(other.claim(5));
  write(writer_.claim(1));
  harness_.answer_next({no_error, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER});
  auto records = noops(300);
  for (int i = 0; i < 300; ++i) records.push_back(other.noop("of another partition"));
  log_->append(std::move(records));
  ASSERT_TRUE(witness_.wait_for_failures(1));
  // Each record of both is either there, or one failure takes all from some offset on.
  ASSERT_TRUE(comes_true([&] {
    std::map<LogId, Offset> ends{{in_blue, 301}, {elsewhere, 301}};
    for (const auto& failure : witness_.failures()) ends[failure.log] = failure.first;
    return log_->durable_end(in_blue) >= ends[in_blue] &&
           log_->durable_end(elsewhere) >= ends[elsewhere];
  }));
  std::map<Outcome, int> outcomes;
  for (const auto& failure : witness_.failures()) ++outcomes[failure.outcome];
  EXPECT_GE(outcomes[Outcome::unknown], 1) << "of the partition whose request that was";
  EXPECT_LE(witness_.failures().size(), 2u) << "one for each partition";
  // librdkafka may have sent what was behind that request, and the mock takes it.
  expect_first_ones(held_by(harness_), log_->state(in_blue).sequence);
  claim_and_go_on();
  EXPECT_EQ(expect_told_is_held().state.epoch.nonce, 9u);
  EXPECT_EQ(held_by(harness_, elsewhere).state.sequence, log_->state(elsewhere).sequence);
}

TEST_F(KafkaFaults, ClosingWaitsOnlySoLongForBrokersThatAreAway) {
  harness_.options.outcome_after = 120s;
  harness_.options.drain_within = 500ms;
  open();
  write(writer_.claim(1));
  harness_.answer_late(100s, 1, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
  log_->append(noops(3));
  const auto begun = std::chrono::steady_clock::now();
  log_->close();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 20s);
  const auto failure = only_failure();
  EXPECT_EQ(failure.outcome, Outcome::unknown);
  EXPECT_EQ(failure.first, 1);
  log_.reset();
}

TEST_F(KafkaFaults, ABrokerThatForgotTheProducerLosesNothingAndDoublesNothing) {
  open_in_tens();
  write(writer_.claim(1));
  write(writer_.noop("before"));
  harness_.answer_next({no_error, RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID});
  log_->append(noops(100));
  ASSERT_TRUE(comes_true(
      [&] { return log_->durable_end(in_blue) == 102 || !witness_.failures().empty(); }));
  const auto held = expect_told_is_held();
  if (witness_.failures().empty()) {
    EXPECT_EQ(held.state.sequence, 101u);
    EXPECT_EQ(held.count(Verdict::void_sequence), 0u);
  } else {  // the mock may have taken requests behind the refused one: their sequences make them
            // void
    EXPECT_EQ(held.state.sequence + 1, witness_.failures()[0].first);
  }
  claim_and_go_on();
}

TEST_F(KafkaFaults, ALogThatIsDestroyedWaitsForAllReportsAndForNothingElse) {
  harness_.options.outcome_after = 60s;
  open();
  write(writer_.claim(1));
  harness_.answer_late(30s);
  log_->append(noops(2'001));
  ASSERT_TRUE(comes_true([&] { return log_->durable_end(in_blue) > 1; }))
      << "some are on their way";
  const auto begun = std::chrono::steady_clock::now();
  log_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
  EXPECT_TRUE(witness_.failures().empty()) << "nobody listens any more";
  open();
  writer_.set_state(log_->state(in_blue));
  claim_and_go_on();
}

// ---- time-outs ----

TEST_F(KafkaFaults, WhatNeverLeftIsRefusedAndMayBeTriedAgain) {
  harness_.options.outcome_after = 1s;
  open();
  write(writer_.claim(1));
  write(writer_.noop("before"));
  const auto before = writer_.state();
  harness_.go_down();
  std::this_thread::sleep_for(100ms);  // the connection ends before anything is sent on it
  log_->append(noops(20));
  const auto failure = only_failure();
  EXPECT_EQ(failure.outcome, Outcome::refused);
  EXPECT_EQ(failure.first, 2u);
  harness_.come_up();
  writer_.set_state(before);
  log_->append({writer_.noop("again")});
  wait_for_end(3);
  const auto held = expect_told_is_held();
  EXPECT_EQ(held.texts(), (std::vector<std::string>{"before", "again"}));
}

TEST_F(KafkaFaults, WhatTimedOutAndIsThereAllTheSameIsShownAndNotFailed) {
  harness_.options.outcome_after = 1s;
  open();
  write(writer_.claim(1));
  harness_.answer_late(3s);
  log_->append({writer_.noop("slow")});
  wait_for_end(2);
  std::this_thread::sleep_for(1500ms);  // its report says that it timed out
  EXPECT_TRUE(witness_.failures().empty());
  log_->append({writer_.noop("behind it")});
  ASSERT_TRUE(comes_true(
      [&] { return !witness_.failures().empty() || held_by(harness_).texts().size() == 2; }));
  const auto held = expect_told_is_held();
  if (witness_.failures().empty()) {
    EXPECT_EQ(held.texts(), (std::vector<std::string>{"slow", "behind it"}));
  } else {  // its request ended a moment before its time, and was sent once more
    EXPECT_EQ(held.texts(), std::vector<std::string>{"slow"});
    EXPECT_EQ(held.verdicts.back(), Verdict::void_sequence);
    EXPECT_EQ(only_failure().outcome, Outcome::refused);
  }
}

TEST_F(KafkaFaults, WhatTimedOutAndIsNotThereIsUnknownAndVoidWhenItComesAfterTheNextClaim) {
  harness_.options.outcome_after = 1s;
  // The request may end a moment before the record's own time: then it is not sent once more.
  harness_.options.properties["retry.backoff.ms"] = "5000";
  open();
  write(writer_.claim(1));
  harness_.answer_late(2s, 1, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
  const auto late = writer_.noop("late");
  log_->append({late});
  const auto failure = only_failure();
  EXPECT_EQ(failure.outcome, Outcome::unknown);
  EXPECT_EQ(failure.first, 1u);
  EXPECT_EQ(log_->durable_end(in_blue), 1u);
  claim_and_go_on();
  harness_.send(late, "tm.blue");
  wait_for_end(4);
  const auto held = expect_told_is_held();
  EXPECT_EQ(held.verdicts.back(), Verdict::void_epoch);
  EXPECT_EQ(held.texts(), (std::vector<std::string>{"goes on"}));
}

TEST_F(KafkaFaults, WithoutALeaderRecordsWaitAndAreWrittenOnce) {
  write(writer_.claim(1));
  harness_.lead("tm.blue", in_blue, -1);
  log_->append(noops(20));
  std::this_thread::sleep_for(500ms);
  EXPECT_EQ(log_->durable_end(in_blue), 1u);
  harness_.lead("tm.blue", in_blue, 1);
  wait_for_end(21);
  EXPECT_TRUE(witness_.failures().empty());
  EXPECT_EQ(expect_told_is_held().state.sequence, 20u);
}

/// One record at a time: while a partition changes hands librdkafka 2.0.2 may drop the first of two
/// and take the success of the second for both. A broker refuses the second, which is out of
/// sequence; the mock takes it. What is told then is ManySuccessesBehindAReportThatLies….
class KafkaFailOver : public KafkaFaults {
 protected:
  KafkaFailOver() : KafkaFaults(2) {}
};

TEST_F(KafkaFailOver, ALogIsReadWrittenAndOpenedWhereTheOldLeaderIsAskedFirst) {
  write(writer_.claim(1));
  for (int round = 0; round < 4; ++round) {
    harness_.lead("tm.blue", in_blue, 1 + (round + 1) % 2);
    const auto held = held_by(harness_);  // opened now
    EXPECT_EQ(held.state.sequence, writer_.state().sequence);
    write(writer_.noop("a"));
    write(writer_.noop("b"));
  }
  EXPECT_TRUE(witness_.failures().empty());
  EXPECT_EQ(expect_told_is_held().state.sequence, 8u);
}

// ---- records written twice, or not, whatever the reports say ----

TEST_F(KafkaFaults, AnAnswerThatIsLostDoublesARecordWhichCountsOnceAtItsFirstPlace) {
  harness_.options.outcome_after = 20s;
  harness_.options.properties["socket.timeout.ms"] = "1100";
  open();
  write(writer_.claim(1));
  harness_.answer_late(4s);
  log_->append({writer_.events("1")});
  // Sent again after a second: the mock writes it again, and reports the second place.
  wait_for_end(3);
  const auto held = expect_told_is_held();
  EXPECT_TRUE(witness_.failures().empty());
  EXPECT_EQ(held.state.last_offset, 1);
  EXPECT_EQ(held.verdicts, (std::vector{Verdict::claim, Verdict::events, Verdict::void_sequence}));
  EXPECT_GT(held.forks_without_sequence(), 0u) << "the control, epochs without sequences, forks";
  claim_and_go_on();
}

TEST_F(KafkaFaults, ManySuccessesBehindAReportThatLiesAreNotBelieved) {
  open_in_tens();
  write(writer_.claim(1));
  harness_.answer_next({no_error, RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER});
  log_->append(noops(1'000));
  const auto failure = only_failure();
  EXPECT_EQ(failure.outcome, Outcome::unknown);
  const auto held = expect_told_is_held();
  EXPECT_EQ(failure.first, held.state.sequence + 1) << "all before it, and nothing behind it";
  EXPECT_LT(held.state.sequence, 1'000u);
  EXPECT_GT(held.count(Verdict::void_sequence), 900u) << "which were reported as delivered";
  claim_and_go_on();
}

class KafkaTwoLeaders : public KafkaFaults {
 protected:
  KafkaTwoLeaders() : KafkaFaults(2) {}
};

/// Such a batch counts its offsets up from -1001: from the 1002nd message on they look like some.
TEST_F(KafkaTwoLeaders, OffsetsOfABatchThatFailedAreNotRead) {
  harness_.options.outcome_after = 60s;
  harness_.lead("tm.blue", elsewhere, 2);
  open();
  PartitionWriter other(elsewhere);
  write(writer_.claim(1));
  write(other.claim(5));
  // While the leader is away they gather, and go in one request.
  harness_.go_down();
  log_->append(noops(2'001));
  std::this_thread::sleep_for(500ms);
  harness_.answer_late(30s, 1, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
  harness_.come_up();
  std::this_thread::sleep_for(1s);  // on their way
  harness_.answer_late(0s, 2, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
  log_->append({other.noop("ends the producer")});
  ASSERT_TRUE(witness_.wait_for_failures(2));
  for (const auto& failure : witness_.failures()) {
    EXPECT_EQ(failure.first, 1u);
    EXPECT_EQ(failure.outcome, Outcome::unknown);
  }
  EXPECT_EQ(log_->durable_end(in_blue), 1u);
  EXPECT_EQ(expect_told_is_held().records.size(), 1u);
  claim_and_go_on();
}

// ---- records that are not taken ----

TEST_F(KafkaFaults, ARecordThatIsTooLargeTakesThoseBehindItAlongAndLeavesNoHole) {
  open_in_tens();
  write(writer_.claim(1));
  harness_.answer_next({no_error, no_error, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE});
  log_->append(noops(200));
  const auto failure = only_failure();
  const auto count = log_->state(in_blue).sequence;
  EXPECT_GT(count, 0u) << "those in flight before it are there";
  EXPECT_LT(count, 200u);
  EXPECT_EQ(failure.first, count + 1);
  expect_first_ones(expect_told_is_held(), count);
  // librdkafka may have sent what was behind it, which is a hole then.
  if (failure.outcome == Outcome::unknown) return claim_and_go_on();
  // What was refused has no number: the next one takes it, under the same claim.
  EXPECT_EQ(failure.error.code, schemas::ErrorCode::record_too_large);
  writer_.set_state(log_->state(in_blue));
  write(writer_.noop("smaller"));
  const auto held = expect_told_is_held();
  EXPECT_EQ(held.count(Verdict::void_sequence), 0u);
  EXPECT_EQ(held.texts().back(), "smaller");
}

TEST_F(KafkaFaults, WhatAFullQueueDoesNotTakeIsRefusedAndGetsNoNumber) {
  harness_.options.properties["queue.buffering.max.kbytes"] = "64";
  harness_.options.outcome_after = 20s;
  open();
  write(writer_.claim(1));
  harness_.go_down();
  std::vector<Append> records = noops(20);
  records.push_back(writer_.noop(std::string(100'000, 'x')));
  // There is room for these, but not behind it.
  for (int i = 0; i < 20; ++i) records.push_back(writer_.noop("behind it"));
  log_->append(std::move(records));
  std::this_thread::sleep_for(300ms);
  EXPECT_TRUE(witness_.failures().empty()) << "what it took is not judged yet";
  harness_.come_up();
  const auto failure = only_failure();
  EXPECT_EQ(failure.outcome, Outcome::refused);
  EXPECT_EQ(failure.error.code, schemas::ErrorCode::no_owner) << "to be tried again";
  EXPECT_EQ(failure.first, 21u);
  expect_first_ones(expect_told_is_held(), 20);
  writer_.set_state(log_->state(in_blue));
  write(writer_.noop("goes on"));
  const auto held = expect_told_is_held();
  EXPECT_EQ(held.state.sequence, 21u);
  EXPECT_EQ(held.records.size(), 22u) << "nothing that is void";
}

/// A place that another took meanwhile is no reason to send what was decided on the failed one.
TEST_F(KafkaFaults, WhatWasQueuedBehindAFailureIsNeverSentThoughOthersWroteSince) {
  harness_.options.properties["queue.buffering.max.kbytes"] = "64";
  open();
  write(writer_.claim(1));
  auto too_large = writer_.noop(std::string(100'000, 'x'));
  auto behind = writer_.noop("behind it");
  auto further = writer_.noop("further behind");
  log_->append({std::move(too_large)});
  EXPECT_EQ(only_failure().outcome, Outcome::refused);
  harness_.send(PartitionWriter(in_blue).zombie("void"), "tm.blue");
  wait_for_end(2);
  ASSERT_EQ(behind.expected, 2);
  log_->append({std::move(behind), std::move(further)});
  writer_.set_state(log_->state(in_blue));
  write(writer_.noop("goes on"));
  const auto held = expect_told_is_held();
  EXPECT_EQ(held.records.size(), 3u) << "the claim, the void one, and the last";
  EXPECT_EQ(held.texts(), std::vector<std::string>{"goes on"});
  EXPECT_EQ(witness_.failures().size(), 1u);
}

/// As a log without our producer's settings would leave it.
TEST_F(KafkaFaults, BehindAHoleOfAnotherProcessNothingCountsForAnybody) {
  write(writer_.claim(1));
  PartitionWriter other(in_blue, log_->state(in_blue));
  for (int i = 0; i < 10; ++i) {
    auto record = other.events(std::to_string(i));
    if (i != 3) harness_.send(record, "tm.blue");
  }
  wait_for_end(10);
  const auto held = expect_told_is_held();
  EXPECT_EQ(held.state.sequence, 3u);
  EXPECT_EQ(held.count(Verdict::void_sequence), 6u);
  EXPECT_GT(held.forks_without_sequence(), 0u) << "the control, epochs without sequences, forks";
  claim_and_go_on();
}

#endif

}  // namespace
}  // namespace eventstore
