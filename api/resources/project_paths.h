#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/resources/lists.h"
#include "api/resources/projects.h"
#include "projections/project_parts.h"

/// What the routes below a project share: who stands in the path, and reading what belongs to it. A
/// project that is not there, or that the caller may not see, has nothing below it.
namespace api::resources {

std::unexpected<schemas::Error> no_project();
std::unexpected<schemas::Error> no_environment();

/// The project in the path, as a path.
std::string project_path(const Ask& ask);

/// The environment in the path, if it could be one's name; none where the path names none.
Result<std::optional<std::string>> environment_in_path(const Ask& ask);

/// Project and, where the route has one, environment; their form is right.
struct PlaceInPath {
  schemas::Uuid project;
  std::optional<std::string> environment;
};
Result<PlaceInPath> place_in_path(const Ask& ask);

/// Whether both are there, at the reading's moment.
Result<void> admit(Reading& reading, const PlaceInPath& place);

/// One thing of the project, where that is there.
awaitable<Result<projections::FoundRow>> find_part(Ask& ask, std::string_view kind,
                                                   schemas::Entity entity,
                                                   std::unexpected<schemas::Error> missing);

/// Things of one kind below `parent`.
Answer list_parts(Ask& ask, std::string_view kind, PlaceInPath place, schemas::Entity parent,
                  Render render);

}  // namespace api::resources
