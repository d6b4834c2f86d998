#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

/// Strong types for everything that is an id, a count of something or a place. Explicit in,
/// explicit out, compared only with their like.
namespace schemas {

/// Wall-clock time as the log keeps it: milliseconds, UTC.
using Time = std::chrono::sys_time<std::chrono::milliseconds>;

/// 16 bytes, a UUIDv7 (RFC 9562 5.7) where made by us, so that ids sort by the time of their
/// making.
struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  friend auto operator<=>(const Uuid&, const Uuid&) = default;
  bool nil() const { return *this == Uuid{}; }
  std::string_view view() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};

/// A Uuid that knows what it names. Tag has `static constexpr std::string_view prefix`.
template <typename Tag>
class Id {
 public:
  explicit constexpr Id(Uuid uuid) : uuid_(uuid) {}
  constexpr const Uuid& uuid() const { return uuid_; }
  friend auto operator<=>(const Id&, const Id&) = default;

 private:
  Uuid uuid_;
};

struct OrganizationTag {
  static constexpr std::string_view prefix = "org";
};
struct ProjectTag {
  static constexpr std::string_view prefix = "proj";
};
struct KeyTag {
  static constexpr std::string_view prefix = "key";
};
struct ResourceTag {
  static constexpr std::string_view prefix = "res";
};
struct EndpointTag {
  static constexpr std::string_view prefix = "we";
};
struct RetryPolicyTag {
  static constexpr std::string_view prefix = "rp";
};
struct DeliveryTag {
  static constexpr std::string_view prefix = "dlv";
};
struct ReplayTag {
  static constexpr std::string_view prefix = "rpl";
};
struct PipelineTag {
  static constexpr std::string_view prefix = "pl";
};
struct EventTag {
  static constexpr std::string_view prefix = "evt";
};
struct CommandTag {
  static constexpr std::string_view prefix = "cmd";
};
using OrganizationId = Id<OrganizationTag>;
using ProjectId = Id<ProjectTag>;
using KeyId = Id<KeyTag>;
using ResourceId = Id<ResourceTag>;
using EndpointId = Id<EndpointTag>;
using RetryPolicyId = Id<RetryPolicyTag>;
using DeliveryId = Id<DeliveryTag>;
using ReplayId = Id<ReplayTag>;
using PipelineId = Id<PipelineTag>;
using EventId = Id<EventTag>;
using CommandId = Id<CommandTag>;

/// The reserved organization that owns organizations, manifests and signing keys; text
/// `org_platform`.
inline constexpr OrganizationId platform_organization{Uuid{}};

/// TypeID 0.3 text: prefix, `_`, 26 characters of lowercase Crockford base32.
std::string typeid_text(std::string_view prefix, const Uuid& uuid);
/// Empty unless `text` is exactly `prefix_` and a canonical 26-character suffix.
std::optional<Uuid> parse_typeid(std::string_view prefix, std::string_view text);

std::string to_text(OrganizationId id);  // knows org_platform
std::optional<OrganizationId> parse_organization(std::string_view text);
template <typename Tag>
std::string to_text(Id<Tag> id) {
  return typeid_text(Tag::prefix, id.uuid());
}
template <typename Tag>
std::optional<Id<Tag>> parse_id(std::string_view text) {
  auto uuid = parse_typeid(Tag::prefix, text);
  return uuid ? std::optional(Id<Tag>(*uuid)) : std::nullopt;
}

/// UUIDv7 of the given time with 74 random bits from the operating system's generator.
Uuid make_uuid(Time now);

/// An organization's data comes twice; a credential has exactly one of the two.
enum class Space : std::uint8_t { live = 0, test = 1 };
std::string_view to_text(Space space);
std::optional<Space> parse_space(std::string_view text);

/// Counts an entity's events from 1; goes on after a delete. 0: never existed.
enum class Version : std::uint64_t {};
constexpr std::uint64_t to_number(Version version) {
  return static_cast<std::uint64_t>(version);
}
constexpr Version next(Version version) {
  return Version{to_number(version) + 1};
}

/// Which entity of a kind. Built-in kinds have an id (and a name below it, such as
/// `secrets/DB_PASSWORD`); declared kinds have a name only and a nil id.
struct Entity {
  Uuid id;
  std::string name;
  friend auto operator<=>(const Entity&, const Entity&) = default;
};

/// Who did it, as the event says: `key_…`, or `system` for the program itself.
enum class ActorKind : std::uint8_t { system = 0, key = 1 };
struct Actor {
  ActorKind kind = ActorKind::system;
  Uuid id;
};
std::string to_text(const Actor& actor);

// ---- places in logs ----

/// u16 of a topic, given once in `tm.log`; `tm.log` itself is 0.
enum class TopicId : std::uint16_t {};
inline constexpr TopicId log_topic{0};

/// One partition of one topic: one log.
struct LogId {
  TopicId topic;
  std::uint16_t partition;
  friend auto operator<=>(const LogId&, const LogId&) = default;
};

using Offset = std::uint64_t;

/// Offset and nonce of the claim under which a record was written; {-1, 0} before the first claim.
struct Epoch {
  std::int64_t offset = -1;
  std::uint64_t nonce = 0;
  friend auto operator<=>(const Epoch&, const Epoch&) = default;
};

using Chain = std::array<std::uint8_t, 16>;

/// A place in a log that proves itself: what stood there when it was taken. `offset` is that of an
/// accepted record, or -1 for "before the first"; `index` is the event within the record, and
/// `whole_record` for all of it.
struct Position {
  static constexpr std::uint32_t whole_record = 0xffffffff;
  LogId log;
  std::int64_t offset = -1;
  std::uint32_t index = whole_record;
  Epoch epoch;
  std::uint64_t sequence = 0;
  Chain chain{};
  friend bool operator==(const Position&, const Position&) = default;
};

/// Kafka's default partitioner: murmur2 of the organization's text id, sign bit cleared, mod count.
std::uint32_t murmur2(std::span<const std::uint8_t> bytes);
std::uint16_t partition_of(OrganizationId organization, std::uint16_t partition_count);

}  // namespace schemas

template <typename Tag>
struct std::hash<schemas::Id<Tag>> {
  std::size_t operator()(const schemas::Id<Tag>& id) const noexcept {
    return std::hash<std::string_view>{}(id.uuid().view());
  }
};
template <>
struct std::hash<schemas::LogId> {
  std::size_t operator()(const schemas::LogId& log) const noexcept {
    return (static_cast<std::size_t>(log.topic) << 16) | log.partition;
  }
};
