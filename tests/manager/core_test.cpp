// Goal: what the core does when it starts: founding a log, also one whose founding was cut off, and
// refusing rows and logs that do not belong together. Method: a World whose storage is cut at every
// place.

#include <gtest/gtest.h>

#include "tests/support/world.h"

namespace manager {
namespace {

using schemas::OrganizationId;

const OrganizationId acme(schemas::Uuid{{1}});

TEST(Core, AFoundingThatWasCutOffAnywhereIsFinishedByTheNextStart) {
  const auto whole = World().log().durable_end(eventstore::log_partition);
  for (schemas::Offset kept = 0; kept < whole; ++kept) {
    World world;
    auto restarted = world.restart([&] {
      world.storage().lose_tail(eventstore::log_partition, kept);
      world.rows().crash();
    });
    ASSERT_TRUE(restarted) << "with " << kept << " records: " << restarted.error().detail;
    EXPECT_EQ(world.core().topics().all().size(), std::size(eventstore::built_in_products));
    EXPECT_EQ(world.core().topics().partition_count(), 4);
    auto created = world.run(of(acme), CreateProject{"a", {}});
    EXPECT_TRUE(created) << "with " << kept << " records";
  }
}

TEST(Core, ALogThatLostItsIdentityIsNotFoundedAnew) {
  for (const auto kept : {0, 2}) {
    World world;
    ASSERT_TRUE(world.run(of(acme), CreateProject{"a", {}}));
    auto restarted = world.restart([&] {
      world.storage().lose_tail(eventstore::log_partition, kept);
      world.rows().crash();
    });
    ASSERT_FALSE(restarted) << "with " << kept << " records of tm.log";
    EXPECT_NE(restarted.error().detail.find("tm.log"), std::string::npos);
  }
}

TEST(Core, AnIdentityStaysTheLogsForEver) {
  World world;
  const auto id = world.core().topics().log_id();
  world.crash();
  EXPECT_EQ(world.core().topics().log_id(), id);
  EXPECT_NE(World().core().topics().log_id(), id);
}

/// Rows made beside those that serve take their place while commands are in flight.
TEST(Core, GoesOnWithRowsThatWereMadeBeside) {
  World world;
  ASSERT_TRUE(world.run(of(acme), CreateProject{"a", {}}));
  for (int round = 0; round < 3; ++round) {
    std::vector<ReplyPtr> replies;
    for (int i = 0; i < 5; ++i) replies.push_back(world.send(of(acme), CreateProject{"same", {}}));
    projections::MemoryStore next;
    projections::Progress nobody_waits;
    auto& core = world.core();
    projections::Projector::Ends ends;
    for (const auto log : world.log().partitions()) ends[log] = core.progress().applied_end(log);
    auto folded =
        projections::Projector(next, nobody_waits, &core.topics()).catch_up(world.log(), {}, ends);
    ASSERT_TRUE(folded) << folded.error().detail;
    EXPECT_EQ(projections::state_hash(next), world.hash());
    ASSERT_TRUE(projections::can_replace(world.rows(), next));
    world.rows().swap_with(next);
    core.go_on_with_other_rows();
    world.settle();
    for (const auto& reply : replies) EXPECT_TRUE(reply->ok());
    ASSERT_TRUE(world.run(of(acme), CreateProject{"after", {}}));
    const auto hash = world.hash();
    world.rebuild();
    EXPECT_EQ(world.hash(), hash);
  }
  auto page = world.reader(acme).list(world.topic("projects"), "project", true, {.limit = 100});
  EXPECT_EQ(page.rows.size(), 19U);
}

/// Rows that follow others never run ahead of them, whatever the log has already.
TEST(Core, RowsMadeBesideGoNoFurtherThanAsked) {
  World world;
  const auto projects =
      world.core().topics().log_of(world.topic(eventstore::projects_product), acme);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(world.run(of(acme), CreateProject{"a", {}}));
  projections::MemoryStore next;
  projections::Progress nobody_waits;
  projections::Projector follower(next, nobody_waits, &world.core().topics());
  projections::Projector::Ends ends;
  for (const auto log : world.log().partitions()) ends[log] = world.log().durable_end(log);
  ends[projects] = 0;
  ASSERT_TRUE(follower.catch_up(world.log(), {}, ends));
  EXPECT_EQ(projections::folded_of(next, projects).next_offset, 0);
  for (schemas::Offset end = 0; end <= world.log().durable_end(projects); ++end) {
    EXPECT_FALSE(projections::can_replace(world.rows(), next));
    ends[projects] = end;
    ASSERT_TRUE(follower.follow(world.log(), ends));
    EXPECT_EQ(projections::folded_of(next, projects).next_offset, end);
  }
  EXPECT_TRUE(projections::can_replace(world.rows(), next));
}

}  // namespace
}  // namespace manager
