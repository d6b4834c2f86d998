#pragma once

#include <librdkafka/rdkafka.h>
#include <optional>
#include <string>

#include "eventstore/record.h"

/// A record as a message's value: head, then payload.
namespace eventstore::kafka {

/// For a producer that frees it: memory of malloc.
struct Value {
  void* bytes;
  std::size_t size;
};
Value encode(const RecordHead& head, Bytes payload);

struct Decoded {
  RecordHead head;
  Bytes payload;  // of the message, unaligned
};
/// Empty when the value is no record, or is damaged.
std::optional<Decoded> decode(const rd_kafka_message_t& message);

}  // namespace eventstore::kafka
