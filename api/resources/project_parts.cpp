#include "api/resources/project_parts.h"

#include "api/resources/answers.h"
#include "api/resources/lists.h"
#include "api/resources/project_paths.h"
#include "projections/project_parts.h"
#include "schemas/json_writer.h"
#include "schemas/permissions.h"

namespace api::resources {
namespace {

using projections::Environment;
using projections::FoundRow;
using projections::Member;
using projections::name_below;
using projections::Settings;
using schemas::Entity;
using schemas::ProjectId;
using schemas::Role;
using schemas::Uuid;

std::unexpected<schemas::Error> no_member() {
  return edge::not_found("member of the project with this id");
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

void render_environment(std::string& out, const FoundRow& found) {
  const auto row = projections::decode_row<Environment>(found.bytes);
  const auto& project = found.entity.id;
  schemas::json::Writer writer(out);
  writer.begin_object()
      .member("project_id", to_text(ProjectId(project)))
      .member("name", name_below(projections::environments_of(project), found.entity));
  write_times(writer, row.head).end_object();
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
  write_times(writer, row.head).end_object();
}

// POST /v2/projects/{project_id}/environments
Answer create_environment(Ask& ask) {
  auto project = project_in_path(ask);
  if (!project) co_return std::unexpected(std::move(project).error());
  auto name = parse_environment_name(ask.body());
  if (!name) co_return std::unexpected(std::move(name).error());
  const auto location = project_path(ask) + "/environments/" + *name;
  auto outcome =
      co_await write(ask, ask.here(), manager::CreateEnvironment{*project, std::move(*name)});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  std::string json;
  render_environment(json, {outcome->subject, outcome->row});
  co_return created(*outcome, location, std::move(json));
}

// GET /v2/projects/{project_id}/environments
Answer list_environments(Ask& ask) {
  auto project = project_in_path(ask);
  if (!project) co_return std::unexpected(std::move(project).error());
  co_return co_await list_parts(ask, Environment::kind, {*project, {}},
                                projections::environments_of(*project), render_environment);
}

// GET /v2/projects/{project_id}/environments/{environment}
Answer get_environment(Ask& ask) {
  auto place = place_in_path(ask);
  if (!place) co_return std::unexpected(std::move(place).error());
  auto found = co_await find_part(
      ask, Environment::kind, projections::environment_entity(place->project, *place->environment),
      no_environment());
  if (!found) co_return std::unexpected(std::move(found).error());
  const auto version = projections::decode_head(found->bytes, nullptr).version;
  std::string json;
  render_environment(json, *found);
  co_return entity_answer(ask, version, std::move(json));
}

// DELETE /v2/projects/{project_id}/environments/{environment}
Answer delete_environment(Ask& ask) {
  auto place = place_in_path(ask);
  if (!place) co_return std::unexpected(std::move(place).error());
  auto outcome = co_await write(
      ask, ask.here(), manager::DeleteEnvironment{place->project, std::move(*place->environment)});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return removed(*outcome);
}

// GET /v2/projects/{project_id}/members
Answer list_members(Ask& ask) {
  auto project = project_in_path(ask);
  if (!project) co_return std::unexpected(std::move(project).error());
  co_return co_await list_parts(ask, Member::kind, {*project, {}},
                                projections::members_of(*project), render_member);
}

// GET /v2/projects/{project_id}/members/{user_id}
Answer get_member(Ask& ask) {
  auto in_path = user_in_path(ask);
  if (!in_path) co_return std::unexpected(std::move(in_path).error());
  auto found = co_await find_part(
      ask, Member::kind, projections::member_entity(in_path->project, in_path->user), no_member());
  if (!found) co_return std::unexpected(std::move(found).error());
  const auto version = projections::decode_head(found->bytes, nullptr).version;
  std::string json;
  render_member(json, *found);
  co_return entity_answer(ask, version, std::move(json));
}

// PUT /v2/projects/{project_id}/members/{user_id}
Answer put_member(Ask& ask) {
  auto in_path = user_in_path(ask);
  if (!in_path) co_return std::unexpected(std::move(in_path).error());
  auto role = parse_role(ask.body());
  if (!role) co_return std::unexpected(std::move(role).error());
  auto outcome = co_await write(
      ask, ask.here(), manager::PutMember{in_path->project, std::move(in_path->user), *role});
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
  auto outcome = co_await write(ask, ask.here(),
                                manager::RemoveMember{in_path->project, std::move(in_path->user)});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return removed(*outcome);
}

// GET /v2/projects/{project_id}/settings
// GET /v2/projects/{project_id}/environments/{environment}/settings
Answer get_settings(Ask& ask) {
  auto place = place_in_path(ask);
  if (!place) co_return std::unexpected(std::move(place).error());
  auto reading = co_await open_reading(ask, ask.projects(), View::snapshot);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  if (auto there = admit(*reading, *place); !there) {
    co_return std::unexpected(std::move(there).error());
  }
  schemas::Version version{};
  const auto entity = projections::settings_entity(place->project, place->environment);
  auto settings = settings_of(*reading, entity, &version);
  if (ask.request.parameter("effective") != "true") {
    co_return entity_answer(ask, version, std::move(settings));
  }
  const auto own = settings_of(*reading, projections::settings_entity(place->project, {}), nullptr);
  const auto below = schemas::json::parse(own);
  const auto above = schemas::json::parse(settings);
  ENSURE(below && above);
  co_return http::json_response(200, schemas::json::merge_patch(below->root(), above->root()));
}

// PATCH /v2/projects/{project_id}/settings
// PATCH /v2/projects/{project_id}/environments/{environment}/settings
Answer change_settings(Ask& ask) {
  auto place = place_in_path(ask);
  if (!place) co_return std::unexpected(std::move(place).error());
  if (!ask.body().is_object()) co_return schemas::invalid_field("", "must be an object");
  auto patch = schemas::json::minify(ask.body());
  auto outcome = co_await write(
      ask, ask.here(),
      manager::ChangeSettings{place->project, std::move(place->environment), std::move(patch)});
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
