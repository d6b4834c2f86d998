#pragma once

#include "api/cli/command.h"

namespace api::cli {

/// Adds `topics` to the command `log`.
void add_log_topics(CLI::App& log, Job& job);

}  // namespace api::cli
