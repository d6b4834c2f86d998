#include "manager/decide.h"

namespace manager {

using projections::Project;

namespace {

std::unexpected<schemas::Error> is_archived(std::string_view what) {
  return fail(ErrorCode::invalid_transition,
              "an archived project cannot be " + std::string(what) + "; restore it first");
}

/// The slug made from a name, with a free number behind it when it is taken: found by doubling and
/// halving, for thousands may have the same name.
std::string free_slug(const Context& context, std::string_view name) {
  const auto base = slug_of(name);
  auto numbered = [&](std::uint64_t number) { return base + "-" + std::to_string(number); };
  auto taken = [&](const std::string& slug) {
    return context.view.unique(context.topic, Project::kind, "slug", slug).has_value();
  };
  if (!taken(base)) return base;
  std::uint64_t last_taken = 1;
  std::uint64_t free = 2;
  for (; taken(numbered(free)); free *= 2) last_taken = free;
  while (free - last_taken > 1) {
    const auto middle = last_taken + (free - last_taken) / 2;
    (taken(numbered(middle)) ? last_taken : free) = middle;
  }
  return numbered(free);
}

}  // namespace

Result<Decision> decide(const Context& context, const CreateProject& command) {
  if (command.slug && context.view.unique(context.topic, Project::kind, "slug", *command.slug)) {
    return slug_taken(*command.slug);
  }
  auto decision = one_event(context, {context.new_id(), {}}, Version{}, schemas::ProjectCreated{});
  auto slug = command.slug ? std::string_view(*command.slug)
                           : decision.keep(free_slug(context, command.name));
  decision.events.front().data = schemas::ProjectCreated{command.name, slug};
  return decision;
}

Result<Decision> decide(const Context& context, const ChangeProject& command) {
  auto row = required<Project>(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  if (row->state.status == Project::Status::archived) return is_archived("changed");
  schemas::ProjectChanged changed;
  if (command.name && *command.name != row->state.name) changed.name = *command.name;
  if (command.slug && *command.slug != row->state.slug) changed.slug = *command.slug;
  if (!changed.name && !changed.slug) return nothing(Project::kind, {command.id, {}});
  if (changed.slug && context.view.unique(context.topic, Project::kind, "slug", *changed.slug)) {
    return slug_taken(*changed.slug);
  }
  return one_event(context, {command.id, {}}, row->head.version, changed);
}

Result<Decision> decide(const Context& context, const ArchiveProject& command) {
  auto row = required<Project>(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  if (row->state.status == Project::Status::archived) return is_archived("archived again");
  return one_event(context, {command.id, {}}, row->head.version, schemas::ProjectArchived{});
}

Result<Decision> decide(const Context& context, const RestoreProject& command) {
  auto row = required<Project>(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  if (row->state.status == Project::Status::active) {
    return fail(ErrorCode::invalid_transition, "only an archived project can be restored");
  }
  return one_event(context, {command.id, {}}, row->head.version, schemas::ProjectRestored{});
}

Result<Decision> decide(const Context& context, const DeleteProject& command) {
  auto row = required<Project>(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  return one_event(context, {command.id, {}}, row->head.version, schemas::ProjectDeleted{});
}

}  // namespace manager
