#pragma once

#include <optional>

#include "api/http/request.h"

namespace api::http {

/// Splits and decodes `request.target` into path, segments and query (RFC 3986, RFC 9112 3.2). In a
/// path `+` is a plus, and a decoded slash stays inside its segment; in a query `+` is a space. The
/// absolute form is taken, its authority is ignored. Wrong percent-encoding and bad UTF-8 are an
/// invalid_parameter error.
std::optional<schemas::Error> decode_target(Request& request);

}  // namespace api::http
