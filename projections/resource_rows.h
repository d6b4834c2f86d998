#pragma once

#include <optional>

#include "projections/row_keys.h"
#include "projections/rows.h"
#include "projections/states.h"
#include "schemas/events.h"
#include "schemas/result.h"

// clang-format off
/// What is folded beside a resource's own row, with history like every row:
///
///     quota_usage           kind                          what quotas compare with
///     resource_of_project   project, res_…                a project's resources, and where they are
///     resource_health       resource, ~version            its history of health, newest first
///     resource_meter        project, res_…                while it runs and costs something
///     resource_costs        project, 2026-11/res_…        what it has cost in a month; never goes
///
/// Pure, in record order, time is the record's.
// clang-format on
namespace projections {

using schemas::Version;

struct ResourceChange {
  const RowReader& rows;  // before the event
  WriteSet& changes;
  OrganizationId organization;
  Space space;
  TopicId topic;
  Time recorded;
  Offset offset;
  std::uint32_t index;
  Uuid resource;
  Version version;  // after the event
  const std::optional<Resource>& before;
  const std::optional<Resource>& after;
  schemas::EventData data;
};
/// An error: the event would make a sum that has no room.
schemas::Result<void> fold_resource_rows(const ResourceChange& change);

/// Whether a kind's rows are such ones. They go without a trace but in their history, and have the
/// versions of what they stand beside.
bool folded_beside(std::string_view kind);

Entity resource_of_project_entity(const Uuid& project, const Uuid& resource);
/// The resource that the last part of such an entity's name says.
Uuid resource_in(const Entity& entity);
/// Everything of one project in one of these kinds.
Entity resources_of(const Uuid& project);
Entity costs_of_month(const Uuid& project, std::string_view month);
Entity health_of(const Uuid& resource);

}  // namespace projections
