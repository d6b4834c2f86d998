#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "projections/reader.h"
#include "schemas/ids.h"
#include "schemas/json_reader.h"
#include "schemas/result.h"
#include "webhooks/retry_policy.h"

/// What an endpoint was asked to be, apart from what is sealed.
namespace webhooks {

/// What waits for what. Within an entity events are in order wherever this is not `none`.
enum class DeliveryOrder : std::uint8_t {
  entity,    // one event of an entity at a time; a failing one holds up its entity alone
  none,      // each by itself
  endpoint,  // one at a time; a failing one holds up all
};
enum class DeliveryFormat : std::uint8_t {
  structured,  // the CloudEvent as JSON
  data,        // its `data` alone
};
enum class SignatureScheme : std::uint8_t { hmac, ed25519 };
enum class EndpointKind : std::uint8_t {
  push,  // events are sent to its URL
  pull,  // workers lease them: it has no URL, no signature, no caps
};

struct EndpointConfig {
  EndpointKind kind = EndpointKind::push;
  std::string url;
  std::vector<std::string> types;  // exact, or beginnings with `*` behind; at least one
  std::string filter;              // CEL; empty: none
  DeliveryOrder order = DeliveryOrder::entity;
  DeliveryFormat format = DeliveryFormat::structured;
  SignatureScheme signature = SignatureScheme::hmac;
  std::optional<schemas::Uuid> retry_policy;
  std::optional<std::int64_t> rate_per_second;
  std::int64_t max_in_flight = 8;
  /// Paused when nothing has succeeded for so long.
  std::chrono::seconds pause_after = std::chrono::days(5);
  std::string description;
};

/// Of a member that only endpoints with a URL have.
inline constexpr std::string_view not_pulled =
    "is of endpoints that events are sent to; leave it out, or make one of kind push";

inline constexpr std::int64_t in_flight_max = 100;
inline constexpr std::int64_t rate_max = 10'000;
inline constexpr std::int64_t pause_after_max_seconds = 30 * 24 * 60 * 60;
inline constexpr std::size_t types_max = 50;

/// A list that is there and says nothing is a mistake: noted.
void refuse_empty_list(schemas::json::ObjectReader& reader, std::string_view name);
/// What endpoints and replays choose events by: `types` (all when left out) and `filter`.
std::vector<std::string> read_types(schemas::json::ObjectReader& reader);
std::string read_filter(schemas::json::ObjectReader& reader);

/// Reads an endpoint's members of a request or of what to_json wrote: there, what one that is
/// pulled has not is null. What is wrong is noted at the
/// reader, also a condition that does not compile; whether the URL may be reached is not asked.
EndpointConfig read_endpoint_config(schemas::json::ObjectReader& reader);
/// All members, always in the same order.
std::string to_json(const EndpointConfig& config);
/// Of what to_json wrote.
schemas::Result<EndpointConfig> parse_endpoint_config(std::string_view json);

/// The retry policy that it names, as the rows have it; the usual one where it names none.
RetryPolicy retry_policy_of(const projections::Reader& reader, schemas::TopicId webhooks,
                            const EndpointConfig& config);

std::string_view to_text(EndpointKind kind);
std::string_view to_text(DeliveryOrder order);
std::string_view to_text(DeliveryFormat format);
std::string_view to_text(SignatureScheme scheme);

/// Which lane of its endpoint an event takes: those of one lane go one after the other. FNV-1a (RFC
/// 9923), so that it is the same in every process and for ever.
std::uint64_t lane_of(DeliveryOrder order, const schemas::Uuid& event, schemas::TopicId topic,
                      std::string_view kind, const schemas::Entity& entity);

}  // namespace webhooks
