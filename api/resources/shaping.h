#pragma once

#include <string>

#include "api/resources/ask.h"
#include "api/resources/operation.h"
#include "projections/reader.h"

/// ?fields= and ?include=: what is left out of an answer and what is put beside it, the same for
/// every route that has these parameters.
namespace api::resources {

/// Names in ?fields= are members of the answer; ?include= needs the right to read what it adds.
Result<void> check_shaping(const Ask& ask);

/// Embeds the projects that things name as `project_id`, then leaves out what was not asked for.
void shape_answer(const Ask& ask, Response& response);

/// The project of this id as it is now, as JSON, or null when it is not there or not for the
/// caller.
std::string project_json(const Ask& ask, std::string_view id);
bool includes_project(const Ask& ask);

}  // namespace api::resources
