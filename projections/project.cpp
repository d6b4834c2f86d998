#include "projections/evolve.h"

namespace projections {

std::string_view to_text(Project::Status status) {
  switch (status) {
    case Project::Status::active:
      return "active";
    case Project::Status::archived:
      return "archived";
  }
  return "";
}

Result<std::optional<Project>> evolve(std::optional<Project> state, const EventData& data,
                                      const Moment&) {
  if (const auto* created = std::get_if<schemas::ProjectCreated>(&data); created && !state) {
    return Project{.name = std::string(created->name), .slug = std::string(created->slug)};
  }
  if (!state) return cannot_apply(data);
  if (const auto* changed = std::get_if<schemas::ProjectChanged>(&data)) {
    if (changed->name) state->name = *changed->name;
    if (changed->slug) state->slug = *changed->slug;
    return state;
  }
  if (std::holds_alternative<schemas::ProjectArchived>(data)) {
    state->status = Project::Status::archived;
    return state;
  }
  if (std::holds_alternative<schemas::ProjectRestored>(data)) {
    state->status = Project::Status::active;
    return state;
  }
  if (std::holds_alternative<schemas::ProjectDeleted>(data)) return std::optional<Project>();
  return cannot_apply(data);
}

}  // namespace projections
