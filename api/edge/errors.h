#pragma once

#include <string>
#include <utility>

#include "schemas/result.h"

/// Refusals of what stands around a body: parameters, headers, things that are not there.
namespace api::edge {

inline std::unexpected<schemas::Error> wrong(schemas::FieldError::In in, std::string name,
                                             std::string detail) {
  std::string summary =
      in == schemas::FieldError::In::header ? "1 header is wrong" : "1 parameter is wrong";
  return schemas::fail(schemas::Error{schemas::ErrorCode::invalid_parameter,
                                      std::move(summary),
                                      {{in, std::move(name), std::move(detail)}},
                                      {}});
}
inline std::unexpected<schemas::Error> wrong_header(std::string name, std::string detail) {
  return wrong(schemas::FieldError::In::header, std::move(name), std::move(detail));
}
inline std::unexpected<schemas::Error> wrong_parameter(std::string name, std::string detail) {
  return wrong(schemas::FieldError::In::parameter, std::move(name), std::move(detail));
}

/// Missing, foreign, or an id of wrong form: all three read the same.
inline std::unexpected<schemas::Error> not_found(std::string_view what) {
  return schemas::fail(schemas::ErrorCode::not_found, "there is no " + std::string(what));
}

}  // namespace api::edge
