// Goal: no fault loses an acknowledged record, shows one that is lost later, or is answered with
// more certainty than there is. Method: each fault once, by name; then random schedules of writes,
// faults, kills and power cuts on a FaultDisk against a model of what may be there.
#include <algorithm>
#include <random>
#include <set>

#include "tests/support/journal_fixture.h"

namespace eventstore {
namespace {

using schemas::ErrorCode;
using Outcome = AppendFailure::Outcome;

class JournalFault : public JournalFixture {};

TEST_F(JournalFault, a_failed_sync_is_final) {
  open();
  ASSERT_TRUE(write({"a"}));
  disk_.fail_call(2, ErrorCode::internal);  // after the write
  EXPECT_FALSE(write({"b"}));
  ASSERT_EQ(witness_->failures().size(), 1);
  EXPECT_EQ(witness_->failures()[0].outcome, Outcome::unknown);
  EXPECT_EQ(witness_->failures()[0].error.code, ErrorCode::outcome_unknown);
  ASSERT_TRUE(journal_->read_only());
  EXPECT_EQ(texts(), Texts{"a"});

  const auto calls = disk_.calls();
  EXPECT_FALSE(write({"c"}));
  EXPECT_FALSE(write({"d"}, other));
  idle();
  journal_->close();
  EXPECT_EQ(disk_.calls(), calls);
}

TEST_F(JournalFault, a_failed_write_is_refused_once_its_place_is_zero_again) {
  open();
  ASSERT_TRUE(write({"a"}));
  disk_.fail_call(1, ErrorCode::disk_full);
  EXPECT_FALSE(write({std::string(3000, 'b')}));
  EXPECT_EQ(witness_->failures().at(0).outcome, Outcome::refused);
  EXPECT_EQ(witness_->failures().at(0).error.code, ErrorCode::disk_full);
  EXPECT_FALSE(journal_->read_only());
  ASSERT_TRUE(write({"c"}));
  kill_and_cut_power();
  open();
  EXPECT_FALSE(report().cut);
  EXPECT_EQ(texts(), (Texts{"a", "c"}));
}

TEST_F(JournalFault, a_failed_write_whose_place_cannot_be_zeroed_is_unknown) {
  open();
  ASSERT_TRUE(write({"a"}));
  disk_.power_off_at(1);
  EXPECT_FALSE(write({"b"}));
  EXPECT_EQ(witness_->failures().at(0).outcome, Outcome::unknown);
  EXPECT_TRUE(journal_->read_only());
}

TEST_F(JournalFault, a_full_disk_refuses_and_writing_resumes_when_there_is_space) {
  open();
  disk_.set_capacity(0);
  std::size_t written = 0;
  while (write({std::string(200, 'x')})) ++written;
  EXPECT_GT(written, 50) << "what was prepared is used up first";
  EXPECT_EQ(witness_->failures().at(0).error.code, ErrorCode::disk_full);
  EXPECT_EQ(witness_->failures().at(0).outcome, Outcome::refused);
  EXPECT_FALSE(write({std::string(200, 'x')}));
  EXPECT_FALSE(journal_->read_only());
  EXPECT_EQ(texts().size(), written);

  disk_.set_capacity(segment_size * 3 / 2);  // too little still: one piece, not all
  EXPECT_FALSE(write({std::string(200, 'x')}));
  disk_.set_capacity(~std::uint64_t{0});
  ASSERT_TRUE(write({std::string(200, 'x')}));
  EXPECT_EQ(texts().size(), written + 1);
  reopen();
  EXPECT_EQ(texts().size(), written + 1);
}

TEST_F(JournalFault, a_journal_on_a_full_disk_opens_for_ever) {
  open();
  ASSERT_TRUE(write({"another partition"}, other));
  disk_.set_capacity(0);
  while (write({std::string(200, 'x')})) {
  }
  const auto all = texts();
  for (int i = 0; i < 2000; ++i) {
    i % 3 == 0 ? close() : i % 3 == 1 ? kill() : kill_and_cut_power();
    open();
    ASSERT_EQ(texts(), all);
    ASSERT_FALSE(write({std::string(200, 'x')}));
    ASSERT_EQ(witness_->failures().at(0).error.code, ErrorCode::disk_full);
    ASSERT_FALSE(journal_->read_only());
  }
  const auto last = places(segment()).back().frame;
  disk_.set_capacity(~std::uint64_t{0});
  EXPECT_TRUE(write({std::string(200, 'x')}));
  const auto closing = places(segment()).back().frame;
  EXPECT_TRUE(closing.is(journal::OwnFrame::closing));
  EXPECT_GT(closing.open_count, last.open_count);
  kill_and_cut_power();
  open();
  EXPECT_EQ(texts().size(), all.size() + 1);
}

TEST_F(JournalFault, a_full_journal_begins_in_a_new_segment_when_there_is_space) {
  open();
  disk_.set_capacity(0);
  while (write({std::string(200, 'x')})) {
  }
  const auto all = texts();
  for (int i = 0; i < 50; ++i) reopen();
  const auto full = places(segment()).back();
  close();
  disk_.set_capacity(~std::uint64_t{0});
  open();
  EXPECT_EQ(segments().size(), 2);
  EXPECT_EQ(places(segments()[1]).back().frame.open_count, full.frame.open_count + 1);
  EXPECT_EQ(texts(), all);
  reopen();
  EXPECT_EQ(texts(), all);
}

/// As journals were left that gave the room away.
TEST_F(JournalFault, a_segment_without_room_to_be_closed_can_be_read) {
  open();
  disk_.set_capacity(0);
  while (write({std::string(200, 'x')})) {
  }
  kill();
  const auto all_but_last = places(segment()).back();
  auto bytes = disk_.contents(segment());
  const auto seed = journal::crc_seed(journal::decode_segment_header(bytes)->id);
  auto frame = all_but_last.frame;
  auto at = all_but_last.at + frame.size_bytes();
  auto next = frame.position + frame.size_bytes();
  frame.log = {journal::own_topic, static_cast<std::uint16_t>(journal::OwnFrame::cover)};
  frame.head = {.kind = RecordKind::control};
  for (; at + journal::frame_size <= bytes.size(); at += journal::frame_size) {
    frame.position = frame.durable_end = next;
    next += journal::frame_size;
    encode(frame, seed, std::span(bytes).subspan(at).first<journal::frame_size>());
  }
  disk_.set_contents(segment(), bytes);
  disk_.set_capacity(~std::uint64_t{0});
  open();
  EXPECT_GT(texts().size(), 50);
  EXPECT_FALSE(write({"no"}));
  EXPECT_EQ(witness_->failures().at(0).error.code, ErrorCode::disk_full);
}

TEST_F(JournalFault, a_refusal_covers_what_was_queued_behind_it) {
  open();
  ASSERT_TRUE(write({"a"}));
  auto writer = writers_.at(log);
  std::vector<Append> first{writer.noop("b"), writer.noop("c")};
  std::vector<Append> second{writer.noop("d")};
  disk_.fail_call(1, ErrorCode::disk_full);
  journal_->append(std::move(first));
  journal_->pump();
  journal_->append(std::move(second));
  journal_->pump();
  EXPECT_EQ(witness_->failures().size(), 1);
  ASSERT_TRUE(write({"e", "f", "g"}));
  EXPECT_EQ(texts(), (Texts{"a", "e", "f", "g"}));
}

/// A phantom: its sync failed, so it is in the page cache and clean, but not on the disk.
TEST_F(JournalFault, what_only_the_page_cache_held_is_not_shown_and_then_lost) {
  for (std::uint32_t seed = 0; seed < 50; ++seed) {
    disk_.start_over(seed);
    open();
    ASSERT_TRUE(write({"a"}));
    disk_.fail_call(2, ErrorCode::internal);
    EXPECT_FALSE(write({std::string(1500, 'b')}));
    kill();
    open();
    const auto shown = texts();
    kill_and_cut_power();
    open();
    ASSERT_FALSE(journal_->read_only());
    ASSERT_EQ(texts(), shown) << seed;
    kill();
  }
}

/// A disk that is full says so at a sync as well: what the sync was to bring there is as much in
/// doubt as after any other failure, and a torn tail must not wait as if nothing had happened.
TEST_F(JournalFault, a_full_disk_at_any_call_of_an_opening_shows_nothing_that_is_lost_later) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    disk_.start_over(seed);
    open();
    ASSERT_TRUE(write({"a"}));
    disk_.power_off_at(2);  // as if killed before the sync
    EXPECT_FALSE(write({std::string(1500, 'b')}));
    kill();
    disk_.disarm();
    disk_.fail_call(1 + seed % 20, ErrorCode::disk_full);
    const bool opened = try_open().has_value();
    const auto shown = opened ? texts() : Texts{"a"};
    kill_and_cut_power();
    open();
    const auto found = texts();
    ASSERT_LE(shown.size(), found.size()) << seed;
    ASSERT_TRUE(std::equal(shown.begin(), shown.end(), found.begin())) << seed;
    kill();
  }
}

/// A segment's end is as much in doubt as a record whose sync failed: what stands behind it must
/// not be written before it is durable.
TEST_F(JournalFault, a_fault_at_every_call_of_rolling_loses_nothing_at_the_next_power_cut) {
  const auto fill = [this] {
    open();
    Texts acknowledged;
    while (places(segment()).back().at < segment_size - 5 * 1024) {
      acknowledged.emplace_back(300, 'x');
      EXPECT_TRUE(write({acknowledged.back()}));
    }
    return acknowledged;
  };
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    for (std::size_t call = 1;; ++call) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << ", call " << call);
      disk_.start_over(seed);
      auto acknowledged = fill();
      const auto before = disk_.calls();
      disk_.fail_call(call, ErrorCode::internal);
      const std::string rolls(2500, 'y');
      if (write({rolls})) acknowledged.push_back(rolls);
      const bool met = disk_.calls() - before >= call;
      kill();
      if (!met) break;
      open();
      for (const auto* text : {"behind", "and", "again"}) {
        ASSERT_TRUE(write({text}));
        acknowledged.push_back(text);
      }
      const auto shown = texts();
      ASSERT_GE(shown.size(), acknowledged.size());
      kill_and_cut_power();
      open();
      ASSERT_FALSE(journal_->read_only()) << journal_->read_only()->detail;
      ASSERT_EQ(texts(), shown);
      kill();
    }
  }
}

/// Opening counts on from what closed the segment before.
TEST_F(JournalFault, open_counts_do_not_fall_where_a_segment_begins) {
  open();
  for (int i = 0; i < 5; ++i) reopen();
  while (segments().size() < 2) ASSERT_TRUE(write({std::string(2000, 'x')}));
  const auto closing = places(segments()[0]).back().frame;
  kill();
  // The write that made it roll was lost; the segment is there.
  auto bytes = disk_.contents(segments()[1]);
  std::fill(bytes.begin() + journal::segment_header_size, bytes.end(), 0);
  disk_.set_contents(segments()[1], bytes);
  open();
  EXPECT_EQ(places(segments()[1]).back().frame.open_count, closing.open_count + 1);
}

TEST_F(JournalFault, a_crash_at_every_call_of_opening_is_repaired_by_the_next) {
  open();
  for (int i = 0; i < 12; ++i) ASSERT_TRUE(write({std::to_string(i) + std::string(700, 'x')}));
  const auto acknowledged = texts();
  disk_.power_off_at(2);
  EXPECT_FALSE(write({std::string(3000, 'y'), std::string(3000, 'z')}));
  kill();
  for (std::size_t call = 1; call < 100; ++call) {
    disk_.cut_power();
    disk_.power_off_at(call);
    if (try_open()) {
      ASSERT_GT(call, 3);
      ASSERT_FALSE(journal_->read_only());
      const auto found = texts();
      ASSERT_GE(found.size(), acknowledged.size());
      ASSERT_TRUE(std::equal(acknowledged.begin(), acknowledged.end(), found.begin()));
      return;
    }
  }
  FAIL() << "never opened";
}

TEST_F(JournalFault, a_crash_at_every_call_of_the_first_opening_leaves_a_journal_or_none) {
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    bool opened = false;
    for (std::size_t call = 1; !opened; ++call) {
      disk_.start_over(seed);
      disk_.power_off_at(call);
      opened = try_open().has_value();
      kill_and_cut_power();
      open();
      ASSERT_FALSE(journal_->read_only());
      ASSERT_TRUE(write({"a"}));
      kill_and_cut_power();
      open();
      ASSERT_EQ(texts(), Texts{"a"});
      kill();
    }
  }
}

/// The same for a fault that the process outlives, or a death without a power cut: what it left
/// unsynced, a name too, must be synced before anything is acknowledged in it.
TEST_F(JournalFault, a_fault_at_every_call_of_the_first_opening_loses_nothing_later) {
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    bool opened = false;
    for (std::size_t call = 1; !opened; ++call) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << ", call " << call);
      disk_.start_over(seed);
      disk_.fail_call(call, ErrorCode::internal);
      opened = try_open().has_value() && !journal_->read_only();
      kill();
      while (!try_open() || journal_->read_only()) kill();
      ASSERT_TRUE(write({"a"}));
      kill_and_cut_power();
      open();
      ASSERT_EQ(texts(), Texts{"a"});
      kill();
    }
  }
}

TEST_F(JournalFault, covers_itself_when_idle_and_at_close) {
  open();
  ASSERT_TRUE(write({"a"}));
  idle();
  const auto count = places(segment()).size();
  EXPECT_TRUE(places(segment()).back().frame.is(journal::OwnFrame::cover));
  idle();
  EXPECT_EQ(places(segment()).size(), count) << "once is enough";
  ASSERT_TRUE(write({"b"}));
  close();
  EXPECT_TRUE(places(segment()).back().frame.is(journal::OwnFrame::cover));
}

/// Random schedules: one writer, one model.
class JournalSchedule : public JournalFixture, public testing::WithParamInterface<int> {
 protected:
  void run(std::uint32_t seed, int steps) {
    std::mt19937 random(seed);
    disk_.start_over(seed);
    options_.first_segment_size = options_.segment_size_max = seed % 2 == 0 ? 8192 : segment_size;
    sure_.clear();
    perhaps_.clear();
    open();
    for (int step = 0; step < steps && !HasFatalFailure(); ++step) {
      const auto what = random() % 100;
      if (what < 55) {
        write_some(random);
      } else if (what < 60) {
        idle();
      } else if (what < 66) {
        disk_.fail_call(1 + random() % 14,
                        random() % 2 == 0 ? ErrorCode::internal : ErrorCode::disk_full);
      } else if (what < 72) {
        disk_.power_off_at(1 + random() % 12);
        write_some(random);
        kill_and_cut_power();
        open_at_last(random);
      } else if (what < 80) {
        kill();
        open_at_last(random);
      } else if (what < 84) {
        close();
        open_at_last(random);
      } else if (what < 90) {
        kill_and_cut_power();
        open_at_last(random);
      } else if (what < 93) {
        disk_.set_capacity(random() % 2 == 0 ? random() % (4 * segment_size) : plenty);
      } else {
        check();
      }
    }
    if (!HasFatalFailure()) check();
  }

 private:
  void write_some(std::mt19937& random) {
    Texts some;
    for (auto i = random() % 4 + 1; i > 0; --i) {
      some.push_back(std::to_string(++number_) + std::string(random() % 900, 'x'));
    }
    const auto failures = witness_->failures().size();
    const auto records = witness_->records().size();
    const bool all = write(some);
    const auto acknowledged =
        some.begin() + static_cast<long>(witness_->records().size() - records);
    sure_.insert(sure_.end(), some.begin(), acknowledged);
    if (all) return;
    ASSERT_EQ(witness_->failures().size(), failures + 1);
    if (witness_->failures().back().outcome == Outcome::unknown) {
      perhaps_.assign(acknowledged, some.end());
    }
  }

  /// Opening may be hit too, again and again.
  void open_at_last(std::mt19937& random) {
    std::string why;
    for (int tries = 0; tries < 20; ++tries) {
      if (tries < 5 && random() % 3 == 0) disk_.power_off_at(1 + random() % 12);
      if (tries == 10) disk_.set_capacity(plenty);  // to keep a torn tail aside takes space
      if (auto opened = try_open(); !opened) {
        why = opened.error().detail;
      } else {
        if (journal_->read_only()) {
          // A fault that was left over hit the opening itself.
          why = journal_->read_only()->detail;
          kill_and_cut_power();
          continue;
        }
        check();
        return;
      }
      kill_and_cut_power();
    }
    FAIL() << "does not open: " << why;
  }

  void check() {
    const auto found = read();
    ASSERT_EQ(found.error, "");
    ASSERT_GE(found.texts.size(), sure_.size()) << "lost";
    ASSERT_TRUE(std::equal(sure_.begin(), sure_.end(), found.texts.begin())) << "changed";
    const Texts more(found.texts.begin() + static_cast<long>(sure_.size()), found.texts.end());
    ASSERT_LE(more.size(), perhaps_.size());
    ASSERT_TRUE(std::equal(more.begin(), more.end(), perhaps_.begin())) << "made up";
    // What was shown once stays.
    if (!journal_->read_only()) {
      sure_ = found.texts;
      perhaps_.clear();
    }
  }

  static constexpr auto plenty = ~std::uint64_t{0};
  int number_ = 0;
  Texts sure_;
  Texts perhaps_;
};

TEST_P(JournalSchedule, keeps_what_was_acknowledged_and_shows_nothing_that_is_lost_later) {
  for (std::uint32_t i = 0; i < 40; ++i) {
    const auto seed = static_cast<std::uint32_t>(GetParam()) * 1000 + i;
    SCOPED_TRACE(seed);
    run(seed, 60);
    if (HasFatalFailure()) return;
    kill();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, JournalSchedule, testing::Range(0, 10));

}  // namespace
}  // namespace eventstore
