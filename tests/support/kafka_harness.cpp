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

/// The handle is a client of its own mock and asks it all the time for a topic, which the mock
/// makes: else it sleeps for up to a second before it does what it is told here.
KafkaMockHarness::KafkaMockHarness(int brokers) {
  auto* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "test.mock.num.brokers", std::to_string(brokers).c_str(), nullptr, 0);
  rd_kafka_conf_set(conf, "topic.metadata.refresh.interval.ms", "10", nullptr, 0);
  rd_kafka_conf_set(conf, "log_level", "0", nullptr, 0);
  handle_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0));
  cluster_ = rd_kafka_handle_mock_cluster(handle_.get());
  asked_for_.reset(rd_kafka_topic_new(handle_.get(), "asked", nullptr));
  create("tm.log", 1, 1);
  create("tm.blue", partitions, brokers);
  create("tm.red", partitions, brokers);
  options.brokers = address();
  options.outcome_after = outcome_after;
  options.fetch_wait = 5ms;  // the mock answers no earlier, though records come
}

KafkaMockHarness::~KafkaMockHarness() = default;

void KafkaMockHarness::create(const char* topic, int count, int replicas) {
  const auto code = rd_kafka_mock_topic_create(cluster_, topic, count, replicas);
  ENSURE(code == RD_KAFKA_RESP_ERR_NO_ERROR);
}

std::string KafkaMockHarness::address() const {
  return rd_kafka_mock_cluster_bootstraps(cluster_);
}

std::unique_ptr<Log> KafkaMockHarness::open(LogObserver& observer) {
  auto log = KafkaLog::open(options, observer);
  ENSURE(log);
  return std::move(*log);
}

void KafkaMockHarness::answer_next(const std::vector<rd_kafka_resp_err_t>& answers) {
  rd_kafka_mock_push_request_errors_array(cluster_, produce_request, answers.size(),
                                          answers.data());
}

void KafkaMockHarness::answer_late(std::chrono::milliseconds late, int broker,
                                   rd_kafka_resp_err_t answer) {
  rd_kafka_mock_broker_push_request_error_rtts(cluster_, broker, produce_request, 1, answer,
                                               static_cast<int>(late.count()));
}

/// librdkafka may send what is behind a refused request before it knows of that.
void KafkaMockHarness::refuse_next_commit() {
  answer_next(std::vector(100, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE));
}

void KafkaMockHarness::refuse_no_more() {
  rd_kafka_mock_clear_request_errors(cluster_, produce_request);
}

/// No answer in time. (One that is written though its answer is lost would be read back.)
void KafkaMockHarness::lose_next_outcome() {
  answer_late(2 * outcome_after, 1, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
}

void KafkaMockHarness::call_duplicates(std::size_t requests) {
  answer_next(std::vector(requests, RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER));
}

void KafkaMockHarness::go_down() {
  rd_kafka_mock_broker_set_down(cluster_, 1);
}

void KafkaMockHarness::come_up() {
  rd_kafka_mock_broker_set_up(cluster_, 1);
}

void KafkaMockHarness::lead(const char* topic, LogId log, int broker) {
  rd_kafka_mock_partition_set_leader(cluster_, topic, log.partition, broker);
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
