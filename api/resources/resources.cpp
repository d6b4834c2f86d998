#include "api/resources/resources.h"

#include "api/resources/answers.h"
#include "api/resources/lists.h"
#include "api/resources/reading.h"
#include "api/resources/resource_event_json.h"
#include "api/resources/resource_fields.h"
#include "projections/resource_rows.h"
#include "schemas/json_writer.h"

namespace api::resources {
namespace {

using projections::FoundRow;
using projections::Resource;
using projections::ResourceOfProject;
using schemas::Entity;
using schemas::ProjectId;
using schemas::ResourceId;
using schemas::Uuid;
using schemas::json::Writer;

std::optional<std::string_view> shown(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional<std::string_view>(text);
}

std::string json_of(const Ask& ask, const manager::Outcome& outcome) {
  std::string json;
  render_resource(json, ask.caller().organization, {outcome.subject, outcome.row});
  return json;
}

Resource::Status status_in(const manager::Outcome& outcome) {
  return projections::decode_row<Resource>(outcome.row).state.status;
}

/// Ids of wrong form and of what is not there read the same.
Result<manager::CreateResource> parse_create(const Ask& ask) {
  ObjectReader reader(ask.body());
  manager::CreateResource command;
  const auto project = reader.text("project_id", {.characters_min = 0, .characters_max = 1000});
  command.environment = read_slug_of(reader, "environment");
  command.kind = read_slug_of(reader, "kind");
  command.name = read_name(reader);
  command.units = static_cast<std::uint64_t>(reader.integer(
      "units", {.min = 1, .max = static_cast<std::int64_t>(projections::units_max)}));
  command.spec = read_free_object(reader, "spec").value_or("{}");
  auto read = reader.finish();
  if (!read) return std::unexpected(std::move(read).error());
  const auto id = schemas::parse_id<schemas::ProjectTag>(project);
  command.project = id ? id->uuid() : Uuid{};
  return command;
}

Result<std::uint64_t> parse_units(Value body) {
  ObjectReader reader(body);
  const auto units =
      reader.integer("units", {.min = 1, .max = static_cast<std::int64_t>(projections::units_max)});
  auto read = reader.finish();
  if (!read) return std::unexpected(std::move(read).error());
  return static_cast<std::uint64_t>(units);
}

/// What the filters say beside their form.
Result<void> check_filters(const Ask& ask) {
  for (const auto& [name, value] : ask.request.query) {
    if (name != "environment" || is_slug(value)) continue;
    return edge::wrong_parameter("environment", "must match " + std::string(slug_pattern));
  }
  return {};
}

/// Whether the caller may see a resource and asked for it.
bool keeps(const Ask& ask, const std::string& bytes) {
  const auto row = projections::decode_row<Resource>(bytes);
  const auto& state = row.state;
  return ask.caller().sees_project(state.project) && picked(ask, "kind", state.resource_kind) &&
         picked(ask, "state", to_text(state.status)) &&
         picked(ask, "environment", state.environment) &&
         picked(ask, "project_id", to_text(ProjectId(state.project)));
}

/// The one project that the list is about; found by the index of its resources.
std::optional<Uuid> one_project(const Ask& ask) {
  std::optional<Uuid> project;
  for (const auto& [name, value] : ask.request.query) {
    if (name != "project_id") continue;
    if (project) return std::nullopt;
    project = schemas::parse_id<schemas::ProjectTag>(value)->uuid();
  }
  return project;
}

Answer list_of_project(Ask& ask, Uuid project) {
  const Reading* reading = nullptr;  // known once the list is let in
  const auto resource = [&reading](const FoundRow& found) {
    const Entity entity{projections::resource_in(found.entity), {}};
    const auto reader = reading->reader();
    const auto topic = reading->place().topic;
    auto row = reading->as_of()
                   ? reader.find_as_of(topic, Resource::kind, entity, *reading->as_of())
                   : reader.find(topic, Resource::kind, entity);
    ENSURE(row.has_value());
    return FoundRow{entity, std::move(*row)};
  };
  ListSpec spec{.kind = ResourceOfProject::kind, .below = projections::resources_of(project)};
  spec.admit = [&reading](Reading& opened) -> Result<void> {
    reading = &opened;
    return {};
  };
  spec.keep = [&](const FoundRow& found) { return keeps(ask, resource(found).bytes); };
  spec.render = [&](std::string& out, const FoundRow& found) {
    render_resource(out, ask.caller().organization, resource(found));
  };
  co_return co_await list_answer(ask, ask.resources(), std::move(spec));
}

}  // namespace

std::unexpected<schemas::Error> no_resource() {
  return edge::not_found("resource with this id");
}

Result<Uuid> resource_in_path(const Ask& ask) {
  auto id = schemas::parse_id<schemas::ResourceTag>(ask.request.captured("resource_id"));
  if (!id) return no_resource();
  return id->uuid();
}

bool sees_resource(const Ask& ask, const projections::Reader& reader, TopicId topic,
                   const Uuid& id) {
  if (!ask.caller().restricted()) return true;
  // Its project is what it was in the beginning.
  const Entity entity{id, {}};
  const auto first = reader.events_of(topic, Resource::kind, entity, {.behind = {}, .limit = 1});
  if (first.empty()) return false;
  const auto row = reader.find_as_of(topic, Resource::kind, entity,
                                     static_cast<std::int64_t>(first.front().offset));
  return row && ask.caller().sees_project(projections::decode_row<Resource>(*row).state.project);
}

void render_resource(std::string& out, OrganizationId organization, const FoundRow& found) {
  const auto row = projections::decode_row<Resource>(found.bytes);
  const auto& state = row.state;
  Writer writer(out);
  writer.begin_object()
      .member("id", to_text(ResourceId(found.entity.id)))
      .member("organization_id", to_text(organization))
      .member("project_id", to_text(ProjectId(state.project)))
      .member("environment", state.environment)
      .member("kind", state.resource_kind)
      .member("name", state.name)
      .member("state", row.head.deleted ? "deprovisioned" : to_text(state.status))
      .member("health", projections::to_text(state.health))
      .member("units", state.units)
      .member("requested_units", state.requested_units);
  const auto& cost = state.units > 0 ? state.unit_cost : state.requested_unit_cost;
  write_unit_cost(writer, projections::to_view(cost));
  writer.name("spec")
      .raw(state.spec)
      .name("outputs")
      .raw(state.outputs)
      .member("detail", shown(state.detail))
      .member("health_detail", shown(state.health_detail));
  write_times(writer, row.head).end_object();
}

// POST /v2/resources
Answer create_resource(Ask& ask) {
  auto command = parse_create(ask);
  if (!command) co_return std::unexpected(std::move(command).error());
  auto outcome = co_await write(ask, ask.here(), std::move(*command));
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  auto response = created(*outcome, "/v2/resources/" + to_text(ResourceId(outcome->subject.id)),
                          json_of(ask, *outcome));
  if (status_in(*outcome) == Resource::Status::provisioning) response.status = 202;
  co_return response;
}

// GET /v2/resources
Answer list_resources(Ask& ask) {
  if (auto checked = check_filters(ask); !checked) {
    co_return std::unexpected(std::move(checked).error());
  }
  if (const auto project = one_project(ask)) co_return co_await list_of_project(ask, *project);
  ListSpec spec{.kind = Resource::kind,
                .keep = {},
                .render = [&ask](std::string& out, const FoundRow& found) {
                  render_resource(out, ask.caller().organization, found);
                }};
  const bool some = filtered(ask, {"kind", "state", "environment", "project_id"});
  if (ask.caller().restricted() || some) {
    spec.keep = [&ask](const FoundRow& found) { return keeps(ask, found.bytes); };
  }
  co_return co_await list_answer(ask, ask.resources(), std::move(spec));
}

// GET /v2/resources/{resource_id}
Answer get_resource(Ask& ask) {
  auto id = resource_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto reading = co_await open_reading(ask, ask.resources(), View::row);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  Entity entity{*id, {}};
  auto row = reading->find(Resource::kind, entity);
  if (!row) co_return no_resource();
  const auto decoded = projections::decode_row<Resource>(*row);
  if (!ask.caller().sees_project(decoded.state.project)) co_return no_resource();
  std::string json;
  render_resource(json, ask.caller().organization, {std::move(entity), std::move(*row)});
  co_return entity_answer(ask, decoded.head.version, std::move(json));
}

// PATCH /v2/resources/{resource_id}
Answer change_resource(Ask& ask) {
  auto id = resource_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  ObjectReader reader(ask.body());
  const auto member = ask.body().is_object() ? ask.body().find("spec") : std::nullopt;
  auto patch = read_free_object(reader, "spec");
  if (member && member->is_null()) {
    reader.wrong("spec", "cannot be taken away; leave it out to keep it");
  }
  if (auto read = reader.finish(); !read) co_return std::unexpected(std::move(read).error());
  auto outcome = co_await write(ask, ask.here(),
                                manager::ConfigureResource{*id, std::move(patch).value_or("{}")});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return changed(*outcome, json_of(ask, *outcome));
}

// POST /v2/resources/{resource_id}/scale
Answer scale_resource(Ask& ask) {
  auto id = resource_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto units = parse_units(ask.body());
  if (!units) co_return std::unexpected(std::move(units).error());
  auto outcome = co_await write(ask, ask.here(), manager::ScaleResource{*id, *units});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  const bool goes_on = status_in(*outcome) == Resource::Status::scaling;
  auto json = json_of(ask, *outcome);
  co_return goes_on ? accepted(*outcome, std::move(json)) : changed(*outcome, std::move(json));
}

// DELETE /v2/resources/{resource_id}
Answer delete_resource(Ask& ask) {
  auto id = resource_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto outcome = co_await write(ask, ask.here(), manager::DeleteResource{*id});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  if (outcome->row.empty()) co_return removed(*outcome);
  co_return accepted(*outcome, json_of(ask, *outcome));
}

}  // namespace api::resources
