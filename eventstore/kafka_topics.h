#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "eventstore/kafka_client.h"
#include "schemas/ids.h"

/// Topics as LOG.md 5 wants them: made when they are missing, checked when they are there.
namespace eventstore::kafka {

enum class Keeps : std::uint8_t {
  everything,   // never trimmed: events
  last_of_key,  // compacted: the keyring and the heartbeats
};

/// Makes the topic if there is none: three replicas of which two must be in sync where there are
/// three brokers (or `bootstrap.servers` names so many), and no leader that misses records. One
/// that is there must be like that: the error names each setting that is not, what it is, what it
/// must be and the command that mends it. Where the brokers cannot be asked for settings
/// (librdkafka's mock), only partitions are checked. Blocks.
schemas::Result<void> provide_topic(rd_kafka_t* handle, const std::string& name,
                                    std::uint16_t partitions, std::chrono::milliseconds within,
                                    Keeps keeps = Keeps::everything);

/// The same of one that must be there; what is not, when all brokers have had time to hear of it,
/// is an error read_only.
schemas::Result<void> check_topic(rd_kafka_t* handle, const std::string& name,
                                  std::uint16_t partitions, std::chrono::milliseconds within,
                                  Keeps keeps = Keeps::everything);

/// The name of a product's topic that holds records: one that begins with the prefix. Blocks.
schemas::Result<std::optional<std::string>> written_topic(rd_kafka_t* handle,
                                                          const std::string& prefix,
                                                          std::chrono::milliseconds within);

/// Whether there is such a topic. Blocks.
schemas::Result<bool> topic_exists(rd_kafka_t* handle, const std::string& name,
                                   std::chrono::milliseconds within);

/// The brokers' own name for their cluster, as they told it last; empty when they have not yet.
std::string cluster_of(rd_kafka_t* handle);

/// Where each partition ends: nothing that was ever acknowledged, or shown, stands at or behind its
/// end. A leader that was just elected may show less for a moment; here it is waited for (KIP-207).
/// Blocks.
schemas::Result<std::vector<schemas::Offset>> ends_of(rd_kafka_t* handle, const std::string& name,
                                                      std::uint16_t partitions,
                                                      std::chrono::milliseconds within);

}  // namespace eventstore::kafka
