// Goal: bounded history answers as unbounded history does, or says that it cannot: one entity as of
// any moment, lists as of what is kept, events always; and what is kept is what the manifest says.
// Method: the same random commands to two kinds of which one is bounded; bounds by hand.

#include "projections/trimming.h"

#include <random>

#include <gtest/gtest.h>

#include "tests/support/world.h"

namespace manager {
namespace {

using projections::Declared;
using schemas::Entity;
using schemas::OrganizationId;

const OrganizationId acme(Uuid{{1}});

std::string kind_json(std::string_view name, std::string_view more) {
  const std::string k(name);
  return "\"" + k + R"(":{"events":{")" + k + R"(.set":{"fold":"replace"},")" + k +
         R"(.changed":{"fold":"merge"},")" + k + R"(.gone":{"fold":"delete"}},"indexes":["/a"])" +
         std::string(more) + "}";
}

class Trimming : public testing::Test {
 protected:
  void declare(std::string_view bounds) {
    const auto json =
        R"({"kinds":{)" + kind_json("all", "") + "," + kind_json("cut", bounds) + "}}";
    ASSERT_TRUE(world.run(platform(), DeclareProduct{"git", json}));
  }
  /// The same to an entity of either kind, in one record, so many times.
  void write(const std::string& entity, std::string_view what, const std::string& data,
             std::size_t times = 1) {
    std::vector<AppendEvents::Event> events;
    for (std::size_t i = 0; i < times; ++i) {
      for (const std::string kind : {"all", "cut"}) {
        events.push_back({kind, entity, kind + "." + std::string(what), data, {}});
      }
    }
    auto written = world.run(of(acme), AppendEvents{"git", std::move(events), {}});
    ASSERT_TRUE(written);
    last = written->position.offset;
    world.clock().pass(std::chrono::minutes(20));
  }
  projections::KindScope scope(std::string_view kind) {
    return {acme, Space::live, world.topic("git"), kind};
  }
  /// As of the record at `offset`: its state and head as text, or "none".
  std::string as_of(std::string_view kind, const std::string& entity, std::int64_t offset) {
    auto row = world.reader(acme).find_as_of(world.topic("git"), kind, {{}, entity}, offset);
    if (!row) return "none";
    if (projections::decode_head(*row, nullptr).trimmed) {
      ++restored;
      auto whole = projections::restore(world.rows(), world.log(),
                                        world.core().topics().log_of(world.topic("git"), acme),
                                        scope(kind), {{}, entity}, *row);
      if (!whole) return whole.error().detail;
      row = std::move(*whole);
    }
    auto [head, state] = projections::decode_row<Declared>(*row);
    return state.json + "@" + std::to_string(to_number(head.version)) + " " +
           std::to_string(head.created_at.time_since_epoch().count()) + " " +
           std::to_string(head.updated_at.time_since_epoch().count());
  }
  std::string list(std::string_view kind, std::optional<std::string> a, std::int64_t offset) {
    projections::ListOptions options{.limit = 1000, .as_of = offset};
    if (a) {
      options.by_index.push_back({"/a", {projections::index_value(*a)}});
      options.filter = [&](const projections::FoundRow& row) {
        auto state = schemas::json::parse(projections::decode_row<Declared>(row.bytes).state.json);
        auto value = schemas::json::resolve(state->root(), "/a");
        return value && projections::index_text(*value) == a;
      };
    }
    std::string all;
    for (const auto& row : world.reader(acme).list(world.topic("git"), kind, false, options).rows) {
      all += row.entity.name + "=" + projections::decode_row<Declared>(row.bytes).state.json + " ";
    }
    return all;
  }
  std::size_t with_state(const std::string& entity) {
    const auto prefix = projections::history_prefix(scope("cut"), {{}, entity});
    std::size_t count = 0;
    world.rows().scan(prefix, projections::prefix_end(prefix), [&](auto, std::string_view row) {
      std::string_view state;
      const auto head = projections::decode_head(row, &state);
      EXPECT_EQ(state.empty(), head.trimmed || head.deleted);
      count += !state.empty();
      return true;
    });
    return count;
  }
  projections::Offset kept_from() { return projections::kept_from(world.rows(), scope("cut")); }

  World world;
  std::int64_t last = -1;
  std::size_t restored = 0;
};

TEST_F(Trimming, LetsTheLastQuarterOfAnHourBeSoThatPagesGoOn) {
  declare(R"(,"keep_versions":1)");
  for (int i = 1; i <= 10; ++i) {
    write("f", "set", R"({"n":1})");
    world.clock().pass(std::chrono::minutes(-10));  // of twenty
  }
  EXPECT_EQ(with_state("f"), 3U);
  world.clock().pass(std::chrono::minutes(10));
  write("f", "set", R"({"n":1})");
  EXPECT_EQ(with_state("f"), 2U);
}

TEST_F(Trimming, KeepsSoManyVersions) {
  declare(R"(,"keep_versions":3)");
  for (int i = 1; i <= 10; ++i) {
    write("f", "set", R"({"n":)" + std::to_string(i) + "}");
    EXPECT_EQ(with_state("f"), static_cast<std::size_t>(std::min(i, 3)));
  }
  EXPECT_EQ(kept_from(), 8U) << "of version 8; offset 0 is the claim";
  EXPECT_EQ(world.reader(acme).events_of(world.topic("git"), "cut", {{}, "f"}, {}).size(), 10U);
  write("g", "set", "{}");
  EXPECT_EQ(kept_from(), 8U);
}

TEST_F(Trimming, KeepsWhatWasTheNewestUntilThen) {
  declare(R"(,"keep_age":"1h")");
  for (int i = 1; i <= 4; ++i) write("f", "set", R"({"n":)" + std::to_string(i) + "}");
  EXPECT_EQ(with_state("f"), 4U) << "the first one was the newest 40 minutes ago";
  write("f", "changed", R"({"m":1})");
  EXPECT_EQ(with_state("f"), 5U) << "an hour ago, not longer";
  write("f", "changed", R"({"m":2})");
  EXPECT_EQ(with_state("f"), 5U);
  EXPECT_EQ(as_of("cut", "f", 1), as_of("all", "f", 1));
  EXPECT_EQ(restored, 1U);
}

TEST_F(Trimming, ABoundThatComesLaterIsReachedStepByStep) {
  declare("");
  for (int i = 0; i < 2'000; ++i) write("f", "changed", R"({"n":)" + std::to_string(i) + "}");
  EXPECT_EQ(with_state("f"), 2'000U);
  declare(R"(,"keep_versions":1)");
  write("f", "changed", R"({"m":1})");
  EXPECT_EQ(with_state("f"), 2'001 - projections::TrimAllowance{}.rows);
  for (int i = 0; i < 3; ++i) write("f", "changed", R"({"m":1})");
  EXPECT_EQ(with_state("f"), 2U) << "and what was the newest until just now";
  EXPECT_EQ(as_of("cut", "f", 100), as_of("all", "f", 100));
  declare("");
  for (int i = 0; i < 5; ++i) write("f", "set", "{}");
  EXPECT_EQ(with_state("f"), 7U) << "bounds are the events' own";
}

TEST_F(Trimming, AnswersAsUnboundedHistoryDoes) {
  for (int round = 0; round < 20; ++round) {
    const auto seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const std::vector<std::string> bounds{R"(,"keep_versions":1)", R"(,"keep_versions":4)",
                                          R"(,"keep_age":"1h")",
                                          R"(,"keep_versions":3,"keep_age":"2h")", ""};
    std::size_t refused = 0;
    for (int i = 0; i < 150; ++i) {
      if (i % 50 == 0) declare(bounds[random() % bounds.size()]);
      const auto what = random() % 6;
      write("e" + std::to_string(random() % 4) + std::to_string(round),
            what == 0  ? "gone"
            : what < 3 ? "set"
                       : "changed",
            R"({"a":)" + std::to_string(random() % 3) + R"(,"b)" + std::to_string(random() % 3) +
                R"(":)" + std::to_string(i) + "}",
            1 + random() % 3);
      world.clock().pass(std::chrono::minutes(random() % 10));
      if (random() % 50 == 0) world.crash(random() % 4);
    }
    for (std::int64_t offset = 0; offset <= last; ++offset) {
      for (int e = 0; e < 4; ++e) {
        const auto entity = "e" + std::to_string(e) + std::to_string(round);
        ASSERT_EQ(as_of("cut", entity, offset), as_of("all", entity, offset)) << offset;
      }
      if (offset < static_cast<std::int64_t>(kept_from())) {
        ++refused;
        continue;
      }
      ASSERT_EQ(list("cut", {}, offset), list("all", {}, offset)) << offset;
      for (const std::string a : {"0", "1", "2"}) {
        ASSERT_EQ(list("cut", a, offset), list("all", a, offset)) << offset;
      }
    }
    if (round == 19) {
      EXPECT_GT(restored, 100U);
      EXPECT_GT(refused, 100U);
    }
    const auto hash = world.hash();
    if (round == 19) {
      world.rebuild();
      EXPECT_EQ(world.hash(), hash);
    }
  }
}

}  // namespace
}  // namespace manager
