#include "eventstore/kafka_records.h"

#include <cstdlib>
#include <cstring>
#include <iterator>

#include <fmt/format.h>

#include "schemas/batch.h"
#include "schemas/controls.h"
#include "schemas/result.h"
#include "schemas/time.h"

namespace eventstore::kafka {
namespace {

constexpr std::size_t headers_usual = 20;

std::string_view to_text(RecordKind kind) {
  switch (kind) {
    case RecordKind::events:
      return "events";
    case RecordKind::claim:
      return "claim";
    case RecordKind::noop:
      return "noop";
    case RecordKind::control:
      return "control";
  }
  return "";
}

/// Adds headers one by one; librdkafka copies each into memory of its own.
class HeaderWriter {
 public:
  explicit HeaderWriter(rd_kafka_headers_t* headers) : headers_(headers) {}

  void add(std::string_view name, std::string_view value) {
    rd_kafka_header_add(headers_, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  }
  void add(std::string_view name, schemas::Time time) {
    text_.clear();
    schemas::append_text(text_, time);
    add(name, text_);
  }
  template <typename... Arguments>
  void add_text(std::string_view name, fmt::format_string<Arguments...> format,
                Arguments&&... arguments) {
    text_.clear();
    fmt::format_to(std::back_inserter(text_), format, std::forward<Arguments>(arguments)...);
    add(name, text_);
  }
  void add(std::string_view name, const Epoch& epoch) {
    add_text(name, "{}:{:016x}", epoch.offset, epoch.nonce);
  }

 private:
  rd_kafka_headers_t* headers_;
  std::string text_;
};

/// The attributes of api/resources/event_json, which has them in this order.
void add_cloud_event(HeaderWriter& headers, const schemas::BatchView& batch,
                     std::string_view product) {
  const auto event = batch.event(0);
  headers.add("ce_specversion", "1.0");
  headers.add("ce_id", schemas::to_text(event.id()));
  headers.add_text("ce_source", "/products/{}", product);
  headers.add("ce_type", event.type());
  headers.add("ce_subject", schemas::entity_text(event.kind(), event.entity()));
  headers.add("ce_time", event.occurred());
  if (std::holds_alternative<schemas::Json>(event.data())) {
    headers.add("ce_dataschema",
                fmt::format("/v2/products/{}?version={}", product, event.schema()));
  }
  headers.add("ce_organization", schemas::to_text(batch.organization()));
  headers.add("ce_space", schemas::to_text(batch.space()));
  headers.add("ce_kind", event.kind());
  headers.add_text("ce_entityversion", "{}", schemas::to_number(event.version()));
  headers.add("ce_recordedtime", batch.recorded());
  headers.add("ce_actor", schemas::to_text(batch.actor()));
  headers.add("ce_correlationid", batch.correlation());
  if (const auto causation = event.causation()) {
    headers.add("ce_causationid", schemas::to_text(*causation));
  }
  if (const auto replay = batch.replay()) {
    headers.add("ce_replayid", schemas::to_text(schemas::ReplayId(*replay)));
  }
  if (batch.hops() > 0) headers.add_text("ce_hops", "{}", batch.hops());
  if (!batch.traceparent().empty()) headers.add("ce_traceparent", batch.traceparent());
}

}  // namespace

Value encode(const RecordHead& head, Bytes payload) {
  const auto size = RecordHead::size_bytes + payload.size();
  auto* bytes = static_cast<std::uint8_t*>(std::malloc(size));
  ENSURE(bytes != nullptr);
  head.encode(std::span<std::uint8_t, RecordHead::size_bytes>(bytes, RecordHead::size_bytes));
  if (!payload.empty()) std::memcpy(bytes + RecordHead::size_bytes, payload.data(), payload.size());
  return {bytes, size};
}

Headers headers_of(const RecordHead& head, Bytes payload, std::string_view product) {
  Headers headers(rd_kafka_headers_new(headers_usual));
  HeaderWriter writer(headers.get());
  writer.add("tm_kind", to_text(head.kind));
  writer.add("content-type", "application/vnd.tidemark.record");
  if (head.kind == RecordKind::claim) {
    writer.add("tm_predecessor", head.epoch);
    const auto control = schemas::read_control(payload);
    const auto* claim = control ? std::get_if<schemas::Claim>(&*control) : nullptr;
    if (claim != nullptr) writer.add_text("tm_claim_nonce", "{:016x}", claim->nonce);
    return headers;
  }
  writer.add("tm_epoch", head.epoch);
  writer.add_text("tm_sequence", "{}", head.sequence);
  if (head.kind == RecordKind::events) {
    const auto batch = schemas::BatchView::trusted(payload);
    if (batch.event_count() == 1) add_cloud_event(writer, batch, product);
  }
  return headers;
}

std::string key_of(const RecordHead& head, Bytes payload) {
  if (head.kind != RecordKind::events) return {};
  return schemas::to_text(schemas::BatchView::trusted(payload).organization());
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
