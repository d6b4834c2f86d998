#pragma once

#include <string>
#include <string_view>

#include "api/config.h"
#include "eventstore/kafka_options.h"
#include "schemas/result.h"

/// What the settings say about the log's place and a process's place among others, checked
/// together: an error lists every combination that cannot work, by name, with what to do.
namespace api {

/// The brokers of kafka://host:port[,host:port…], as librdkafka wants them.
schemas::Result<std::string> parse_kafka_address(std::string_view text);

inline bool log_is_on_kafka(const Settings& settings) {
  return !settings.log.empty();
}

/// What `serve` needs to be right before it opens anything.
schemas::Result<void> check_log_settings(const Settings& settings);

/// How to reach the brokers of `address` (kafka://…) with these settings. Reads the password's
/// file; the files of certificates and keys must be there.
schemas::Result<eventstore::kafka::Options> kafka_options(const Settings& settings,
                                                          std::string_view address);

/// Whether the brokers answer and let us in; the error names the settings to look at. Blocks.
schemas::Result<void> reach_kafka(const eventstore::kafka::Options& options);

}  // namespace api
