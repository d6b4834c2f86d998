#pragma once

#include <optional>
#include <string>

#include "eventstore/kafka_options.h"
#include "schemas/result.h"

namespace eventstore::kafka {

/// Name and address of a process that uses the log, if one is heard: who lives tells of itself
/// twice a second (heartbeat.h). Listens for a little longer; blocks.
schemas::Result<std::optional<std::string>> hear_living_process(const Options& options);

}  // namespace eventstore::kafka
