#include "projections/project_parts.h"

#include "projections/evolve.h"
#include "schemas/json.h"

namespace projections {

using schemas::Entity;
using schemas::Role;
using schemas::Uuid;

namespace {

Entity below(Entity parent, std::string_view name) {
  parent.name += name;
  return parent;
}

}  // namespace

Entity environments_of(const Uuid& project) {
  return {project, "environments/"};
}
Entity members_of(const Uuid& project) {
  return {project, "members/"};
}
Entity environment_entity(const Uuid& project, std::string_view name) {
  return below(environments_of(project), name);
}
Entity member_entity(const Uuid& project, std::string_view user) {
  return below(members_of(project), user);
}
Entity settings_entity(const Uuid& project, const std::optional<std::string>& environment) {
  if (!environment) return {project, "settings"};
  return below(environment_entity(project, *environment), "/settings");
}
Entity secrets_of(const Uuid& project, const std::optional<std::string>& environment) {
  if (!environment) return {project, "secrets/"};
  return below(environment_entity(project, *environment), "/secrets/");
}
Entity secret_entity(const Uuid& project, const std::optional<std::string>& environment,
                     std::string_view name) {
  return below(secrets_of(project, environment), name);
}
std::string_view name_below(const Entity& parent, const Entity& entity) {
  return std::string_view(entity.name).substr(parent.name.size());
}

std::string_view to_text(Role role) {
  switch (role) {
    case Role::viewer:
      return "viewer";
    case Role::member:
      return "member";
    case Role::admin:
      return "admin";
    case Role::owner:
      return "owner";
  }
  return "";
}

Result<std::optional<Environment>> evolve(std::optional<Environment> state, const EventData& data,
                                          const Moment&) {
  if (std::holds_alternative<schemas::EnvironmentCreated>(data) && !state) return Environment{};
  if (std::holds_alternative<schemas::EnvironmentDeleted>(data) && state) {
    return std::optional<Environment>();
  }
  return cannot_apply(data);
}

Result<std::optional<Member>> evolve(std::optional<Member> state, const EventData& data,
                                     const Moment&) {
  const auto* added = std::get_if<schemas::MemberAdded>(&data);
  const auto* changed = std::get_if<schemas::MemberRoleChanged>(&data);
  // A role of a newer version of the program.
  if ((added && added->role > Role::owner) || (changed && changed->role > Role::owner)) {
    return cannot_apply(data);
  }
  if (added && !state) return Member{.role = added->role};
  if (!state) return cannot_apply(data);
  if (changed) return Member{.role = changed->role, .as_added = false};
  if (std::holds_alternative<schemas::MemberRemoved>(data)) return std::optional<Member>();
  return cannot_apply(data);
}

Result<std::optional<Settings>> evolve(std::optional<Settings> state, const EventData& data,
                                       const Moment&) {
  const auto* changed = std::get_if<schemas::SettingsChanged>(&data);
  if (changed == nullptr) return cannot_apply(data);
  const auto patch = schemas::json::parse(changed->patch);
  const auto target = schemas::json::parse(state ? state->json : "{}");
  if (!patch || !patch->root().is_object() || !target) return cannot_apply(data);
  return Settings{schemas::json::merge_patch(target->root(), patch->root())};
}

Result<std::optional<Secret>> evolve(std::optional<Secret> state, const EventData& data,
                                     const Moment& moment) {
  if (const auto* set = std::get_if<schemas::SecretSet>(&data)) {
    return Secret{.sealed = std::string(set->value),
                  .value_version = moment.version,
                  .first_version = state ? state->first_version : moment.version};
  }
  if (!state) return cannot_apply(data);
  if (std::holds_alternative<schemas::SecretRevealed>(data)) return state;
  if (std::holds_alternative<schemas::SecretDeleted>(data)) return std::optional<Secret>();
  return cannot_apply(data);
}

}  // namespace projections
