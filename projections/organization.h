#pragma once

#include <optional>

#include "projections/rows.h"
#include "projections/states.h"

namespace projections {

/// How an organization stands by the platform's rows, `identity` being that product's topic; empty:
/// there is none of this id.
std::optional<Organization::Status> status_of(const RowReader& rows, schemas::TopicId identity,
                                              schemas::OrganizationId organization);

}  // namespace projections
