#include "tests/support/kafka_harness.h"

#include <cstdlib>
#include <librdkafka/rdkafka_mock.h>
#include <random>

#include <fmt/core.h>

#include "eventstore/kafka_records.h"

namespace eventstore {
namespace {

using namespace std::chrono_literals;

constexpr std::int16_t produce_request = 0;  // ApiKey of Kafka's protocol
constexpr int partitions = 8;
constexpr auto outcome_after = 3s;

}  // namespace

KafkaMockHarness::KafkaMockHarness() {
  handle_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), nullptr, 0));
  cluster_ = rd_kafka_mock_cluster_new(handle_.get(), 1);
  rd_kafka_mock_topic_create(cluster_, "tm.log", 1, 1);
  for (const auto* topic : {"tm.blue", "tm.red"}) {
    rd_kafka_mock_topic_create(cluster_, topic, partitions, 1);
  }
}

KafkaMockHarness::~KafkaMockHarness() {
  rd_kafka_mock_cluster_destroy(cluster_);
}

std::string KafkaMockHarness::address() const {
  return rd_kafka_mock_cluster_bootstraps(cluster_);
}

std::unique_ptr<Log> KafkaMockHarness::open(LogObserver& observer) {
  auto log = KafkaLog::open({.brokers = address(),
                             .properties = {},
                             .outcome_after = outcome_after,
                             // The mock answers no earlier, though records come.
                             .fetch_wait = 5ms},
                            observer);
  ENSURE(log);
  return std::move(*log);
}

/// librdkafka may send what is behind a refused request before it knows of that.
void KafkaMockHarness::refuse_next_commit() {
  const std::vector<rd_kafka_resp_err_t> errors(100, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
  rd_kafka_mock_push_request_errors_array(cluster_, produce_request, errors.size(), errors.data());
}

void KafkaMockHarness::refuse_no_more() {
  rd_kafka_mock_clear_request_errors(cluster_, produce_request);
}

/// No answer in time. (One that is written though its answer is lost would be read back.)
void KafkaMockHarness::lose_next_outcome() {
  rd_kafka_mock_broker_push_request_error_rtts(
      cluster_, 1, produce_request, 1, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
      static_cast<int>(std::chrono::milliseconds(2 * outcome_after).count()));
}

void KafkaMockHarness::call_duplicates(std::size_t requests) {
  const std::vector<rd_kafka_resp_err_t> errors(requests,
                                                RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER);
  rd_kafka_mock_push_request_errors_array(cluster_, produce_request, errors.size(), errors.data());
}

void KafkaMockHarness::send(LogId log, std::string_view topic, std::string_view value) {
  auto* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", address().c_str(), nullptr, 0);
  const kafka::Handle sender(rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0));
  const kafka::TopicHandle to(
      rd_kafka_topic_new(sender.get(), std::string(topic).c_str(), nullptr));
  ENSURE(rd_kafka_produce(to.get(), log.partition, RD_KAFKA_MSG_F_COPY,
                          const_cast<char*>(value.data()), value.size(), nullptr, 0, nullptr) == 0);
  ENSURE(rd_kafka_flush(sender.get(), 10'000) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

void KafkaMockHarness::send(const Append& append, std::string_view topic) {
  const auto value = kafka::encode(append.head, append.payload.bytes());
  send(append.log, topic, {static_cast<const char*>(value.bytes), value.size});
  std::free(value.bytes);
}

const char* KafkaHarness::brokers() {
  return std::getenv("KAFKA_BROKERS");
}

KafkaHarness::KafkaHarness() : prefix_(fmt::format("t{:x}.", std::random_device{}())) {}

std::unique_ptr<Log> KafkaHarness::open(LogObserver& observer) {
  auto log = KafkaLog::open({.brokers = brokers(),
                             .topic_prefix = prefix_,
                             .properties = {},
                             // So long closing waits too, and every test opens and closes.
                             .fetch_wait = 10ms},
                            observer);
  ENSURE(log);
  return std::move(*log);
}

}  // namespace eventstore
