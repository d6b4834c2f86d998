// Goal: every transition of every machine, and each that is forbidden: what is decided in every
// state for every command, and which events each state folds. Method: given-when-then as tables, on
// a World without disk; a row is a state, a column a command or an event. Resources have their own
// (resource_test.cpp), declared entities theirs (product_test.cpp).

#include <functional>
#include <map>

#include <gtest/gtest.h>

#include "projections/evolve.h"
#include "tests/schemas/samples.h"
#include "tests/support/world.h"

namespace manager {
namespace {

using schemas::OrganizationId;
using schemas::Role;

const OrganizationId acme(Uuid{{1}});

class Transitions : public testing::Test {
 protected:
  /// What came of it: the events' types, `unchanged`, or the problem's code.
  std::string run(CommandContext context, Command command) {
    auto outcome = world.run(std::move(context), std::move(command));
    if (!outcome) {
      static const std::map<ErrorCode, std::string> names{
          {ErrorCode::not_found, "not found"},
          {ErrorCode::invalid_transition, "invalid transition"},
          {ErrorCode::slug_taken, "slug taken"},
          {ErrorCode::last_owner, "last owner"},
          {ErrorCode::invalid_request, "invalid request"}};
      return names.at(outcome.error().code);
    }
    if (outcome->unchanged) return "unchanged";
    const auto& position = outcome->position;
    const auto record =
        world.log().read_one(position.log, static_cast<schemas::Offset>(position.offset));
    const auto batch = schemas::BatchView::trusted(record->payload.bytes());
    std::string types;
    for (std::uint32_t i = 0; i < batch.event_count(); ++i) {
      types += (i == 0 ? "" : " ") + std::string(batch.event(i).type());
    }
    return types;
  }
  Uuid made(CommandContext context, Command command) {
    auto outcome = world.run(std::move(context), std::move(command));
    EXPECT_TRUE(outcome) << outcome.error().detail;
    return outcome ? outcome->subject.id : Uuid{};
  }

  /// Brings a new subject into a state and gives its id.
  using Given = std::function<Uuid()>;
  using When = std::function<Command(const Uuid&)>;
  struct Row {
    std::string state;
    Given given;
    std::vector<std::string> then;
  };
  void check(const CommandContext& who, const std::vector<Row>& rows,
             const std::vector<std::pair<std::string, When>>& commands) {
    for (const auto& row : rows) {
      ASSERT_EQ(row.then.size(), commands.size()) << row.state;
      for (std::size_t i = 0; i < commands.size(); ++i) {
        const auto subject = row.given();
        EXPECT_EQ(run(who, commands[i].second(subject)), row.then[i])
            << "given " << row.state << ", when " << commands[i].first;
      }
    }
  }
  static Uuid nobody() { return Uuid{{9, 9}}; }

  Uuid project() {
    return made(of(acme), CreateProject{"P" + std::to_string(++count_), std::nullopt});
  }
  Uuid project_after(std::vector<std::function<Command(const Uuid&)>> steps) {
    const auto id = project();
    for (const auto& step : steps) made(of(acme), step(id));
    return id;
  }
  Uuid organization() {
    const auto number = std::to_string(++count_);
    return made(platform(), CreateOrganization{"Org " + number, "org-" + number});
  }
  Uuid key() {
    return made(of(acme), CreateKey{.name = "k",
                                    .permissions = {"*"},
                                    .digest = std::string(31, 'd') + static_cast<char>(++count_),
                                    .hint = "h"});
  }
  World world;
  int count_ = 0;
};

TEST_F(Transitions, OfAnOrganization) {
  const auto active = [&] { return organization(); };
  const auto suspended = [&] {
    const auto id = organization();
    made(platform(), SuspendOrganization{id});
    return id;
  };
  check(platform(),
        {{"none", nobody, {"not found", "not found", "not found", "not found"}},
         {"active",
          active,
          {"organization.changed", "unchanged", "organization.suspended", "invalid transition"}},
         {"suspended",
          suspended,
          {"organization.changed", "unchanged", "invalid transition", "organization.resumed"}}},
        {{"change", [](const Uuid& id) { return ChangeOrganization{id, "New", {}}; }},
         {"change nothing", [](const Uuid& id) { return ChangeOrganization{id, {}, {}}; }},
         {"suspend", [](const Uuid& id) { return SuspendOrganization{id}; }},
         {"resume", [](const Uuid& id) { return ResumeOrganization{id}; }}});
}

TEST_F(Transitions, OfAKey) {
  const auto rotate = [&](const Uuid& id) {
    return RotateKey{id, std::string(31, 'r') + static_cast<char>(++count_), "h",
                     std::chrono::seconds(60)};
  };
  const auto rotated = [&] {
    const auto id = key();
    made(of(acme), rotate(id));
    return id;
  };
  const auto revoked = [&] {
    const auto id = key();
    made(of(acme), RevokeKey{id});
    return id;
  };
  check(of(acme),
        {{"none", nobody, {"not found", "not found"}},
         {"active", [&] { return key(); }, {"key.rotated", "key.revoked"}},
         {"rotated", rotated, {"key.rotated", "key.revoked"}},
         {"revoked", revoked, {"invalid transition", "invalid transition"}}},
        {{"rotate", rotate}, {"revoke", [](const Uuid& id) { return RevokeKey{id}; }}});
}

Command archive(const Uuid& id) {
  return ArchiveProject{id};
}
Command remove(const Uuid& id) {
  return DeleteProject{id};
}

TEST_F(Transitions, OfAProject) {
  check(of(acme),
        {{"none", nobody, {"not found", "not found", "not found", "not found", "not found"}},
         {"active",
          [&] { return project(); },
          {"project.changed", "unchanged", "project.archived", "invalid transition",
           "project.deleted"}},
         {"archived",
          [&] { return project_after({archive}); },
          {"invalid transition", "invalid transition", "invalid transition", "project.restored",
           "project.deleted"}},
         {"deleted",
          [&] { return project_after({remove}); },
          {"not found", "not found", "not found", "not found", "not found"}}},
        {{"change", [](const Uuid& id) { return ChangeProject{id, "New", {}}; }},
         {"change nothing", [](const Uuid& id) { return ChangeProject{id, {}, {}}; }},
         {"archive", archive},
         {"restore", [](const Uuid& id) { return RestoreProject{id}; }},
         {"delete", remove}});
}

TEST_F(Transitions, OfAnEnvironment) {
  const When make = [](const Uuid& id) { return CreateEnvironment{id, "qa"}; };
  const When drop = [](const Uuid& id) { return DeleteEnvironment{id, "qa"}; };
  const When set = [](const Uuid& id) { return ChangeSettings{id, "qa", R"({"a":1})"}; };
  const When put = [](const Uuid& id) { return PutSecret{id, "qa", "S", "sealed"}; };
  const When reveal = [](const Uuid& id) { return RevealSecret{id, "qa", "S", {}}; };
  const std::vector<std::string> forbidden(5, "invalid transition");
  check(
      of(acme),
      {{"no project", nobody, std::vector<std::string>(5, "not found")},
       {"absent",
        [&] { return project(); },
        {"environment.created", "not found", "not found", "not found", "not found"}},
       {"there",
        [&] { return project_after({make}); },
        {"slug taken", "environment.deleted", "settings.changed", "secret.set", "not found"}},
       {"with settings and a secret",
        [&] { return project_after({make, set, put}); },
        {"slug taken", "environment.deleted settings.changed secret.deleted", "unchanged",
         "secret.set", "secret.revealed"}},
       {"deleted",
        [&] { return project_after({make, set, put, drop}); },
        {"environment.created", "not found", "not found", "not found", "not found"}},
       {"of an archived project",
        [&] { return project_after({make, put, archive}); },
        {"invalid transition", "invalid transition", "invalid transition", "invalid transition",
         "secret.revealed"}},
       {"of a deleted project", [&] { return project_after({make, put, remove}); },
        std::vector<std::string>(5, "not found")}},
      {{"create", make}, {"delete", drop}, {"settings", set}, {"secret", put}, {"reveal", reveal}});
}

TEST_F(Transitions, OfAMember) {
  const auto put = [](std::string user, Role role) -> When {
    return [=](const Uuid& id) { return PutMember{id, user, role}; };
  };
  const When gone = [](const Uuid& id) { return RemoveMember{id, "ann"}; };
  const auto ann_viewer = put("ann", Role::viewer);
  const auto ann_owner = put("ann", Role::owner);
  const auto bob_owner = put("bob", Role::owner);
  check(of(acme),
        {{"no project", nobody, {"not found", "not found", "not found"}},
         {"absent", [&] { return project(); }, {"member.added", "member.added", "not found"}},
         {"viewer",
          [&] { return project_after({ann_viewer}); },
          {"unchanged", "member.role_changed", "member.removed"}},
         {"last owner",
          [&] { return project_after({ann_owner}); },
          {"last owner", "unchanged", "last owner"}},
         {"one of two owners",
          [&] { return project_after({ann_owner, bob_owner}); },
          {"member.role_changed", "unchanged", "member.removed"}},
         {"removed",
          [&] { return project_after({ann_viewer, gone}); },
          {"member.added", "member.added", "not found"}},
         {"of an archived project",
          [&] { return project_after({ann_viewer, archive}); },
          {"invalid transition", "invalid transition", "invalid transition"}}},
        {{"make a viewer", ann_viewer}, {"make an owner", ann_owner}, {"remove", gone}});
}

TEST_F(Transitions, OfSettings) {
  const When set = [](const Uuid& id) { return ChangeSettings{id, {}, R"({"a":1})"}; };
  const When unset = [](const Uuid& id) { return ChangeSettings{id, {}, R"({"a":null})"}; };
  const When wrong = [](const Uuid& id) { return ChangeSettings{id, {}, "[1]"}; };
  check(of(acme),
        {{"no project", nobody, {"not found", "not found", "not found"}},
         {"never set",
          [&] { return project(); },
          {"settings.changed", "unchanged", "invalid request"}},
         {"set",
          [&] { return project_after({set}); },
          {"unchanged", "settings.changed", "invalid request"}},
         {"emptied",
          [&] { return project_after({set, unset}); },
          {"settings.changed", "unchanged", "invalid request"}},
         {"of an archived project",
          [&] { return project_after({set, archive}); },
          {"invalid transition", "invalid transition", "invalid transition"}}},
        {{"set", set}, {"unset", unset}, {"no object", wrong}});
}

TEST_F(Transitions, OfASecret) {
  const When put = [](const Uuid& id) { return PutSecret{id, {}, "S", "sealed"}; };
  const When show = [](const Uuid& id) { return RevealSecret{id, {}, "S", {}}; };
  const When show_first = [](const Uuid& id) { return RevealSecret{id, {}, "S", Version{1}}; };
  const When show_other = [](const Uuid& id) { return RevealSecret{id, {}, "S", Version{9}}; };
  const When drop = [](const Uuid& id) { return DeleteSecret{id, {}, "S"}; };
  check(
      of(acme),
      {{"no project", nobody, std::vector<std::string>(5, "not found")},
       {"absent",
        [&] { return project(); },
        {"secret.set", "not found", "not found", "not found", "not found"}},
       {"set",
        [&] { return project_after({put}); },
        {"secret.set", "secret.revealed", "secret.revealed", "invalid request", "secret.deleted"}},
       {"deleted",
        [&] { return project_after({put, drop}); },
        {"secret.set", "not found", "not found", "not found", "not found"}},
       {"set again after it was deleted",
        [&] { return project_after({put, drop, put}); },
        {"secret.set", "secret.revealed", "invalid request", "invalid request", "secret.deleted"}},
       {"of an archived project",
        [&] { return project_after({put, archive}); },
        {"invalid transition", "secret.revealed", "secret.revealed", "invalid request",
         "invalid transition"}}},
      {{"set", put},
       {"reveal", show},
       {"reveal the first", show_first},
       {"reveal none", show_other},
       {"delete", drop}});
}

TEST_F(Transitions, OfAKindOfResourcesAndOfAQuota) {
  const Command kind = PutResourceKind{"cache", false, {}};
  const Command other_kind = PutResourceKind{"cache", true, {}};
  const Command quota = PutQuota{"cache", 1, 2};
  const Command other_quota = PutQuota{"cache", 1, 3};
  EXPECT_EQ(run(platform(), kind), "resource_kind.changed");
  EXPECT_EQ(run(platform(), kind), "unchanged");
  EXPECT_EQ(run(platform(), other_kind), "resource_kind.changed");
  EXPECT_EQ(run(of(acme), quota), "quota.changed");
  EXPECT_EQ(run(of(acme), quota), "unchanged");
  EXPECT_EQ(run(of(acme), other_quota), "quota.changed");
}

/// The types of all events of the interface that a state folds.
template <typename State>
std::string folds(const std::optional<State>& state) {
  std::string types;
  for (const auto& sample : schemas::sample_batches()) {
    for (const auto& event : sample.events) {
      if (!projections::evolve(state, event.data, {{}, Version{2}})) continue;
      const auto type = schemas::type_of(event.data);
      const auto word = (types.empty() ? "" : " ") + std::string(type.empty() ? "json" : type);
      if (!types.ends_with(word.substr(types.empty() ? 0 : 1))) types += word;
    }
  }
  return types;
}

TEST(Folding, EachStateTakesItsOwnEventsAndNoOther) {
  using namespace projections;
  EXPECT_EQ(folds(std::optional<Organization>()), "organization.created");
  for (auto status : {Organization::Status::active, Organization::Status::suspended}) {
    EXPECT_EQ(folds(std::optional(Organization{.status = status})),
              "organization.changed organization.suspended organization.resumed");
  }
  EXPECT_EQ(folds(std::optional<Key>()), "key.created");
  for (auto status : {Key::Status::active, Key::Status::revoked}) {
    EXPECT_EQ(folds(std::optional(Key{.status = status})), "key.rotated key.revoked");
  }
  EXPECT_EQ(folds(std::optional<Project>()), "project.created");
  for (auto status : {Project::Status::active, Project::Status::archived}) {
    EXPECT_EQ(folds(std::optional(Project{.status = status})),
              "project.changed project.archived project.restored project.deleted");
  }
  EXPECT_EQ(folds(std::optional<Environment>()), "environment.created");
  EXPECT_EQ(folds(std::optional(Environment{})), "environment.deleted");
  EXPECT_EQ(folds(std::optional<Member>()), "member.added");
  EXPECT_EQ(folds(std::optional(Member{})), "member.role_changed member.removed");
  EXPECT_EQ(folds(std::optional<Settings>()), "settings.changed");
  EXPECT_EQ(folds(std::optional(Settings{"{}"})), "settings.changed");
  EXPECT_EQ(folds(std::optional<Secret>()), "secret.set");
  EXPECT_EQ(folds(std::optional(Secret{})), "secret.set secret.revealed secret.deleted");
  EXPECT_EQ(folds(std::optional<Product>()), "product.declared");
  EXPECT_EQ(folds(std::optional(Product{})), "product.declared");
  EXPECT_EQ(folds(std::optional<ResourceKind>()), "resource_kind.changed");
  EXPECT_EQ(folds(std::optional<Quota>()), "quota.changed");
  EXPECT_EQ(folds(std::optional<Resource>()), "resource.requested");
  EXPECT_EQ(folds(std::optional<Declared>()), "json");
  EXPECT_EQ(folds(std::optional(Declared{"{}"})), "json");
}

}  // namespace
}  // namespace manager
