#include "manager/project_parts.h"

#include <algorithm>

#include <fmt/core.h>

#include "projections/resource_rows.h"
#include "schemas/json_writer.h"

namespace manager {
namespace {

using projections::Environment;
using projections::Member;
using projections::Settings;
using schemas::Role;

std::unexpected<schemas::Error> no_member() {
  return fail(ErrorCode::not_found, "this user is no member of the project");
}

bool has_another_owner(const Context& context, const Uuid& project, std::string_view user) {
  const auto parent = projections::members_of(project);
  const auto owns = [&](const projections::FoundRow& row) {
    return projections::decode_row<Member>(row.bytes).state.role == Role::owner &&
           projections::name_below(parent, row.entity) != user;
  };
  // A page of none ends at the first that it could have held.
  return context.view
      .list(context.topic, Member::kind, true,
            {.limit = 0, .as_of = {}, .below = parent, .filter = owns})
      .more;
}

/// As far as the reference shows: one that comes later is taken away again (deprovisioning.h).
bool has_resources(const Context& context, const Uuid& project, std::string_view environment) {
  using projections::ResourceOfProject;
  const auto is_there = [&](const projections::FoundRow& row) {
    return projections::decode_row<ResourceOfProject>(row.bytes).state.environment == environment;
  };
  const auto parent = projections::resources_of(project);
  return context.references->own
      .list(context.references->resources, ResourceOfProject::kind, true,
            {.limit = 0, .as_of = {}, .below = parent, .filter = is_there})
      .more;
}

std::unexpected<schemas::Error> last_owner() {
  return fail(ErrorCode::last_owner,
              "this is the project's last owner; make another member an owner first");
}

/// A patch that takes away every member of an object.
std::string emptying(std::string_view json) {
  std::string patch;
  schemas::json::Writer writer(patch);
  writer.begin_object();
  const auto parsed = schemas::json::parse(json);
  ENSURE(parsed.has_value());
  for (const auto [name, value] : parsed->root().members()) writer.name(name).null();
  writer.end_object();
  return patch;
}

/// One event more, about another entity.
void add(Decision& decision, Decision more) {
  decision.events.push_back(std::move(more.events.front()));
}

}  // namespace

Result<void> in_active_project(const Context& context, const Uuid& id) {
  const auto project = context.view.get<projections::Project>(context.topic, Entity{id, {}});
  if (!project) return no_project();
  if (project->state.status == projections::Project::Status::active) return {};
  return fail(ErrorCode::invalid_transition,
              "what belongs to an archived project cannot be changed; restore it first");
}

Result<void> in_environment(const Context& context, const Uuid& project,
                            const std::optional<std::string>& environment) {
  if (!environment) return {};
  const auto entity = projections::environment_entity(project, *environment);
  if (part_of<Environment>(context, entity).state) return {};
  return no_environment();
}

std::unexpected<schemas::Error> no_project() {
  return fail(ErrorCode::not_found, "there is no project with this id");
}

std::unexpected<schemas::Error> no_environment() {
  return fail(ErrorCode::not_found, "there is no environment of this name in the project");
}

Result<Decision> decide(const Context& context, const CreateEnvironment& command) {
  if (auto active = in_active_project(context, command.project); !active) {
    return std::unexpected(std::move(active).error());
  }
  const auto entity = projections::environment_entity(command.project, command.name);
  const auto known = part_of<Environment>(context, entity);
  if (known.state) {
    return fail(schemas::Error{ErrorCode::slug_taken,
                               "the project has an environment '" + command.name + "' already",
                               {{schemas::FieldError::In::body, "/name", "is taken"}},
                               {}});
  }
  return one_event(context, entity, known.version, schemas::EnvironmentCreated{});
}

/// What is in it goes with it, so that one that is made again under its name begins empty.
Result<Decision> decide(const Context& context, const DeleteEnvironment& command) {
  if (auto active = in_active_project(context, command.project); !active) {
    return std::unexpected(std::move(active).error());
  }
  const auto entity = projections::environment_entity(command.project, command.name);
  const auto known = part_of<Environment>(context, entity);
  if (!known.state) return no_environment();
  if (auto matched = matches(context, known); !matched) {
    return std::unexpected(std::move(matched).error());
  }
  if (has_resources(context, command.project, command.name)) {
    return fail(ErrorCode::in_use,
                "resources are in this environment; delete them first, and wait until they are "
                "gone");
  }
  auto decision = one_event(context, entity, known.version, schemas::EnvironmentDeleted{});
  decision.looked_at = {{context.references->resources, context.organization}};
  const auto inner = projections::settings_entity(command.project, command.name);
  const auto settings = part_of<Settings>(context, inner);
  if (settings.state && settings.state->json != "{}") {
    const auto patch = decision.keep(emptying(settings.state->json));
    add(decision, one_event(context, inner, settings.version, schemas::SettingsChanged{patch}));
  }
  const auto secrets = secrets_in(context, projections::secrets_of(command.project, command.name));
  for (const auto& secret : secrets.rows) {
    const auto version = projections::decode_head(secret.bytes, nullptr).version;
    add(decision, one_event(context, secret.entity, version, schemas::SecretDeleted{}));
  }
  return decision;
}

Result<Decision> decide(const Context& context, const PutMember& command) {
  if (auto active = in_active_project(context, command.project); !active) {
    return std::unexpected(std::move(active).error());
  }
  const auto entity = projections::member_entity(command.project, command.user);
  const auto known = part_of<Member>(context, entity);
  if (auto matched = matches(context, known); !matched) {
    return std::unexpected(std::move(matched).error());
  }
  if (!known.state) {
    return one_event(context, entity, known.version, schemas::MemberAdded{command.role});
  }
  if (known.state->role == command.role) return nothing(Member::kind, entity);
  const bool lowers_owner = known.state->role == Role::owner;
  if (lowers_owner && !has_another_owner(context, command.project, command.user)) {
    return last_owner();
  }
  return one_event(context, entity, known.version, schemas::MemberRoleChanged{command.role});
}

Result<Decision> decide(const Context& context, const RemoveMember& command) {
  if (auto active = in_active_project(context, command.project); !active) {
    return std::unexpected(std::move(active).error());
  }
  const auto entity = projections::member_entity(command.project, command.user);
  const auto known = part_of<Member>(context, entity);
  if (!known.state) return no_member();
  if (auto matched = matches(context, known); !matched) {
    return std::unexpected(std::move(matched).error());
  }
  const bool removes_owner = known.state->role == Role::owner;
  if (removes_owner && !has_another_owner(context, command.project, command.user)) {
    return last_owner();
  }
  return one_event(context, entity, known.version, schemas::MemberRemoved{});
}

Result<Decision> decide(const Context& context, const ChangeSettings& command) {
  if (auto active = in_active_project(context, command.project); !active) {
    return std::unexpected(std::move(active).error());
  }
  if (auto inside = in_environment(context, command.project, command.environment); !inside) {
    return std::unexpected(std::move(inside).error());
  }
  const auto entity = projections::settings_entity(command.project, command.environment);
  const auto known = part_of<Settings>(context, entity);
  if (auto matched = matches(context, known); !matched) {
    return std::unexpected(std::move(matched).error());
  }
  const auto before = known.state ? known.state->json : std::string("{}");
  const auto target = schemas::json::parse(before);
  const auto patch = schemas::json::parse(command.patch);
  ENSURE(target);
  if (!patch || !patch->root().is_object()) {
    return schemas::invalid_field("", "must be an object");
  }
  const auto after = schemas::json::merge_patch(target->root(), patch->root());
  if (after == before) return nothing(Settings::kind, entity);
  const auto bytes = std::max(after.size(), command.patch.size());
  if (bytes > settings_bytes_max) {
    return schemas::invalid_field("", fmt::format("settings and patch may have {} bytes each, and "
                                                  "have up to {}: take members away with null",
                                                  settings_bytes_max, bytes));
  }
  return one_event(context, entity, known.version, schemas::SettingsChanged{command.patch});
}

}  // namespace manager
