#pragma once

#include <optional>

#include "projections/states.h"
#include "schemas/events.h"
#include "schemas/result.h"

/// State and event give the next state; empty is "not there". One function per kind, pure: no
/// clock, no rows. An event that does not belong here is an error, never skipped.
namespace projections {

using schemas::EventData;
using schemas::Result;

/// What an event brings along besides its data.
struct Moment {
  Time recorded;
  schemas::Version version{};  // of the entity, after it
};

Result<std::optional<Organization>> evolve(std::optional<Organization> state, const EventData& data,
                                           const Moment& moment);
Result<std::optional<Key>> evolve(std::optional<Key> state, const EventData& data,
                                  const Moment& moment);
Result<std::optional<Product>> evolve(std::optional<Product> state, const EventData& data,
                                      const Moment& moment);
Result<std::optional<Project>> evolve(std::optional<Project> state, const EventData& data,
                                      const Moment& moment);
Result<std::optional<Environment>> evolve(std::optional<Environment> state, const EventData& data,
                                          const Moment& moment);
Result<std::optional<Member>> evolve(std::optional<Member> state, const EventData& data,
                                     const Moment& moment);
Result<std::optional<Settings>> evolve(std::optional<Settings> state, const EventData& data,
                                       const Moment& moment);
Result<std::optional<Secret>> evolve(std::optional<Secret> state, const EventData& data,
                                     const Moment& moment);
Result<std::optional<ResourceKind>> evolve(std::optional<ResourceKind> state, const EventData& data,
                                           const Moment& moment);
Result<std::optional<Quota>> evolve(std::optional<Quota> state, const EventData& data,
                                    const Moment& moment);
Result<std::optional<Resource>> evolve(std::optional<Resource> state, const EventData& data,
                                       const Moment& moment);
Result<std::optional<Endpoint>> evolve(std::optional<Endpoint> state, const EventData& data,
                                       const Moment& moment);
Result<std::optional<RetryPolicyState>> evolve(std::optional<RetryPolicyState> state,
                                               const EventData& data, const Moment& moment);
Result<std::optional<Delivery>> evolve(std::optional<Delivery> state, const EventData& data,
                                       const Moment& moment);
Result<std::optional<DeliveryCursor>> evolve(std::optional<DeliveryCursor> state,
                                             const EventData& data, const Moment& moment);
Result<std::optional<Pipeline>> evolve(std::optional<Pipeline> state, const EventData& data,
                                       const Moment& moment);
Result<std::optional<Replay>> evolve(std::optional<Replay> state, const EventData& data,
                                     const Moment& moment);
Result<std::optional<Declared>> evolve(std::optional<Declared> state, const EventData& data,
                                       const Moment& moment);

/// For every other alternative of EventData.
inline std::unexpected<schemas::Error> cannot_apply(const EventData& data) {
  auto type = schemas::type_of(data);
  return schemas::fail(schemas::ErrorCode::projection_frozen,
                       "an event of type '" + std::string(type.empty() ? "unknown" : type) +
                           "' cannot follow this state");
}

}  // namespace projections
