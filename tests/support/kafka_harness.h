#pragma once

#include "eventstore/kafka_log.h"
#include "tests/support/log_fixture.h"

struct rd_kafka_mock_cluster_s;

namespace eventstore {

/// The log on librdkafka's mock cluster inside this process. Its brokers write each record that
/// reaches them, also one that they have already: what real ones do only to a producer that they
/// have forgotten.
class KafkaMockHarness final : public LogHarness {
 public:
  explicit KafkaMockHarness(int brokers = 1);
  ~KafkaMockHarness() override;

  std::string address() const;
  /// For logs that are opened from now on.
  kafka::Options options;
  std::unique_ptr<Log> open(LogObserver& observer) override;
  void kill(std::unique_ptr<Log> log) override { log.reset(); }
  void refuse_next_commit() override;
  void refuse_no_more() override;
  schemas::ErrorCode refusal() const override { return schemas::ErrorCode::record_too_large; }
  void lose_next_outcome() override;

  /// What is said of the next requests to write, one after the other: an error, and nothing of it
  /// is written; or none, and all of it is.
  void answer_next(const std::vector<rd_kafka_resp_err_t>& answers);
  /// The same for the next one that reaches the broker, which hears of it so much later.
  void answer_late(std::chrono::milliseconds late, int broker = 1,
                   rd_kafka_resp_err_t answer = RD_KAFKA_RESP_ERR_NO_ERROR);
  /// The broker says of so many requests that it has their records already, and has not.
  void call_duplicates(std::size_t requests);
  void go_down();
  void come_up();
  void lead(const char* topic, LogId log, int broker);
  void create(const char* topic, int partitions, int replicas);
  /// Somebody else's message, or a record that somebody else sends.
  void send(LogId log, std::string_view topic, std::string_view value);
  void send(const Append& append, std::string_view topic);

 private:
  kafka::Handle handle_;
  kafka::TopicHandle asked_for_;
  rd_kafka_mock_cluster_s* cluster_;  // the handle's
};

/// The log on real brokers, whose addresses KAFKA_BROKERS names; topics of its own each time.
class KafkaHarness final : public LogHarness {
 public:
  static const char* brokers();  // null: there are none
  KafkaHarness();

  std::string topic(std::string_view name) const { return prefix_ + std::string(name); }
  std::unique_ptr<Log> open(LogObserver& observer) override;
  void kill(std::unique_ptr<Log> log) override { log.reset(); }
  bool can_break() const override { return false; }
  void refuse_next_commit() override {}
  void lose_next_outcome() override {}

 private:
  const std::string prefix_;
};

}  // namespace eventstore
