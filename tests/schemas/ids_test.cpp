// Goal: ids have exactly one text each, and organizations fall into the partitions that Kafka's own
// client would pick. Method: the valid and invalid examples of the TypeID specification 0.3, and
// the values of Kafka's UtilsTest.

#include "schemas/ids.h"

#include <set>

#include <gtest/gtest.h>

#include "schemas/crypto.h"

namespace schemas {
namespace {

Uuid uuid(std::string_view hex) {
  Uuid result;
  std::size_t digit = 0;
  for (const char c : hex) {
    if (c == '-') continue;
    const int value = c <= '9' ? c - '0' : c - 'a' + 10;
    auto& byte = result.bytes.at(digit++ / 2);
    byte = static_cast<std::uint8_t>(byte * 16 + value);
  }
  return result;
}

TEST(TypeId, HasTheTextsOfTheSpecification) {
  const std::pair<std::string_view, std::string_view> examples[] = {
      {"prefix_00000000000000000000000000", "00000000-0000-0000-0000-000000000000"},
      {"prefix_00000000000000000000000001", "00000000-0000-0000-0000-000000000001"},
      {"prefix_0000000000000000000000000a", "00000000-0000-0000-0000-00000000000a"},
      {"prefix_0000000000000000000000000g", "00000000-0000-0000-0000-000000000010"},
      {"prefix_00000000000000000000000010", "00000000-0000-0000-0000-000000000020"},
      {"prefix_7zzzzzzzzzzzzzzzzzzzzzzzzz", "ffffffff-ffff-ffff-ffff-ffffffffffff"},
      {"prefix_0123456789abcdefghjkmnpqrs", "0110c853-1d09-52d8-d73e-1194e95b5f19"},
      {"prefix_01h455vb4pex5vsknk084sn02q", "01890a5d-ac96-774b-bcce-b302099a8057"},
  };
  for (const auto& [text, hex] : examples) {
    EXPECT_EQ(typeid_text("prefix", uuid(hex)), text);
    EXPECT_EQ(parse_typeid("prefix", text), uuid(hex)) << text;
  }
}

TEST(TypeId, RefusesEveryOtherText) {
  for (const std::string_view text : {"",
                                      "prefix",
                                      "prefix_",
                                      "_00000000000000000000000000",
                                      "00000000000000000000000000",
                                      "prefix_1234567890123456789012345",
                                      "prefix_123456789012345678901234567",
                                      "prefix_8zzzzzzzzzzzzzzzzzzzzzzzzz",
                                      "prefix_0000000000000000000000000G",
                                      "PREFIX_00000000000000000000000000",
                                      "prefix-00000000000000000000000000",
                                      "prefix_0000000000000000000000000u",
                                      "prefix_0000000000000000000000000o",
                                      "prefix_0000000000000000000000000l",
                                      "prefix_0000000000000000000000000i",
                                      "prefix_000000000000-0000000000000",
                                      "prefix_ooooooiiiiiiuuuuuuulllllll",
                                      "prefiy_00000000000000000000000000",
                                      " prefix_00000000000000000000000000",
                                      "prefix_/0000000000000000000000000",
                                      "prefix_\x80"
                                      "0000000000000000000000000"}) {
    EXPECT_EQ(parse_typeid("prefix", text), std::nullopt) << text;
  }
}

TEST(TypeId, KeepsKindsApart) {
  const ProjectId project(uuid("01890a5d-ac96-774b-bcce-b302099a8057"));
  EXPECT_EQ(to_text(project), "proj_01h455vb4pex5vsknk084sn02q");
  EXPECT_EQ(parse_id<ProjectTag>(to_text(project)), project);
  EXPECT_EQ(parse_id<KeyTag>(to_text(project)), std::nullopt);
}

TEST(OrganizationText, KnowsThePlatform) {
  EXPECT_EQ(to_text(platform_organization), "org_platform");
  EXPECT_EQ(parse_organization("org_platform"), platform_organization);
  EXPECT_EQ(parse_organization("org_00000000000000000000000000"), std::nullopt);
  EXPECT_EQ(parse_organization("org_Platform"), std::nullopt);
  const OrganizationId other(uuid("01890a5d-ac96-774b-bcce-b302099a8057"));
  EXPECT_EQ(parse_organization(to_text(other)), other);
}

TEST(MakeUuid, SortsByTimeAndNeverRepeats) {
  const Time now{std::chrono::milliseconds(0x01890a5dac96)};
  std::set<Uuid> seen;
  for (int i = 0; i < 10'000; ++i) {
    const Uuid made = make_uuid(now);
    EXPECT_TRUE(seen.insert(made).second);
    EXPECT_EQ(made.bytes[6] >> 4, 7);
    EXPECT_EQ(made.bytes[8] >> 6, 2);
  }
  EXPECT_EQ(text_of(seen.begin()->bytes).substr(0, 6), "\x01\x89\x0a\x5d\xac\x96");
  EXPECT_LT(*seen.rbegin(), make_uuid(now + std::chrono::milliseconds(1)));
}

TEST(Actor, IsAKeyOrTheSystem) {
  EXPECT_EQ(to_text(Actor{}), "system");
  EXPECT_EQ(to_text(Actor{ActorKind::key, uuid("01890a5d-ac96-774b-bcce-b302099a8057")}),
            "key_01h455vb4pex5vsknk084sn02q");
}

TEST(SpaceText, IsLiveOrTest) {
  EXPECT_EQ(parse_space(to_text(Space::live)), Space::live);
  EXPECT_EQ(parse_space(to_text(Space::test)), Space::test);
  EXPECT_EQ(parse_space("Live"), std::nullopt);
}

TEST(Murmur2, IsKafkas) {
  const std::pair<std::string_view, std::int32_t> examples[] = {
      {"21", -973932308},
      {"foobar", -790332482},
      {"a-little-bit-long-string", -985981536},
      {"a-little-bit-longer-string", -1486304829},
      {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
      {"abc", 479470107},
  };
  for (const auto& [text, hash] : examples) {
    EXPECT_EQ(static_cast<std::int32_t>(murmur2(bytes_of(text))), hash) << text;
  }
}

TEST(PartitionOf, FollowsTheTextId) {
  const OrganizationId id(uuid("01890a5d-ac96-774b-bcce-b302099a8057"));
  EXPECT_EQ(partition_of(id, 64), (murmur2(bytes_of(to_text(id))) & 0x7fffffff) % 64);
  EXPECT_EQ(partition_of(id, 1), 0);
}

}  // namespace
}  // namespace schemas
