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

}  // namespace
}  // namespace manager
