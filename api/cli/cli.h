#pragma once

#include "api/cli/command.h"

namespace api::cli {

/// The program: understands its arguments, does what they say, returns the exit status.
int run(int argc, const char* const* argv, Serve serve);

}  // namespace api::cli
