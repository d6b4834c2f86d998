#pragma once

#include <cstdint>
#include <string>

#include "eventstore/kafka_client.h"

/// Topics as LOG.md 5 wants them: made when they are missing, looked at when they are there.
namespace eventstore::kafka {

/// Makes the topic if there is none: three replicas of which two must be in sync where there are
/// three brokers, never trimmed. One that is there must have so many partitions. Blocks.
schemas::Result<void> provide_topic(rd_kafka_t* handle, const std::string& name,
                                    std::uint16_t partitions, std::chrono::milliseconds within);

}  // namespace eventstore::kafka
