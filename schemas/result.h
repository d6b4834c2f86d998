#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// What can go wrong, as one closed list: the problem types of the public interface. What can be
/// expected returns Result<T>; exceptions are for failing start-up and for bugs; ENSURE is for
/// broken invariants of our own, on in every build, and ends the process.
namespace schemas {

/// The numbers travel between processes: codes are only added, at the end.
enum class ErrorCode : std::uint8_t {
  malformed_json,
  invalid_parameter,
  organization_required,
  foreign_mark,
  as_of_in_future,
  mark_without_position,
  unauthenticated,
  forbidden,
  organization_suspended,
  not_found,
  method_not_allowed,
  request_timeout,
  lost_mark,
  history_trimmed,
  unsupported_media_type,
  headers_too_large,
  slug_taken,
  invalid_transition,
  over_quota,
  last_owner,
  version_conflict,
  stale_report,
  in_use,
  precondition_failed,
  too_large,
  record_too_large,
  invalid_request,
  idempotency_key_reused,
  rate_limited,
  read_only,
  no_owner,
  overloaded,
  mark_not_reached,
  projection_frozen,
  clock_jump,
  outcome_unknown,
  internal,
  disk_full,
  not_owner,  // says one process to another, which then asks elsewhere
  root_key_missing,
  unique_taken,
};

/// One wrong field. `where` is a JSON pointer for `in == body`, else the name of a parameter or
/// header.
struct FieldError {
  enum class In : std::uint8_t { body, parameter, header };
  In in = In::body;
  std::string where;
  std::string detail;
};

/// An error as a user will read it: the code picks type, title and status; `detail` says what
/// happened and what to do; `members` are extra members of the problem object, already rendered as
/// JSON values.
struct Error {
  ErrorCode code;
  std::string detail;
  std::vector<FieldError> fields;
  std::vector<std::pair<std::string, std::string>> members;

  Error&& with(std::string name, std::string json) && {
    members.emplace_back(std::move(name), std::move(json));
    return std::move(*this);
  }
};

template <typename T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorCode code, std::string detail) {
  return std::unexpected(Error{code, std::move(detail), {}, {}});
}
inline std::unexpected<Error> fail(Error error) {
  return std::unexpected(std::move(error));
}

/// 422 with one pointer, the commonest refusal.
inline std::unexpected<Error> invalid_field(std::string pointer, std::string detail) {
  return std::unexpected(Error{ErrorCode::invalid_request,
                               "1 field is wrong",
                               {{FieldError::In::body, std::move(pointer), std::move(detail)}},
                               {}});
}

[[noreturn]] void ensure_failed(const char* condition, const char* file, int line);

}  // namespace schemas

#define ENSURE(condition) \
  ((condition) ? void() : ::schemas::ensure_failed(#condition, __FILE__, __LINE__))
