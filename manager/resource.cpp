#include <algorithm>

#include <fmt/format.h>

#include "manager/decide.h"
#include "projections/project_parts.h"
#include "schemas/json_writer.h"

namespace manager {
namespace {

using projections::Environment;
using projections::Project;
using projections::Quota;
using projections::QuotaUsage;
using projections::Resource;
using projections::ResourceKind;
using projections::Row;
using schemas::FieldError;
using Status = Resource::Status;

std::unexpected<schemas::Error> not_there(std::string_view pointer, std::string detail) {
  return fail(schemas::Error{ErrorCode::not_found,
                             detail,
                             {{FieldError::In::body, std::string(pointer), std::move(detail)}},
                             {}});
}

std::unexpected<schemas::Error> wrong_state(const Resource& state, std::string_view what) {
  return fail(ErrorCode::invalid_transition,
              fmt::format("a resource that is {} cannot {}", to_text(state.status), what));
}

std::optional<Row<Project>> project_of(const Context& context, const Uuid& id) {
  return context.references->own.get<Project>(context.references->projects, Entity{id, {}});
}

/// What users ask of a resource waits while its project is archived; of a deleted one it is over.
Result<void> in_active_project(const Context& context, const Uuid& id) {
  const auto project = project_of(context, id);
  if (project && project->state.status == Project::Status::active) return {};
  return fail(ErrorCode::invalid_transition,
              project ? "what belongs to an archived project cannot be changed; restore it first"
                      : "the project of this resource is deleted, and so will be the resource");
}

Decision::LookedAt projects_log(const Context& context) {
  return {context.references->projects, context.organization};
}
Decision::LookedAt kinds_log(const Context& context) {
  return {context.references->resources, schemas::platform_organization};
}

std::optional<Row<ResourceKind>> kind_of(const Context& context, const std::string& name) {
  return context.references->platform.get<ResourceKind>(context.references->resources,
                                                        Entity{{}, name});
}

Decision of_resource(const Context& context, const Uuid& id, const Row<Resource>& row,
                     schemas::EventData data) {
  return one_event(context, {id, {}}, row.head.version, std::move(data));
}

/// One more event of the decision's subject.
void then(const Context& context, Decision& decision, schemas::EventData data) {
  auto next = one_event(context, decision.subject, decision.events.back().version, std::move(data));
  decision.events.push_back(std::move(next.events.front()));
}

/// A price as an event holds it; its texts are the decision's.
std::optional<schemas::UnitCost> keep(Decision& decision,
                                      const std::optional<projections::UnitCost>& cost) {
  if (!cost) return std::nullopt;
  return schemas::UnitCost{decision.keep(cost->amount), decision.keep(cost->currency), cost->per};
}

struct Wanted {
  std::uint64_t count = 0;
  std::uint64_t units = 0;
};

/// What there is may stay, whatever the quota says now; there cannot be more than it says.
Result<void> check_quota(const Context& context, const std::string& kind, const Wanted& more) {
  const auto quota = context.view.get<Quota>(context.topic, Entity{{}, kind});
  if (!quota) return {};
  const auto usage = context.view.get<QuotaUsage>(context.topic, Entity{{}, kind});
  const auto used = usage ? usage->state : QuotaUsage{};
  const auto& [count, units] = quota->state;
  const bool fits = (more.count == 0 || used.count + more.count <= count) &&
                    (more.units == 0 || used.units + more.units <= units);
  if (fits) return {};
  auto text = [](std::uint64_t number) { return std::to_string(number); };
  return fail(schemas::Error{
      ErrorCode::over_quota,
      fmt::format("of kind '{}' {} of {} are used, and {} of {} units; this would take {} and {} "
                  "units more: remove some, or have the quota raised",
                  kind, used.count, count, used.units, units, more.count, more.units),
      {},
      {{"kind", schemas::json::quote(kind)},
       {"count", text(count)},
       {"used_count", text(used.count)},
       {"units", text(units)},
       {"used_units", text(used.units)}}});
}

}  // namespace

bool may_see(const Context& context, const Uuid& project) {
  if (context.rights == nullptr || !context.rights->projects) return true;
  return std::ranges::find(*context.rights->projects, to_text(schemas::ProjectId(project))) !=
         context.rights->projects->end();
}

Result<Row<Resource>> visible_resource(const Context& context, const Uuid& id) {
  auto row = context.view.get<Resource>(context.topic, Entity{id, {}});
  if (!row || !may_see(context, row->state.project)) {
    return fail(ErrorCode::not_found, "there is no resource with this id");
  }
  auto matched = check_if_match(context, row->head.version);
  if (!matched) return std::unexpected(std::move(matched).error());
  return std::move(*row);
}

Result<Decision> decide(const Context& context, const PutResourceKind& command) {
  const Entity entity{{}, command.name};
  const auto known = context.view.get<ResourceKind>(context.topic, entity);
  const auto version = known ? known->head.version : Version{};
  auto matched = check_if_match(context, version);
  if (!matched) return std::unexpected(std::move(matched).error());
  const bool same = known && known->state.external == command.external &&
                    known->state.unit_cost == command.unit_cost;
  if (same) return nothing(ResourceKind::kind, entity);
  return one_event(
      context, entity, version,
      schemas::ResourceKindChanged{command.external, projections::to_view(command.unit_cost)});
}

Result<Decision> decide(const Context& context, const PutQuota& command) {
  const Entity entity{{}, command.kind};
  const auto known = context.view.get<Quota>(context.topic, entity);
  const auto version = known ? known->head.version : Version{};
  auto matched = check_if_match(context, version);
  if (!matched) return std::unexpected(std::move(matched).error());
  const bool same =
      known && known->state.count == command.count && known->state.units == command.units;
  if (same) return nothing(Quota::kind, entity);
  return one_event(context, entity, version, schemas::QuotaChanged{command.count, command.units});
}

Result<Decision> decide(const Context& context, const CreateResource& command) {
  const auto project = project_of(context, command.project);
  if (!project || !may_see(context, command.project)) {
    return not_there("/project_id", "there is no project with this id");
  }
  if (auto active = in_active_project(context, command.project); !active) {
    return std::unexpected(std::move(active).error());
  }
  const auto environment = projections::environment_entity(command.project, command.environment);
  if (!context.references->own.get<Environment>(context.references->projects, environment)) {
    return not_there("/environment", "there is no environment of this name in the project");
  }
  const auto kind = kind_of(context, command.kind);
  if (!kind) {
    return not_there("/kind",
                     "there is no kind of resources of this name; GET "
                     "/v2/resource-kinds lists those there are");
  }
  auto fits = check_quota(context, command.kind, {.count = 1, .units = command.units});
  if (!fits) return std::unexpected(std::move(fits).error());
  auto decision = one_event(context, {context.new_id(), {}}, Version{},
                            schemas::ResourceRequested{.project = command.project,
                                                       .environment = command.environment,
                                                       .kind = command.kind,
                                                       .name = command.name,
                                                       .units = command.units,
                                                       .spec = command.spec,
                                                       .external = kind->state.external,
                                                       .unit_cost = {}});
  std::get<schemas::ResourceRequested>(decision.events.front().data).unit_cost =
      keep(decision, kind->state.unit_cost);
  if (!kind->state.external) {
    then(context, decision, schemas::ResourceActivated{.project = command.project});
  }
  decision.looked_at = {projects_log(context), kinds_log(context)};
  return decision;
}

/// At the price of now: who asks for other units agrees to it.
Result<Decision> decide(const Context& context, const ScaleResource& command) {
  const auto row = visible_resource(context, command.id);
  if (!row) return std::unexpected(row.error());
  const auto& state = row->state;
  if (auto active = in_active_project(context, state.project); !active) {
    return std::unexpected(std::move(active).error());
  }
  if (state.status != Status::active) return wrong_state(state, "be scaled");
  if (state.units == command.units) return nothing(Resource::kind, {command.id, {}});
  const auto more = command.units > state.units ? command.units - state.units : 0;
  auto fits = check_quota(context, state.resource_kind, {.units = more});
  if (!fits) return std::unexpected(std::move(fits).error());
  auto decision = of_resource(context, command.id, *row,
                              schemas::ResourceScaleRequested{state.project, command.units, {}});
  if (const auto kind = kind_of(context, state.resource_kind)) {
    std::get<schemas::ResourceScaleRequested>(decision.events.front().data).unit_cost =
        keep(decision, kind->state.unit_cost);
  }
  if (!state.external) {
    then(context, decision, schemas::ResourceScaled{.project = state.project});
  }
  decision.looked_at = {projects_log(context), kinds_log(context)};
  return decision;
}

Result<Decision> decide(const Context& context, const ConfigureResource& command) {
  const auto row = visible_resource(context, command.id);
  if (!row) return std::unexpected(row.error());
  const auto& state = row->state;
  if (auto active = in_active_project(context, state.project); !active) {
    return std::unexpected(std::move(active).error());
  }
  if (state.status == Status::deprovisioning) return wrong_state(state, "be configured");
  const auto target = schemas::json::parse(state.spec);
  const auto patch = schemas::json::parse(command.patch);
  ENSURE(target);
  if (!patch || !patch->root().is_object()) {
    return schemas::invalid_field("/spec", "must be an object");
  }
  auto after = schemas::json::merge_patch(target->root(), patch->root());
  if (after == state.spec) return nothing(Resource::kind, {command.id, {}});
  if (after.size() > spec_bytes_max) {
    return schemas::invalid_field(
        "/spec", fmt::format("may have {} bytes, and would have {}", spec_bytes_max, after.size()));
  }
  auto decision =
      of_resource(context, command.id, *row, schemas::ResourceConfigured{state.project, {}});
  std::get<schemas::ResourceConfigured>(decision.events.front().data).spec =
      decision.keep(std::move(after));
  decision.looked_at = {projects_log(context)};
  return decision;
}

namespace {

/// Its provisioner takes it away and says so; without one it is gone at once.
Decision deprovision(const Context& context, const Uuid& id, const Row<Resource>& row) {
  auto decision =
      of_resource(context, id, row, schemas::ResourceDeprovisionRequested{row.state.project});
  if (!row.state.external) {
    then(context, decision, schemas::ResourceDeprovisioned{.project = row.state.project});
  }
  decision.looked_at = {projects_log(context)};
  return decision;
}

}  // namespace

Result<Decision> decide(const Context& context, const DeleteResource& command) {
  const auto row = visible_resource(context, command.id);
  if (!row) return std::unexpected(row.error());
  const Entity entity{command.id, {}};
  if (row->state.status == Status::deprovisioning) return nothing(Resource::kind, entity);
  const auto project = project_of(context, row->state.project);
  if (project && project->state.status == Project::Status::archived) {
    return std::unexpected(in_active_project(context, row->state.project).error());
  }
  return deprovision(context, command.id, *row);
}

/// A step of a saga: to ask twice does no harm, and what is not gone after all stays.
Result<Decision> decide(const Context& context, const DeprovisionResource& command) {
  const Entity entity{command.id, {}};
  const auto row = context.view.get<Resource>(context.topic, entity);
  if (!row || row->state.status == Status::deprovisioning) return nothing(Resource::kind, entity);
  const auto environment =
      projections::environment_entity(row->state.project, row->state.environment);
  const bool stays =
      project_of(context, row->state.project) &&
      context.references->own.get<Environment>(context.references->projects, environment);
  if (stays) return nothing(Resource::kind, entity);
  return deprovision(context, command.id, *row);
}

}  // namespace manager
