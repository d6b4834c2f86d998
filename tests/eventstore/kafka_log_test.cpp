// Goal: what the log on Kafka makes of others on the same topic, and of delivery reports that do
// not say what is there. Method: librdkafka's mock cluster, whose answers the test chooses.

#include "tests/eventstore/kafka_fixture.h"

namespace eventstore {
namespace {

// The thread sanitizer does not know threads of C11, which librdkafka has.
#if !__has_feature(thread_sanitizer)

using Outcome = AppendFailure::Outcome;

TEST_F(KafkaLogTest, ForeignMessagesAreVoidFillersAndWritesGoOnBehindThem) {
  write(writer_.claim(1));
  write(writer_.noop("a"));
  harness_.send(in_blue, "tm.blue", "somebody else's");
  wait_for_end(3);
  EXPECT_EQ(log_->state(in_blue).sequence, 1) << "it does not count";
  auto behind = writer_.state();
  behind.next_offset = 3;
  writer_.set_state(behind);
  write(writer_.noop("b"));
  EXPECT_EQ(log_->state(in_blue).sequence, 2);
  auto read = read_all(*log_, {{in_blue, 0}});
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), 4u);
  EXPECT_EQ((*read)[2].head.epoch, filler_head().epoch);
}

TEST_F(KafkaLogTest, AClaimMayLandBehindWhatItsWriterHadNotSeenAndIsGoneOnFrom) {
  write(writer_.claim(1));
  PartitionWriter late(in_blue, writer_.state());  // has seen this much
  harness_.send(writer_.noop("a"), "tm.blue");
  harness_.send(writer_.noop("b"), "tm.blue");
  wait_for_end(3);
  write(late.claim(2));
  EXPECT_EQ(log_->state(in_blue).epoch, (Epoch{3, 2}));
  late.set_state(log_->state(in_blue));
  write(late.noop("goes on"));
  EXPECT_EQ(log_->state(in_blue).sequence, 1);
  EXPECT_TRUE(witness_.failures().empty());
}

TEST_F(KafkaLogTest, AReportOfDuplicatesThatAreNotThereIsAnUnknownOutcomeAndNothingIsShown) {
  write(writer_.claim(1));
  const auto before = log_->state(in_blue);
  // While the leader is away they gather, and go in one request.
  harness_.go_down();
  log_->append(noops(2'001));
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  harness_.call_duplicates(1);
  harness_.come_up();
  ASSERT_TRUE(witness_.wait_for_failures(1));
  const auto failure = witness_.failures()[0];
  EXPECT_EQ(failure.outcome, Outcome::unknown);
  // Offsets counted up from -1 match what is expected by chance: none of them is believed.
  PartitionState folded = before;
  for (const auto& record : witness_.records()) {
    if (record.offset < before.next_offset) continue;
    EXPECT_NE(folded.apply(record.offset, record.head, record.payload.bytes()), Verdict::control)
        << "shown without what stands before it";
  }
  const auto there = held_by(harness_).records.size() - 1;
  EXPECT_LT(there, 2'001u - 1'001u)
      << "the request held so many that its offsets came to look like some";
  claim_and_go_on();
}

TEST_F(KafkaLogTest, ARecordOfAnEpochBehindTheCurrentOneStopsTheLogWhichCloses) {
  write(writer_.claim(1));
  PartitionWriter stranger(in_blue, log_->state(in_blue));
  auto alien = stranger.noop("of a topic made anew");
  alien.head.epoch = {700, 5};
  harness_.send(alien, "tm.blue");
  ASSERT_TRUE(comes_true([&] { return log_->read_only().has_value(); }));
  EXPECT_EQ(log_->durable_end(in_blue), 1) << "never past it";
  log_->append({writer_.noop("refused")});
  ASSERT_TRUE(witness_.wait_for_failures(1));
  EXPECT_EQ(witness_.failures()[0].outcome, Outcome::refused);
}

#endif

}  // namespace
}  // namespace eventstore
