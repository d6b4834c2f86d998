#include <fmt/core.h>

#include "manager/project_parts.h"

namespace manager {

using projections::Project;
using projections::Secret;

namespace {

std::unexpected<schemas::Error> no_secret() {
  return fail(ErrorCode::not_found, "there is no secret of this name");
}

/// Whether a value was set at this version, since the secret was last deleted, if it ever was.
bool was_set_at(const Context& context, const Entity& entity, Version version, const Secret& now) {
  if (version == now.value_version) return true;
  if (version < now.first_version) return false;
  const auto bytes = context.view.find_at(context.topic, Secret::kind, entity, version);
  return bytes && projections::decode_row<Secret>(*bytes).state.value_version == version;
}

}  // namespace

Reader::Page secrets_in(const Context& context, const Entity& parent) {
  return context.view.list(context.topic, Secret::kind, true,
                           {.limit = secrets_max, .as_of = {}, .below = parent, .filter = {}});
}

Result<Decision> decide(const Context& context, const PutSecret& command) {
  if (auto active = in_active_project(context, command.project); !active) {
    return std::unexpected(std::move(active).error());
  }
  if (auto inside = in_environment(context, command.project, command.environment); !inside) {
    return std::unexpected(std::move(inside).error());
  }
  const auto parent = projections::secrets_of(command.project, command.environment);
  const auto entity =
      projections::secret_entity(command.project, command.environment, command.name);
  const auto known = part_of<Secret>(context, entity);
  if (auto matched = matches(context, known); !matched) {
    return std::unexpected(std::move(matched).error());
  }
  if (!known.state && secrets_in(context, parent).rows.size() == secrets_max) {
    return fail(ErrorCode::over_quota,
                fmt::format("there are {} secrets here, and no more may be; delete one that is not "
                            "needed",
                            secrets_max));
  }
  return one_event(context, entity, known.version, schemas::SecretSet{command.value});
}

/// Of an archived project too: nothing but the record of it is written.
Result<Decision> decide(const Context& context, const RevealSecret& command) {
  const auto project = Entity{command.project, {}};
  if (!context.view.get<Project>(context.topic, project)) return no_project();
  const auto entity =
      projections::secret_entity(command.project, command.environment, command.name);
  const auto known = part_of<Secret>(context, entity);
  if (!known.state) return no_secret();
  if (auto matched = matches(context, known); !matched) {
    return std::unexpected(std::move(matched).error());
  }
  const auto version = command.version.value_or(known.state->value_version);
  if (!was_set_at(context, entity, version, *known.state)) {
    return schemas::invalid_field("/version", "no value of this secret was set at this version");
  }
  return one_event(context, entity, known.version, schemas::SecretRevealed{version});
}

Result<Decision> decide(const Context& context, const DeleteSecret& command) {
  if (auto active = in_active_project(context, command.project); !active) {
    return std::unexpected(std::move(active).error());
  }
  const auto entity =
      projections::secret_entity(command.project, command.environment, command.name);
  const auto known = part_of<Secret>(context, entity);
  if (!known.state) return no_secret();
  if (auto matched = matches(context, known); !matched) {
    return std::unexpected(std::move(matched).error());
  }
  return one_event(context, entity, known.version, schemas::SecretDeleted{});
}

}  // namespace manager
