// Goal: what a declared index holds follows from the rows and their history alone: whichever of
// manifest and events is folded first, however the partitions come, and wherever a crash falls; a
// list by it is the list that a walk over all rows gives, now and as of any record; unique rules
// hold in every batch. Method: random histories in a whole platform, folded again in random orders;
// rules by hand.

#include "projections/declared_indexes.h"

#include <deque>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "tests/support/world.h"

namespace manager {
namespace {

using projections::Declared;
using projections::FoundRow;
using projections::MemoryStore;
using projections::Projector;
using schemas::OrganizationId;
using schemas::Uuid;

const OrganizationId acme(Uuid{{1}});
const OrganizationId other(Uuid{{2}});

std::string manifest(std::string_view more) {
  return R"({"kinds":{"file":{"events":{"file.set":{"fold":"replace"},
      "file.changed":{"fold":"merge"},"file.gone":{"fold":"delete"}})" +
         std::string(more) + "}}}";
}
constexpr std::string_view one_index = R"(,"indexes":["/a"])";
constexpr std::string_view two_indexes = R"(,"indexes":["/a","/b"],"project":"/p")";
constexpr std::string_view unique_email = R"(,"unique":["/email",["/host","/port"]])";

class Indexes : public testing::Test {
 protected:
  Result<Outcome> declare(std::string_view more) {
    return world.run(platform(), DeclareProduct{"git", manifest(more)});
  }
  static AppendEvents::Event event(std::string entity, std::string type, std::string data = "{}") {
    return {"file", std::move(entity), "file." + std::move(type), std::move(data), {}};
  }
  Result<Outcome> write(std::vector<AppendEvents::Event> events, OrganizationId whose = acme) {
    return world.run(of(whose), AppendEvents{"git", std::move(events), {}});
  }
  std::string names(std::string_view pointer, std::vector<std::string> texts,
                    projections::ListOptions options = {}) {
    return names_of(list(acme, pointer, std::move(texts), std::move(options)));
  }
  static std::string names_of(const Reader::Page& page) {
    std::string all;
    for (const auto& row : page.rows) all += (all.empty() ? "" : " ") + row.entity.name;
    return all + (page.more ? " …" : "");
  }
  static bool has(const FoundRow& row, std::string_view pointer,
                  const std::vector<std::string>& texts) {
    auto state = schemas::json::parse(projections::decode_row<Declared>(row.bytes).state.json);
    auto value = schemas::json::resolve(state->root(), pointer);
    auto text = value ? projections::index_text(*value) : std::nullopt;
    return text && std::ranges::find(texts, *text) != texts.end();
  }
  Reader::Page list(OrganizationId whose, std::string_view pointer, std::vector<std::string> texts,
                    projections::ListOptions options, bool by_index = true) {
    options.filter = [=](const FoundRow& row) { return has(row, pointer, texts); };
    if (by_index) {
      auto& by = options.by_index.emplace_back(std::string(pointer));
      for (const auto& text : texts) by.values.push_back(projections::index_value(text));
    }
    return world.reader(whose).list(world.topic("git"), "file", false, options);
  }

  /// The hash of rows that are made of the same records, partitions mixed at random, indexes made
  /// in pieces in between.
  static std::string mixed_hash(World& of_whom, std::mt19937& random) {
    std::map<schemas::LogId, std::deque<eventstore::StoredRecord>> logs;
    for (std::size_t i = 0; i < of_whom.storage().size(); ++i) {
      auto record = *of_whom.storage().at(i);
      logs[record.log].push_back(std::move(record));
    }
    MemoryStore rows;
    projections::Progress progress;
    Projector projector(rows, progress, &of_whom.core().topics());
    struct Deaf final : eventstore::LogObserver {
      void on_durable(eventstore::Group) override {}
      void on_failure(eventstore::AppendFailure) override {}
    } deaf;
    eventstore::MemoryLog empty(deaf, eventstore::MemoryLog::Drive::manual,
                                std::make_shared<eventstore::MemoryStorage>());
    EXPECT_TRUE(projector.catch_up(empty));
    while (!logs.empty()) {
      auto log = std::next(logs.begin(), static_cast<std::ptrdiff_t>(random() % logs.size()));
      EXPECT_TRUE(projector.apply({log->second.front()}));
      log->second.pop_front();
      if (log->second.empty()) logs.erase(log);
      if (random() % 4 == 0) EXPECT_TRUE(projector.build_indexes(1 + random() % 3));
    }
    for (bool done = false; !done;) done = *projector.build_indexes(1 + random() % 3);
    return projections::state_hash(rows);
  }
  World world;
};

TEST_F(Indexes, HoldRowsByTextsNumbersAndBooleans) {
  ASSERT_TRUE(declare(one_index));
  ASSERT_TRUE(write({event("t", "set", R"({"a":"x"})"), event("n", "set", R"({"a":10})"),
                     event("s", "set", R"({"a":"10"})"), event("b", "set", R"({"a":true})"),
                     event("z", "set", R"({"a":null})"), event("l", "set", R"({"a":["x"]})"),
                     event("e", "set", R"({"a":""})"), event("m", "set", "{}")}));
  EXPECT_EQ(names("/a", {"x"}), "t");
  EXPECT_EQ(names("/a", {"10"}), "n s");
  EXPECT_EQ(names("/a", {"true"}), "b");
  EXPECT_EQ(names("/a", {""}), "e");
  EXPECT_EQ(names("/a", {"null"}), "");
  EXPECT_EQ(names("/a", {"x", "10", "true"}), "b n s t");
  const std::string strange = "a\x01" + std::string(1, '\0') + std::string(300, 'y');
  std::string json = R"({"a":"a\u0001\u0000)" + std::string(300, 'y') + R"("})";
  ASSERT_TRUE(write({event("o", "set", json)}));
  EXPECT_EQ(names("/a", {strange}), "o");
}

TEST_F(Indexes, FollowChangesAndDeletesAndStillAnswerForThePast) {
  ASSERT_TRUE(declare(one_index));
  auto first = write({event("f", "set", R"({"a":"x"})"), event("g", "set", R"({"a":"x"})")});
  ASSERT_TRUE(write({event("f", "changed", R"({"a":"y"})"), event("g", "gone")}));
  EXPECT_EQ(names("/a", {"x"}), "");
  EXPECT_EQ(names("/a", {"y"}), "f");
  EXPECT_EQ(names("/a", {"x"}, {.as_of = first->position.offset}), "f g");
  EXPECT_EQ(names("/a", {"y"}, {.as_of = first->position.offset}), "");
  ASSERT_TRUE(write({event("g", "set", R"({"a":"y"})")}));
  EXPECT_EQ(names("/a", {"y"}), "f g");
}

TEST_F(Indexes, AreMadeForRowsThatWereThereBefore) {
  ASSERT_TRUE(declare(""));
  auto first = write({event("f", "set", R"({"a":"x"})"), event("g", "set", R"({"a":"x"})")});
  ASSERT_TRUE(write({event("g", "set", R"({"a":"y"})")}));
  ASSERT_TRUE(write({event("h", "set", R"({"a":"x"})")}, other));
  ASSERT_TRUE(declare(one_index));
  EXPECT_EQ(names("/a", {"x"}), "f");
  EXPECT_EQ(names("/a", {"x"}, {.as_of = first->position.offset}), "f g");
  EXPECT_EQ(names_of(list(other, "/a", {"x"}, {})), "h");
  const auto before = world.hash();
  world.rebuild();
  world.core().tick();
  world.settle();
  EXPECT_EQ(world.hash(), before);
}

TEST_F(Indexes, StayWhileTheKindHasEvents) {
  ASSERT_TRUE(declare(two_indexes));
  ASSERT_TRUE(declare(one_index)) << "no events yet";
  ASSERT_TRUE(declare(two_indexes));
  ASSERT_TRUE(write({event("f", "set")}));
  EXPECT_EQ(declare(one_index).error().code, ErrorCode::in_use);
  EXPECT_TRUE(declare(R"(,"indexes":["/a","/b","/p","/c"])"))
      << "the project's pointer becomes an index";
}

/// What a client reads page by page is what one walk over all rows reads.
TEST_F(Indexes, PagesAreThoseOfAWalkOverAllRowsNowAndThen) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  ASSERT_TRUE(declare(""));
  std::vector<std::int64_t> offsets{-1};
  for (int i = 0; i < 150; ++i) {
    if (i == 60) ASSERT_TRUE(declare(one_index));
    std::vector<AppendEvents::Event> events;
    for (std::size_t n = 1 + random() % 3; n > 0; --n) {
      const auto name = "e" + std::to_string(random() % 30);
      const auto data = R"({"a":)" + std::to_string(random() % 3) + "}";
      events.push_back(event(name, random() % 5 == 0 ? "gone" : "set", data));
    }
    auto written = write(events);
    ASSERT_TRUE(written);
    offsets.push_back(written->position.offset);
  }
  for (int i = 0; i < 200; ++i) {
    projections::ListOptions options{.descending = random() % 2 == 0, .limit = 1 + random() % 40};
    if (random() % 3 != 0) options.as_of = offsets[random() % offsets.size()];
    std::vector<std::string> texts{std::to_string(random() % 3)};
    if (random() % 2 == 0) texts.push_back(std::to_string(random() % 4));
    for (bool more = true; more;) {
      auto walked = list(acme, "/a", texts, options, false);
      auto found = list(acme, "/a", texts, options);
      ASSERT_EQ(names_of(found), names_of(walked));
      more = found.more;
      options.after = found.last;
    }
  }
}

/// Nearly all rows have one value, few have the other.
TEST_F(Indexes, AListByTwoLooksAtWhatTheNarrowerHas) {
  ASSERT_TRUE(declare(two_indexes));
  for (int n = 0; n < 10; ++n) {
    std::vector<AppendEvents::Event> events;
    for (int i = 0; i < 100; ++i) {
      const auto data = R"({"a":"x","b":")" + std::string(i == 50 ? "y" : "z") + R"("})";
      events.push_back(event("e" + std::to_string(n * 100 + i), "set", data));
    }
    ASSERT_TRUE(write(std::move(events)));
  }
  using ByIndex = projections::ListOptions::ByIndex;
  const ByIndex wide{"/a", {projections::index_value("x")}};
  const ByIndex narrow{"/b", {projections::index_value("y")}};
  for (const auto& by_index : {std::vector{wide, narrow}, std::vector{narrow, wide}}) {
    for (auto as_of : {std::optional<std::int64_t>(), std::optional<std::int64_t>(1'000'000)}) {
      for (bool descending : {false, true}) {
        std::size_t looks = 0;
        projections::ListOptions options{.descending = descending, .limit = 7, .as_of = as_of};
        options.filter = [&](const FoundRow& row) {
          ++looks;
          return has(row, "/a", {"x"}) && has(row, "/b", {"y"});
        };
        options.by_index = by_index;
        auto page = world.reader(acme).list(world.topic("git"), "file", false, options);
        EXPECT_EQ(page.rows.size(), 7u);
        EXPECT_TRUE(page.more);
        options.after = page.last;
        page = world.reader(acme).list(world.topic("git"), "file", false, options);
        EXPECT_EQ(page.rows.size(), 3u);
        EXPECT_FALSE(page.more);
        EXPECT_LE(looks, 11u);
      }
    }
  }
}

TEST_F(Indexes, AreTheSameWhateverTheOrderInWhichPartitionsCome) {
  for (int round = 0; round < 20; ++round) {
    const auto seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    World fresh;
    auto run = [&](CommandContext context, Command command) {
      ASSERT_TRUE(fresh.run(std::move(context), std::move(command)));
    };
    // Bounded history is trimmed before, while and after an index over it is made.
    const auto bounded = [&](std::string_view indexes) {
      return manifest(std::string(indexes) + (random() % 2 == 0 ? R"(,"keep_versions":3)" : ""));
    };
    run(platform(), DeclareProduct{"git", bounded("")});
    for (int i = 0; i < 60; ++i) {
      if (i == 20) run(platform(), DeclareProduct{"git", bounded(one_index)});
      if (i == 40) run(platform(), DeclareProduct{"git", bounded(two_indexes)});
      const auto data = R"({"a":)" + std::to_string(random() % 3) + R"(,"b":"x"})";
      std::vector<AppendEvents::Event> events;
      for (auto n = 1 + random() % 5; n > 0; --n) {
        const auto other_data = R"({"a":)" + std::to_string(random() % 3) + "}";
        events.push_back(event("e" + std::to_string(random() % 4),
                               random() % 5 == 0 ? "gone" : "changed", other_data));
      }
      events.push_back(event("e" + std::to_string(random() % 5), "set", data));
      run(of(random() % 2 == 0 ? acme : other), AppendEvents{"git", std::move(events), {}});
      fresh.clock().pass(std::chrono::minutes(random() % 20));
      if (random() % 20 == 0) fresh.crash(random() % 4);
    }
    fresh.core().tick();
    fresh.settle();
    for (int i = 0; i < 5; ++i) ASSERT_EQ(mixed_hash(fresh, random), fresh.hash());
  }
}

/// Commands in flight when the manifest becomes known are folded again with its indexes.
TEST_F(Indexes, HoldWhatWasInFlightWhenTheyWereDeclared) {
  ASSERT_TRUE(declare(""));
  ASSERT_TRUE(write({event("f", "set", R"({"a":"x"})")}));
  auto declared = world.send(platform(), DeclareProduct{"git", manifest(one_index)});
  auto written = world.send(of(acme), AppendEvents{"git", {event("f", "set", R"({"a":"y"})")}, {}});
  world.settle();
  ASSERT_TRUE(declared->ok() && written->ok());
  EXPECT_EQ(names("/a", {"x"}), "");
  EXPECT_EQ(names("/a", {"y"}), "f");
}

// ---- unique rules ----

class Unique : public Indexes {
 protected:
  void SetUp() override { ASSERT_TRUE(declare(unique_email)); }
  static std::string email(std::string_view name) {
    return R"({"email":")" + std::string(name) + R"("})";
  }
};

TEST_F(Unique, AValueBelongsToOneEntityAtATime) {
  ASSERT_TRUE(write({event("a", "set", email("x"))}));
  auto taken = write({event("b", "set", email("x"))});
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::unique_taken);
  EXPECT_EQ(taken.error().fields.front().where, "/events/0/data/email");
  EXPECT_TRUE(write({event("a", "set", email("x"))})) << "its own";
  EXPECT_TRUE(write({event("b", "set", email("x"))}, other)) << "another organization's";
  ASSERT_TRUE(write({event("a", "changed", R"({"email":null})")}));
  EXPECT_TRUE(write({event("b", "set", email("x"))}));
  ASSERT_TRUE(write({event("b", "gone")}));
  EXPECT_TRUE(write({event("c", "set", email("x"))}));
  EXPECT_TRUE(write({event("d", "set"), event("e", "set")})) << "what has none is not held to it";
}

TEST_F(Unique, ABatchFreesAndTakesInOrder) {
  ASSERT_TRUE(write({event("a", "set", email("x")), event("b", "set", email("y"))}));
  EXPECT_FALSE(write({event("a", "set", email("y")), event("b", "set", email("x"))}));
  EXPECT_TRUE(
      write({event("a", "gone"), event("b", "set", email("x")), event("a", "set", email("y"))}));
  EXPECT_FALSE(write({event("c", "set", email("z")), event("d", "set", email("z"))}));
  EXPECT_TRUE(
      write({event("c", "set", email("z")), event("c", "gone"), event("d", "set", email("z"))}));
  EXPECT_FALSE(write({event("c", "set", email("q")), event("c", "set", email("x"))}));
}

TEST_F(Unique, WhatIsInFlightCounts) {
  auto one = world.send(of(acme), AppendEvents{"git", {event("a", "set", email("x"))}, {}});
  auto two = world.send(of(acme), AppendEvents{"git", {event("b", "set", email("x"))}, {}});
  world.settle();
  EXPECT_TRUE(one->ok());
  EXPECT_EQ(two->code(), ErrorCode::unique_taken);
}

TEST_F(Unique, SeveralPointersCountTogether) {
  ASSERT_TRUE(write({event("a", "set", R"({"host":"h","port":1})")}));
  EXPECT_TRUE(write({event("b", "set", R"({"host":"h","port":2})")}));
  EXPECT_TRUE(write({event("c", "set", R"({"host":"h"})"), event("d", "set", R"({"host":"h"})")}));
  auto taken = write({event("c", "changed", R"({"port":2})")});
  EXPECT_EQ(taken.error().code, ErrorCode::unique_taken);
  EXPECT_EQ(taken.error().fields.size(), 2U);
}

TEST_F(Unique, ARuleComesBeforeTheFirstEvent) {
  ASSERT_TRUE(declare("")) << "nothing has events";
  ASSERT_TRUE(write({event("a", "set", email("x"))}));
  EXPECT_EQ(declare(unique_email).error().code, ErrorCode::in_use);
  EXPECT_EQ(declare(unique_email).error().fields.front().where, "/kinds/file/unique");
}

}  // namespace
}  // namespace manager
