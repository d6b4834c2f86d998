#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/events.h"
#include "schemas/ids.h"

/// The payload of an events record: head once, then its events. Written once by the command
/// handler, then read in place by every fold on every backend.
namespace schemas {

using ShortDigest = std::array<std::uint8_t, 16>;

/// A position of another product's rows that decide looked at.
struct Reference {
  LogId log;
  Offset offset;
};

/// What an Idempotency-Key leaves in the log: keyed digests of the key and of the canonical
/// request.
struct IdempotencyProof {
  ShortDigest key;
  ShortDigest request;
  friend bool operator==(const IdempotencyProof&, const IdempotencyProof&) = default;
};

struct BatchHead {
  OrganizationId organization;
  Space space = Space::live;
  Actor actor;
  std::string_view correlation;
  std::string_view traceparent;
  Time recorded;
  CommandId command;
  std::optional<IdempotencyProof> idempotency;
  std::vector<Reference> references;
  std::uint8_t hops = 0;
  std::optional<Uuid> replay = {};  // that republished it
};

/// One event as decided, before it has a place. Texts are views that must live until it is built.
struct EventDraft {
  EventId id;
  std::string_view type;
  std::string_view kind;
  Entity entity;
  Version version;
  Time occurred;
  std::uint32_t schema = 0;
  EventData data;
  std::optional<EventId> causation = std::nullopt;
};

/// Bytes of a finished batch and what keeps them alive; 8-byte aligned.
struct BuiltBatch {
  std::shared_ptr<const void> owner;
  std::span<const std::uint8_t> bytes;
};
BuiltBatch build_batch(const BatchHead& head, std::span<const EventDraft> events);

/// One event in place.
class EventView {
 public:
  explicit EventView(const void* table) : table_(table) {}
  EventId id() const;
  std::string_view type() const;
  std::string_view kind() const;
  Entity entity() const;
  Version version() const;
  Time occurred() const;
  std::optional<EventId> causation() const;
  std::uint32_t schema() const;
  EventData data() const;

 private:
  const void* table_;
};

/// A batch in place. `verify` checks foreign bytes once, after their CRC; `trusted` is for bytes
/// that were verified or built in this process. The bytes must be 8-byte aligned and outlive the
/// view.
class BatchView {
 public:
  static std::optional<BatchView> verify(std::span<const std::uint8_t> bytes);
  static BatchView trusted(std::span<const std::uint8_t> bytes);

  OrganizationId organization() const;
  Space space() const;
  Actor actor() const;
  std::string_view correlation() const;
  std::string_view traceparent() const;
  Time recorded() const;
  CommandId command() const;
  std::optional<IdempotencyProof> idempotency() const;
  std::uint8_t hops() const;
  std::optional<Uuid> replay() const;
  std::vector<Reference> references() const;
  std::uint32_t event_count() const;
  EventView event(std::uint32_t index) const;

 private:
  explicit BatchView(const void* table) : table_(table) {}
  const void* table_;
};

}  // namespace schemas
