#include "eventstore/kafka_records.h"

#include <cstdlib>
#include <cstring>

#include "schemas/result.h"

namespace eventstore::kafka {

Value encode(const RecordHead& head, Bytes payload) {
  const auto size = RecordHead::size_bytes + payload.size();
  auto* bytes = static_cast<std::uint8_t*>(std::malloc(size));
  ENSURE(bytes != nullptr);
  head.encode(std::span<std::uint8_t, RecordHead::size_bytes>(bytes, RecordHead::size_bytes));
  if (!payload.empty()) std::memcpy(bytes + RecordHead::size_bytes, payload.data(), payload.size());
  return {bytes, size};
}

std::optional<Decoded> decode(const rd_kafka_message_t& message) {
  const Bytes value(static_cast<const std::uint8_t*>(message.payload), message.len);
  if (value.size() < RecordHead::size_bytes) return std::nullopt;
  const auto head = RecordHead::decode(value.first<RecordHead::size_bytes>());
  if (!head) return std::nullopt;
  const auto payload = value.subspan(RecordHead::size_bytes);
  if (!head->payload_matches(payload)) return std::nullopt;
  return Decoded{*head, payload};
}

}  // namespace eventstore::kafka
