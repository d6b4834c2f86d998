// Goal: a journal is read beside whoever writes it, as far as it is durable, and nothing is changed
// by that. Method: while one journal writes through several segments, others are opened beside it,
// also where a crash left a torn tail, and everything they give is compared with what was
// acknowledged; the files stay the same to the byte.
#include "tests/support/journal_fixture.h"

namespace eventstore {
namespace {

struct NobodyHears final : LogObserver {
  void on_durable(Group) override {}
  void on_failure(AppendFailure) override {}
};

class JournalBeside : public JournalFixture {
 protected:
  std::unique_ptr<Journal> beside() {
    auto options = options_;
    options.access = JournalOptions::Access::beside;
    options.wait = [this] {
      ++waits_;
      return false;
    };
    auto opened = Journal::open(std::move(options), nobody_);
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().detail);
    auto journal = std::move(*opened);
    for (const std::uint16_t topic : {std::uint16_t{1}, std::uint16_t{2}}) {
      EXPECT_TRUE(journal->open_topic({TopicId{topic}, "t" + std::to_string(topic), 2}));
    }
    return journal;
  }
  Texts texts_beside(LogId id = log) {
    const auto journal = beside();
    auto cursor = journal->read({{id, 0}});
    EXPECT_TRUE(cursor);
    auto read = read_through(**cursor);
    EXPECT_EQ(read.error, "");
    return read.texts;
  }

  NobodyHears nobody_;
  int waits_ = 0;
};

TEST_F(JournalBeside, SeesWhatIsDurableWhileAnotherWrites) {
  open();
  Texts written;
  const std::string filler(3'000, 'x');
  for (int i = 0; i < 40; ++i) {
    const auto text = std::to_string(i) + filler;
    ASSERT_TRUE(write({text}));
    ASSERT_TRUE(write({"o" + text}, other));
    written.push_back(text);
    idle();  // the cover frame says that all of it is durable
    EXPECT_EQ(texts_beside(), written);
    const auto journal = beside();
    EXPECT_EQ(journal->durable_end(log), journal_->durable_end(log));
    EXPECT_EQ(journal->durable_end(other), journal_->durable_end(other));
    EXPECT_EQ(journal->state(log), journal_->state(log));
    EXPECT_FALSE(journal->read_only());
  }
  EXPECT_GT(segments().size(), 3U);
}

/// The last record may be on its way to the disk yet: only a later frame says that it is there, or
/// the disk itself, when no such frame comes.
TEST_F(JournalBeside, WaitsUntilAFrameStatesThatAllIsDurable) {
  open();
  ASSERT_TRUE(write({"a", "b"}));
  EXPECT_EQ(texts_beside(), (Texts{"a", "b"}));
  EXPECT_GT(waits_, 0);
  waits_ = 0;
  idle();
  EXPECT_EQ(texts_beside(), (Texts{"a", "b"}));
  EXPECT_EQ(waits_, 0);
}

TEST_F(JournalBeside, StaysAtWhatItSawWhenItWasOpened) {
  open();
  ASSERT_TRUE(write({"a"}));
  idle();
  const auto journal = beside();
  ASSERT_TRUE(write({"b"}));
  idle();
  auto cursor = journal->read({{log, 0}});
  ASSERT_TRUE(cursor);
  EXPECT_EQ(read_through(**cursor).texts, (Texts{"a"}));
  EXPECT_EQ(texts_beside(), (Texts{"a", "b"}));
}

TEST_F(JournalBeside, ChangesNothingNotEvenATornTail) {
  open();
  ASSERT_TRUE(write({"a"}));
  idle();
  ASSERT_TRUE(write({std::string(3'000, 't')}));
  kill();
  auto bytes = *read_whole(disk_, segment());
  // A sector of the last record never came to the disk.
  const auto payload = places(segment()).back().at + journal::frame_size;
  const auto sector = (payload / journal::sector_size + 1) * journal::sector_size;
  for (auto at = sector; at < sector + journal::sector_size; ++at) bytes[at] = 0;
  auto file = disk_.open(segment(), FileSystem::Open::existing);
  ASSERT_TRUE(file);
  ASSERT_TRUE(write_all(**file, 0, bytes));
  EXPECT_EQ(texts_beside(), (Texts{"a"}));
  EXPECT_EQ(*read_whole(disk_, segment()), bytes);
}

TEST_F(JournalBeside, NeedsAJournal) {
  auto options = options_;
  options.access = JournalOptions::Access::beside;
  options.wait = [] { return false; };
  auto opened = Journal::open(std::move(options), nobody_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, schemas::ErrorCode::not_found);
}

}  // namespace
}  // namespace eventstore
