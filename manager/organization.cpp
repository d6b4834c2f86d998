#include "manager/decide.h"

namespace manager {

using projections::Organization;

Result<Decision> decide(const Context& context, const CreateOrganization& command) {
  if (context.view.unique(context.topic, Organization::kind, "slug", command.slug)) {
    return slug_taken(command.slug);
  }
  return one_event(context, {context.new_id(), {}}, Version{},
                   schemas::OrganizationCreated{command.name, command.slug});
}

Result<Decision> decide(const Context& context, const ChangeOrganization& command) {
  auto row = required<Organization>(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  schemas::OrganizationChanged changed;
  if (command.name && *command.name != row->state.name) changed.name = *command.name;
  if (command.slug && *command.slug != row->state.slug) changed.slug = *command.slug;
  if (!changed.name && !changed.slug) return nothing(Organization::kind, {command.id, {}});
  if (changed.slug &&
      context.view.unique(context.topic, Organization::kind, "slug", *changed.slug)) {
    return slug_taken(*changed.slug);
  }
  return one_event(context, {command.id, {}}, row->head.version, changed);
}

Result<Decision> decide(const Context& context, const SuspendOrganization& command) {
  auto row = required<Organization>(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  if (row->state.status == Organization::Status::suspended) {
    return fail(ErrorCode::invalid_transition, "the organization is suspended already");
  }
  return one_event(context, {command.id, {}}, row->head.version, schemas::OrganizationSuspended{});
}

Result<Decision> decide(const Context& context, const ResumeOrganization& command) {
  auto row = required<Organization>(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  if (row->state.status == Organization::Status::active) {
    return fail(ErrorCode::invalid_transition, "the organization is active already");
  }
  return one_event(context, {command.id, {}}, row->head.version, schemas::OrganizationResumed{});
}

}  // namespace manager
