#pragma once

#include <span>
#include <string>

#include "api/resources/operation.h"

/// The description of the routes, made from their table.
namespace api::resources {

/// OpenAPI 3.1.
std::string openapi_document(std::span<const Operation> operations, std::string_view version);

Answer openapi(Ask& ask);
/// A page for people that renders the description; it loads nothing from elsewhere.
Answer docs(Ask& ask);

}  // namespace api::resources
