#include "projections/organization.h"

#include "projections/evolve.h"
#include "projections/reader.h"

namespace projections {

std::string_view to_text(Organization::Status status) {
  switch (status) {
    case Organization::Status::active:
      return "active";
    case Organization::Status::suspended:
      return "suspended";
  }
  return "";
}

Result<std::optional<Organization>> evolve(std::optional<Organization> state, const EventData& data,
                                           const Moment&) {
  if (const auto* created = std::get_if<schemas::OrganizationCreated>(&data); created && !state) {
    return Organization{.name = std::string(created->name), .slug = std::string(created->slug)};
  }
  if (!state) return cannot_apply(data);
  if (const auto* changed = std::get_if<schemas::OrganizationChanged>(&data)) {
    if (changed->name) state->name = *changed->name;
    if (changed->slug) state->slug = *changed->slug;
    return state;
  }
  if (std::holds_alternative<schemas::OrganizationSuspended>(data)) {
    state->status = Organization::Status::suspended;
    return state;
  }
  if (std::holds_alternative<schemas::OrganizationResumed>(data)) {
    state->status = Organization::Status::active;
    return state;
  }
  return cannot_apply(data);
}

std::optional<Organization::Status> status_of(const RowReader& rows, schemas::TopicId identity,
                                              schemas::OrganizationId organization) {
  const Reader platform(rows, schemas::platform_organization, schemas::Space::live);
  const auto row = platform.get<Organization>(identity, {organization.uuid(), {}});
  return row ? std::optional(row->state.status) : std::nullopt;
}

}  // namespace projections
