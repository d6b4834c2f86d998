// Goal: the rules of secrets, whose values decide never sees in clear. Method: given-when-then on a
// World without disk.

#include <gtest/gtest.h>

#include "projections/project_parts.h"
#include "tests/support/world.h"

namespace manager {
namespace {

using projections::Secret;
using schemas::OrganizationId;

const OrganizationId acme(Uuid{{1}});

class Secrets : public testing::Test {
 protected:
  void SetUp() override {
    auto created = world.run(of(acme), CreateProject{"Web shop", {}});
    ASSERT_TRUE(created);
    project = created->subject.id;
  }

  std::string run(Command command, std::optional<Version> if_match = {}) {
    auto context = of(acme);
    context.if_match = if_match;
    auto outcome = world.run(std::move(context), std::move(command));
    if (!outcome) return std::to_string(static_cast<int>(outcome.error().code));
    std::string kinds;
    for (const auto& event : outcome->events) kinds += event.kind + " ";
    return kinds + std::to_string(to_number(outcome->events.front().version));
  }
  static std::string refused(ErrorCode code) { return std::to_string(static_cast<int>(code)); }
  /// `value@value_version/first_version`, or nothing.
  std::string row(const std::optional<std::string>& environment = {}) {
    const auto found = world.reader(acme).get<Secret>(
        world.topic("projects"), projections::secret_entity(project, environment, "TOKEN"));
    if (!found) return "";
    return found->state.sealed + "@" + std::to_string(to_number(found->state.value_version)) + "/" +
           std::to_string(to_number(found->state.first_version));
  }
  PutSecret put(std::string value, std::optional<std::string> environment = {}) {
    return {project, std::move(environment), "TOKEN", std::move(value)};
  }
  RevealSecret reveal(std::optional<std::uint64_t> version = {}) {
    return {project, {}, "TOKEN", version ? std::optional(Version{*version}) : std::nullopt};
  }

  World world;
  Uuid project;
};

TEST_F(Secrets, EveryValueIsAVersionAndEveryRevealAnEvent) {
  EXPECT_EQ(run(reveal()), refused(ErrorCode::not_found));
  EXPECT_EQ(run(put("one")), "secret 1");
  EXPECT_EQ(row(), "one@1/1");
  EXPECT_EQ(run(reveal()), "secret 2");
  EXPECT_EQ(row(), "one@1/1");
  EXPECT_EQ(run(put("two")), "secret 3");
  EXPECT_EQ(row(), "two@3/1");
  EXPECT_EQ(run(put("two")), "secret 4") << "a value is not compared, since it is sealed";
  EXPECT_EQ(run(reveal(1)), "secret 5");
  EXPECT_EQ(run(reveal(3)), "secret 6");
  EXPECT_EQ(run(reveal(2)), refused(ErrorCode::invalid_request)) << "a reveal set no value";
  EXPECT_EQ(run(reveal(7)), refused(ErrorCode::invalid_request));
  EXPECT_EQ(run(put("x"), Version{4}), refused(ErrorCode::precondition_failed));
  EXPECT_EQ(run(put("x"), Version{6}), "secret 7");
}

TEST_F(Secrets, WhatWasDeletedIsNotRevealedAgain) {
  EXPECT_EQ(run(DeleteSecret{project, {}, "TOKEN"}), refused(ErrorCode::not_found));
  EXPECT_EQ(run(put("one")), "secret 1");
  EXPECT_EQ(run(DeleteSecret{project, {}, "TOKEN"}), "secret 2");
  EXPECT_EQ(row(), "");
  EXPECT_EQ(run(reveal()), refused(ErrorCode::not_found));
  EXPECT_EQ(run(put("two")), "secret 3");
  EXPECT_EQ(row(), "two@3/3");
  EXPECT_EQ(run(reveal(1)), refused(ErrorCode::invalid_request));
  EXPECT_EQ(run(reveal(3)), "secret 4");
}

TEST_F(Secrets, OfAnEnvironmentGoWithIt) {
  EXPECT_EQ(run(put("x", "qa")), refused(ErrorCode::not_found));
  EXPECT_EQ(run(CreateEnvironment{project, "qa"}), "environment 1");
  EXPECT_EQ(run(put("project's")), "secret 1");
  EXPECT_EQ(run(put("qa's", "qa")), "secret 1");
  EXPECT_EQ(run(put("staging's", "staging")), "secret 1");
  EXPECT_EQ(run(DeleteEnvironment{project, "qa"}), "environment secret 2");
  EXPECT_EQ(row("qa"), "");
  EXPECT_EQ(row(), "project's@1/1");
  EXPECT_EQ(row("staging"), "staging's@1/1");
}

TEST_F(Secrets, OfAnArchivedProjectAreRevealedAndNotChanged) {
  EXPECT_EQ(run(put("one")), "secret 1");
  ASSERT_TRUE(world.run(of(acme), ArchiveProject{project}));
  EXPECT_EQ(run(put("two")), refused(ErrorCode::invalid_transition));
  EXPECT_EQ(run(DeleteSecret{project, {}, "TOKEN"}), refused(ErrorCode::invalid_transition));
  EXPECT_EQ(run(reveal()), "secret 2");
  ASSERT_TRUE(world.run(of(acme), RestoreProject{project}));
  EXPECT_EQ(run(put("two")), "secret 3");
  ASSERT_TRUE(world.run(of(acme), DeleteProject{project}));
  EXPECT_EQ(run(reveal()), refused(ErrorCode::not_found));
  EXPECT_EQ(run(put("three")), refused(ErrorCode::not_found));
}

TEST_F(Secrets, AreBoundedInNumberWhereTheyStand) {
  for (std::size_t i = 0; i < secrets_max; ++i) {
    ASSERT_EQ(run(PutSecret{project, "staging", "S" + std::to_string(i), "x"}), "secret 1");
  }
  EXPECT_EQ(run(PutSecret{project, "staging", "more", "x"}), refused(ErrorCode::over_quota));
  EXPECT_EQ(run(PutSecret{project, "staging", "S7", "y"}), "secret 2");
  EXPECT_EQ(run(put("x")), "secret 1");
  EXPECT_TRUE(world.run(of(acme), DeleteEnvironment{project, "staging"}));
}

}  // namespace
}  // namespace manager
