#pragma once

#include "eventstore/kafka_log.h"
#include "tests/support/log_fixture.h"

struct rd_kafka_mock_cluster_s;

namespace eventstore {

/// The log on librdkafka's mock cluster of one broker, inside this process.
class KafkaMockHarness final : public LogHarness {
 public:
  KafkaMockHarness();
  ~KafkaMockHarness() override;

  std::string address() const;
  std::unique_ptr<Log> open(LogObserver& observer) override;
  void kill(std::unique_ptr<Log> log) override { log.reset(); }
  void refuse_next_commit() override;
  void refuse_no_more() override;
  schemas::ErrorCode refusal() const override { return schemas::ErrorCode::record_too_large; }
  void lose_next_outcome() override;
  /// The broker says of so many requests that it has their records already, and has not.
  void call_duplicates(std::size_t requests);
  /// Somebody else's message, or a record that somebody else sends.
  void send(LogId log, std::string_view topic, std::string_view value);
  void send(const Append& append, std::string_view topic);

 private:
  kafka::Handle handle_;
  rd_kafka_mock_cluster_s* cluster_;
};

/// The log on real brokers, whose addresses KAFKA_BROKERS names; topics of its own each time.
class KafkaHarness final : public LogHarness {
 public:
  static const char* brokers();  // null: there are none
  KafkaHarness();

  std::unique_ptr<Log> open(LogObserver& observer) override;
  void kill(std::unique_ptr<Log> log) override { log.reset(); }
  bool can_break() const override { return false; }
  void refuse_next_commit() override {}
  void lose_next_outcome() override {}

 private:
  const std::string prefix_;
};

}  // namespace eventstore
