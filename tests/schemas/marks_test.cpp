// Goal: a mark comes back as what was marked, and nothing else is accepted as one: not one changed
// bit, not a piece of it, not one of another organization, space, key or log. Method: every
// single-bit flip, every truncation and every other base64url letter of real marks.

#include "schemas/marks.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

namespace schemas {
namespace {

HmacKey key_of(std::uint8_t fill) {
  const std::array<std::uint8_t, 32> bytes{fill, 1, 2, 3};
  return HmacKey(bytes);
}

OrganizationId organization(std::uint8_t number) {
  return OrganizationId(Uuid{{number}});
}

MarkedPosition position(std::uint16_t topic, std::int64_t offset) {
  return {{TopicId{topic}, 7}, offset, Position::whole_record, {1, 2, 3, 4, 5, 6, 7, 8}};
}

std::vector<MarkedPosition> positions(std::size_t count) {
  std::vector<MarkedPosition> result;
  result.reserve(count);
  for (std::uint16_t i = 0; i < count; ++i) result.push_back(position(i, i * 1'000'000'007LL));
  return result;
}

class Marks : public testing::Test {
 protected:
  std::string write(std::span<const MarkedPosition> marked_positions) const {
    return codec_.encode(organization(1), Space::live, marked_positions);
  }
  bool foreign(std::string_view text) const {
    auto read = codec_.decode(organization(1), Space::live, text);
    return !read && read.error().code == ErrorCode::foreign_mark;
  }
  Result<std::vector<MarkedPosition>> read(std::string_view text) const {
    return codec_.decode(organization(1), Space::live, text);
  }

 private:
  MarkCodec codec_{3, key_of(1)};
};

TEST_F(Marks, ComeBackAsTheyWereWritten) {
  for (const std::size_t count : {0, 1, 2, 5, 63}) {
    auto written = positions(count);
    auto text = write(written);
    EXPECT_TRUE(text.starts_with("tm1_"));
    auto back = read(text);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, written);
  }
}

TEST_F(Marks, HoldExtremeNumbers) {
  const std::vector<MarkedPosition> written = {
      {{TopicId{0}, 0}, -1, 0, {}},
      {{TopicId{0xffff}, 0xffff}, INT64_MAX, UINT32_MAX, {0xff, 0xff, 0xff, 0xff}}};
  EXPECT_EQ(*read(write(written)), written);
}

TEST_F(Marks, AreUrlSafeAndAtMostTwoKibibytes) {
  auto text = write(positions(MarkCodec::positions_max));
  EXPECT_EQ(text.size(), 2038);
  EXPECT_TRUE(std::ranges::all_of(
      text, [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; }));
  // One position more would not fit, so the limit is not lower than it must be.
  EXPECT_GT(4 + (5 + 64 * 24 + 8) * 4 / 3, 2048);
}

// The bytes of a mark are a promise to clients that keep them; this one was computed by hand with
// Python's hashlib and hmac.
TEST_F(Marks, KeepTheirBytes) {
  const Position at{{TopicId{3}, 17}, 41, Position::whole_record, {12, 34}, 5, {1, 2, 3}};
  const std::vector<MarkedPosition> one = {marked(at)};
  EXPECT_EQ(write(one), "tm1_AQMAAAADABEAKQAAAAAAAAD_____4uwv8kbJ9Gg93XGzPdVFxQ");
}

TEST_F(Marks, SayTheSameInTheSameText) {
  auto written = positions(5);
  auto text = write(written);
  std::ranges::reverse(written);
  EXPECT_EQ(write(written), text);
}

TEST_F(Marks, RefuseEveryFlippedBit) {
  for (const std::size_t count : {1, 3}) {
    const auto text = write(positions(count));
    for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
      auto changed = text;
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
      EXPECT_TRUE(foreign(changed)) << "bit " << bit;
    }
  }
}

TEST_F(Marks, RefuseEveryOtherLetter) {
  const auto text = write(positions(1));
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (int letter = 0; letter < 256; ++letter) {
      auto changed = text;
      changed[at] = static_cast<char>(letter);
      EXPECT_EQ(foreign(changed), changed != text);
    }
  }
}

TEST_F(Marks, RefuseEveryPieceAndEveryExtension) {
  const auto text = write(positions(2));
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_TRUE(foreign(text.substr(0, size)));
    EXPECT_TRUE(foreign(text.substr(text.size() - size)));
  }
  EXPECT_TRUE(foreign(text + "A"));
  EXPECT_TRUE(foreign(text + "="));
  EXPECT_TRUE(foreign(text + std::string(100'000, 'A')));
  EXPECT_TRUE(foreign(" " + text));
}

TEST_F(Marks, AreOfOneOrganizationSpaceAndKey) {
  const auto text = write(positions(2));
  const auto refuses = [&](const MarkCodec& codec, OrganizationId of, Space space) {
    auto read = codec.decode(of, space, text);
    return !read && read.error().code == ErrorCode::foreign_mark;
  };
  EXPECT_FALSE(refuses({3, key_of(1)}, organization(1), Space::live));
  EXPECT_TRUE(refuses({3, key_of(1)}, organization(2), Space::live));
  EXPECT_TRUE(refuses({3, key_of(1)}, platform_organization, Space::live));
  EXPECT_TRUE(refuses({3, key_of(1)}, organization(1), Space::test));
  EXPECT_TRUE(refuses({4, key_of(1)}, organization(1), Space::live));
  EXPECT_TRUE(refuses({3, key_of(2)}, organization(1), Space::live));
}

TEST(Check, DependsOnEverythingThatAPositionProvesItselfBy) {
  const Position position{{TopicId{1}, 2}, 3, 4, {5, 6}, 7, {8}};
  std::set<Check> checks = {check_of(position)};
  auto other = position;
  other.epoch.offset = 0;
  EXPECT_TRUE(checks.insert(check_of(other)).second);
  other = position;
  other.epoch.nonce = 0;
  EXPECT_TRUE(checks.insert(check_of(other)).second);
  other = position;
  other.sequence = 0;
  EXPECT_TRUE(checks.insert(check_of(other)).second);
  other = position;
  other.chain[15] = 1;
  EXPECT_TRUE(checks.insert(check_of(other)).second);
}

}  // namespace
}  // namespace schemas
