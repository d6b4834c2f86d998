// Goal: a cursor goes on the list that it came from and no other, and cannot be made or changed
// outside. Method: round trips, every single-bit flip and truncation, and every part of the scope
// exchanged.

#include "schemas/cursors.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace schemas {
namespace {

const OrganizationId ours{Uuid{{1}}};
const OrganizationId theirs{Uuid{{2}}};

CursorCodec codec(std::uint32_t key_id = 3, std::uint8_t fill = 1) {
  const std::array<std::uint8_t, 32> bytes{fill};
  return {key_id, HmacKey(bytes)};
}

const ListDigest list = list_digest("/v2/projects?order=asc&state=active");
const ListCursor cursor = {{{{TopicId{2}, 9}, 77, Position::whole_record, {1, 2}}},
                           std::string("row\0\xff key", 9)};

std::string text() {
  return codec().encode(ours, Space::live, list, cursor);
}

/// Refused as the parameter `cursor`, and nothing else is said to be wrong.
bool refused(const Result<ListCursor>& read) {
  return !read && read.error().code == ErrorCode::invalid_parameter &&
         read.error().fields.size() == 1 &&
         read.error().fields[0].in == FieldError::In::parameter &&
         read.error().fields[0].where == "cursor";
}

TEST(Cursor, ComesBackAsItWasWritten) {
  EXPECT_EQ(*codec().decode(ours, Space::live, list, text()), cursor);
  const ListCursor empty;
  auto short_text = codec().encode(ours, Space::test, list, empty);
  EXPECT_EQ(*codec().decode(ours, Space::test, list, short_text), empty);
}

TEST(Cursor, HoldsAsMuchAsItPromises) {
  ListCursor big;
  for (std::uint16_t i = 0; i < MarkCodec::positions_max; ++i) {
    big.began.push_back({{TopicId{i}, 0}, i, 0, {}});
  }
  big.last_key = std::string(CursorCodec::last_key_bytes_max, 'k');
  auto big_text = codec().encode(ours, Space::live, list, big);
  EXPECT_EQ(*codec().decode(ours, Space::live, list, big_text), big);
}

TEST(Cursor, IsUrlSafe) {
  EXPECT_TRUE(text().starts_with("cur1_"));
  EXPECT_TRUE(std::ranges::all_of(
      text(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; }));
}

TEST(Cursor, RefusesEveryFlippedBitPieceAndExtension) {
  const auto written = text();
  for (std::size_t bit = 0; bit < written.size() * 8; ++bit) {
    auto changed = written;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_TRUE(refused(codec().decode(ours, Space::live, list, changed))) << "bit " << bit;
  }
  for (std::size_t size = 0; size < written.size(); ++size) {
    EXPECT_TRUE(refused(codec().decode(ours, Space::live, list, written.substr(0, size))));
  }
  EXPECT_TRUE(refused(codec().decode(ours, Space::live, list, written + "A")));
  EXPECT_TRUE(refused(codec().decode(ours, Space::live, list, std::string(100'000, 'A'))));
}

TEST(Cursor, IsOfOneOrganizationSpaceKeyAndList) {
  EXPECT_TRUE(refused(codec().decode(theirs, Space::live, list, text())));
  EXPECT_TRUE(refused(codec().decode(ours, Space::test, list, text())));
  EXPECT_TRUE(refused(codec(4).decode(ours, Space::live, list, text())));
  EXPECT_TRUE(refused(codec(3, 2).decode(ours, Space::live, list, text())));
  auto other_list = codec().decode(ours, Space::live, list_digest("/v2/projects"), text());
  EXPECT_TRUE(refused(other_list));
  EXPECT_NE(other_list.error().fields[0].detail.find("filters"), std::string::npos);
}

TEST(Cursor, IsNoMarkAndAMarkIsNoCursor) {
  const std::array<std::uint8_t, 32> bytes{1};
  const MarkCodec marks(3, HmacKey(bytes));
  auto mark = marks.encode(ours, Space::live, cursor.began);
  EXPECT_TRUE(refused(codec().decode(ours, Space::live, list, mark)));
  EXPECT_TRUE(refused(codec().decode(ours, Space::live, list, "cur1_" + mark.substr(4))));
  EXPECT_FALSE(marks.decode(ours, Space::live, text()));
  EXPECT_FALSE(marks.decode(ours, Space::live, "tm1_" + text().substr(5)));
}

}  // namespace
}  // namespace schemas
