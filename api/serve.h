#pragma once

#include "api/config.h"
#include "schemas/result.h"

namespace api {

/// Runs all roles in this process until SIGTERM or SIGINT, then stops in order. An error is a start
/// that failed, with what to do. Call once, from the main thread.
schemas::Result<void> serve(const Settings& settings);

}  // namespace api
