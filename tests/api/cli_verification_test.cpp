// Goal: `log verify` finds every kind of lie that a journal can tell with all checksums right, and
// nothing in a sound one. Method: one journal of several segments; each test changes one thing in
// its bytes, with the checksums made right again.
#include "api/cli/verification.h"
#include "schemas/batch.h"
#include "schemas/controls.h"
#include "schemas/crypto.h"
#include "tests/support/journal_fixture.h"

namespace api::cli {
namespace {

using eventstore::Append;
using eventstore::JournalFixture;
namespace journal = eventstore::journal;

class JournalVerification : public JournalFixture {
 protected:
  void SetUp() override {
    JournalFixture::SetUp();
    options_.first_segment_size = options_.segment_size_max = 16 * 1024;
    open();
    begin_log();
    journal_->append({writers_.at(log).events("\"event\"")});
    journal_->pump();
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(write({std::to_string(i) + std::string(400, '.')}, i % 3 == 0 ? other : log));
      if (i % 10 == 0) idle();
    }
    kill();
    open();  // a second open count
    close();
    ASSERT_GT(segments().size(), 2);
    sealed_ = segments()[1];
  }

  /// `tm.log` names the fixture's topic.
  void begin_log() {
    ASSERT_TRUE(journal_->open_topic({eventstore::log_topic, "log", 1}));
    eventstore::PartitionState state;
    std::vector<Append> records;
    for (const auto& control :
         {schemas::Control(schemas::LogIdentity{.id = {}, .partitions = 4, .format = 1}),
          schemas::Control(schemas::TopicAdded{log.topic, "test"})}) {
      const auto built = schemas::build_control(control);
      eventstore::Payload payload(built.owner, built.bytes);
      const eventstore::RecordHead head{.length = static_cast<std::uint32_t>(built.bytes.size()),
                                        .kind = eventstore::RecordKind::control,
                                        .epoch = state.epoch,
                                        .sequence = state.sequence,
                                        .chain = state.chain,
                                        .payload_crc = schemas::crc32c(built.bytes)};
      records.push_back({eventstore::log_partition, state.next_offset, head, payload});
      state.apply(state.next_offset, head, built.bytes);
    }
    journal_->append(std::move(records));
    journal_->pump();
  }

  Verification verify(std::optional<std::uint64_t> limit = {}) {
    journal::SegmentFolder folder(disk_, "/data/journal/permanent");
    EXPECT_TRUE(folder.load());
    auto found =
        verify_journal(folder, {.scan = {.limit = limit}, .index_path = "/data/index/permanent"});
    EXPECT_TRUE(found) << found.error().message;
    return std::move(*found);
  }
  void expect_fault(const std::string& words) {
    const auto found = verify();
    std::string all;
    for (const auto& text : found.faults.texts()) all += text + "\n";
    EXPECT_NE(all.find(words), std::string::npos) << all;
  }

  template <typename Change>
  void change_bytes(const std::string& path, Change change) {
    auto bytes = disk_.contents(path);
    change(bytes);
    disk_.set_contents(path, bytes);
  }
  /// Changes a frame, and makes its checksums right again.
  template <typename Change>
  void change_frame(const std::string& path, std::size_t number, Change change) {
    auto place = places(path).at(number);
    change_bytes(path, [&](std::vector<std::uint8_t>& bytes) {
      change(place.frame,
             std::span(bytes).subspan(place.at + journal::frame_size, place.frame.head.length));
      place.frame.head.payload_crc = schemas::crc32c(std::span<const std::uint8_t>(bytes).subspan(
          place.at + journal::frame_size, place.frame.head.length));
      encode(place.frame, seed_of(bytes),
             std::span(bytes).subspan(place.at).first<journal::frame_size>());
    });
  }
  static std::uint32_t seed_of(const std::vector<std::uint8_t>& bytes) {
    return journal::crc_seed(journal::decode_segment_header(bytes)->id);
  }
  /// The first frame from `from` on that is a record, or is not.
  std::size_t find(const std::string& path, bool own, std::size_t from = 0) const {
    const auto all = places(path);
    while (all.at(from).frame.own() != own) ++from;
    return from;
  }

  std::string sealed_;
};

using Payload = std::span<std::uint8_t>;

TEST_F(JournalVerification, what_it_found_ends_with_a_status_and_a_remedy) {
  Verification sound, wrong, damaged;
  wrong.faults.add("one");
  damaged.scan.damages.emplace_back();
  const auto said = [](const Verification& found, Verified what) {
    const auto ended = sound_or_stop(found, what);
    if (ended) return std::string();
    EXPECT_EQ(ended.error().exit, Exit::damaged);
    return ended.error().message;
  };
  for (const auto what : {Verified::log, Verified::backup}) EXPECT_EQ(said(sound, what), "");
  using testing::AllOf, testing::HasSubstr, testing::Not;
  EXPECT_THAT(said(wrong, Verified::log),
              AllOf(HasSubstr("wrong in 1 place;"), HasSubstr("backup")));
  EXPECT_THAT(said(damaged, Verified::log), HasSubstr("accept-loss"));
  for (const auto* found : {&wrong, &damaged}) {
    EXPECT_THAT(said(*found, Verified::backup),
                AllOf(HasSubstr("into another directory"), Not(HasSubstr("accept-loss"))));
  }
}

TEST_F(JournalVerification, finds_nothing_in_a_sound_journal) {
  const auto found = verify();
  EXPECT_TRUE(found.sound()) << found.faults.texts().front();
  EXPECT_EQ(found.counts.total(), 103);
  EXPECT_EQ(found.counts.events, 1);
  EXPECT_EQ(found.scan.closings, segments().size() - 1);
  EXPECT_GT(found.scan.covers, 10);
  EXPECT_EQ(found.index->checked + found.index->missing, found.scan.closings);
  EXPECT_GT(found.index->checked, 0);
}

TEST_F(JournalVerification, a_durable_end_that_falls) {
  change_frame(sealed_, find(sealed_, false, 3),
               [](journal::Frame& frame, Payload) { frame.durable_end = 0; });
  expect_fault("it states the durable end 0, after ");
}

TEST_F(JournalVerification, a_durable_end_where_no_frame_ends) {
  change_frame(sealed_, find(sealed_, false, 3),
               [](journal::Frame& frame, Payload) { frame.durable_end -= 8; });
  expect_fault("where no frame ends");
}

TEST_F(JournalVerification, a_cover_that_does_not_state_itself) {
  change_frame(sealed_, find(sealed_, true), [&](journal::Frame& frame, Payload) {
    const auto all = places(sealed_);
    const auto self = find(sealed_, true);
    ASSERT_TRUE(frame.is(journal::OwnFrame::cover));
    frame.durable_end = all.at(self - 1).frame.position;
  });
  expect_fault("and not itself");
}

TEST_F(JournalVerification, an_open_count_that_begins_with_a_record) {
  const auto last = segments().back();
  const auto first = find(last, false);
  for (std::size_t i = first; i < places(last).size(); ++i) {
    change_frame(last, i, [](journal::Frame& frame, Payload) { frame.open_count = 7; });
  }
  expect_fault("open count 7 begins without a cover frame");
}

TEST_F(JournalVerification, a_closing_table_that_says_something_else) {
  change_frame(sealed_, places(sealed_).size() - 1, [](journal::Frame& frame, Payload payload) {
    ASSERT_TRUE(frame.is(journal::OwnFrame::closing));
    auto table = journal::decode_closing_table(payload);
    ++table->states.begin()->second.next_offset;
    std::ranges::copy(encode(*table), payload.begin());
  });
  expect_fault("closing table is not what the records before it come to");
}

TEST_F(JournalVerification, a_header_that_names_another_predecessor) {
  change_bytes(sealed_, [](std::vector<std::uint8_t>& bytes) {
    auto header = journal::decode_segment_header(bytes);
    header->previous_closing -= 8;
    std::ranges::copy(encode(*header), bytes.begin());
  });
  expect_fault("header does not name what is before it");
}

TEST_F(JournalVerification, a_file_of_another_size_than_its_header_says) {
  change_bytes(sealed_, [](std::vector<std::uint8_t>& bytes) { bytes.resize(bytes.size() + 8); });
  expect_fault("its header says");
}

TEST_F(JournalVerification, an_offset_that_is_not_the_next) {
  change_frame(sealed_, find(sealed_, false),
               [](journal::Frame& frame, Payload) { frame.offset += 5; });
  expect_fault("was expected");
}

TEST_F(JournalVerification, a_topic_that_nobody_added) {
  change_frame(sealed_, find(sealed_, false),
               [](journal::Frame& frame, Payload) { frame.log.topic = schemas::TopicId{9}; });
  expect_fault("no record of tm.log before it names this topic or partition");
}

TEST_F(JournalVerification, a_chain_that_does_not_follow) {
  change_frame(segments().front(), find(segments().front(), false, 3),
               [](journal::Frame& frame, Payload) {
                 ASSERT_EQ(frame.head.kind, eventstore::RecordKind::events);
                 frame.head.chain[0] ^= 1;
               });
  expect_fault("a fork");
}

TEST_F(JournalVerification, a_time_that_falls) {
  open();
  auto& writer = writers_.at(log);
  journal_->append({writer.events("\"later\"")});
  auto earlier = writer.state();
  earlier.recorded = {};
  writer.set_state(earlier);
  journal_->append({writer.events("\"earlier\"")});
  journal_->pump();
  close();
  expect_fault("before the record in front of it");
}

TEST_F(JournalVerification, a_version_that_is_not_the_next) {
  const auto id = schemas::make_uuid(schemas::Time{});
  const schemas::EventDraft draft{.id = schemas::EventId(id),
                                  .type = "test.happened",
                                  .kind = "test",
                                  .entity = {{}, "it"},
                                  .version = schemas::Version{2},
                                  .occurred = {},
                                  .data = schemas::Json{"1"}};
  open();
  const auto& state = writers_.at(log).state();
  const auto built = schemas::build_batch({.organization = schemas::OrganizationId(id),
                                           .recorded = state.recorded,
                                           .command = schemas::CommandId(id)},
                                          {&draft, 1});
  const eventstore::RecordHead head{.length = static_cast<std::uint32_t>(built.bytes.size()),
                                    .kind = eventstore::RecordKind::events,
                                    .epoch = state.epoch,
                                    .sequence = state.sequence,
                                    .chain = eventstore::next_chain(state.chain, built.bytes),
                                    .payload_crc = schemas::crc32c(built.bytes)};
  journal_->append({{log, state.next_offset, head, {built.owner, built.bytes}}});
  journal_->pump();
  close();
  expect_fault("has version 2, 1 was expected");
}

TEST_F(JournalVerification, an_index_that_points_elsewhere) {
  const auto base = *journal::parse_segment_name(sealed_.substr(sealed_.rfind('/') + 1));
  const auto path = "/data/index/permanent/" + journal::segment_name(base) + ".idx";
  const auto all = places(sealed_);
  const auto& first = all.at(find(sealed_, false)).frame;
  const auto seed = seed_of(disk_.contents(sealed_));
  const journal::SegmentIndex wrong({{first.log, first.offset, first.position + 96}});
  disk_.set_contents(path, wrong.encode(seed, base));
  expect_fault(".idx: ");
  disk_.set_contents(path, {1, 2, 3});
  const auto unreadable = verify();
  EXPECT_TRUE(unreadable.sound()) << "it is made anew";
  EXPECT_EQ(unreadable.index->unreadable, 1);
}

TEST_F(JournalVerification, beside_a_writer_nothing_behind_the_limit_is_looked_at) {
  const auto last = places(segments().back()).back();
  const auto limit = last.frame.position;
  change_bytes(segments().back(), [&](std::vector<std::uint8_t>& bytes) {
    std::fill(bytes.begin() + static_cast<long>(last.at), bytes.end(), 0xee);
  });
  const auto within = verify(limit);
  EXPECT_TRUE(within.sound());
  EXPECT_EQ(within.scan.end, limit);
  const auto beyond = verify(limit + last.frame.size_bytes());
  ASSERT_EQ(beyond.scan.damages.size(), 1);
  EXPECT_EQ(beyond.scan.damages.front().range.from, limit);
}

}  // namespace
}  // namespace api::cli
