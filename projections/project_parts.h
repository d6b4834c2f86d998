#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "schemas/ids.h"

/// How the entities below a project are named: by its id and a path below it, which is also how
/// their events' subjects read.
///
///     proj_…/environments/staging            proj_…/members/user_7
///     proj_…/settings                        proj_…/environments/staging/settings
///     proj_…/secrets/DB_PASSWORD             proj_…/environments/staging/secrets/DB_PASSWORD
namespace projections {

/// A project has these from its own beginning: its first event makes their rows.
inline constexpr std::array<std::string_view, 3> first_environments{"development", "staging",
                                                                    "production"};

schemas::Entity environment_entity(const schemas::Uuid& project, std::string_view name);
schemas::Entity member_entity(const schemas::Uuid& project, std::string_view user);
/// Without an environment: the project's own.
schemas::Entity settings_entity(const schemas::Uuid& project,
                                const std::optional<std::string>& environment);
schemas::Entity secret_entity(const schemas::Uuid& project,
                              const std::optional<std::string>& environment, std::string_view name);

// What the entities of one kind have before the last part of their names.
schemas::Entity environments_of(const schemas::Uuid& project);
schemas::Entity members_of(const schemas::Uuid& project);
schemas::Entity secrets_of(const schemas::Uuid& project,
                           const std::optional<std::string>& environment);
/// The last part of an entity's name below one of these.
std::string_view name_below(const schemas::Entity& parent, const schemas::Entity& entity);

}  // namespace projections
