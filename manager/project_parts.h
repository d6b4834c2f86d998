#pragma once

#include <optional>
#include <string>

#include "manager/decide.h"
#include "projections/project_parts.h"

/// What the rules of everything below a project share.
namespace manager {

/// What is below a project: its state, if it is there, and its version, there or not.
template <typename State>
struct Part {
  std::optional<State> state;
  Version version{};
};
template <typename State>
Part<State> part_of(const Context& context, const Entity& entity) {
  if (auto row = context.view.get<State>(context.topic, entity)) {
    return {std::move(row->state), row->head.version};
  }
  return {{}, context.view.existence(context.topic, State::kind, entity).version};
}

/// What If-Match may name: of what is not there, no version.
template <typename State>
Result<void> matches(const Context& context, const Part<State>& part) {
  return check_if_match(context, part.state ? part.version : Version{});
}

Result<void> in_active_project(const Context& context, const Uuid& id);
/// Without an environment: yes.
Result<void> in_environment(const Context& context, const Uuid& project,
                            const std::optional<std::string>& environment);
std::unexpected<schemas::Error> no_project();
std::unexpected<schemas::Error> no_environment();

/// As many as there may be in one place.
Reader::Page secrets_in(const Context& context, const Entity& parent);

}  // namespace manager
