// Goal: the rules of projects, and what the handler adds to every command: versions, conditions,
// idempotency, order of answers, nothing before it is durable. Method: a World without disk; the
// test says when the log commits.

#include <gtest/gtest.h>

#include "tests/support/world.h"

namespace manager {
namespace {

using projections::Project;
using schemas::OrganizationId;

const OrganizationId acme(schemas::Uuid{{1}});
const OrganizationId other(schemas::Uuid{{2}});

Project project_of(const Outcome& outcome) {
  return projections::decode_row<Project>(outcome.row).state;
}
std::uint64_t version_of(const Outcome& outcome) {
  return to_number(projections::decode_head(outcome.row, nullptr).version);
}

class Projects : public testing::Test {
 protected:
  Uuid create(std::string name, std::optional<std::string> slug = {}) {
    auto outcome = world.run(of(acme), CreateProject{std::move(name), std::move(slug)});
    EXPECT_TRUE(outcome) << outcome.error().detail;
    return outcome->subject.id;
  }
  World world;
};

TEST_F(Projects, ACreatedProjectHasVersionOneAndASlugMadeFromItsName) {
  auto outcome = world.run(of(acme), CreateProject{"Web shop!", {}});
  ASSERT_TRUE(outcome);
  EXPECT_EQ(project_of(*outcome).slug, "web-shop");
  EXPECT_EQ(version_of(*outcome), 1u);
  EXPECT_EQ(outcome->events.size(), 1u);
}

TEST_F(Projects, AMadeSlugGetsASuffixWhenItIsTakenAGivenOneIsRefused) {
  create("Web shop");
  auto second = world.run(of(acme), CreateProject{"Web shop", {}});
  ASSERT_TRUE(second);
  EXPECT_EQ(project_of(*second).slug, "web-shop-2");
  auto third = world.run(of(acme), CreateProject{"x", "web-shop"});
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, ErrorCode::slug_taken);
}

TEST_F(Projects, SlugsAreUniquePerOrganizationAndSpaceOnly) {
  create("a", "a");
  EXPECT_TRUE(world.run(of(other), CreateProject{"a", "a"}));
  EXPECT_TRUE(world.run(of(acme, Space::test), CreateProject{"a", "a"}));
}

TEST_F(Projects, ADeletedProjectsSlugIsFreeAgain) {
  auto id = create("a", "a");
  auto deleted = world.run(of(acme), DeleteProject{id});
  ASSERT_TRUE(deleted);
  EXPECT_TRUE(deleted->row.empty());
  EXPECT_FALSE(world.reader(acme).get<Project>(world.topic("projects"), {id, {}}));
  EXPECT_TRUE(world.run(of(acme), CreateProject{"a", "a"}));
  EXPECT_EQ(world.run(of(acme), DeleteProject{id}).error().code, ErrorCode::not_found);
}

TEST_F(Projects, ArchivedIsReadOnlyUntilRestored) {
  auto id = create("a");
  ASSERT_TRUE(world.run(of(acme), ArchiveProject{id}));
  EXPECT_EQ(world.run(of(acme), ChangeProject{id, "b", {}}).error().code,
            ErrorCode::invalid_transition);
  EXPECT_EQ(world.run(of(acme), ArchiveProject{id}).error().code, ErrorCode::invalid_transition);
  ASSERT_TRUE(world.run(of(acme), RestoreProject{id}));
  auto changed = world.run(of(acme), ChangeProject{id, "b", {}});
  ASSERT_TRUE(changed);
  EXPECT_EQ(version_of(*changed), 4u);
}

TEST_F(Projects, AChangeThatChangesNothingWritesNothing) {
  auto id = create("a", "a");
  auto size = world.log().durable_end(world.core().topics().log_of(world.topic("projects"), acme));
  auto outcome = world.run(of(acme), ChangeProject{id, "a", "a"});
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->unchanged);
  EXPECT_EQ(version_of(*outcome), 1u);
  EXPECT_EQ(size,
            world.log().durable_end(world.core().topics().log_of(world.topic("projects"), acme)));
}

TEST_F(Projects, IfMatchOnAnotherVersionIsRefusedWithTheCurrentOne) {
  auto id = create("a");
  auto refused = world.run(if_match(of(acme), 2), ChangeProject{id, "b", {}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::precondition_failed);
  EXPECT_EQ(refused.error().members.front().second, "1");
  EXPECT_TRUE(world.run(if_match(of(acme), 1), ChangeProject{id, "b", {}}));
}

TEST_F(Projects, NothingIsAnsweredOrShownBeforeItIsDurable) {
  create("first");
  auto reply = world.send(of(acme), CreateProject{"a", "a"});
  EXPECT_FALSE(reply->here());
  EXPECT_FALSE(world.reader(acme).unique(world.topic("projects"), "project", "slug", "a"));
  world.settle();
  EXPECT_TRUE(reply->ok());
}

TEST_F(Projects, ARefusalWaitsForWhatItWasDecidedOn) {
  create("first");
  auto winner = world.send(of(acme), CreateProject{"a", "a"});
  auto loser = world.send(of(acme), CreateProject{"b", "a"});
  EXPECT_FALSE(loser->here()) << "a 409 about an unsynced event is a dirty read";
  world.settle();
  EXPECT_TRUE(winner->ok());
  EXPECT_EQ(loser->code(), ErrorCode::slug_taken);
}

TEST_F(Projects, TheNextCommandIsDecidedOnTopOfOneThatStillSyncs) {
  auto id = create("a");
  auto one = world.send(of(acme), ChangeProject{id, "b", {}});
  auto two = world.send(of(acme), ChangeProject{id, "c", {}});
  world.settle();
  EXPECT_EQ(version_of(one->outcome()), 2u);
  EXPECT_EQ(version_of(two->outcome()), 3u);
  EXPECT_EQ(project_of(two->outcome()).name, "c");
}

TEST_F(Projects, TheSameKeyAndRequestGetTheFirstAnswer) {
  auto first = world.run(with_key(of(acme), "k"), CreateProject{"a", {}});
  auto again = world.run(with_key(of(acme), "k"), CreateProject{"a", {}});
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(again->subject, first->subject);
  EXPECT_EQ(again->row, first->row);
  EXPECT_EQ(again->position, first->position);
}

TEST_F(Projects, ARepetitionAnswersTheFirstStateEvenWhenThingsWentOn) {
  auto first = world.run(with_key(of(acme), "k"), CreateProject{"a", {}});
  ASSERT_TRUE(world.run(of(acme), ChangeProject{first->subject.id, "b", {}}));
  auto again = world.run(with_key(of(acme), "k"), CreateProject{"a", {}});
  EXPECT_EQ(project_of(*again).name, "a");
}

TEST_F(Projects, ARepetitionWhileTheFirstSyncsWaitsForIt) {
  create("first");
  auto first = world.send(with_key(of(acme), "k"), CreateProject{"a", {}});
  auto again = world.send(with_key(of(acme), "k"), CreateProject{"a", {}});
  EXPECT_FALSE(again->here());
  world.settle();
  EXPECT_EQ(first->outcome().subject, again->outcome().subject);
}

TEST_F(Projects, TheSameKeyWithAnotherRequestIsRefused) {
  ASSERT_TRUE(world.run(with_key(of(acme), "k", "one"), CreateProject{"a", {}}));
  auto reused = world.run(with_key(of(acme), "k", "two"), CreateProject{"b", {}});
  ASSERT_FALSE(reused);
  EXPECT_EQ(reused.error().code, ErrorCode::idempotency_key_reused);
  EXPECT_TRUE(world.run(with_key(of(other), "k", "two"), CreateProject{"b", {}}));
  EXPECT_TRUE(world.run(with_key(of(acme, Space::test), "k", "two"), CreateProject{"b", {}}));
}

TEST_F(Projects, AKeyIsForgottenAfterADayOfLogTime) {
  ASSERT_TRUE(world.run(with_key(of(acme), "k"), CreateProject{"a", {}}));
  world.clock().pass(std::chrono::hours{25});
  auto again = world.run(with_key(of(acme), "k", "other"), CreateProject{"b", {}});
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_FALSE(again->replayed);
}

TEST_F(Projects, ARefusalIsNotRemembered) {
  create("a", "a");
  EXPECT_FALSE(world.run(with_key(of(acme), "k"), CreateProject{"b", "a"}));
  EXPECT_TRUE(world.run(with_key(of(acme), "k"), CreateProject{"b", "b"}));
}

TEST_F(Projects, ARefusedWriteLeavesNothingAndTheNextGoesOn) {
  create("first");
  auto full = world.send(of(acme), CreateProject{"a", "a"});
  auto behind = world.send(of(acme), CreateProject{"b", "a"});
  world.log().refuse_next({ErrorCode::disk_full, "no space", {}, {}});
  world.settle();
  EXPECT_EQ(full->code(), ErrorCode::disk_full);
  EXPECT_EQ(behind->code(), ErrorCode::disk_full) << "it was decided on what was never written";
  auto again = world.run(of(acme), CreateProject{"a", "a"});
  ASSERT_TRUE(again) << again.error().detail;
  world.rebuild();
  EXPECT_EQ(world.reader(acme).list(world.topic("projects"), "project", true, {}).rows.size(), 2u);
}

TEST_F(Projects, AnUnknownOutcomeIsSettledByItsKeyAfterReopening) {
  for (std::size_t kept : {0u, 1u}) {
    World fresh;
    ASSERT_TRUE(fresh.run(of(acme), CreateProject{"first", {}}));
    auto reply = fresh.send(with_key(of(acme), "k"), CreateProject{"a", "a"});
    fresh.log().lose_next_outcome(kept);
    fresh.settle();
    ASSERT_TRUE(reply->here());
    EXPECT_FALSE(reply->ok());
    EXPECT_FALSE(fresh.run(of(acme), CreateProject{"z", {}})) << "read-only";
    fresh.crash();
    auto again = fresh.run(with_key(of(acme), "k"), CreateProject{"a", "a"});
    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(again->replayed, kept == 1);
  }
}

TEST_F(Projects, RowsAfterACrashAndAfterARebuildAreTheSame) {
  for (int i = 0; i < 20; ++i) {
    auto id = create("p" + std::to_string(i));
    if (i % 3 == 0)
      ASSERT_TRUE(world.run(with_key(of(acme), std::to_string(i)), DeleteProject{id}));
  }
  auto before = world.hash();
  world.crash(5);
  EXPECT_EQ(world.hash(), before);
  world.rebuild();
  EXPECT_EQ(world.hash(), before);
}

TEST_F(Projects, AClockThatJumpsIsRefusedAndRecordedTimeNeverFalls) {
  auto first = world.run(of(acme), CreateProject{"a", {}});
  world.clock().jump(std::chrono::minutes{-2});
  auto refused = world.run(of(acme), CreateProject{"b", {}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::clock_jump);
  world.clock().jump(std::chrono::minutes{2} - std::chrono::seconds{5});
  auto second = world.run(of(acme), CreateProject{"b", {}});
  ASSERT_TRUE(second);
  EXPECT_GE(second->recorded, first->recorded);
}

}  // namespace
}  // namespace manager
