// Goal: keys sort as their parts do, no key is a prefix of another's, an organization's keys stand
// under its prefix alone, and what is parsed is what was written, for names and ids of any bytes.
// Method: tricky names and ids in all pairs.

#include "projections/row_keys.h"

#include <gtest/gtest.h>

namespace projections {
namespace {

using schemas::Time;
using schemas::Uuid;
using namespace std::string_literals;

const std::vector<std::string> names{"",
                                     "a",
                                     "ab",
                                     "a\x01"s,
                                     "a\x01"
                                     "b"s,
                                     "\x01"s,
                                     "\xff"s,
                                     "\xff\xff"s,
                                     "a\xff"s,
                                     " ",
                                     "/",
                                     "a/b"};
const std::vector<Uuid> ids{Uuid{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}, Uuid{{1}},
                            Uuid{{0xff}}, Uuid{{0, 1}},
                            Uuid{{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff}}};

KindScope scope(std::string_view kind, OrganizationId organization = OrganizationId(Uuid{{1}})) {
  return {organization, Space::live, TopicId{0x0102}, kind};
}

std::vector<Entity> entities(bool has_id) {
  std::vector<Entity> made;
  for (const auto& name : names) {
    if (!has_id) made.push_back({{}, name});
    for (const auto& id : ids) {
      if (has_id) made.push_back({id, name});
    }
  }
  return made;
}

TEST(RowKeys, AnEntityIsParsedAsItWasWritten) {
  for (bool has_id : {false, true}) {
    for (const auto& entity : entities(has_id)) {
      EXPECT_EQ(parse_entity_key(entity_key(entity), has_id), entity);
    }
  }
}

TEST(RowKeys, KeysOfOneKindSortAsTheirEntitiesAndNoneIsAPrefixOfAnother) {
  for (bool has_id : {false, true}) {
    for (const auto& a : entities(has_id)) {
      for (const auto& b : entities(has_id)) {
        EXPECT_EQ(a < b, row_key(scope("k"), a) < row_key(scope("k"), b));
        if (a == b) continue;
        EXPECT_FALSE(row_key(scope("k"), b).starts_with(row_key(scope("k"), a)));
        EXPECT_FALSE(history_key(scope("k"), b, 0, 0).starts_with(history_prefix(scope("k"), a)));
      }
    }
  }
}

TEST(RowKeys, HistoryIsNewestFirstAndWithinItsEntitysPrefix) {
  const Entity entity{{}, "a"};
  const auto prefix = history_prefix(scope("k"), entity);
  const std::vector<Offset> offsets{0, 1, 255, 256, 0xffffffff, ~Offset{0} - 1, ~Offset{0}};
  const std::vector<std::uint32_t> indexes{0, 1, 255, 256, 9999, 0xffff, 0x10000, 0xfffffffe};
  std::string newer;
  for (auto offset = offsets.rbegin(); offset != offsets.rend(); ++offset) {
    for (auto index = indexes.rbegin(); index != indexes.rend(); ++index) {
      const auto key = history_key(scope("k"), entity, *offset, *index);
      EXPECT_LT(newer, key) << *offset << "." << *index;
      EXPECT_TRUE(key.starts_with(prefix));
      EXPECT_LT(key, prefix_end(prefix));
      newer = key;
    }
  }
}

TEST(RowKeys, KindsWhoseNamesBeginAlikeAreApart) {
  EXPECT_FALSE(row_key(scope("filename"), {{}, "a"}).starts_with(kind_prefix('R', scope("file"))));
  EXPECT_GE(row_key(scope("filename"), {{}, "a"}), prefix_end(kind_prefix('R', scope("file"))));
  // A kind and an entity never flow into each other.
  EXPECT_NE(row_key(scope("ab"), {{}, "c"}), row_key(scope("a"), {{}, "bc"}));
  EXPECT_NE(unique_key(scope("k"), "ab", "c"), unique_key(scope("k"), "a", "bc"));
  EXPECT_NE(used_type_key(TopicId{1}, "ab", "c"), used_type_key(TopicId{1}, "a", "bc"));
}

TEST(RowKeys, TablesTopicsAndSpacesAreApart) {
  const Entity entity{{}, "a"};
  const auto organization = OrganizationId(Uuid{{1}});
  std::set<std::string> keys;
  std::size_t count = 0;
  for (auto space : {Space::live, Space::test}) {
    for (auto topic : {TopicId{1}, TopicId{256}, TopicId{0xffff}}) {
      const KindScope at{organization, space, topic, "k"};
      for (auto key : {row_key(at, entity), deleted_key(at, entity), history_key(at, entity, 0, 0),
                       unique_key(at, "f", "a"), record_key(organization, space, topic, 0),
                       idempotency_key(organization, space, topic, {})}) {
        keys.insert(key);
        ++count;
        EXPECT_TRUE(key.starts_with(organization_prefix(organization, space)));
      }
    }
  }
  EXPECT_EQ(keys.size(), count);
}

TEST(RowKeys, NoOrganizationsPrefixHoldsAnothersOrTheSharedKeys) {
  std::vector<OrganizationId> organizations{schemas::platform_organization};
  for (const auto& id : ids) organizations.push_back(OrganizationId(id));
  for (auto a : organizations) {
    for (auto space : {Space::live, Space::test}) {
      const auto prefix = organization_prefix(a, space);
      const auto end = prefix_end(prefix);
      EXPECT_LT(prefix, end);
      auto outside = [&](const std::string& key) { return key < prefix || key >= end; };
      for (auto b : organizations) {
        for (auto other : {Space::live, Space::test}) {
          if (a == b && space == other) continue;
          EXPECT_TRUE(outside(row_key({b, other, TopicId{1}, "k"}, {{}, "a"})));
          EXPECT_TRUE(outside(record_key(b, other, TopicId{0xffff}, ~Offset{0})));
        }
      }
      for (const auto& key :
           {access_key(std::string(32, '\0')), position_key({TopicId{1}, 2}), frozen_prefix(),
            used_type_key(TopicId{1}, "k", "t"), expiry_prefix(), positions_prefix()}) {
        EXPECT_TRUE(outside(key));
      }
    }
  }
}

TEST(RowKeys, RecordsSortByOffsetAndTheirRangeEndsBehindTheLast) {
  const auto organization = OrganizationId(Uuid{{1}});
  for (auto topic : {TopicId{1}, TopicId{0x00ff}, TopicId{0xfffe}}) {
    auto key = [&](Offset offset) { return record_key(organization, Space::live, topic, offset); };
    EXPECT_LT(key(0), key(1));
    EXPECT_LT(key(255), key(256));
    EXPECT_LT(key(~Offset{0}), prefix_end(key(~Offset{0})));
    const TopicId following{static_cast<std::uint16_t>(static_cast<std::uint16_t>(topic) + 1)};
    EXPECT_LE(prefix_end(key(~Offset{0})), record_key(organization, Space::live, following, 0));
    EXPECT_EQ(read_u64(std::string_view(key(0x0102030405060708)).substr(key(0).size() - 8)),
              0x0102030405060708u);
  }
}

TEST(RowKeys, APrefixEndsBehindEverythingThatBeginsWithIt) {
  EXPECT_EQ(prefix_end("a"), "b");
  EXPECT_EQ(prefix_end("a\xff"s), "b");
  EXPECT_EQ(prefix_end("a\xff\xff"s), "b");
  EXPECT_EQ(prefix_end("a\0"s), "a\x01"s);
  EXPECT_EQ(prefix_end("\xff"s), "");
}

TEST(RowKeys, SharedKeysAreParsedAsTheyWereWritten) {
  for (LogId log :
       {LogId{TopicId{0}, 0}, LogId{TopicId{0x00ff}, 0xff00}, LogId{TopicId{0xffff}, 63}}) {
    EXPECT_EQ(parse_position_key(position_key(log)), log);
    const auto answer = idempotency_key(OrganizationId(ids[2]), Space::test, log.topic, {});
    EXPECT_EQ(parse_idempotency_topic(answer), log.topic);
  }
  for (auto organization : {schemas::platform_organization, OrganizationId(ids[2])}) {
    const FrozenScope frozen{organization, Space::test, TopicId{0x8081}};
    EXPECT_EQ(parse_frozen_key(frozen_key(frozen)), frozen);
  }
}

TEST(RowKeys, OldAnswersSortByLogAndThenByTheTimeTheyWereRecorded) {
  auto key = [](LogId log, std::int64_t at) {
    return expiry_key(log, Time{std::chrono::milliseconds{at}}, "row");
  };
  const LogId log{TopicId{6}, 0x00ff};
  EXPECT_LT(key(log, 1), key(log, 2));
  EXPECT_LT(key(log, 255), key(log, 256));
  EXPECT_LT(key(log, 1'790'000'000'000), key(log, 1'790'000'000'001));
  EXPECT_LT(key(log, 1'790'000'000'000), key({TopicId{6}, 0x0100}, 1));
  EXPECT_EQ(idempotency_row_of(key(log, 5)), "row");
}

}  // namespace
}  // namespace projections
