// Goal: rows under changes read as if the changes were written. Method: random rows, random
// changes, every way of reading, against one map that has them all.

#include "projections/layered_rows.h"

#include <random>

#include <gtest/gtest.h>

#include "projections/memory_store.h"

namespace projections {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs read(const RowReader& rows, const std::string& from, const std::string& to, std::size_t limit,
           bool back) {
  Pairs found;
  auto visit = [&](std::string_view key, std::string_view row) {
    found.emplace_back(key, row);
    return found.size() < limit;
  };
  back ? rows.scan_back(from, to, visit) : rows.scan(from, to, visit);
  return found;
}

TEST(LayeredRows, ReadAsIfTheChangesWereWritten) {
  for (std::uint32_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    auto key = [&] {
      std::string made;
      for (auto size = random() % 3; size < 3; ++size) {
        made.push_back(static_cast<char>("a\xff\x01"[random() % 3]));
      }
      return made;
    };
    MemoryStore below;
    MemoryStore together;
    WriteSet under;
    for (auto i = random() % 12; i > 0; --i) under[key()] = std::to_string(random() % 100);
    WriteSet over;
    for (auto i = random() % 12; i > 0; --i) {
      over[key()] = random() % 3 == 0 ? std::nullopt : std::optional(std::to_string(random()));
    }
    ASSERT_TRUE(below.write(under));
    ASSERT_TRUE(together.write(under));
    ASSERT_TRUE(together.write(over));
    const LayeredRows layered(below, over);
    for (int i = 0; i < 20; ++i) {
      const auto one = key();
      EXPECT_EQ(layered.get(one), together.get(one));
      auto from = key();
      auto to = key();
      if (to < from) std::swap(from, to);
      const std::size_t limit = 1 + random() % 6;
      for (bool back : {false, true}) {
        EXPECT_EQ(read(layered, from, to, limit, back), read(together, from, to, limit, back));
      }
    }
  }
}

TEST(LayeredRows, LayersStandOnLayers) {
  MemoryStore below;
  ASSERT_TRUE(below.write({{"a", "1"}, {"b", "1"}, {"c", "1"}}));
  const WriteSet middle{{"a", std::nullopt}, {"b", "2"}, {"d", "2"}};
  const LayeredRows first(below, middle);
  const WriteSet top{{"a", "3"}, {"d", std::nullopt}};
  const LayeredRows second(first, top);
  EXPECT_EQ(read(second, "a", "z", 9, false), (Pairs{{"a", "3"}, {"b", "2"}, {"c", "1"}}));
  EXPECT_EQ(read(second, "a", "z", 9, true), (Pairs{{"c", "1"}, {"b", "2"}, {"a", "3"}}));
}

TEST(LayeredRows, AVisitThatStopsIsNotCalledAgain) {
  MemoryStore below;
  ASSERT_TRUE(below.write({{"b", "1"}, {"d", "1"}}));
  const WriteSet over{{"a", "2"}, {"c", "2"}, {"e", "2"}};
  const LayeredRows rows(below, over);
  for (std::size_t limit = 1; limit <= 5; ++limit) {
    EXPECT_EQ(read(rows, "a", "z", limit, false).size(), limit);
    EXPECT_EQ(read(rows, "a", "z", limit, true).size(), limit);
  }
}

}  // namespace
}  // namespace projections
