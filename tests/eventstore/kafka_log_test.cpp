// Goal: what the log on Kafka makes of others on the same topic, and of delivery reports that do
// not say what is there. Method: librdkafka's mock cluster, whose answers the test chooses.

#include <gtest/gtest.h>

#include "tests/support/kafka_harness.h"

namespace eventstore {
namespace {

// The thread sanitizer does not know threads of C11, which librdkafka has.
#if !__has_feature(thread_sanitizer)

using Outcome = AppendFailure::Outcome;

constexpr TopicId blue{3};
constexpr LogId place{blue, 1};

class KafkaLogTest : public testing::Test {
 protected:
  void SetUp() override {
    log_ = harness_.open(witness_);
    ASSERT_TRUE(log_->open_topic({blue, "blue", 8}));
  }
  void TearDown() override { log_->close(); }

  void write(Append record) {
    const auto before = witness_.records().size();
    log_->append({std::move(record)});
    ASSERT_TRUE(witness_.wait_for_records(before + 1));
  }
  void wait_for_end(Offset end) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (log_->durable_end(place) < end && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ASSERT_EQ(log_->durable_end(place), end);
  }

  KafkaMockHarness harness_;
  Witness witness_;
  std::unique_ptr<Log> log_;
  PartitionWriter writer_{place};
};

TEST_F(KafkaLogTest, ForeignMessagesAreVoidFillersAndWritesGoOnBehindThem) {
  write(writer_.claim(1));
  write(writer_.noop("a"));
  harness_.send(place, "tm.blue", "somebody else's");
  wait_for_end(3);
  EXPECT_EQ(log_->state(place).sequence, 1) << "it does not count";
  auto behind = writer_.state();
  behind.next_offset = 3;
  writer_.set_state(behind);
  write(writer_.noop("b"));
  EXPECT_EQ(log_->state(place).sequence, 2);
  auto read = read_all(*log_, {{place, 0}});
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), 4u);
  EXPECT_EQ((*read)[2].head.epoch, filler_head().epoch);
}

TEST_F(KafkaLogTest, AClaimMayLandBehindWhatItsWriterHadNotSeenAndIsGoneOnFrom) {
  write(writer_.claim(1));
  PartitionWriter late(place, writer_.state());  // has seen this much
  harness_.send(writer_.noop("a"), "tm.blue");
  harness_.send(writer_.noop("b"), "tm.blue");
  wait_for_end(3);
  write(late.claim(2));
  EXPECT_EQ(log_->state(place).epoch, (Epoch{3, 2}));
  late.set_state(log_->state(place));
  write(late.noop("goes on"));
  EXPECT_EQ(log_->state(place).sequence, 1);
  EXPECT_TRUE(witness_.failures().empty());
}

TEST_F(KafkaLogTest, AReportOfDuplicatesThatAreNotThereIsAnUnknownOutcomeAndNothingIsShown) {
  write(writer_.claim(1));
  harness_.call_duplicates(1);
  const auto before = log_->state(place);
  std::vector<Append> batch;
  for (int i = 0; i < 2'001; ++i) batch.push_back(writer_.noop(std::to_string(i)));
  log_->append(std::move(batch));
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
  // A new claim goes on.
  const auto told = witness_.records().size();
  PartitionWriter next(place, log_->state(place));
  log_->append({next.claim(9)});
  ASSERT_TRUE(witness_.wait_for_records(told + 1));
  next.set_state(log_->state(place));
  write(next.noop("goes on"));
  EXPECT_EQ(log_->state(place).sequence, 1);
}

TEST_F(KafkaLogTest, ARecordOfAnEpochBehindTheCurrentOneStopsTheLogWhichCloses) {
  write(writer_.claim(1));
  PartitionWriter stranger(place, log_->state(place));
  auto alien = stranger.noop("of a topic made anew");
  alien.head.epoch = {700, 5};
  harness_.send(alien, "tm.blue");
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!log_->read_only() && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ASSERT_TRUE(log_->read_only());
  EXPECT_EQ(log_->durable_end(place), 1) << "never past it";
  log_->append({writer_.noop("refused")});
  ASSERT_TRUE(witness_.wait_for_failures(1));
  EXPECT_EQ(witness_.failures()[0].outcome, Outcome::refused);
}

#endif

}  // namespace
}  // namespace eventstore
