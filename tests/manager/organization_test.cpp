// Goal: the rules of organizations. Method: given commands, when a command, then outcome or error,
// in a World without disk.

#include <gtest/gtest.h>

#include "tests/support/world.h"

namespace manager {
namespace {

using projections::Organization;

class Organizations : public testing::Test {
 protected:
  Uuid create(std::string slug) {
    auto outcome = world.run(platform(), CreateOrganization{"Acme", std::move(slug)});
    EXPECT_TRUE(outcome) << outcome.error().detail;
    return outcome->subject.id;
  }
  Organization state(const Result<Outcome>& outcome) {
    return projections::decode_row<Organization>(outcome->row).state;
  }
  World world;
};

TEST_F(Organizations, ACreatedOneIsActiveUnderItsNameAndSlug) {
  auto outcome = world.run(platform(), CreateOrganization{"Acme", "acme"});
  ASSERT_TRUE(outcome);
  EXPECT_EQ(state(outcome).name, "Acme");
  EXPECT_EQ(state(outcome).slug, "acme");
  EXPECT_EQ(state(outcome).status, Organization::Status::active);
  EXPECT_EQ(outcome->subject.id.bytes[6] >> 4, 7) << "a UUIDv7";
  EXPECT_EQ(outcome->events.front().kind, "organization");
}

TEST_F(Organizations, ASlugIsTakenByCreationAndByChangeAndFreedByChange) {
  const auto id = create("acme");
  const auto other = create("other");
  for (const Command& command : std::initializer_list<Command>{
           CreateOrganization{"x", "acme"}, ChangeOrganization{other, {}, "acme"}}) {
    auto taken = world.run(platform(), command);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, ErrorCode::slug_taken);
    EXPECT_EQ(taken.error().fields.front().where, "/slug");
  }
  ASSERT_TRUE(world.run(platform(), ChangeOrganization{id, {}, "renamed"}));
  EXPECT_TRUE(world.run(platform(), ChangeOrganization{other, {}, "acme"}));
  EXPECT_FALSE(world.run(platform(), CreateOrganization{"x", "renamed"}));
}

TEST_F(Organizations, SlugsInFlightCountAtOnce) {
  const auto id = create("acme");
  auto renamed = world.send(platform(), ChangeOrganization{id, {}, "renamed"});
  auto takes_new = world.send(platform(), CreateOrganization{"x", "renamed"});
  auto takes_old = world.send(platform(), CreateOrganization{"x", "acme"});
  EXPECT_FALSE(takes_new->here());
  world.settle();
  EXPECT_TRUE(renamed->ok());
  EXPECT_EQ(takes_new->code(), ErrorCode::slug_taken) << "taken by a change in flight";
  EXPECT_TRUE(takes_old->ok()) << "freed by a change in flight";
}

TEST_F(Organizations, AChangeNamesOnlyWhatChanges) {
  const auto id = create("acme");
  auto unchanged = world.run(platform(), ChangeOrganization{id, "Acme", "acme"});
  ASSERT_TRUE(unchanged);
  EXPECT_TRUE(unchanged->unchanged);
  EXPECT_TRUE(unchanged->events.empty());
  EXPECT_EQ(state(unchanged).name, "Acme");
  auto named = world.run(platform(), ChangeOrganization{id, "Acme GmbH", "acme"});
  EXPECT_EQ(state(named).name, "Acme GmbH");
  EXPECT_EQ(state(named).slug, "acme");
}

TEST_F(Organizations, SuspendedAndResumedByTurns) {
  const auto id = create("acme");
  EXPECT_EQ(world.run(platform(), ResumeOrganization{id}).error().code,
            ErrorCode::invalid_transition);
  auto suspended = world.run(platform(), SuspendOrganization{id});
  EXPECT_EQ(state(suspended).status, Organization::Status::suspended);
  EXPECT_EQ(world.run(platform(), SuspendOrganization{id}).error().code,
            ErrorCode::invalid_transition);
  EXPECT_TRUE(world.run(platform(), ChangeOrganization{id, "b", {}}))
      << "the platform may still rename it";
  auto resumed = world.run(platform(), ResumeOrganization{id});
  EXPECT_EQ(state(resumed).status, Organization::Status::active);
}

TEST_F(Organizations, AnUnknownOneIsNotFoundAndAWrongVersionIsTold) {
  const Uuid unknown{{9}};
  for (const Command& command : std::initializer_list<Command>{
           ChangeOrganization{unknown, "n", {}}, SuspendOrganization{unknown},
           ResumeOrganization{unknown}, ChangeOrganization{Uuid{}, "n", {}}}) {
    EXPECT_EQ(world.run(platform(), command).error().code, ErrorCode::not_found);
  }
  const auto id = create("acme");
  auto refused = world.run(if_match(platform(), 7), SuspendOrganization{id});
  EXPECT_EQ(refused.error().code, ErrorCode::precondition_failed);
  EXPECT_TRUE(world.run(if_match(platform(), 1), SuspendOrganization{id}));
}

TEST_F(Organizations, TheyAreThePlatformsRowsAndNobodyElses) {
  const auto id = create("acme");
  const schemas::OrganizationId itself(id);
  const auto topic = world.topic("identity");
  EXPECT_TRUE(world.reader(schemas::platform_organization).get<Organization>(topic, {id, {}}));
  EXPECT_FALSE(world.reader(itself).get<Organization>(topic, {id, {}}));
  EXPECT_FALSE(
      world.reader(schemas::platform_organization, Space::test).get<Organization>(topic, {id, {}}));
}

}  // namespace
}  // namespace manager
