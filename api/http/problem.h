#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "api/http/response.h"
#include "schemas/result.h"

/// Errors as clients read them: application/problem+json (RFC 9457), one status per type.
namespace api::http {

/// The page of an error code: what an operator or a caller should know and do.
struct ProblemType {
  schemas::ErrorCode code;
  std::string_view name;  ///< last segment of `type`
  std::string_view title;
  std::string_view cause;
  std::string_view remedy;
};

unsigned status_of(schemas::ErrorCode code);
const ProblemType& problem_type(schemas::ErrorCode code);
const ProblemType* find_problem_type(std::string_view name);
std::span<const ProblemType> problem_types();

/// The problem object as JSON text.
std::string problem_json(const schemas::Error& error, std::string_view request_id);

/// The answer to an error, with the headers its status asks for: WWW-Authenticate, and Retry-After
/// with the given pause or the usual one of its code. The session renders the body, for it knows
/// the request's id.
Response problem(schemas::Error error,
                 std::optional<std::chrono::seconds> retry_after = std::nullopt);

}  // namespace api::http
