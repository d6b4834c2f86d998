#include "tests/support/kafka_place.h"

#include <cstdlib>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <random>

#include <fmt/core.h>

#include "eventstore/kafka_client.h"

namespace eventstore {
namespace {

using namespace std::chrono_literals;

constexpr std::int16_t produce_request = 0;  // ApiKey of Kafka's protocol

class MockPlace final : public KafkaPlace {
 public:
  MockPlace() {
    handle_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), nullptr, 0));
    cluster_ = rd_kafka_mock_cluster_new(handle_.get(), 1);
    for (const auto* topic : {"tm.keyring", "tm.cluster", "tm.log"}) {
      rd_kafka_mock_topic_create(cluster_, topic, 1, 1);
    }
  }
  ~MockPlace() override { rd_kafka_mock_cluster_destroy(cluster_); }

  kafka::Options options() const override {
    return {.brokers = rd_kafka_mock_cluster_bootstraps(cluster_),
            // The mock answers no earlier, though records come.
            .fetch_wait = 5ms,
            .answer_within = 2s};
  }
  void refuse_next(std::size_t count) override {
    const std::vector<rd_kafka_resp_err_t> errors(count, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
    rd_kafka_mock_push_request_errors_array(cluster_, produce_request, count, errors.data());
  }

 private:
  kafka::Handle handle_;
  rd_kafka_mock_cluster_t* cluster_;
};

class BrokersPlace final : public KafkaPlace {
 public:
  kafka::Options options() const override {
    return {.brokers = std::getenv("KAFKA_BROKERS"), .topic_prefix = prefix_};
  }
  void refuse_next(std::size_t) override {}

 private:
  const std::string prefix_ = fmt::format("t{:x}.", std::random_device{}());
};

}  // namespace

bool KafkaPlace::put(const std::string& topic, const std::string& value) const {
  bool there = false;
  const auto told = [](rd_kafka_t*, const rd_kafka_message_t* message, void* flag) {
    *static_cast<bool*>(flag) = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;
  };
  auto sender = kafka::make_sender(options(), kafka::Acks::all, told, &there);
  ENSURE(sender);
  const kafka::TopicHandle to(rd_kafka_topic_new(sender->get(), topic.c_str(), nullptr));
  auto copy = value;
  rd_kafka_produce(to.get(), 0, RD_KAFKA_MSG_F_COPY, copy.data(), copy.size(), "key", 3, nullptr);
  rd_kafka_flush(sender->get(), 10'000);
  return there;
}

std::vector<NamedKafkaPlace> kafka_mock_places() {
  // The thread sanitizer does not know threads of C11, which librdkafka has.
#if __has_feature(thread_sanitizer)
  return {};
#else
  return {{"kafka_mock", [] { return std::make_unique<MockPlace>(); }}};
#endif
}

std::vector<NamedKafkaPlace> kafka_broker_places() {
#if !__has_feature(thread_sanitizer)
  if (std::getenv("KAFKA_BROKERS") != nullptr) {
    return {{"kafka", [] { return std::make_unique<BrokersPlace>(); }}};
  }
#endif
  return {};
}

std::vector<NamedKafkaPlace> kafka_places() {
  auto places = kafka_mock_places();
  for (auto& place : kafka_broker_places()) places.push_back(std::move(place));
  return places;
}

}  // namespace eventstore
