// Goal: what the index keeps in memory is bounded, and what it let go is read again. Method: the
// bounded store by itself, and a journal of more segments than it holds.
#include "tests/support/journal_fixture.h"

namespace eventstore {
namespace {

TEST(RecentlyUsed, lets_go_what_was_not_used_for_longest) {
  journal::RecentlyUsed<int> recent(3);
  for (int i = 0; i < 3; ++i) recent.keep(static_cast<std::uint64_t>(i), std::make_shared<int>(i));
  EXPECT_EQ(*recent.find(0), 0);
  recent.keep(3, std::make_shared<int>(3));
  EXPECT_EQ(recent.find(1), nullptr);
  EXPECT_EQ(*recent.find(0), 0);
  recent.keep(2, std::make_shared<int>(22));
  EXPECT_EQ(*recent.find(2), 22);
  EXPECT_EQ(*recent.find(3), 3);
}

class JournalIndexTest : public JournalFixture {};

TEST_F(JournalIndexTest, finds_records_in_more_segments_than_it_remembers) {
  options_.first_segment_size = options_.segment_size_max = 8 * 1024;
  open();
  Texts all;
  while (segments().size() < 150) {
    all.push_back(std::to_string(all.size()) + std::string(900, '.'));
    ASSERT_TRUE(write({all.back()}));
  }
  reopen();
  for (int round = 0; round < 2; ++round) {
    const auto reader = journal_->reader(log);
    for (Offset offset = 0; offset < all.size(); offset += 3) {
      auto record = reader->read(offset);
      ASSERT_TRUE(record) << offset;
      ASSERT_EQ(text_of_payload(*record), all[offset]);
    }
  }
}

}  // namespace
}  // namespace eventstore
