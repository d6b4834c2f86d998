#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "api/resources/ask.h"
#include "manager/commands.h"
#include "projections/reader.h"
#include "projections/states.h"
#include "webhooks/endpoint.h"
#include "webhooks/event_reader.h"

/// What can be leased of an endpoint of kind pull, by the rows.
namespace api::resources {

/// The endpoint.
struct Pulled {
  schemas::Uuid id;
  schemas::Version version;
  projections::Endpoint state;
  webhooks::EndpointConfig config;
  webhooks::RetryPolicy policy;
};

/// What a worker says of attempt `number`, or how it begins.
manager::DeliveryRecord record_of(const schemas::Uuid& id, const projections::Delivery& delivery,
                                  std::uint32_t number);

/// What the attempt that a worker had comes to when it failed; `delay`: when it wants it again.
void judge_failure(const Pulled& endpoint, const projections::Delivery& delivery, schemas::Time now,
                   std::optional<std::chrono::seconds> delay, manager::DeliveryRecord& record);

/// In which form the endpoint's events are.
webhooks::Wanted wanted_of(const Pulled& endpoint);

struct Candidate {
  manager::DeliveryRecord record;
  std::uint32_t number;  // of the attempt among all that were ever made: no lease has it again
  webhooks::EventBody body;
};
struct Candidates {
  std::vector<Candidate> leases;
  std::vector<manager::DeliveryRecord> ended;  // their last lease ran out
  std::optional<schemas::Time> next_due;       // when the next of those that wait for a moment is
};
/// Up to `max` deliveries with their events, of 4 MiB in all: not more than one of each lane, the
/// first. Blocks.
Candidates find_candidates(const Ask& ask, const projections::Reader& reader,
                           const Pulled& endpoint, std::size_t max, std::chrono::seconds lease);

}  // namespace api::resources
