#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "eventstore/kafka_options.h"

namespace eventstore {

/// Brokers for tests of single topics: those of KAFKA_BROKERS with topics of its own each time, or
/// librdkafka's mock of one broker in this process, where `keyring`, `cluster` and `log` are there.
class KafkaPlace {
 public:
  virtual ~KafkaPlace() = default;
  virtual kafka::Options options() const = 0;
  /// The next so many records are refused, in the mock.
  virtual void refuse_next(std::size_t count) = 0;
  /// Puts a record into a topic of one partition; whether it is there then.
  bool put(const std::string& topic, const std::string& value) const;
};

struct NamedKafkaPlace {
  std::string name;
  std::function<std::unique_ptr<KafkaPlace>()> make;
};
std::vector<NamedKafkaPlace> kafka_mock_places();  // none where it cannot run
std::vector<NamedKafkaPlace> kafka_broker_places();
std::vector<NamedKafkaPlace> kafka_places();  // both

inline std::ostream& operator<<(std::ostream& out, const NamedKafkaPlace& place) {
  return out << place.name;
}

}  // namespace eventstore
