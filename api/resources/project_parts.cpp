#include "api/resources/project_parts.h"

#include "api/resources/answers.h"
#include "api/resources/lists.h"
#include "api/resources/projects.h"
#include "api/resources/reading.h"
#include "projections/project_parts.h"
#include "schemas/json_writer.h"
#include "schemas/permissions.h"

namespace api::resources {
namespace {

using projections::Environment;
using projections::FoundRow;
using projections::Member;
using projections::name_below;
using projections::Project;
using projections::Row;
using projections::Settings;
using schemas::Entity;
using schemas::ProjectId;
using schemas::Role;
using schemas::Uuid;

MarkOwner here(const Ask& ask) {
  return {ask.caller().organization, ask.caller().space};
}

std::unexpected<schemas::Error> no_project() {
  return edge::not_found("project with this id");
}
std::unexpected<schemas::Error> no_environment() {
  return edge::not_found("environment of this name in the project");
}
std::unexpected<schemas::Error> no_member() {
  return edge::not_found("member of the project with this id");
}

std::string path_of(const Ask& ask) {
  return "/v2/projects/" + std::string(ask.request.captured("project_id"));
}

template <typename State>
schemas::json::Writer& write_times(schemas::json::Writer& writer, const Row<State>& row) {
  return writer.member("created_at", row.head.created_at)
      .member("updated_at", row.head.updated_at)
      .member("version", to_number(row.head.version));
}

void render_environment(std::string& out, const FoundRow& found) {
  const auto row = projections::decode_row<Environment>(found.bytes);
  const auto& project = found.entity.id;
  schemas::json::Writer writer(out);
  writer.begin_object()
      .member("project_id", to_text(ProjectId(project)))
      .member("name", name_below(projections::environments_of(project), found.entity));
  write_times(writer, row).end_object();
}

void render_member(std::string& out, const FoundRow& found) {
  const auto row = projections::decode_row<Member>(found.bytes);
  const auto& project = found.entity.id;
  schemas::json::Writer writer(out);
  writer.begin_object()
      .member("project_id", to_text(ProjectId(project)))
      .member("user_id", name_below(projections::members_of(project), found.entity))
      .member("role", projections::to_text(row.state.role))
      .name("permissions")
      .begin_array();
  for (const auto& permission : schemas::permissions_of(row.state.role)) writer.value(permission);
  writer.end_array();
  write_times(writer, row).end_object();
}

/// An entity and where it stands.
struct Found {
  Entity entity;
  std::string row;
};

/// One thing of the project in the path, where that is there.
awaitable<Result<Found>> find_part(Ask& ask, std::string_view kind, Entity entity,
                                   std::unexpected<schemas::Error> missing) {
  auto reading = co_await open_reading(ask, ask.projects(), View::snapshot);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  if (!reading->find(Project::kind, {entity.id, {}})) co_return no_project();
  auto row = reading->find(kind, entity);
  if (!row) co_return missing;
  co_return Found{std::move(entity), std::move(*row)};
}

Answer list_parts(Ask& ask, std::string_view kind, Entity parent, Render render) {
  const Uuid project = parent.id;
  ListSpec spec{.kind = kind,
                .below = std::move(parent),
                .admit = [project](Reading& reading) -> Result<void> {
                  if (!reading.find(Project::kind, {project, {}})) return no_project();
                  return {};
                },
                .keep = {},
                .render = std::move(render)};
  return list_answer(ask, ask.projects(), std::move(spec));
}

/// The environment in the path, if it could be one's name; none where the path names none.
Result<std::optional<std::string>> environment_in_path(const Ask& ask) {
  if (!ask.operation.pattern.contains("{environment}")) return std::nullopt;
  const auto name = ask.request.captured("environment");
  if (!is_slug(name)) return no_environment();
  return std::string(name);
}

struct UserInPath {
  Uuid project;
  std::string user;
};
Result<UserInPath> user_in_path(const Ask& ask) {
  auto project = project_in_path(ask);
  if (!project) return std::unexpected(std::move(project).error());
  const auto user = ask.request.captured("user_id");
  if (!is_entity_name(user)) return no_member();
  return UserInPath{*project, std::string(user)};
}

Result<std::string> parse_environment_name(Value body) {
  ObjectReader reader(body);
  auto name = reader.text("name", {.characters_max = slug_max});
  if (!name.empty() && !is_slug(name)) {
    reader.wrong("name", "must match " + std::string(slug_pattern));
  }
  auto read = reader.finish();
  if (!read) return std::unexpected(std::move(read).error());
  return name;
}

Result<Role> parse_role(Value body) {
  ObjectReader reader(body);
  const auto role = reader.choice<Role>("role", {{"owner", Role::owner},
                                                 {"admin", Role::admin},
                                                 {"member", Role::member},
                                                 {"viewer", Role::viewer}});
  auto read = reader.finish();
  if (!read) return std::unexpected(std::move(read).error());
  return role;
}

std::string settings_of(Reading& reading, const Entity& entity, schemas::Version* version) {
  const auto bytes = reading.find(Settings::kind, entity);
  if (!bytes) return "{}";
  auto row = projections::decode_row<Settings>(*bytes);
  if (version != nullptr) *version = row.head.version;
  return std::move(row.state.json);
}

}  // namespace

// POST /v2/projects/{project_id}/environments
Answer create_environment(Ask& ask) {
  auto project = project_in_path(ask);
  if (!project) co_return std::unexpected(std::move(project).error());
  auto name = parse_environment_name(ask.body());
  if (!name) co_return std::unexpected(std::move(name).error());
  const auto location = path_of(ask) + "/environments/" + *name;
  auto outcome =
      co_await write(ask, here(ask), manager::CreateEnvironment{*project, std::move(*name)});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  std::string json;
  render_environment(json, {outcome->subject, outcome->row});
  co_return created(*outcome, location, std::move(json));
}

// GET /v2/projects/{project_id}/environments
Answer list_environments(Ask& ask) {
  auto project = project_in_path(ask);
  if (!project) co_return std::unexpected(std::move(project).error());
  co_return co_await list_parts(ask, Environment::kind, projections::environments_of(*project),
                                render_environment);
}

// GET /v2/projects/{project_id}/environments/{environment}
Answer get_environment(Ask& ask) {
  auto project = project_in_path(ask);
  if (!project) co_return std::unexpected(std::move(project).error());
  auto name = environment_in_path(ask);
  if (!name) co_return std::unexpected(std::move(name).error());
  auto found = co_await find_part(
      ask, Environment::kind, projections::environment_entity(*project, **name), no_environment());
  if (!found) co_return std::unexpected(std::move(found).error());
  const auto version = projections::decode_head(found->row, nullptr).version;
  std::string json;
  render_environment(json, {std::move(found->entity), std::move(found->row)});
  co_return entity_answer(ask, version, std::move(json));
}

// DELETE /v2/projects/{project_id}/environments/{environment}
Answer delete_environment(Ask& ask) {
  auto project = project_in_path(ask);
  if (!project) co_return std::unexpected(std::move(project).error());
  auto name = environment_in_path(ask);
  if (!name) co_return std::unexpected(std::move(name).error());
  auto outcome =
      co_await write(ask, here(ask), manager::DeleteEnvironment{*project, std::move(**name)});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return removed(*outcome);
}

// GET /v2/projects/{project_id}/members
Answer list_members(Ask& ask) {
  auto project = project_in_path(ask);
  if (!project) co_return std::unexpected(std::move(project).error());
  co_return co_await list_parts(ask, Member::kind, projections::members_of(*project),
                                render_member);
}

// GET /v2/projects/{project_id}/members/{user_id}
Answer get_member(Ask& ask) {
  auto in_path = user_in_path(ask);
  if (!in_path) co_return std::unexpected(std::move(in_path).error());
  auto found = co_await find_part(
      ask, Member::kind, projections::member_entity(in_path->project, in_path->user), no_member());
  if (!found) co_return std::unexpected(std::move(found).error());
  const auto version = projections::decode_head(found->row, nullptr).version;
  std::string json;
  render_member(json, {std::move(found->entity), std::move(found->row)});
  co_return entity_answer(ask, version, std::move(json));
}

// PUT /v2/projects/{project_id}/members/{user_id}
Answer put_member(Ask& ask) {
  auto in_path = user_in_path(ask);
  if (!in_path) co_return std::unexpected(std::move(in_path).error());
  auto role = parse_role(ask.body());
  if (!role) co_return std::unexpected(std::move(role).error());
  auto outcome = co_await write(
      ask, here(ask), manager::PutMember{in_path->project, std::move(in_path->user), *role});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  std::string json;
  render_member(json, {outcome->subject, outcome->row});
  const bool is_new = projections::decode_row<Member>(outcome->row).state.as_added;
  if (!is_new || outcome->unchanged) co_return changed(*outcome, std::move(json));
  co_return created(*outcome, ask.request.path, std::move(json));
}

// DELETE /v2/projects/{project_id}/members/{user_id}
Answer remove_member(Ask& ask) {
  auto in_path = user_in_path(ask);
  if (!in_path) co_return std::unexpected(std::move(in_path).error());
  auto outcome = co_await write(ask, here(ask),
                                manager::RemoveMember{in_path->project, std::move(in_path->user)});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return removed(*outcome);
}

// GET /v2/projects/{project_id}/settings
// GET /v2/projects/{project_id}/environments/{environment}/settings
Answer get_settings(Ask& ask) {
  auto project = project_in_path(ask);
  if (!project) co_return std::unexpected(std::move(project).error());
  auto environment = environment_in_path(ask);
  if (!environment) co_return std::unexpected(std::move(environment).error());
  auto reading = co_await open_reading(ask, ask.projects(), View::snapshot);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  if (!reading->find(Project::kind, {*project, {}})) co_return no_project();
  if (*environment) {
    const auto entity = projections::environment_entity(*project, **environment);
    if (!reading->find(Environment::kind, entity)) co_return no_environment();
  }
  schemas::Version version{};
  const auto entity = projections::settings_entity(*project, *environment);
  auto settings = settings_of(*reading, entity, &version);
  if (ask.request.parameter("effective") != "true") {
    co_return entity_answer(ask, version, std::move(settings));
  }
  const auto own = settings_of(*reading, projections::settings_entity(*project, {}), nullptr);
  const auto below = schemas::json::parse(own);
  const auto above = schemas::json::parse(settings);
  ENSURE(below && above);
  co_return http::json_response(200, schemas::json::merge_patch(below->root(), above->root()));
}

// PATCH /v2/projects/{project_id}/settings
// PATCH /v2/projects/{project_id}/environments/{environment}/settings
Answer change_settings(Ask& ask) {
  auto project = project_in_path(ask);
  if (!project) co_return std::unexpected(std::move(project).error());
  auto environment = environment_in_path(ask);
  if (!environment) co_return std::unexpected(std::move(environment).error());
  if (!ask.body().is_object()) co_return schemas::invalid_field("", "must be an object");
  auto patch = schemas::json::minify(ask.body());
  auto outcome = co_await write(
      ask, here(ask), manager::ChangeSettings{*project, std::move(*environment), std::move(patch)});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  if (outcome->row.empty()) {  // never set, and nothing was to be set
    auto response = http::json_response(200, "{}");
    response.add_header("ETag", edge::etag(schemas::Version{}));
    co_return response;
  }
  auto settings = projections::decode_row<Settings>(outcome->row).state.json;
  co_return changed(*outcome, std::move(settings));
}

}  // namespace api::resources
