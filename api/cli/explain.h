#pragma once

#include <string>

#include "api/cli/command.h"

namespace api::cli {

/// Which row.
struct Explained {
  std::string product;
  std::string kind;
  std::string id;  // as paths have it
};

/// Prints the events of an entity, oldest first: a line each, or a JSON array of CloudEvents.
Step<void> explain(const SettingFlags& flags, const Explained& row, bool json);

}  // namespace api::cli
