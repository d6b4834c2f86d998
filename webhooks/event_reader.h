#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "projections/timeline.h"
#include "schemas/cel/filter.h"
#include "schemas/ids.h"
#include "schemas/result.h"
#include "webhooks/endpoint.h"

/// How the deliverer sees the log: one organization's events in order, as the outside sees them.
/// The api has them, and implements this.
namespace webhooks {

struct Scope {
  schemas::OrganizationId organization;
  schemas::Space space = schemas::Space::live;
  friend bool operator==(const Scope&, const Scope&) = default;
};

/// A pipeline that events go through, and which version of it; none: for each the one that was in
/// effect where it stands.
struct PipelineStep {
  schemas::Uuid id;
  std::optional<schemas::Version> version;
  std::optional<schemas::Uuid> of = {};  // as this replay had it, where it did
};

/// With what an event went through a pipeline before.
struct Pinned {
  schemas::Version version{};
  std::vector<std::uint64_t> found = {};  // schemas::DeliveredEvent
};

/// Which events an endpoint, a replay or a pipeline wants, and in which form.
struct Wanted {
  /// Tests of this endpoint are wanted whatever else is; those of others never.
  schemas::Uuid tests_of;
  std::vector<std::string> types;
  std::vector<std::string> products = {};              // empty: all
  std::shared_ptr<const schemas::cel::Filter> filter;  // null: all
  std::optional<schemas::Uuid> project;                // only events of it
  DeliveryOrder order = DeliveryOrder::entity;
  DeliveryFormat format = DeliveryFormat::structured;
  std::string until = {};  // a mark: only what it has passed; empty: all that comes
  bool with_body = true;   // events are read to be sent
  std::optional<PipelineStep> pipeline = {};
};

/// As it is sent. `fault`: why it cannot be shown, and never can be; there is no text then.
struct EventBody {
  std::string text;
  std::optional<std::string> fault = {};
  std::optional<schemas::Uuid> id = {};  // of what a pipeline made; else it is the event's
  bool parks = false;                    // a fault that trying again does not mend
};

struct ReadEvent {
  schemas::Uuid id;
  schemas::Time recorded;
  std::string type;
  schemas::TopicId topic{};
  schemas::Offset offset = 0;
  std::uint32_t index = 0;
  std::uint64_t lane = 0;
  std::string mark;  // behind it
  EventBody body;
  Pinned pinned = {};  // of a pipeline
};

struct ReadEvents {
  std::vector<ReadEvent> events;
  std::string mark;          // behind everything that was looked at
  bool reached_end = false;  // of what was there
  bool complete = false;     // what is wanted has an end, and that is reached
};

class EventReader {
 public:
  virtual ~EventReader() = default;
  /// The next events behind a mark, so many or of so many bytes at most; fewer than there are when
  /// many were looked at. Blocks; any thread.
  virtual schemas::Result<ReadEvents> read(const Scope& scope, const Wanted& wanted,
                                           const std::string& mark, std::size_t events_max,
                                           std::size_t bytes_max) = 0;
  /// One event's body once more; of a pipeline as it is pinned, which says then with what. Blocks;
  /// any thread.
  virtual schemas::Result<EventBody> body(const Scope& scope, const Wanted& wanted,
                                          schemas::TopicId topic, schemas::Offset offset,
                                          std::uint32_t index, Pinned& pinned) = 0;
  /// Which events are behind a mark; of topics that are not named none. Any thread.
  virtual schemas::Result<projections::Places> places(const Scope& scope,
                                                      const std::string& mark) = 0;
};

}  // namespace webhooks
