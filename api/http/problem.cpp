#include "api/http/problem.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "schemas/json_writer.h"

namespace api::http {
namespace {

using schemas::ErrorCode;

std::string_view place_name(schemas::FieldError::In in) {
  switch (in) {
    case schemas::FieldError::In::body:
      return "pointer";
    case schemas::FieldError::In::parameter:
      return "parameter";
    case schemas::FieldError::In::header:
      return "header";
  }
  ENSURE(false);
  return {};
}

/// How long a client should usually wait before it tries again.
std::chrono::seconds usual_pause(ErrorCode code) {
  if (code == ErrorCode::read_only || code == ErrorCode::clock_jump)
    return std::chrono::seconds(30);
  if (code == ErrorCode::projection_frozen || code == ErrorCode::root_key_missing)
    return std::chrono::seconds(60);
  return std::chrono::seconds(1);
}

}  // namespace

unsigned status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::malformed_json:
    case ErrorCode::invalid_parameter:
    case ErrorCode::organization_required:
    case ErrorCode::foreign_mark:
    case ErrorCode::as_of_in_future:
    case ErrorCode::mark_without_position:
      return 400;
    case ErrorCode::unauthenticated:
      return 401;
    case ErrorCode::forbidden:
    case ErrorCode::organization_suspended:
      return 403;
    case ErrorCode::not_found:
      return 404;
    case ErrorCode::method_not_allowed:
      return 405;
    case ErrorCode::request_timeout:
      return 408;
    case ErrorCode::slug_taken:
    case ErrorCode::unique_taken:
    case ErrorCode::invalid_transition:
    case ErrorCode::over_quota:
    case ErrorCode::last_owner:
    case ErrorCode::version_conflict:
    case ErrorCode::stale_report:
    case ErrorCode::in_use:
      return 409;
    case ErrorCode::lost_mark:
    case ErrorCode::history_trimmed:
      return 410;
    case ErrorCode::precondition_failed:
      return 412;
    case ErrorCode::too_large:
    case ErrorCode::record_too_large:
      return 413;
    case ErrorCode::unsupported_media_type:
      return 415;
    case ErrorCode::invalid_request:
    case ErrorCode::idempotency_key_reused:
      return 422;
    case ErrorCode::rate_limited:
      return 429;
    case ErrorCode::headers_too_large:
      return 431;
    case ErrorCode::internal:
      return 500;
    case ErrorCode::read_only:
    case ErrorCode::no_owner:
    case ErrorCode::overloaded:
    case ErrorCode::mark_not_reached:
    case ErrorCode::projection_frozen:
    case ErrorCode::clock_jump:
    case ErrorCode::outcome_unknown:
    case ErrorCode::not_owner:
    case ErrorCode::root_key_missing:
      return 503;
    case ErrorCode::disk_full:
      return 507;
  }
  ENSURE(false);
  return 0;
}

const ProblemType* find_problem_type(std::string_view name) {
  const auto types = problem_types();
  const auto found = std::ranges::find(types, name, &ProblemType::name);
  return found == types.end() ? nullptr : &*found;
}

std::string problem_json(const schemas::Error& error, std::string_view request_id) {
  const auto& type = problem_type(error.code);
  std::string out;
  schemas::json::Writer writer(out);
  writer.begin_object();
  writer.member("type", fmt::format("/problems/{}", type.name));
  writer.member("title", type.title);
  writer.member("status", status_of(error.code));
  writer.member("detail", error.detail);
  writer.member("request_id", request_id);
  if (!error.fields.empty()) {
    writer.name("errors").begin_array();
    for (const auto& field : error.fields) {
      writer.begin_object().member(place_name(field.in), field.where);
      writer.member("detail", field.detail).end_object();
    }
    writer.end_array();
  }
  for (const auto& [name, json] : error.members) writer.name(name).raw(json);
  writer.end_object();
  return out;
}

Response problem(schemas::Error error, std::optional<std::chrono::seconds> retry_after) {
  Response response;
  response.status = status_of(error.code);
  response.content_type = "application/problem+json";
  if (response.status == 401) response.add_header("WWW-Authenticate", "Bearer");
  if (response.status == 429 || response.status == 503) {
    const auto pause = retry_after.value_or(usual_pause(error.code));
    response.add_header("Retry-After", fmt::to_string(pause.count()));
  }
  response.error = std::move(error);
  return response;
}

}  // namespace api::http
