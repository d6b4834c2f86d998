#pragma once

#include "api/cli/command.h"

namespace api::cli {

/// `tidemark log copy`; `log` is the command that it stands under.
void add_log_copy(CLI::App& log, Job& job);

}  // namespace api::cli
