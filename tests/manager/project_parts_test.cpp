// Goal: the rules of what belongs to a project. Method: given-when-then on a World without disk.

#include "projections/project_parts.h"

#include <map>

#include <gtest/gtest.h>

#include "tests/support/world.h"

namespace manager {
namespace {

using projections::Environment;
using projections::Member;
using projections::Settings;
using schemas::OrganizationId;
using schemas::Role;

const OrganizationId acme(Uuid{{1}});

std::string name_of(ErrorCode code) {
  static const std::map<ErrorCode, std::string> names{
      {ErrorCode::slug_taken, "slug-taken"},
      {ErrorCode::not_found, "not-found"},
      {ErrorCode::precondition_failed, "precondition-failed"},
      {ErrorCode::invalid_request, "invalid-request"},
      {ErrorCode::last_owner, "last-owner"},
      {ErrorCode::invalid_transition, "invalid-transition"}};
  return names.at(code);
}

class ProjectParts : public testing::Test {
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
    if (!outcome) return name_of(outcome.error().code);
    if (outcome->unchanged) return "unchanged";
    std::string types;
    for (const auto& event : outcome->events) types += (types.empty() ? "" : " ") + event.kind;
    return types + " " + std::to_string(to_number(outcome->events.front().version));
  }
  Entity environment(const char* name) { return projections::environment_entity(project, name); }

  template <typename State>
  std::optional<projections::Row<State>> row(const Entity& entity) {
    return world.reader(acme).get<State>(world.topic("projects"), entity);
  }
  std::string settings(std::optional<std::string> of_environment = {}) {
    const auto found = row<Settings>(projections::settings_entity(project, of_environment));
    return found ? found->state.json : "";
  }

  World world;
  Uuid project;
};

TEST_F(ProjectParts, ThreeEnvironmentsAreThereFromTheStart) {
  for (const auto name : projections::first_environments) {
    const auto found = row<Environment>(projections::environment_entity(project, name));
    ASSERT_TRUE(found) << name;
    EXPECT_EQ(found->head.version, Version{1});
  }
}

TEST_F(ProjectParts, AnEnvironmentIsMadeOnceAndGoesOnWithItsVersionsWhenMadeAgain) {
  EXPECT_EQ(run(CreateEnvironment{project, "qa"}), "environment 1");
  EXPECT_EQ(run(CreateEnvironment{project, "qa"}), "slug-taken");
  EXPECT_EQ(run(CreateEnvironment{project, "staging"}), "slug-taken");
  EXPECT_EQ(run(DeleteEnvironment{project, "staging"}, Version{7}), "precondition-failed");
  EXPECT_EQ(run(DeleteEnvironment{project, "staging"}, Version{1}), "environment 2");
  EXPECT_EQ(run(DeleteEnvironment{project, "staging"}), "not-found");
  EXPECT_FALSE(row<Environment>(environment("staging")));
  EXPECT_EQ(run(CreateEnvironment{project, "staging"}), "environment 3");
}

TEST_F(ProjectParts, SettingsMergeAndHaveALimit) {
  EXPECT_EQ(run(ChangeSettings{project, {}, "{}"}), "unchanged");
  EXPECT_EQ(run(ChangeSettings{project, {}, R"({"theme":"dark","limits":{"a":1,"b":2}})"}),
            "settings 1");
  EXPECT_EQ(run(ChangeSettings{project, {}, R"({"theme":"dark"})"}), "unchanged");
  EXPECT_EQ(run(ChangeSettings{project, {}, R"({"theme":null,"limits":{"a":3}})"}), "settings 2");
  EXPECT_EQ(settings(), R"({"limits":{"a":3,"b":2}})");
  const std::string large(settings_bytes_max, 'x');
  EXPECT_EQ(run(ChangeSettings{project, {}, R"({"l":")" + large + R"("})"}), "invalid-request");
  EXPECT_EQ(run(ChangeSettings{project, {}, "[]"}), "invalid-request");
  EXPECT_EQ(run(ChangeSettings{project, {}, R"({"a":1})"}, Version{1}), "precondition-failed");
}

TEST_F(ProjectParts, AnEnvironmentsSettingsGoWithIt) {
  EXPECT_EQ(run(ChangeSettings{project, "qa", R"({"a":1})"}), "not-found");
  EXPECT_EQ(run(CreateEnvironment{project, "qa"}), "environment 1");
  EXPECT_EQ(run(ChangeSettings{project, "qa", R"({"a":1,"b":{"c":2}})"}), "settings 1");
  EXPECT_EQ(settings("qa"), R"({"a":1,"b":{"c":2}})");
  EXPECT_EQ(settings(), "");
  EXPECT_EQ(run(DeleteEnvironment{project, "qa"}), "environment settings 2");
  EXPECT_EQ(run(CreateEnvironment{project, "qa"}), "environment 3");
  EXPECT_EQ(settings("qa"), "{}");
}

TEST_F(ProjectParts, TheLastOwnerIsNeitherRemovedNorLowered) {
  EXPECT_EQ(run(RemoveMember{project, "ann"}), "not-found");
  EXPECT_EQ(run(PutMember{project, "ann", Role::owner}), "member 1");
  EXPECT_EQ(run(PutMember{project, "ann", Role::owner}), "unchanged");
  EXPECT_EQ(run(PutMember{project, "ann", Role::admin}), "last-owner");
  EXPECT_EQ(run(RemoveMember{project, "ann"}), "last-owner");
  EXPECT_EQ(run(PutMember{project, "an", Role::viewer}), "member 1");
  EXPECT_EQ(run(RemoveMember{project, "ann"}), "last-owner");
  EXPECT_EQ(run(PutMember{project, "an", Role::owner}), "member 2");
  EXPECT_EQ(run(RemoveMember{project, "ann"}), "member 2");
  EXPECT_EQ(run(RemoveMember{project, "an"}), "last-owner");
  EXPECT_EQ(run(PutMember{project, "ann", Role::member}), "member 3");
}

TEST_F(ProjectParts, OwnersOfAnotherProjectDoNotCount) {
  auto other = world.run(of(acme), CreateProject{"Other", {}});
  ASSERT_TRUE(other);
  EXPECT_EQ(run(PutMember{other->subject.id, "bob", Role::owner}), "member 1");
  EXPECT_EQ(run(PutMember{project, "ann", Role::owner}), "member 1");
  EXPECT_EQ(run(RemoveMember{project, "ann"}), "last-owner");
}

TEST_F(ProjectParts, NothingOfAnArchivedOrDeletedProjectChanges) {
  const std::vector<Command> changes{
      CreateEnvironment{project, "qa"},          DeleteEnvironment{project, "staging"},
      PutMember{project, "ann", Role::owner},    RemoveMember{project, "ann"},
      ChangeSettings{project, {}, R"({"a":1})"}, ChangeSettings{project, "staging", R"({"a":1})"}};
  ASSERT_TRUE(world.run(of(acme), ArchiveProject{project}));
  for (const auto& change : changes) EXPECT_EQ(run(change), "invalid-transition");
  ASSERT_TRUE(world.run(of(acme), RestoreProject{project}));
  EXPECT_EQ(run(changes.front()), "environment 1");
  ASSERT_TRUE(world.run(of(acme), DeleteProject{project}));
  for (const auto& change : changes) EXPECT_EQ(run(change), "not-found");
}

}  // namespace
}  // namespace manager
