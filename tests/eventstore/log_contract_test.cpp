// Goal: every backend keeps the contract of eventstore/log.h. Method: each rule is one short test,
// run against every backend that `all_backends` names.
#include <algorithm>
#include <map>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "schemas/crypto.h"
#include "tests/support/log_fixture.h"

namespace eventstore {
namespace {

using schemas::ErrorCode;
using Outcome = AppendFailure::Outcome;

constexpr TopicId blue{3};
constexpr TopicId red{9};
constexpr std::uint16_t partition_count = 8;

class LogContract : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override { open(); }
  void TearDown() override {
    if (log_) log_->close();
  }

  void open() {
    witness_ = std::make_unique<Witness>();
    told_ = 0;
    log_ = harness_->open(*witness_);
    for (const auto& topic :
         {Topic{blue, "blue", partition_count}, Topic{red, "red", partition_count}}) {
      ASSERT_TRUE(log_->make_topic(topic, MayHold::records));
      ASSERT_TRUE(log_->open_topic(topic));
    }
  }
  void reopen() {
    log_->close();
    log_.reset();
    open();
  }
  void kill_and_open() {
    harness_->kill(std::move(log_));
    open();
  }

  void append(std::vector<Append> records) {
    told_ += records.size();
    log_->append(std::move(records));
  }
  template <typename... Records>
  void write(Records... records) {
    std::vector<Append> all;
    (all.push_back(std::move(records)), ...);
    append(std::move(all));
    ASSERT_TRUE(witness_->wait_for_records(told_));
  }

  std::vector<std::string> texts(LogId log, Offset from = 0) {
    std::vector<std::string> texts;
    auto records = read_all(*log_, {{log, from}});
    EXPECT_TRUE(records) << records.error().detail;
    if (!records) return texts;
    for (const auto& record : *records) texts.push_back(text_of_payload(record));
    return texts;
  }

  std::unique_ptr<LogHarness> harness_ = GetParam().make();
  std::unique_ptr<Witness> witness_;
  std::unique_ptr<Log> log_;
  std::size_t told_ = 0;
  PartitionWriter writer_{{blue, 1}};
  const LogId id_{blue, 1};
};

using Texts = std::vector<std::string>;

TEST_P(LogContract, is_empty_at_first) {
  EXPECT_EQ(log_->durable_end(id_), 0);
  EXPECT_EQ(log_->state(id_), PartitionState{});
  EXPECT_TRUE(log_->partitions().empty());
  EXPECT_EQ(texts(id_), Texts{});
  EXPECT_EQ(log_->read_one(id_, 0).error().code, ErrorCode::not_found);
  EXPECT_FALSE(log_->read_only());
}

TEST_P(LogContract, gives_back_what_was_appended_in_order) {
  write(writer_.noop("a"), writer_.noop("b"), writer_.noop("c"));
  write(writer_.noop("d"));
  EXPECT_EQ(texts(id_), (Texts{"a", "b", "c", "d"}));
  EXPECT_EQ(log_->durable_end(id_), 4);
  EXPECT_EQ(log_->ask_end(id_), 4);
  const auto told = witness_->records();
  for (std::size_t i = 0; i < told.size(); ++i) EXPECT_EQ(told[i].offset, i);
}

TEST_P(LogContract, keeps_every_byte_of_head_and_payload) {
  write(writer_.claim(77));
  for (const std::size_t size : {0u, 1u, 7u, 8u, 255u, 4096u, 300'000u, 4'000'000u}) {
    auto append = writer_.noop(std::string(size, static_cast<char>('a' + size % 26)));
    const auto expected = append;
    write(std::move(append));
    auto record = log_->read_one(id_, expected.expected);
    ASSERT_TRUE(record) << record.error().detail;
    EXPECT_TRUE(std::ranges::equal(record->payload.bytes(), expected.payload.bytes()));
    EXPECT_EQ(record->head.sequence, expected.head.sequence);
    EXPECT_EQ(record->head.epoch, expected.head.epoch);
    EXPECT_EQ(record->head.chain, expected.head.chain);
    EXPECT_TRUE(record->head.payload_matches(record->payload.bytes()));
  }
}

TEST_P(LogContract, refuses_another_offset_than_the_next_and_all_behind_it) {
  write(writer_.noop("a"));
  auto far = writer_;
  far.noop("skipped");
  append({far.noop("x"), far.noop("y"), far.noop("z")});
  ASSERT_TRUE(witness_->wait_for_failures(1));
  append({far.noop("late")});
  told_ = 1;
  write(writer_.noop("b"));
  EXPECT_EQ(texts(id_), (Texts{"a", "b"}));
  ASSERT_EQ(witness_->failures().size(), 1);
  EXPECT_EQ(witness_->failures()[0].first, 2);
  EXPECT_EQ(witness_->failures()[0].outcome, Outcome::refused);
}

TEST_P(LogContract, a_refusal_stops_at_its_partition) {
  PartitionWriter other({red, 5});
  auto far = writer_;
  far.noop("skipped");
  append({far.noop("x"), other.noop("fine")});
  ASSERT_TRUE(witness_->wait_for_records(1));
  EXPECT_EQ(texts(other.log()), (Texts{"fine"}));
  EXPECT_EQ(witness_->failures().size(), 1);
}

TEST_P(LogContract, refuses_what_is_in_no_open_topic) {
  PartitionWriter stranger({TopicId{55}, 0});
  PartitionWriter beyond({blue, partition_count});
  append({stranger.noop("x"), beyond.noop("y")});
  ASSERT_TRUE(witness_->wait_for_failures(2));
  EXPECT_EQ(witness_->failures()[0].outcome, Outcome::refused);
  EXPECT_EQ(witness_->failures()[1].outcome, Outcome::refused);
  EXPECT_TRUE(log_->partitions().empty());
}

TEST_P(LogContract, opening_a_topic_twice_is_fine_and_changing_it_is_not) {
  EXPECT_TRUE(log_->open_topic({blue, "blue", partition_count}));
  EXPECT_FALSE(log_->open_topic({blue, "blue", partition_count + 1}));
}

TEST_P(LogContract, follows_claims) {
  write(writer_.claim(7), writer_.noop("a"));
  EXPECT_EQ(log_->state(id_).epoch, (Epoch{0, 7}));
  EXPECT_EQ(log_->state(id_).sequence, 1);
  write(writer_.claim(9));
  EXPECT_EQ(log_->state(id_).epoch, (Epoch{2, 9}));
  EXPECT_EQ(log_->state(id_).sequence, 0);
}

TEST_P(LogContract, passes_void_records_on) {
  write(writer_.claim(7), writer_.zombie("late"), writer_.noop("a"));
  const auto records = read_all(*log_, {{id_, 1}});
  ASSERT_TRUE(records);
  ASSERT_EQ(records->size(), 2);
  EXPECT_EQ(text_of_payload((*records)[0]), "late");
  EXPECT_EQ(log_->state(id_).sequence, 1);
  EXPECT_EQ(log_->state(id_), writer_.state());
}

TEST_P(LogContract, keeps_chain_and_recorded_time_of_events) {
  write(writer_.claim(7), writer_.events("1"), writer_.events("2"), writer_.noop("n"),
        writer_.events("3"));
  EXPECT_EQ(log_->state(id_), writer_.state());
  EXPECT_EQ(log_->state(id_).last_offset, 4);
  EXPECT_EQ(log_->state(id_).recorded.time_since_epoch().count(), 3);
}

TEST_P(LogContract, reads_from_any_offset) {
  Texts all;
  for (int i = 0; i < 50; ++i) {
    all.push_back(std::to_string(i));
    write(writer_.noop(all.back()));
  }
  for (std::size_t from = 0; from <= all.size(); ++from) {
    EXPECT_EQ(texts(id_, from), Texts(all.begin() + static_cast<long>(from), all.end()));
  }
  EXPECT_EQ(texts(id_, 1000), Texts{});
}

TEST_P(LogContract, reads_one) {
  for (int i = 0; i < 50; ++i) write(writer_.noop(std::to_string(i)));
  for (Offset offset = 0; offset < 50; ++offset) {
    auto record = log_->read_one(id_, offset);
    ASSERT_TRUE(record) << record.error().detail;
    EXPECT_EQ(record->log, id_);
    EXPECT_EQ(record->offset, offset);
    EXPECT_EQ(text_of_payload(*record), std::to_string(offset));
  }
  EXPECT_EQ(log_->read_one(id_, 50).error().code, ErrorCode::not_found);
  EXPECT_EQ(log_->read_one({red, 1}, 0).error().code, ErrorCode::not_found);
}

TEST_P(LogContract, a_reader_reads_in_any_order_while_the_log_grows) {
  std::mt19937 random(7);
  auto reader = log_->reader(id_);
  EXPECT_EQ(reader->read(0).error().code, ErrorCode::not_found);
  Texts all;
  for (int round = 0; round < 60; ++round) {
    // Some larger than what is read at once.
    all.push_back(std::to_string(round) +
                  std::string(random() % 4 == 0 ? random() % 70'000 : 0, '.'));
    write(writer_.noop(all.back()));
    for (Offset offset = random() % all.size(); offset < all.size(); offset += 1 + random() % 9) {
      auto record = reader->read(offset);
      ASSERT_TRUE(record) << record.error().detail;
      ASSERT_EQ(record->offset, offset);
      ASSERT_EQ(text_of_payload(*record), all[offset]);
    }
    EXPECT_EQ(reader->read(all.size()).error().code, ErrorCode::not_found);
  }
}

TEST_P(LogContract, a_payload_lives_until_the_next_call) {
  const std::string text(3'000, 'x');
  write(writer_.noop(text));
  auto cursor = log_->read({{id_, 0}});
  auto reader = log_->reader(id_);
  ASSERT_TRUE(cursor);
  const auto of_cursor = (*cursor)->next()->value().payload.bytes();
  const auto of_reader = reader->read(0)->payload.bytes();
  EXPECT_EQ(schemas::text_of(of_cursor), text);
  EXPECT_EQ(schemas::text_of(of_reader), text);
}

TEST_P(LogContract, a_cursor_goes_on_after_the_end) {
  auto cursor = log_->read({{id_, 0}});
  ASSERT_TRUE(cursor);
  for (int round = 0; round < 3; ++round) {
    EXPECT_FALSE((*cursor)->next()->has_value());
    write(writer_.noop(std::to_string(round)));
    auto record = (*cursor)->next();
    ASSERT_TRUE(record->has_value());
    EXPECT_EQ(text_of_payload(**record), std::to_string(round));
  }
  EXPECT_FALSE((*cursor)->next()->has_value());
}

/// Asks the log, at the moment that it is told, whether all that it was told is visible.
class VisibilityProbe final : public LogObserver {
 public:
  void on_durable(Group group) override {
    for (const auto& record : *group) {
      const bool visible = log->durable_end(record.log) > record.offset &&
                           log->state(record.log).next_offset > record.offset &&
                           log->read_one(record.log, record.offset).has_value();
      if (!visible) visible_ = false;
    }
    told_ += group->size();
  }
  void on_failure(AppendFailure) override { visible_ = false; }

  Log* log = nullptr;
  std::atomic<bool> visible_ = true;
  std::atomic<std::size_t> told_ = 0;
};

TEST_P(LogContract, what_is_told_is_visible) {
  log_->close();
  log_.reset();
  VisibilityProbe probe;
  log_ = harness_->open(probe);
  probe.log = log_.get();
  ASSERT_TRUE(log_->open_topic({blue, "blue", partition_count}));
  for (int i = 0; i < 20; ++i) log_->append({writer_.noop("a"), writer_.noop("b")});
  log_->close();
  EXPECT_TRUE(probe.visible_);
  EXPECT_EQ(probe.told_, 40);
}

/// Random records over all partitions, and a model of them.
class Traffic {
 public:
  explicit Traffic(std::uint32_t seed) : random_(seed) {
    for (const auto topic : {blue, red}) {
      for (std::uint16_t i = 0; i < partition_count; ++i) writers_.emplace_back(LogId{topic, i});
    }
  }

  std::vector<Append> some(std::size_t count) {
    std::vector<Append> records;
    for (std::size_t i = 0; i < count; ++i) {
      auto& writer = writers_[random_() % writers_.size()];
      records.push_back(one(writer));
      expected_[writer.log()].push_back(
          std::string(schemas::text_of(records.back().payload.bytes())));
    }
    return records;
  }

  const std::map<LogId, Texts>& expected() const { return expected_; }
  const std::vector<PartitionWriter>& writers() const { return writers_; }

 private:
  Append one(PartitionWriter& writer) {
    const std::string text(random_() % 600, static_cast<char>('a' + random_() % 26));
    switch (random_() % 10) {
      case 0:
        return writer.claim(random_());
      case 1:
        return writer.zombie(text);
      case 2:
        return writer.noop(text);
      default:
        return writer.events(text);
    }
  }

  std::mt19937 random_;
  std::vector<PartitionWriter> writers_;
  std::map<LogId, Texts> expected_;
};

void expect_holds(Log& log, const Traffic& traffic) {
  std::vector<ReadFrom> from;
  for (const auto& writer : traffic.writers()) from.push_back({writer.log(), 0});
  auto records = read_all(log, from);
  ASSERT_TRUE(records) << records.error().detail;
  std::map<LogId, Texts> read;
  std::map<LogId, PartitionState> folded;
  for (const auto& record : *records) {
    EXPECT_EQ(record.offset, read[record.log].size());
    read[record.log].push_back(text_of_payload(record));
    folded[record.log].apply(record.offset, record.head, record.payload.bytes());
  }
  EXPECT_EQ(read, traffic.expected());
  for (const auto& writer : traffic.writers()) {
    EXPECT_EQ(log.state(writer.log()), writer.state());
    EXPECT_EQ(log.state(writer.log()), folded[writer.log()]);
    EXPECT_EQ(log.durable_end(writer.log()), writer.state().next_offset);
  }
  EXPECT_EQ(log.partitions().size(), read.size());
}

TEST_P(LogContract, keeps_many_partitions_apart) {
  Traffic traffic(1);
  for (int i = 0; i < 40; ++i) append(traffic.some(50));
  ASSERT_TRUE(witness_->wait_for_records(told_));
  expect_holds(*log_, traffic);
}

TEST_P(LogContract, reads_several_partitions_each_from_its_own_offset) {
  Traffic traffic(2);
  append(traffic.some(1000));
  ASSERT_TRUE(witness_->wait_for_records(told_));
  const LogId first{blue, 2};
  const LogId second{red, 2};
  auto records = read_all(*log_, {{first, 5}, {second, 20}});
  ASSERT_TRUE(records);
  std::map<LogId, Offset> next{{first, 5}, {second, 20}};
  for (const auto& record : *records) EXPECT_EQ(record.offset, next.at(record.log)++);
  EXPECT_EQ(next[first], log_->durable_end(first));
  EXPECT_EQ(next[second], log_->durable_end(second));
}

TEST_P(LogContract, is_the_same_after_reopening) {
  Traffic traffic(3);
  for (int round = 0; round < 4; ++round) {
    append(traffic.some(300));
    ASSERT_TRUE(witness_->wait_for_records(told_));
    reopen();
    expect_holds(*log_, traffic);
  }
}

TEST_P(LogContract, keeps_all_that_was_told_after_a_kill) {
  Traffic traffic(4);
  for (int round = 0; round < 4; ++round) {
    append(traffic.some(300));
    ASSERT_TRUE(witness_->wait_for_records(told_));
    kill_and_open();
    expect_holds(*log_, traffic);
  }
}

TEST_P(LogContract, close_drains) {
  Traffic traffic(5);
  for (int i = 0; i < 10; ++i) append(traffic.some(100));
  reopen();
  expect_holds(*log_, traffic);
}

TEST_P(LogContract, a_refused_record_was_not_written_and_may_be_tried_again) {
  if (!harness_->can_break()) GTEST_SKIP() << "its mock has this fault";
  write(writer_.noop("a"));
  const auto before = writer_.state();
  harness_->refuse_next_commit();
  // Alone: one behind it may be on its way when it fails, and then nobody could say refused.
  append({writer_.noop("b")});
  ASSERT_TRUE(witness_->wait_for_failures(1));
  harness_->refuse_no_more();
  EXPECT_EQ(witness_->failures()[0].outcome, Outcome::refused);
  EXPECT_EQ(witness_->failures()[0].error.code, harness_->refusal());
  EXPECT_EQ(witness_->failures()[0].first, 1);
  EXPECT_EQ(log_->state(id_), before);
  EXPECT_FALSE(log_->read_only());

  writer_.set_state(before);
  told_ = 1;
  write(writer_.noop("again"));
  EXPECT_EQ(texts(id_), (Texts{"a", "again"}));
  kill_and_open();
  EXPECT_EQ(texts(id_), (Texts{"a", "again"}));
  EXPECT_EQ(log_->state(id_), writer_.state());
}

TEST_P(LogContract, an_unknown_outcome_is_decided_by_reading_back) {
  if (!harness_->can_break()) GTEST_SKIP() << "its mock has this fault";
  write(writer_.noop("a"));
  auto before = writer_.state();
  Texts shown{"a"};
  // What is sent again before its time is over is written after all: then another one is lost.
  for (int tries = 0; tries < 3 && witness_->failures().empty(); ++tries) {
    if (tries > 0) shown.push_back("b");
    before = writer_.state();
    harness_->lose_next_outcome();
    append({writer_.noop("b")});
    witness_->wait_for_failures(1);
  }
  ASSERT_EQ(witness_->failures().size(), 1u);
  EXPECT_EQ(witness_->failures()[0].outcome, Outcome::unknown);
  EXPECT_EQ(log_->state(id_), before) << "not shown before it is known to be durable";
  // Where others may write too, the next claim decides; else only reopening does.
  EXPECT_EQ(log_->read_only().has_value(), !log_->shared());
  if (!log_->shared()) {
    PartitionWriter other({red, 0});
    append({other.noop("refused")});
    ASSERT_TRUE(witness_->wait_for_failures(2));
    EXPECT_EQ(witness_->failures()[1].outcome, Outcome::refused);
    kill_and_open();
  }
  EXPECT_FALSE(log_->read_only());
  const auto read = texts(id_);
  const bool stands = read.size() > shown.size();
  if (stands) shown.push_back("b");
  EXPECT_EQ(read, shown);
  EXPECT_EQ(log_->state(id_), stands ? writer_.state() : before);
  PartitionWriter next(id_, log_->state(id_));
  told_ = witness_->records().size();
  write(next.claim(4), next.noop("goes on"));
  EXPECT_EQ(texts(id_).back(), "goes on");
}

TEST_P(LogContract, reads_while_it_is_written) {
  std::atomic<bool> done = false;
  std::atomic<std::size_t> wrong = 0;
  std::thread reader([&] {
    auto cursor = log_->read({{id_, 0}});
    Offset next = 0;
    while (!done || next < log_->durable_end(id_)) {
      auto record = (*cursor)->next();
      if (!record) {
        ++wrong;
        return;
      }
      if (!*record) continue;
      const auto& got = **record;
      wrong += got.offset != next || !got.head.payload_matches(got.payload.bytes());
      wrong += log_->durable_end(id_) <= got.offset;
      ++next;
    }
  });
  for (int i = 0; i < 200; ++i) {
    std::vector<Append> records;
    for (int j = 0; j < 20; ++j) records.push_back(writer_.noop(std::string(i * 7, 'x')));
    append(std::move(records));
  }
  EXPECT_TRUE(witness_->wait_for_records(told_));
  done = true;
  reader.join();
  EXPECT_EQ(wrong, 0);
}

INSTANTIATE_TEST_SUITE_P(Backends, LogContract, testing::ValuesIn(all_backends()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace eventstore
