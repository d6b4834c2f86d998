#include "api/resources/projects.h"

#include "api/resources/answers.h"
#include "api/resources/lists.h"
#include "api/resources/reading.h"
#include "schemas/json_writer.h"

namespace api::resources {
namespace {

using projections::FoundRow;
using projections::Project;
using schemas::Entity;
using schemas::ProjectId;

std::string json_of(const Ask& ask, const Entity& entity, std::string row) {
  std::string json;
  render_project(json, ask.caller().organization, {entity, std::move(row)});
  return json;
}

Result<manager::CreateProject> parse_create(Value body) {
  ObjectReader reader(body);
  manager::CreateProject command;
  command.name = read_name(reader);
  command.slug = read_slug(reader, body);
  auto read = reader.finish();
  if (!read) return std::unexpected(std::move(read).error());
  return command;
}

/// Runs a change of a project that exists and answers what it is afterwards.
Answer change(Ask& ask, manager::Command command) {
  auto outcome = co_await write(ask, ask.here(), std::move(command));
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return changed(*outcome, json_of(ask, outcome->subject, outcome->row));
}

}  // namespace

void render_project(std::string& out, OrganizationId organization, const FoundRow& found) {
  auto row = projections::decode_row<Project>(found.bytes);
  schemas::json::Writer(out)
      .begin_object()
      .member("id", to_text(ProjectId(found.entity.id)))
      .member("organization_id", to_text(organization))
      .member("name", row.state.name)
      .member("slug", row.state.slug)
      .member("state", to_text(row.state.status))
      .member("created_at", row.head.created_at)
      .member("updated_at", row.head.updated_at)
      .member("version", to_number(row.head.version))
      .end_object();
}

Result<schemas::Uuid> project_in_path(const Ask& ask) {
  auto id = schemas::parse_id<schemas::ProjectTag>(ask.request.captured("project_id"));
  if (!id || !ask.caller().sees_project(id->uuid())) {
    return edge::not_found("project with this id");
  }
  return id->uuid();
}

// POST /v2/projects
Answer create_project(Ask& ask) {
  if (ask.caller().restricted()) {
    co_return schemas::fail(schemas::Error{schemas::ErrorCode::forbidden,
                                           "a key that is restricted to projects makes no new ones",
                                           {},
                                           {{"permission", R"("projects:write")"}}});
  }
  auto command = parse_create(ask.body());
  if (!command) co_return std::unexpected(std::move(command).error());
  auto outcome = co_await write(ask, ask.here(), std::move(*command));
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return created(*outcome, "/v2/projects/" + to_text(ProjectId(outcome->subject.id)),
                    json_of(ask, outcome->subject, outcome->row));
}

// GET /v2/projects
Answer list_projects(Ask& ask) {
  ListSpec spec{.kind = Project::kind, .render = [&ask](std::string& out, const FoundRow& found) {
                  render_project(out, ask.caller().organization, found);
                }};
  if (ask.caller().restricted() || filtered(ask, {"state", "slug"})) {
    spec.keep = [&ask](const FoundRow& found) {
      if (!ask.caller().sees_project(found.entity.id)) return false;
      auto row = projections::decode_row<Project>(found.bytes);
      return picked(ask, "state", to_text(row.state.status)) && picked(ask, "slug", row.state.slug);
    };
  }
  return list_answer(ask, ask.projects(), std::move(spec));
}

// GET /v2/projects/{project_id}
Answer get_project(Ask& ask) {
  auto id = project_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto reading = co_await open_reading(ask, ask.projects(), View::row);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  const Entity entity{*id, {}};
  auto row = reading->find(Project::kind, entity);
  if (!row) co_return edge::not_found("project with this id");
  auto version = projections::decode_head(*row, nullptr).version;
  co_return entity_answer(ask, version, json_of(ask, entity, std::move(*row)));
}

// PATCH /v2/projects/{project_id}
Answer change_project(Ask& ask) {
  auto id = project_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto patch = parse_name_and_slug_patch(ask.body());
  if (!patch) co_return std::unexpected(std::move(patch).error());
  co_return co_await change(
      ask, manager::ChangeProject{*id, std::move(patch->name), std::move(patch->slug)});
}

// DELETE /v2/projects/{project_id}
Answer delete_project(Ask& ask) {
  auto id = project_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto outcome = co_await write(ask, ask.here(), manager::DeleteProject{*id});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return removed(*outcome);
}

// POST /v2/projects/{project_id}/archive
Answer archive_project(Ask& ask) {
  auto id = project_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  co_return co_await change(ask, manager::ArchiveProject{*id});
}

// POST /v2/projects/{project_id}/restore
Answer restore_project(Ask& ask) {
  auto id = project_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  co_return co_await change(ask, manager::RestoreProject{*id});
}

}  // namespace api::resources
