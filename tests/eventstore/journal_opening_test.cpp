// Goal: whatever state a crash, a power cut or a bad sector left, opening gives back every record
// that was acknowledged, or says what is missing; never something else. Method: one closed or
// killed journal is taken apart byte by byte and bit by bit, and each rule of LOG.md 4 has a case
// of its own.
#include <algorithm>
#include <set>

#include "tests/support/journal_fixture.h"

namespace eventstore {
namespace {

using schemas::ErrorCode;

class JournalOpening : public JournalFixture {
 protected:
  /// Commits of one to three records of many sizes in two partitions.
  void fill(int commits = 20) {
    for (int i = 0; i < commits; ++i) {
      Texts some;
      for (int j = 0; j <= i % 3; ++j) {
        some.push_back(std::to_string(i) + std::string(i * 23 % 401, 'x'));
      }
      ASSERT_TRUE(write(some, i % 4 == 0 ? other : log));
    }
  }
  /// Both partitions' records, whatever stops the readers.
  std::pair<Read, Read> read_both() { return {read(log), read(other)}; }

  static bool is_prefix(const Texts& some, const Texts& all) {
    return some.size() <= all.size() && std::equal(some.begin(), some.end(), all.begin());
  }

  std::size_t records_within(const std::vector<Place>& all, std::size_t file_size) {
    return static_cast<std::size_t>(std::ranges::count_if(all, [&](const Place& place) {
      return !place.frame.own() &&
             place.at + journal::frame_size + place.frame.head.length <= file_size;
    }));
  }
};

TEST_F(JournalOpening, every_prefix_of_a_segment_opens_to_a_prefix_of_its_records) {
  open();
  fill();
  const auto all = texts();
  const auto all_other = texts(other);
  close();
  const auto image = disk_.image();
  const auto whole = image.files.at(segment());
  const auto frames = places(segment());
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    auto cut = image;
    cut.files.at(segment()).resize(size);
    disk_.restore(cut);
    if (size < 64) {  // not even one copy of the header
      ASSERT_FALSE(try_open());
      continue;
    }
    ASSERT_TRUE(try_open()) << size;
    const auto [first, second] = read_both();
    ASSERT_EQ(first.error + second.error, "") << size;
    ASSERT_TRUE(is_prefix(first.texts, all) && is_prefix(second.texts, all_other)) << size;
    ASSERT_EQ(first.texts.size() + second.texts.size(), records_within(frames, size)) << size;
    ASSERT_FALSE(journal_->read_only());
    kill();
  }
}

class SlowJournalOpening : public JournalOpening {};

TEST_F(SlowJournalOpening, every_flipped_bit_of_a_closed_journal_is_reported_or_harmless) {
  options_.first_segment_size = 64 * 1024;
  open();
  fill(10);
  const auto all = texts();
  const auto all_other = texts(other);
  close();
  const auto image = disk_.image();
  const auto bytes = disk_.contents(segment());
  const auto used = places(segment()).back().at + 4 * journal::frame_size;
  std::size_t reported = 0;
  for (std::uint64_t bit = 0; bit < 8 * bytes.size();) {
    // Of the zeros in and behind what is used some stand for all.
    const bool in_header = bit / 8 < journal::segment_header_size;
    const bool zeros = in_header ? bytes[bit / 8] == 0 : bit / 8 >= used;
    const auto flipped = std::exchange(bit, bit + (zeros ? 37 : 1));
    disk_.restore(image);
    disk_.flip_bit(segment(), flipped);
    if (!try_open()) {
      ++reported;
      continue;
    }
    const bool told = journal_->read_only() || report().cut;
    const auto [first, second] = read_both();
    ASSERT_TRUE(is_prefix(first.texts, all)) << flipped;
    ASSERT_TRUE(is_prefix(second.texts, all_other)) << flipped;
    const bool whole = first.texts == all && second.texts == all_other;
    ASSERT_TRUE(told || whole) << flipped;
    ASSERT_TRUE(whole || journal_->read_only()) << flipped << ": nothing acknowledged is cut";
    reported += told;
    kill();
  }
  EXPECT_GT(reported, 8 * (used - journal::segment_header_size) / 2);
}

TEST_F(JournalOpening, flips_in_a_killed_journal_spare_all_before_the_last_cover) {
  open();
  fill();
  idle();
  const auto covered = texts();
  ASSERT_TRUE(write({"after", "the", "cover"}));
  const auto all = texts();
  kill();
  const auto image = disk_.image();
  const auto frames = places(segment());
  const auto begin = frames[frames.size() - 3].at;
  const auto end = frames.back().at + frames.back().frame.size_bytes();
  for (auto bit = 8 * begin; bit < 8 * end; ++bit) {
    disk_.restore(image);
    disk_.flip_bit(segment(), bit);
    ASSERT_TRUE(try_open());
    const auto found = read().texts;
    ASSERT_TRUE(is_prefix(covered, found)) << bit;
    ASSERT_TRUE(is_prefix(found, all)) << bit;
    if (found != all) {
      ASSERT_TRUE(report().cut || journal_->read_only()) << bit;
    }
    if (report().cut) {
      ASSERT_FALSE(disk_.contents(report().cut->kept_in).empty());
    }
    kill();
  }
}

TEST_F(JournalOpening, a_torn_tail_is_kept_aside_and_zeroed) {
  open();
  ASSERT_TRUE(write({"a"}));
  ASSERT_TRUE(write({std::string(2000, 'b')}));
  kill();
  const auto last = places(segment()).back();
  auto bytes = disk_.contents(segment());
  const auto sector = (last.at + 1000) / 512 * 512;
  std::fill_n(bytes.begin() + static_cast<long>(sector), 512, 0);
  const std::vector<std::uint8_t> torn(
      bytes.begin() + static_cast<long>(last.at),
      bytes.begin() + static_cast<long>(last.at + last.frame.size_bytes()));
  disk_.set_contents(segment(), bytes);
  open();
  ASSERT_TRUE(report().cut);
  EXPECT_EQ(report().cut->position, last.frame.position);
  EXPECT_EQ(disk_.contents(report().cut->kept_in), torn);
  EXPECT_EQ(texts(), Texts{"a"});
  ASSERT_TRUE(write({"c"}));
  reopen();
  EXPECT_FALSE(report().cut);
  EXPECT_EQ(texts(), (Texts{"a", "c"}));
}

/// An opening zeroes a torn tail, but its sync fails; the next one sees zeros that the disk may
/// still lose. What comes back then must not stand right behind a cover that ends with a sector:
/// it would look like a record that was written whole.
TEST_F(JournalOpening, a_tail_that_was_cut_stays_cut_though_the_first_cut_failed) {
  std::size_t size = 1;
  const auto cover_would_end = [&] {
    disk_.start_over(1);
    open();
    EXPECT_TRUE(write({std::string(size, 'a')}));
    return journal::segment_header_size + journal_->durable_position() + journal::frame_size;
  };
  while (cover_would_end() % journal::sector_size != 0) ++size;
  for (std::uint32_t seed = 0; seed < 3000; ++seed) {
    kill();
    disk_.start_over(seed);
    open();
    ASSERT_TRUE(write({std::string(size, 'a')}));
    disk_.fail_call(2, ErrorCode::internal);  // the sync
    ASSERT_FALSE(write({std::string(1200, 'b')}));
    kill_and_cut_power();
    disk_.fail_call(1 + seed % 20, ErrorCode::internal);
    if (try_open()) disk_.disarm();
    kill();
    open();
    kill_and_cut_power();
    open();
    ASSERT_TRUE(report().damages.empty()) << seed;
    ASSERT_EQ(texts().front().front(), 'a') << seed;
  }
}

TEST_F(JournalOpening, a_bad_record_that_was_written_whole_is_corruption) {
  open();
  ASSERT_TRUE(write({"a"}));
  ASSERT_TRUE(write({std::string(2000, 'b')}));
  kill();
  disk_.flip_bit(segment(), 8 * (places(segment()).back().at + 1000));
  open();
  EXPECT_FALSE(report().cut);
  ASSERT_TRUE(journal_->read_only());
  EXPECT_FALSE(write({"c"}));
}

TEST_F(JournalOpening, a_hole_before_a_record_that_knew_it_durable_is_corruption) {
  open();
  ASSERT_TRUE(write({"a"}));
  ASSERT_TRUE(write({"b"}));
  ASSERT_TRUE(write({"c"}));
  kill();
  const auto frames = places(segment());
  auto bytes = disk_.contents(segment());
  const auto& hole = frames[frames.size() - 2];
  std::fill_n(bytes.begin() + static_cast<long>(hole.at), hole.frame.size_bytes(), 0);
  disk_.set_contents(segment(), bytes);
  open();
  ASSERT_TRUE(journal_->read_only());
  ASSERT_EQ(report().damages.size(), 1);
  const journal::Range range{hole.frame.position, frames.back().frame.position};
  EXPECT_EQ(report().damages[0].range, range);
  EXPECT_NE(journal_->read_only()->detail.find(to_text(range)), std::string::npos);
}

TEST_F(JournalOpening, a_hole_before_records_of_the_same_write_is_a_torn_tail) {
  open();
  ASSERT_TRUE(write({"a"}));
  ASSERT_TRUE(write({std::string(600, 'b'), std::string(600, 'c')}));
  kill();
  const auto frames = places(segment());
  auto bytes = disk_.contents(segment());
  const auto& hole = frames[frames.size() - 2];
  std::fill_n(bytes.begin() + static_cast<long>(hole.at), hole.frame.size_bytes(), 0);
  disk_.set_contents(segment(), bytes);
  open();
  EXPECT_TRUE(report().cut);
  EXPECT_FALSE(journal_->read_only());
  EXPECT_EQ(texts(), Texts{"a"});
}

TEST_F(JournalOpening, every_open_raises_the_open_count_and_says_what_was_durable) {
  for (std::uint32_t count = 1; count < 5; ++count) {
    open();
    const auto cover = places(segment()).back().frame;
    EXPECT_TRUE(cover.is(journal::OwnFrame::cover));
    EXPECT_EQ(cover.open_count, count);
    EXPECT_EQ(cover.durable_end, cover.position);
    kill();
  }
}

class StaleFrame : public JournalOpening {
 protected:
  /// Writes "a" and "old"; the tail was cut there, a cover frame of the next opening took the place
  /// of "old", and what an old cached page held comes back right behind it. Gives its place.
  Place leave_one() {
    open();
    EXPECT_TRUE(write({"a"}));
    const auto image = disk_.contents(segment());
    EXPECT_TRUE(write({"old"}));
    const auto with_old = disk_.contents(segment());
    auto old = places(segment()).back();
    kill();
    disk_.set_contents(segment(), image);
    open();
    kill();
    EXPECT_EQ(places(segment()).back().at, old.at);
    const auto payload_at = old.at + journal::frame_size;
    old.at += journal::frame_size;
    old.frame.position += journal::frame_size;
    put(old);
    auto bytes = disk_.contents(segment());
    std::copy_n(with_old.begin() + static_cast<long>(payload_at),
                old.frame.size_bytes() - journal::frame_size,
                bytes.begin() + static_cast<long>(old.at + journal::frame_size));
    disk_.set_contents(segment(), bytes);
    return old;
  }
  void put(const Place& place) {
    auto bytes = disk_.contents(segment());
    encode(place.frame, journal::crc_seed(journal::decode_segment_header(bytes)->id),
           std::span(bytes).subspan(place.at).first<journal::frame_size>());
    disk_.set_contents(segment(), bytes);
  }
  static journal::Range range_of(const Place& place) {
    return {place.frame.position, place.frame.position + place.frame.size_bytes()};
  }
};

TEST_F(StaleFrame, behind_a_later_opening_is_bad) {
  leave_one();
  open();
  EXPECT_TRUE(journal_->read_only());
  EXPECT_EQ(read().texts, Texts{"a"});
}

TEST_F(StaleFrame, is_not_folded_where_it_is_damage) {
  const auto stale = leave_one();
  auto cover = places(segment())[places(segment()).size() - 2];
  ASSERT_TRUE(cover.frame.is(journal::OwnFrame::cover));
  const auto size = cover.frame.size_bytes() + stale.frame.size_bytes();
  cover.at += size;
  cover.frame.position += size;
  cover.frame.durable_end = cover.frame.position;
  put(cover);
  open();
  ASSERT_EQ(report().damages.size(), 1);
  EXPECT_EQ(report().damages[0].range, range_of(stale));
  EXPECT_EQ(journal_->durable_end(log), 1);
  EXPECT_EQ(read().texts, Texts{"a"});
  EXPECT_FALSE(journal_->read_one(log, 1));
}

TEST_F(StaleFrame, is_not_brought_back_by_accepting_its_loss) {
  const auto stale = leave_one();
  options_.accept_losses = {range_of(stale)};
  open();
  options_.accept_losses.clear();
  ASSERT_FALSE(journal_->read_only());
  EXPECT_EQ(journal_->durable_end(log), 1);
  EXPECT_EQ(texts(), Texts{"a"});
  ASSERT_TRUE(write({"new"}));
  const auto check = [this] {
    ASSERT_FALSE(journal_->read_only());
    const auto found = texts();
    ASSERT_GE(found.size(), 2);
    EXPECT_EQ(found[0] + found[1], "anew");
    auto record = journal_->read_one(log, 1);
    ASSERT_TRUE(record);
    EXPECT_EQ(text_of_payload(*record), "new");
  };
  check();
  reopen();
  check();
  while (segments().size() < 2) ASSERT_TRUE(write({std::string(3000, 'x')}));
  reopen();
  check();
  close();
  for (const auto& path : disk_.paths()) {
    if (path.ends_with(".idx")) ASSERT_TRUE(disk_.remove(path));
  }
  open();
  check();
}

TEST_F(JournalOpening, another_journals_segment_does_not_count) {
  open();
  ASSERT_TRUE(write({"a"}));
  close();
  auto theirs = disk_.contents(segment());
  for (const auto& path : segments()) ASSERT_TRUE(disk_.remove(path));
  open();
  close();
  auto bytes = disk_.contents(segment());
  std::copy(theirs.begin() + journal::segment_header_size, theirs.end(),
            bytes.begin() + journal::segment_header_size);
  disk_.set_contents(segment(), bytes);
  open();
  EXPECT_TRUE(read().texts.empty());
}

TEST_F(JournalOpening, a_frame_that_stands_elsewhere_than_it_says_does_not_count) {
  open();
  ASSERT_TRUE(write({"a"}));
  ASSERT_TRUE(write({"b"}));
  kill();
  const auto last = places(segment()).back();
  auto bytes = disk_.contents(segment());
  std::copy_n(bytes.begin() + static_cast<long>(last.at), last.frame.size_bytes(),
              bytes.begin() + static_cast<long>(last.at + last.frame.size_bytes()));
  disk_.set_contents(segment(), bytes);
  open();
  EXPECT_TRUE(journal_->read_only() || report().cut);
  EXPECT_TRUE(is_prefix(read().texts, {"a", "b"}));
}

TEST_F(JournalOpening, one_copy_of_the_header_is_enough) {
  open();
  ASSERT_TRUE(write({"a"}));
  close();
  auto bytes = disk_.contents(segment());
  std::fill_n(bytes.begin(), 512, 0);
  disk_.set_contents(segment(), bytes);
  open();
  EXPECT_EQ(texts(), Texts{"a"});
}

TEST_F(JournalOpening, one_process_at_a_time) {
  open();
  Witness second;
  const auto opened = Journal::open(options_, second);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::in_use);
}

class JournalSegments : public JournalOpening {
 protected:
  void SetUp() override {
    JournalOpening::SetUp();
    options_.first_segment_size = options_.segment_size_max = 16 * 1024;
  }

  /// Fills several segments; every record's text is its number.
  void fill_segments(int records) {
    for (int i = 0; i < records; ++i) {
      auto text = std::to_string(i);
      text.resize(300, '.');
      ASSERT_TRUE(write({text}, i % 7 == 0 ? other : log));
    }
  }
};

TEST_F(JournalSegments, records_go_on_from_segment_to_segment) {
  open();
  fill_segments(200);
  EXPECT_GT(segments().size(), 5);
  const auto all = texts();
  const auto all_other = texts(other);
  EXPECT_EQ(all.size() + all_other.size(), 200);
  reopen();
  EXPECT_EQ(texts(), all);
  EXPECT_EQ(texts(other), all_other);
  fill_segments(50);
  kill();
  open();
  EXPECT_EQ(texts().size() + texts(other).size(), 250);
  for (Offset offset = 0; offset < journal_->durable_end(log); ++offset) {
    ASSERT_TRUE(journal_->read_one(log, offset)) << offset;
  }
}

TEST_F(JournalSegments, a_segment_leaves_room_for_the_closing_table_of_many_partitions) {
  open();
  constexpr std::uint16_t many = 300;
  ASSERT_TRUE(journal_->open_topic({TopicId{2}, "many", many}));
  std::vector<PartitionWriter> writers;
  for (std::uint16_t i = 0; i < many; ++i) writers.emplace_back(LogId{TopicId{2}, i});
  for (int round = 0; round < 20; ++round) {
    std::vector<Append> records;
    for (auto& writer : writers) records.push_back(writer.noop("x"));
    journal_->append(std::move(records));
    journal_->pump();
  }
  EXPECT_EQ(witness_->records().size(), 20 * many);
  EXPECT_GT(segments().size(), 5);
  reopen();
  for (const auto& writer : writers) EXPECT_EQ(journal_->state(writer.log()), writer.state());
}

TEST_F(JournalSegments, opening_reads_the_last_segment_only) {
  open();
  fill_segments(200);
  const auto state = journal_->state(log);
  close();
  auto bytes = disk_.contents(segments()[1]);
  std::ranges::fill(bytes, 0xee);
  disk_.set_contents(segments()[1], bytes);
  open();
  EXPECT_FALSE(journal_->read_only());
  EXPECT_EQ(journal_->state(log), state);
}

TEST_F(JournalSegments, a_segment_whose_predecessor_was_not_closed_is_no_part_of_the_journal) {
  open();
  while (segments().size() < 2) ASSERT_TRUE(write({std::string(500, 'x')}));
  kill();
  const auto second = segments()[1];
  const auto all = records_within(places(segments()[0]), 16 * 1024);
  // As it was before the closing frame was durable: the new file stands there, empty.
  const auto closing = places(segments()[0]).back();
  ASSERT_TRUE(closing.frame.is(journal::OwnFrame::closing));
  auto bytes = disk_.contents(segments()[0]);
  std::fill(bytes.begin() + static_cast<long>(closing.at), bytes.end(), 0);
  disk_.set_contents(segments()[0], bytes);
  auto empty = disk_.contents(second);
  std::fill(empty.begin() + journal::segment_header_size, empty.end(), 0);
  disk_.set_contents(second, empty);
  open();
  EXPECT_FALSE(journal_->read_only());
  EXPECT_EQ(texts().size(), all);
  EXPECT_FALSE(std::ranges::count(segments(), second));
  ASSERT_TRUE(write({std::string(500, 'y')}));
  EXPECT_EQ(texts().size(), all + 1);
}

TEST_F(JournalSegments, a_lost_closing_frame_before_records_is_corruption) {
  open();
  fill_segments(100);
  close();
  const auto before_last = segments()[segments().size() - 2];
  const auto closing = places(before_last).back();
  disk_.flip_bit(before_last, 8 * (closing.at + 20));
  open();
  EXPECT_TRUE(journal_->read_only());
  EXPECT_EQ(read().texts.size() + read(other).texts.size(), 100);
}

TEST_F(JournalSegments, a_missing_successor_is_corruption) {
  open();
  fill_segments(100);
  close();
  ASSERT_TRUE(disk_.remove(segments().back()));
  open();
  EXPECT_TRUE(journal_->read_only());
  EXPECT_FALSE(write({"no"}));
}

TEST_F(JournalSegments, a_missing_segment_in_the_middle_is_told_when_it_is_met) {
  open();
  fill_segments(200);
  const auto all = texts();
  close();
  ASSERT_TRUE(disk_.remove(segments()[2]));
  open();
  const auto found = read();
  EXPECT_NE(found.error, "");
  EXPECT_TRUE(is_prefix(found.texts, all));
  EXPECT_TRUE(journal_->read_only());
}

TEST_F(JournalSegments, without_index_files_reading_is_the_same) {
  open();
  fill_segments(200);
  const auto all = texts();
  close();
  for (const auto& path : disk_.paths()) {
    if (path.ends_with(".idx")) ASSERT_TRUE(disk_.remove(path));
  }
  open();
  EXPECT_EQ(texts(), all);
  for (Offset offset = 0; offset < all.size(); ++offset) {
    auto record = journal_->read_one(log, offset);
    ASSERT_TRUE(record);
    EXPECT_EQ(text_of_payload(*record), all[offset]);
  }
}

TEST_F(JournalSegments, a_damaged_index_file_is_made_anew) {
  open();
  fill_segments(200);
  const auto all = texts();
  close();
  std::size_t damaged = 0;
  for (const auto& path : disk_.paths()) {
    if (!path.ends_with(".idx")) continue;
    disk_.flip_bit(path, 8 * 40 + damaged++);
  }
  EXPECT_GT(damaged, 5);
  open();
  for (Offset offset = 0; offset < all.size(); ++offset) {
    auto record = journal_->read_one(log, offset);
    ASSERT_TRUE(record);
    EXPECT_EQ(text_of_payload(*record), all[offset]);
  }
}

}  // namespace
}  // namespace eventstore
