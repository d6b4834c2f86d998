#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "eventstore/kafka_client.h"
#include "eventstore/record.h"

// clang-format off
/// A record as a message. Its value is the record, head then payload, and all that Tidemark itself
/// reads; headers and key are for readers that do not know our schemas
/// (tests/kafka/reader.py is one).
///
///     every record      tm_kind         events, claim, noop or control
///                       content-type    application/vnd.tidemark.record
///     a claim           tm_predecessor  the epoch that it ends: offset:nonce, the nonce in 16 hex digits
///                       tm_claim_nonce  of the epoch that it begins, which has the claim's own offset
///     all others        tm_epoch        under which it was written, as offset:nonce
///                       tm_sequence     dense within the epoch, from 0
///     a single event    ce_…            CloudEvents' Kafka binding 1.0, binary mode: every attribute of the
///                                       event's JSON form (API.md) but `data`, `datacontenttype` and `mark`
///
/// The key is the organization's id, for events.
// clang-format on
namespace eventstore::kafka {

/// For a producer that frees it: memory of malloc.
struct Value {
  void* bytes;
  std::size_t size;
};
Value encode(const RecordHead& head, Bytes payload);

/// Owned by the message from the moment that a producer takes it: release() then.
using Headers = std::unique_ptr<rd_kafka_headers_t, Destroy<rd_kafka_headers_destroy>>;
/// The payload of events was verified before (BatchView::verify) or built here. `product` names the
/// topic without its prefix.
Headers headers_of(const RecordHead& head, Bytes payload, std::string_view product);
/// Empty for records that are no events.
std::string key_of(const RecordHead& head, Bytes payload);

struct Decoded {
  RecordHead head;
  Bytes payload;  // of the message, unaligned
};
/// Empty when the value is no record, or is damaged.
std::optional<Decoded> decode(const rd_kafka_message_t& message);

}  // namespace eventstore::kafka
