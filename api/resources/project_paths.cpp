#include "api/resources/project_paths.h"

#include "api/resources/reading.h"

namespace api::resources {

using projections::Environment;
using projections::FoundRow;
using projections::Project;
using schemas::Entity;

std::unexpected<schemas::Error> no_project() {
  return edge::not_found("project with this id");
}
std::unexpected<schemas::Error> no_environment() {
  return edge::not_found("environment of this name in the project");
}

std::string project_path(const Ask& ask) {
  return "/v2/projects/" + std::string(ask.request.captured("project_id"));
}

Result<std::optional<std::string>> environment_in_path(const Ask& ask) {
  if (!ask.operation.pattern.contains("{environment}")) return std::nullopt;
  const auto name = ask.request.captured("environment");
  if (!is_slug(name)) return no_environment();
  return std::string(name);
}

Result<PlaceInPath> place_in_path(const Ask& ask) {
  auto project = project_in_path(ask);
  if (!project) return std::unexpected(std::move(project).error());
  auto environment = environment_in_path(ask);
  if (!environment) return std::unexpected(std::move(environment).error());
  return PlaceInPath{*project, std::move(*environment)};
}

Result<void> admit(Reading& reading, const PlaceInPath& place) {
  if (!reading.find(Project::kind, {place.project, {}})) return no_project();
  if (!place.environment) return {};
  const auto entity = projections::environment_entity(place.project, *place.environment);
  if (!reading.find(Environment::kind, entity)) return no_environment();
  return {};
}

awaitable<Result<FoundRow>> find_part(Ask& ask, std::string_view kind, Entity entity,
                                      std::unexpected<schemas::Error> missing) {
  auto reading = co_await open_reading(ask, ask.projects(), View::snapshot);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  if (auto there = admit(*reading, {entity.id, {}}); !there) {
    co_return std::unexpected(std::move(there).error());
  }
  auto row = reading->find(kind, entity);
  if (!row) co_return missing;
  co_return FoundRow{std::move(entity), std::move(*row)};
}

Answer list_parts(Ask& ask, std::string_view kind, PlaceInPath place, Entity parent,
                  Render render) {
  ListSpec spec{.kind = kind,
                .below = std::move(parent),
                .admit = [place = std::move(place)](
                             Reading& reading) { return resources::admit(reading, place); },
                .keep = {},
                .render = std::move(render)};
  return list_answer(ask, ask.projects(), std::move(spec));
}

}  // namespace api::resources
