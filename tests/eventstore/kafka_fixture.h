#pragma once

#include <thread>

#include <gtest/gtest.h>

#include "tests/support/kafka_harness.h"

/// The vocabulary of tests of the log on Kafka's mock: one partition of one topic, a writer of it,
/// and what others make of the topic afterwards.
namespace eventstore {

inline constexpr TopicId blue{3};
inline constexpr LogId in_blue{blue, 1};

template <typename Condition>
bool comes_true(Condition condition, std::chrono::seconds within = std::chrono::seconds(10)) {
  const auto until = std::chrono::steady_clock::now() + within;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

/// A partition as somebody reads it who has nothing but the rule.
struct Held {
  std::vector<StoredRecord> records;
  std::vector<Verdict> verdicts;
  PartitionState state;

  std::size_t count(Verdict verdict) const {
    return static_cast<std::size_t>(std::ranges::count(verdicts, verdict));
  }
  /// The texts of no-ops that count.
  std::vector<std::string> texts() const {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < records.size(); ++i) {
      if (verdicts[i] == Verdict::control) texts.push_back(text_of_payload(records[i]));
    }
    return texts;
  }
  /// Records that readers who believe in epochs alone would take, decided on another state.
  std::size_t forks_without_sequence() const {
    PartitionState weak;
    std::size_t forks = 0;
    for (const auto& record : records) {
      if (record.head.kind != RecordKind::claim) weak.sequence = record.head.sequence;
      const auto verdict = weak.apply(record.offset, record.head, record.payload.bytes());
      if (verdict == Verdict::fork) ++forks;
    }
    return forks;
  }
};

inline Held hold(std::vector<StoredRecord> records) {
  Held held{.records = std::move(records), .verdicts = {}, .state = {}};
  for (const auto& record : held.records) {
    held.verdicts.push_back(held.state.apply(record.offset, record.head, record.payload.bytes()));
    EXPECT_NE(held.verdicts.back(), Verdict::fork) << "decided on another state";
  }
  return held;
}

/// What the topic holds for a process that comes now.
template <typename Harness>
Held held_by(Harness& harness, LogId log = in_blue) {
  Witness nobody;
  auto fresh = harness.open(nobody);
  EXPECT_TRUE(fresh->open_topic({blue, "blue", 8}));
  auto records = read_all(*fresh, {{log, 0}});
  EXPECT_TRUE(records) << records.error().detail;
  auto held = hold(records ? std::move(*records) : std::vector<StoredRecord>());
  EXPECT_EQ(held.state.epoch, fresh->state(log).epoch);
  EXPECT_EQ(held.state.sequence, fresh->state(log).sequence);
  fresh->close();
  return held;
}

class KafkaLogTest : public testing::Test {
 protected:
  explicit KafkaLogTest(int brokers = 1) : harness_(brokers) {}
  void SetUp() override { open(); }
  void TearDown() override {
    if (log_) log_->close();
  }
  void open() {
    if (log_) log_->close();
    log_ = harness_.open(witness_);
    ASSERT_TRUE(log_->open_topic({blue, "blue", 8}));
  }

  void write(Append record) {
    const auto before = witness_.records().size();
    log_->append({std::move(record)});
    ASSERT_TRUE(witness_.wait_for_records(before + 1));
  }
  /// As many no-ops as that, each named by its number.
  std::vector<Append> noops(int count) {
    std::vector<Append> records;
    for (int i = 0; i < count; ++i) records.push_back(writer_.noop(std::to_string(i)));
    return records;
  }
  void wait_for_end(Offset end) {
    comes_true([&] { return log_->durable_end(in_blue) >= end; });
    ASSERT_EQ(log_->durable_end(in_blue), end);
  }
  /// A new claim, and one record under it: writing goes on.
  void claim_and_go_on(std::uint64_t nonce = 9) {
    const auto told = witness_.records().size();
    writer_.set_state(log_->state(in_blue));
    log_->append({writer_.claim(nonce)});
    ASSERT_TRUE(comes_true([&] { return log_->state(in_blue).epoch.nonce == nonce; }));
    ASSERT_TRUE(witness_.wait_for_records(told + 1));
    writer_.set_state(log_->state(in_blue));
    log_->append({writer_.noop("goes on")});
    ASSERT_TRUE(comes_true([&] { return log_->state(in_blue).sequence == 1; }));
  }
  /// What was told is what everybody finds, at the same offsets; for readers that come now too.
  Held expect_told_is_held() {
    auto held = held_by(harness_);
    wait_for_end(held.records.empty() ? 0 : held.records.back().offset + 1);
    std::size_t next = 0;
    for (const auto& record : witness_.records()) {
      if (record.log != in_blue) continue;
      EXPECT_LT(next, held.records.size());
      if (next >= held.records.size()) break;
      EXPECT_EQ(record.offset, held.records[next].offset);
      EXPECT_EQ(record.head, held.records[next].head) << "at " << record.offset;
      ++next;
    }
    EXPECT_EQ(next, held.records.size()) << "each is told once";
    return held;
  }

  KafkaMockHarness harness_;
  Witness witness_;
  std::unique_ptr<Log> log_;
  PartitionWriter writer_{in_blue};
};

}  // namespace eventstore
