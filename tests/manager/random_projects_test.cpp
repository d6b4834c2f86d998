// Goal: whatever is asked of projects and their members, in whatever order, every answer is the one
// that the rules give, slugs are unique among what is not deleted, and a project that had an owner
// keeps one. Method: random commands of several organizations and spaces, several of them in flight
// at once, against a model of maps; crashes and rebuilds in between.

#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "projections/project_parts.h"
#include "tests/support/world.h"

namespace manager {
namespace {

using projections::Member;
using projections::Project;
using schemas::OrganizationId;
using schemas::Role;

struct ModelProject {
  std::string name;
  std::string slug;
  bool archived = false;
  std::uint64_t version = 1;
  std::map<std::string, Role> members;
};

/// Of one organization and space.
struct Model {
  OrganizationId organization;
  Space space;
  std::map<Uuid, ModelProject> projects;  // those that are not deleted
  std::vector<Uuid> deleted;

  bool is_taken(const std::string& slug) const {
    return std::ranges::any_of(projects, [&](const auto& one) { return one.second.slug == slug; });
  }
};

/// What was asked, and what is to be answered, judged when everything before it was.
struct Asked {
  ReplyPtr reply;
  std::function<void(const Reply&)> judge;
};

void expect_code(const Reply& reply, std::optional<ErrorCode> code) {
  ASSERT_TRUE(reply.here());
  if (!code) {
    EXPECT_TRUE(reply.ok()) << (reply.ok() ? "" : reply.result->error().detail);
  } else {
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(static_cast<int>(reply.code()), static_cast<int>(*code))
        << reply.result->error().detail;
  }
}

class RandomProjects : public testing::Test {
 protected:
  RandomProjects() {
    for (const std::uint8_t organization : {std::uint8_t{1}, std::uint8_t{2}}) {
      for (const auto space : {Space::live, Space::test}) {
        models.push_back({OrganizationId(Uuid{{organization}}), space, {}, {}});
      }
    }
  }
  bool chance(unsigned percent) { return random() % 100 < percent; }
  std::string word() { return "w" + std::to_string(random() % 8); }
  Uuid some_project(const Model& model) {
    if (model.projects.empty() || chance(10)) {
      return model.deleted.empty() ? Uuid{{9}} : model.deleted[random() % model.deleted.size()];
    }
    const auto at = static_cast<std::ptrdiff_t>(random() % model.projects.size());
    return std::next(model.projects.begin(), at)->first;
  }

  Asked create(Model& model);
  Asked change(Model& model);
  Asked move(Model& model);
  Asked put_member(Model& model);
  Asked remove_member(Model& model);
  Asked any(Model& model);
  ReplyPtr send(const Model& model, Command command, std::optional<Version> if_match = {});
  void check(const Model& model);
  void check_parts(const Model& model, const projections::Reader& reader);

  World world;
  std::mt19937_64 random;
  std::vector<Model> models;
};

ReplyPtr RandomProjects::send(const Model& model, Command command,
                              std::optional<Version> if_match) {
  auto context = of(model.organization, model.space);
  context.if_match = if_match;
  return world.send(std::move(context), std::move(command));
}

Asked RandomProjects::create(Model& model) {
  const auto name = word();
  const auto slug = chance(50) ? std::optional(word()) : std::nullopt;
  return {send(model, CreateProject{name, slug}), [&model, name, slug](const Reply& reply) {
            const bool clashes = slug && model.is_taken(*slug);
            expect_code(reply, clashes ? std::optional(ErrorCode::slug_taken) : std::nullopt);
            if (!reply.ok()) return;
            const auto row = projections::decode_row<Project>(reply.outcome().row);
            EXPECT_FALSE(model.is_taken(row.state.slug)) << row.state.slug;
            if (slug) {
              EXPECT_EQ(row.state.slug, *slug);
            } else {
              EXPECT_TRUE(row.state.slug.starts_with(name)) << row.state.slug;
            }
            const auto id = reply.outcome().subject.id;
            EXPECT_TRUE(model.projects.emplace(id, ModelProject{name, row.state.slug}).second);
          }};
}

Asked RandomProjects::change(Model& model) {
  const auto id = some_project(model);
  const ChangeProject command{id, chance(50) ? std::optional(word()) : std::nullopt,
                              chance(50) ? std::optional(word()) : std::nullopt};
  const auto if_match = chance(20) ? std::optional(Version{1 + random() % 4}) : std::nullopt;
  return {send(model, command, if_match), [&model, command, if_match](const Reply& reply) {
            const auto found = model.projects.find(command.id);
            if (found == model.projects.end()) return expect_code(reply, ErrorCode::not_found);
            auto& project = found->second;
            if (if_match && to_number(*if_match) != project.version) {
              return expect_code(reply, ErrorCode::precondition_failed);
            }
            if (project.archived) return expect_code(reply, ErrorCode::invalid_transition);
            const bool new_slug = command.slug && *command.slug != project.slug;
            const bool new_name = command.name && *command.name != project.name;
            if (new_slug && model.is_taken(*command.slug)) {
              return expect_code(reply, ErrorCode::slug_taken);
            }
            expect_code(reply, {});
            if (!reply.ok()) return;
            EXPECT_EQ(reply.outcome().unchanged, !new_slug && !new_name);
            if (new_slug) project.slug = *command.slug;
            if (new_name) project.name = *command.name;
            if (new_slug || new_name) ++project.version;
          }};
}

/// Archives, restores or deletes.
Asked RandomProjects::move(Model& model) {
  const auto id = some_project(model);
  const auto what = random() % 5;
  auto reply = what < 2   ? send(model, ArchiveProject{id})
               : what < 4 ? send(model, RestoreProject{id})
                          : send(model, DeleteProject{id});
  return {std::move(reply), [&model, id, what](const Reply& answered) {
            const auto found = model.projects.find(id);
            if (found == model.projects.end()) return expect_code(answered, ErrorCode::not_found);
            auto& project = found->second;
            const bool archives = what < 2;
            if (what < 4 && archives == project.archived) {
              return expect_code(answered, ErrorCode::invalid_transition);
            }
            expect_code(answered, {});
            ++project.version;
            project.archived = archives;
            if (what < 4) return;
            model.projects.erase(found);
            model.deleted.push_back(id);
          }};
}

std::optional<ErrorCode> may_not(const Model& model, const Uuid& id) {
  const auto found = model.projects.find(id);
  if (found == model.projects.end()) return ErrorCode::not_found;
  if (found->second.archived) return ErrorCode::invalid_transition;
  return std::nullopt;
}

bool is_last_owner(const ModelProject& project, const std::string& user) {
  return project.members.at(user) == Role::owner &&
         std::ranges::count(project.members, Role::owner,
                            [](const auto& one) { return one.second; }) == 1;
}

Asked RandomProjects::put_member(Model& model) {
  const PutMember command{some_project(model), word(), static_cast<Role>(random() % 4)};
  return {send(model, command), [&model, command](const Reply& reply) {
            if (auto code = may_not(model, command.project)) return expect_code(reply, code);
            auto& project = model.projects.at(command.project);
            const auto known = project.members.find(command.user);
            const bool changes = known == project.members.end() || known->second != command.role;
            if (changes && known != project.members.end() && is_last_owner(project, command.user)) {
              return expect_code(reply, ErrorCode::last_owner);
            }
            expect_code(reply, {});
            if (reply.ok()) EXPECT_EQ(reply.outcome().unchanged, !changes);
            project.members[command.user] = command.role;
          }};
}

Asked RandomProjects::remove_member(Model& model) {
  const RemoveMember command{some_project(model), word()};
  return {send(model, command), [&model, command](const Reply& reply) {
            if (auto code = may_not(model, command.project)) return expect_code(reply, code);
            auto& project = model.projects.at(command.project);
            if (!project.members.contains(command.user)) {
              return expect_code(reply, ErrorCode::not_found);
            }
            if (is_last_owner(project, command.user)) {
              return expect_code(reply, ErrorCode::last_owner);
            }
            expect_code(reply, {});
            project.members.erase(command.user);
          }};
}

Asked RandomProjects::any(Model& model) {
  const auto what = random() % 10;
  if (what < 2) return create(model);
  if (what < 4) return change(model);
  if (what < 6) return move(model);
  return what < 9 ? put_member(model) : remove_member(model);
}

void RandomProjects::check_parts(const Model& model, const projections::Reader& reader) {
  const auto topic = world.topic(eventstore::projects_product);
  for (const auto& [id, project] : model.projects) {
    const auto parent = projections::members_of(id);
    auto page = reader.list(topic, Member::kind, true, {.limit = 100, .below = parent});
    std::map<std::string, Role> members;
    for (const auto& row : page.rows) {
      members.emplace(projections::name_below(parent, row.entity),
                      projections::decode_row<Member>(row.bytes).state.role);
    }
    EXPECT_EQ(members, project.members);
  }
}

void RandomProjects::check(const Model& model) {
  const auto reader = world.reader(model.organization, model.space);
  const auto topic = world.topic(eventstore::projects_product);
  std::map<Uuid, std::string> rows;
  for (const auto& row : reader.list(topic, Project::kind, true, {.limit = 10'000}).rows) {
    const auto& state = projections::decode_row<Project>(row.bytes).state;
    rows.emplace(row.entity.id,
                 state.slug + (state.status == Project::Status::archived ? "!" : ""));
  }
  std::map<Uuid, std::string> expected;
  std::set<std::string> slugs;
  for (const auto& [id, project] : model.projects) {
    expected.emplace(id, project.slug + (project.archived ? "!" : ""));
    EXPECT_TRUE(slugs.insert(project.slug).second) << project.slug << " twice";
  }
  EXPECT_EQ(rows, expected);
  for (int number = 0; number < 8; ++number) {
    const auto slug = "w" + std::to_string(number);
    EXPECT_EQ(reader.unique(topic, Project::kind, "slug", slug).has_value(), slugs.contains(slug))
        << slug;
  }
  check_parts(model, reader);
}

TEST_F(RandomProjects, AnswerAsTheRulesSay) {
  for (const unsigned seed : {1U, 2U, 3U}) {
    SCOPED_TRACE(seed);
    random.seed(seed);
    for (int step = 0; step < 300 && !HasFailure(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      std::vector<Asked> asked;
      for (auto count = 1 + random() % 8; count > 0; --count) {
        asked.push_back(any(models[random() % models.size()]));
      }
      world.settle();
      for (const auto& one : asked) one.judge(*one.reply);
      if (chance(5)) world.crash(random() % 4);
      if (step % 20 == 0) {
        for (const auto& model : models) check(model);
      }
    }
    const auto before = world.hash();
    world.rebuild();
    EXPECT_EQ(world.hash(), before);
    for (const auto& model : models) check(model);
  }
}

}  // namespace
}  // namespace manager
