// Goal: where bytes are damaged for good, the journal turns read-only and names the range, the
// partitions that are hit stop there, the others go on, and an operator can accept the loss.
// Method: damage of each kind, met while opening and met later, and then accepted.
#include <algorithm>

#include "tests/support/journal_fixture.h"

namespace eventstore {
namespace {

using schemas::ErrorCode;

class JournalDamage : public JournalFixture {
 protected:
  void SetUp() override {
    JournalFixture::SetUp();
    options_.first_segment_size = options_.segment_size_max = 16 * 1024;
  }

  /// Alternating records of two partitions in several segments.
  void fill(int records, int from = 0) {
    for (int i = from; i < from + records; ++i) {
      ASSERT_TRUE(write({text(i)}, i % 2 == 0 ? log : other));
    }
  }
  static std::string text(int i) { return std::to_string(i) + std::string(300, '.'); }
  static Texts every_second(int from, int to) {
    Texts texts;
    for (int i = from; i < to; i += 2) texts.push_back(text(i));
    return texts;
  }

  /// Where record `offset` of a partition stands.
  std::pair<std::string, Place> find(LogId id, Offset offset) {
    for (const auto& path : segments()) {
      for (const auto& place : places(path)) {
        if (place.frame.log == id && place.frame.offset == offset) return {path, place};
      }
    }
    ADD_FAILURE() << "no such record";
    return {};
  }
  void damage_head(LogId id, Offset offset) {
    const auto [path, place] = find(id, offset);
    disk_.flip_bit(path, 8 * (place.at + 40));
  }
  void damage_payload(LogId id, Offset offset) {
    const auto [path, place] = find(id, offset);
    disk_.flip_bit(path, 8 * (place.at + journal::frame_size + 200));
  }

  /// Both partitions through one cursor: what came, who was stopped.
  struct Both {
    std::map<LogId, Texts> texts;
    std::vector<LogId> stopped;
  };
  Both read_both() {
    Both both;
    auto cursor = journal_->read({{log, 0}, {other, 0}});
    EXPECT_TRUE(cursor);
    for (int errors = 0; errors < 5;) {
      auto record = (*cursor)->next();
      if (!record) {
        EXPECT_EQ(record.error().code, ErrorCode::read_only);
        both.stopped.push_back((*cursor)->stopped().value());
        ++errors;
      } else if (*record) {
        both.texts[(*record)->log].push_back(text_of_payload(**record));
      } else {
        break;
      }
    }
    return both;
  }

  journal::Range range_of(LogId id, Offset offset) {
    const auto frame = find(id, offset).second.frame;
    return {frame.position, frame.position + frame.size_bytes()};
  }
};

TEST_F(JournalDamage, met_while_opening_stops_the_partition_that_is_hit_and_no_other) {
  for (const bool head : {false, true}) {
    disk_.start_over(1);
    open();
    fill(20);
    close();
    const auto range = range_of(other, 4);
    head ? damage_head(other, 4) : damage_payload(other, 4);
    open();
    ASSERT_EQ(report().damages.size(), 1);
    EXPECT_EQ(report().damages[0].range, range);
    EXPECT_EQ(report().damages[0].log, head ? std::nullopt : std::optional(other));
    EXPECT_FALSE(write({"no"}));
    const auto both = read_both();
    EXPECT_EQ(both.texts.at(log), every_second(0, 20));
    EXPECT_EQ(both.texts.at(other), every_second(1, 9));
    EXPECT_EQ(both.stopped, std::vector<LogId>{other});
    kill();
  }
}

TEST_F(JournalDamage, whose_last_record_may_be_hit_is_stopped_at_the_end) {
  open();
  fill(20);
  ASSERT_TRUE(write({"behind"}));
  idle();
  kill();
  damage_head(other, 9);
  open();
  const auto both = read_both();
  EXPECT_EQ(both.stopped, std::vector<LogId>{other});
  EXPECT_EQ(both.texts.at(log).back(), "behind");
}

TEST_F(JournalDamage, met_later_turns_the_journal_read_only) {
  open();
  fill(200);
  close();
  damage_payload(other, 20);
  open();
  EXPECT_FALSE(journal_->read_only());
  ASSERT_TRUE(write({"fine"}));
  const auto both = read_both();
  EXPECT_EQ(both.stopped, std::vector<LogId>{other});
  EXPECT_EQ(both.texts.at(log).size(), 101);
  EXPECT_EQ(both.texts.at(other), every_second(1, 41));
  ASSERT_TRUE(journal_->read_only());
  EXPECT_NE(journal_->read_only()->detail.find(to_text(range_of(other, 20))), std::string::npos);
  EXPECT_FALSE(write({"no"}));
  EXPECT_FALSE(journal_->read_one(other, 20));
  EXPECT_TRUE(journal_->read_one(other, 21));
}

TEST_F(JournalDamage, a_partition_without_later_records_is_cleared_by_the_closing_table) {
  open();
  ASSERT_TRUE(write({"only one"}, {log.topic, 3}));
  fill(200);
  close();
  damage_head(other, 10);
  open();
  const auto quiet = read({log.topic, 3});
  EXPECT_EQ(quiet.error, "");
  EXPECT_EQ(quiet.texts, Texts{"only one"});
  EXPECT_TRUE(journal_->read_only());
}

TEST_F(JournalDamage, is_accepted_exactly_as_it_was_named) {
  open();
  fill(20);
  close();
  const auto range = range_of(other, 4);
  damage_head(other, 4);
  options_.accept_losses = {{range.from, range.to + 8}};
  EXPECT_FALSE(try_open());
  options_.accept_losses = {range};
  open();
  EXPECT_FALSE(journal_->read_only());
  EXPECT_TRUE(write({"goes on"}));
}

class AcceptedLoss : public JournalDamage, public testing::WithParamInterface<bool> {};

/// After a loss: the fold of a reader from the beginning agrees with the journal's own state, what
/// was decided on the lost record is void, and a new claim makes the partition count again.
TEST_P(AcceptedLoss, partitions_are_claimed_anew_and_every_reader_agrees) {
  const bool met_later = GetParam();
  open();
  const auto writer = [&]() -> PartitionWriter& { return writers_.at(other); };
  const auto append = [&](Append record) {
    std::vector<Append> one;
    one.push_back(std::move(record));
    const auto before = witness_->records().size();
    journal_->append(std::move(one));
    journal_->pump();
    ASSERT_EQ(witness_->records().size(), before + 1);
  };
  append(writer().claim(7));
  for (int i = 0; i < 6; ++i) append(writer().events("event " + std::to_string(i)));
  if (met_later) {
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(write({text(i)}));
  }
  close();
  const auto range = range_of(other, 3);
  damage_head(other, 3);
  options_.accept_losses = {range};
  open();
  options_.accept_losses.clear();
  ASSERT_FALSE(journal_->read_only());
  EXPECT_TRUE(journal_->state(other).lost());

  const auto fold = [&](bool expect_equal) {
    PartitionState folded;
    std::map<Verdict, int> verdicts;
    auto records = read_all(*journal_, {{other, 0}});
    ASSERT_TRUE(records) << records.error().detail;
    for (const auto& record : *records) {
      if (record.after_loss) folded.lose();
      ++verdicts[folded.apply(record.offset, record.head, record.payload.bytes())];
    }
    EXPECT_EQ(verdicts[Verdict::fork], 0);
    EXPECT_EQ(verdicts[Verdict::void_sequence], 3) << "decided on the lost one";
    if (expect_equal) EXPECT_EQ(folded, journal_->state(other));
  };
  fold(false);
  append(writer().claim(9));
  append(writer().events("after"));
  fold(true);
  EXPECT_FALSE(journal_->state(other).lost());
  for (int round = 0; round < 3; ++round) {
    reopen();
    ASSERT_FALSE(journal_->read_only());
    fold(true);
    for (int i = 0; i < 60; ++i) ASSERT_TRUE(write({text(i)}));
  }
}

INSTANTIATE_TEST_SUITE_P(Met, AcceptedLoss, testing::Bool(),
                         [](const auto& test) { return test.param ? "later" : "while_opening"; });

TEST_F(JournalDamage, a_loss_that_was_accepted_stays_accepted_while_unclaimed) {
  open();
  fill(120);
  close();
  const auto range = range_of(other, 5);
  damage_head(other, 5);
  options_.accept_losses = {range};
  open();
  options_.accept_losses.clear();
  for (int round = 0; round < 4; ++round) {
    reopen();
    ASSERT_FALSE(journal_->read_only());
    EXPECT_TRUE(journal_->state(other).lost());
    EXPECT_FALSE(journal_->state(log).lost());
    for (int i = 0; i < 40; ++i) ASSERT_TRUE(write({text(i)}));
    EXPECT_EQ(read(other).texts.size(), 59);
    EXPECT_EQ(read(other).error, "");
  }
}

/// One loss that was accepted excuses no other missing record.
TEST_F(JournalDamage, a_record_missing_elsewhere_than_in_an_accepted_loss_is_corruption) {
  open();
  fill(20);
  close();
  const auto [path, place] = find(other, 4);
  const auto range = range_of(log, 2);
  damage_head(log, 2);
  options_.accept_losses = {range};
  open();
  options_.accept_losses.clear();
  close();
  // In the place of a record stands a frame of the journal's own, as large as that.
  auto bytes = disk_.contents(path);
  auto frame = place.frame;
  frame.log = {journal::own_topic, static_cast<std::uint16_t>(journal::OwnFrame::cover)};
  encode(frame, journal::crc_seed(journal::decode_segment_header(bytes)->id),
         std::span(bytes).subspan(place.at).first<journal::frame_size>());
  disk_.set_contents(path, bytes);
  open();
  ASSERT_TRUE(journal_->read_only());
  EXPECT_FALSE(journal_->state(other).lost());
  EXPECT_EQ(journal_->durable_end(other), 4);
  EXPECT_EQ(read(other).texts, every_second(1, 9));
  EXPECT_NE(read(other).error, "");
  EXPECT_TRUE(journal_->state(log).lost());
  EXPECT_FALSE(write({"no"}));
}

TEST_F(JournalDamage, a_last_record_written_whole_and_damaged_can_be_given_up) {
  open();
  fill(3);
  kill();
  const auto [path, last] = find(log, 1);
  damage_head(log, 1);
  open();
  ASSERT_EQ(report().damages.size(), 1);
  options_.accept_losses = {report().damages[0].range};
  kill();
  open();
  ASSERT_FALSE(journal_->read_only());
  ASSERT_TRUE(write({"goes on"}));
  reopen();
  EXPECT_EQ(texts(), (Texts{text(0), "goes on"}));
}

}  // namespace
}  // namespace eventstore
