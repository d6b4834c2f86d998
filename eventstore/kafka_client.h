#pragma once

#include <cstdint>
#include <librdkafka/rdkafka.h>
#include <memory>
#include <string_view>

#include "eventstore/kafka_options.h"
#include "schemas/result.h"

/// librdkafka with owners and Results: handles of ours and the settings that LOG.md 5 rests on.
namespace eventstore::kafka {

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

/// One who sends a record once: what fails is not sent again, so that no record stands twice.
enum class Acks : std::uint8_t { leader, all };
schemas::Result<Handle> make_sender(const Options& options, Acks acks, DeliveryReport told,
                                    void* opaque);

/// Hears of what goes wrong, when the handle is polled.
using ErrorReport = void (*)(rd_kafka_t*, int code, const char* reason, void* opaque);

/// One who reads from offsets that it names; never one that the broker chooses.
schemas::Result<Handle> make_consumer(const Options& options, ErrorReport told = nullptr,
                                      void* opaque = nullptr);

/// The same, for one who follows many partitions as they grow: it asks a broker for records every
/// 5 ms at most, so what stands there meanwhile comes in one answer.
schemas::Result<Handle> make_follower(const Options& options, ErrorReport told, void* opaque);

/// One who only asks whether there is somebody.
schemas::Result<Handle> make_asker(const Options& options, ErrorReport told, void* opaque);

schemas::Error to_error(std::string_view doing, rd_kafka_resp_err_t code);
std::unexpected<schemas::Error> no_answer();

}  // namespace eventstore::kafka
