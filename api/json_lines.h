#pragma once

#include <spdlog/logger.h>

namespace api {

/// Makes a logger write one JSON object a line: `time`, `level`, `message`. The key=value pairs
/// that log lines carry stay in the message, escaped.
void use_json_lines(spdlog::logger& logger);

}  // namespace api
