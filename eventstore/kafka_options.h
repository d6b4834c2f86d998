#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "schemas/crypto.h"

/// How to reach Kafka's brokers; nothing here knows librdkafka.
namespace eventstore::kafka {

struct Options {
  /// Bootstrap servers: host:port[,host:port…].
  std::string brokers;
  /// Before the product's name in topic names.
  std::string topic_prefix = "tm.";
  /// More settings of librdkafka by name, such as those of TLS and SASL.
  std::map<std::string, std::string> properties = {};
  /// Of SASL; shared by all connections that are made with it.
  std::shared_ptr<const schemas::Secret> password = {};
  /// So long the brokers may leave a record without an answer before its outcome is unknown.
  std::chrono::milliseconds outcome_after{120'000};
  /// So long closing waits for what is on its way; the outcome of what is left is unknown.
  std::chrono::milliseconds drain_within{10'000};
  /// So long a broker keeps a question for records waiting while there are none.
  std::chrono::milliseconds fetch_wait{500};
  /// So long a question about topics and ends may take.
  std::chrono::milliseconds answer_within{10'000};
};

}  // namespace eventstore::kafka
