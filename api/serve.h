#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "api/bootstrap.h"
#include "api/http/server.h"
#include "schemas/result.h"

namespace api {

/// What `tidemark serve` is told.
struct ServeOptions {
  std::string data;
  http::Options http;
  Bootstrap bootstrap;
  std::optional<std::string> root_key;
  std::uint16_t partitions = 64;  // of a new log; fixed for ever
};

/// Runs all roles in this process until SIGTERM or SIGINT, then stops in order. An error is a start
/// that failed, with what to do. Call once, from the main thread.
schemas::Result<void> serve(const ServeOptions& options);

}  // namespace api
