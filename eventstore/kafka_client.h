#pragma once

#include <chrono>
#include <librdkafka/rdkafka.h>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "eventstore/log.h"

/// librdkafka with owners and Results: handles of ours and the settings that LOG.md 5 rests on.
namespace eventstore::kafka {

struct Options {
  /// Bootstrap servers: host:port[,host:port…].
  std::string brokers;
  /// Before the product's name in topic names.
  std::string topic_prefix = "tm.";
  /// More settings of librdkafka by name, such as those of TLS and SASL.
  std::map<std::string, std::string> properties;
  /// So long the brokers may leave a record without an answer before its outcome is unknown.
  std::chrono::milliseconds outcome_after{120'000};
  /// So long a broker keeps a question for records waiting while there are none.
  std::chrono::milliseconds fetch_wait{500};
  /// So long a question about topics and ends may take.
  std::chrono::milliseconds answer_within{10'000};
};

template <auto destroy>
struct Destroy {
  template <typename T>
  void operator()(T* object) const {
    destroy(object);
  }
};
using Handle = std::unique_ptr<rd_kafka_t, Destroy<rd_kafka_destroy>>;
using TopicHandle = std::unique_ptr<rd_kafka_topic_t, Destroy<rd_kafka_topic_destroy>>;
using Queue = std::unique_ptr<rd_kafka_queue_t, Destroy<rd_kafka_queue_destroy>>;
using Message = std::unique_ptr<rd_kafka_message_t, Destroy<rd_kafka_message_destroy>>;

/// One who appends: idempotent, acks=all. `told` is called for every record that was given to it,
/// by whoever polls the handle.
using DeliveryReport = void (*)(rd_kafka_t*, const rd_kafka_message_t*, void* opaque);
schemas::Result<Handle> make_producer(const Options& options, DeliveryReport told, void* opaque);

/// One who reads from offsets that it names; never one that the broker chooses.
schemas::Result<Handle> make_consumer(const Options& options);

schemas::Error to_error(std::string_view doing, rd_kafka_resp_err_t code);
std::unexpected<schemas::Error> no_answer();

}  // namespace eventstore::kafka
