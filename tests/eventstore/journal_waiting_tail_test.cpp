// Goal: a torn tail that finds no space to be kept changes nothing for those who read, is cut by
// the first append that finds some, and by none that must not write. Method: each case by name, on
// a FaultDisk without a byte to spare.
#include <algorithm>

#include "tests/support/journal_fixture.h"

namespace eventstore {
namespace {

using schemas::ErrorCode;
using Outcome = AppendFailure::Outcome;

class WaitingTail : public JournalFixture {
 protected:
  /// A journal that holds "a", and some way behind it a byte of what never became a record.
  void open_with_one() {
    open();
    ASSERT_TRUE(write({"a"}));
    kill();
    auto bytes = disk_.contents(segment());
    bytes.at(bytes.size() / 2) = 1;
    disk_.set_contents(segment(), bytes);
    disk_.set_capacity(0);
    open();
    ASSERT_TRUE(report().cut && report().cut->waits);
  }
  void expect_that_nothing_is_written() {
    const auto before = disk_.image().files;
    const auto calls = disk_.calls();
    EXPECT_FALSE(write({"refused"}));
    EXPECT_EQ(disk_.calls(), calls);
    EXPECT_TRUE(disk_.image().files == before);
  }
  static bool is_kept(const std::string& path) { return path.starts_with("/data/cut-"); }
  static bool is_unfinished(const std::string& path) { return path.ends_with(".new"); }
  std::ptrdiff_t files_that(bool (*are)(const std::string&)) const {
    return std::ranges::count_if(disk_.paths(), are);
  }
};

/// What was torn needs a file of its own before it is zeroed: until there is space for that, all
/// before it is read, and nothing is written.
TEST_F(WaitingTail, is_cut_when_there_is_space) {
  open();
  ASSERT_TRUE(write({"a"}));
  ASSERT_TRUE(write({std::string(2000, 'b')}));
  kill();
  const auto last = places(segment()).back();
  auto bytes = disk_.contents(segment());
  const auto from = bytes.begin() + static_cast<long>(last.at);
  const auto sector = (last.at + 1000) / 512 * 512;
  std::fill_n(bytes.begin() + static_cast<long>(sector), 512, 0);
  const std::vector<std::uint8_t> torn(from, from + static_cast<long>(last.frame.size_bytes()));
  disk_.set_contents(segment(), bytes);
  disk_.set_capacity(0);
  for (int i = 0; i < 30; ++i) {
    open();
    ASSERT_TRUE(report().cut);
    EXPECT_TRUE(report().cut->waits);
    ASSERT_EQ(texts(), Texts{"a"});
    ASSERT_FALSE(write({"refused"}));
    ASSERT_EQ(witness_->failures().at(0).error.code, ErrorCode::disk_full);
    ASSERT_EQ(witness_->failures().at(0).outcome, Outcome::refused);
    ASSERT_FALSE(journal_->read_only());
    ASSERT_EQ(disk_.contents(segment()), bytes);
    if (i < 29) i % 3 == 0 ? close() : i % 3 == 1 ? kill() : kill_and_cut_power();
  }
  disk_.set_capacity(~std::uint64_t{0});
  ASSERT_TRUE(write({"c"}));
  EXPECT_EQ(disk_.contents(report().cut->kept_in), torn);
  EXPECT_EQ(texts(), (Texts{"a", "c"}));
  const auto cover = places(segment()).at(2).frame;
  EXPECT_TRUE(cover.is(journal::OwnFrame::cover));
  EXPECT_EQ(cover.open_count, 2) << "nothing was written by those before";
  kill_and_cut_power();
  open();
  EXPECT_FALSE(report().cut);
  EXPECT_EQ(texts(), (Texts{"a", "c"}));
}

TEST_F(WaitingTail, is_kept_once_however_often_it_is_tried) {
  bool tried_all = false;
  for (std::uint32_t seed = 0; !tried_all; ++seed) {
    ASSERT_LT(seed, 1000);
    const std::size_t call = 1 + seed / 8;
    disk_.start_over(seed);
    open_with_one();
    disk_.set_capacity(~std::uint64_t{0});
    const auto calls_before = disk_.calls();
    disk_.fail_call(call, ErrorCode::disk_full);
    const bool written = write({"b"});
    disk_.disarm();
    tried_all = disk_.calls() - calls_before < call;
    ASSERT_EQ(files_that(&is_unfinished), 0) << seed;
    if (!journal_->read_only()) {
      ASSERT_TRUE(written || write({"b"})) << seed;
      ASSERT_EQ(files_that(&is_kept), 1) << seed;
    }
    kill();
  }
}

/// Readers stand in front of the tail and know the next segment; that one goes with the tail.
TEST_F(WaitingTail, takes_a_segment_with_it_that_readers_knew) {
  open();
  while (segments().size() < 2) ASSERT_TRUE(write({std::string(200, 'x')}));
  kill();
  auto bytes = disk_.contents(segment());
  const auto closing = places(segment()).back();
  ASSERT_TRUE(closing.frame.is(journal::OwnFrame::closing));
  std::fill(bytes.begin() + static_cast<long>(closing.at), bytes.end(), 0);
  bytes.at(closing.at + 700) = 1;
  disk_.set_contents(segment(), bytes);
  const auto orphan = segments()[1];
  auto empty = disk_.contents(orphan);
  std::fill(empty.begin() + journal::segment_header_size, empty.end(), 0);
  disk_.set_contents(orphan, empty);
  disk_.set_capacity(0);
  open();
  ASSERT_TRUE(report().cut && report().cut->waits);
  auto cursor = journal_->read({{log, 0}});
  ASSERT_TRUE(cursor);
  const auto before = read_through(**cursor).texts.size();
  const auto reader = journal_->reader(log);
  ASSERT_TRUE(reader->read(before - 1));
  disk_.set_capacity(~std::uint64_t{0});
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(write({"more"}));
  EXPECT_FALSE(std::ranges::count(segments(), orphan));
  const auto behind = read_through(**cursor);
  EXPECT_EQ(behind.error, "");
  EXPECT_EQ(behind.texts, Texts(20, "more"));
  EXPECT_TRUE(reader->read(before));
  EXPECT_FALSE(journal_->read_only());
}

TEST_F(WaitingTail, that_cannot_be_cut_for_another_reason_stops_writing) {
  open_with_one();
  disk_.set_capacity(~std::uint64_t{0});
  disk_.fail_call(1, ErrorCode::internal);
  EXPECT_FALSE(write({"b"}));
  EXPECT_EQ(witness_->failures().at(0).outcome, Outcome::refused);
  EXPECT_TRUE(journal_->read_only());
  expect_that_nothing_is_written();
  EXPECT_EQ(texts(), Texts{"a"});
}

TEST_F(WaitingTail, stays_when_a_reader_meets_damage) {
  open();
  while (segments().size() < 2) ASSERT_TRUE(write({std::string(200, 'x')}));
  kill();
  const auto last = segments().back();
  auto bytes = disk_.contents(last);
  bytes.at(bytes.size() / 2) = 1;
  disk_.set_contents(last, bytes);
  disk_.flip_bit(segment(), 8 * (places(segment()).at(5).at + journal::frame_size));
  disk_.set_capacity(0);
  open();
  ASSERT_TRUE(report().cut && report().cut->waits);
  ASSERT_FALSE(journal_->read_only()) << "no opening reads so far back";
  EXPECT_NE(read().error, "");
  ASSERT_TRUE(journal_->read_only());
  disk_.set_capacity(~std::uint64_t{0});
  expect_that_nothing_is_written();
  EXPECT_TRUE(disk_.contents(last) == bytes);
}

}  // namespace
}  // namespace eventstore
