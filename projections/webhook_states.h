#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "projections/row.h"
#include "schemas/events.h"
#include "schemas/ids.h"

/// The states of products `webhooks` and `deliveries`.
namespace projections {

using schemas::Time;
using schemas::Uuid;

/// One of an endpoint's secrets, sealed (eventstore/sealing.h); the newest does not expire.
struct EndpointSecret {
  std::string sealed;
  std::optional<Time> expires;
  static void members(auto& self, auto& visit) {
    visit(self.sealed);
    visit(self.expires);
  }
};

struct Endpoint {
  static constexpr std::string_view kind = "endpoint";
  enum class Status : std::uint8_t { active, paused, disabled };
  std::optional<Uuid> project;
  std::string config;                   // JSON, webhooks/endpoint.h
  std::vector<EndpointSecret> secrets;  // newest last
  std::string headers;                  // sealed; empty: none
  std::string start;                    // a mark
  std::uint32_t generation = 0;         // of `start`
  Status status = Status::active;
  std::string reason;  // why it is not active
  Time active_since;   // made or last resumed
  static void members(auto& self, auto& visit) {
    visit(self.project);
    visit(self.config);
    visit(self.secrets);
    visit(self.headers);
    visit(self.start);
    visit(self.generation);
    visit(self.status);
    visit(self.reason);
    visit(self.active_since);
  }
};
std::string_view to_text(Endpoint::Status status);
/// Besides the newest: those that still sign after rotations.
inline constexpr std::size_t old_secrets_max = 10;

struct RetryPolicyState {
  static constexpr std::string_view kind = "retry_policy";
  std::string config;  // JSON, webhooks/retry_policy.h
  static void members(auto& self, auto& visit) { visit(self.config); }
};

/// What is made of events and where that goes.
struct Pipeline {
  static constexpr std::string_view kind = "pipeline";
  enum class Status : std::uint8_t { active, paused };
  std::optional<Uuid> project;
  std::optional<Uuid> endpoint;  // of its sink; empty: a product
  std::string config;            // JSON, webhooks/pipeline.h
  schemas::Version version{};    // of the entity when it was last given a config
  std::string start;             // a mark
  std::uint32_t generation = 0;  // of `start`
  Status status = Status::active;
  std::string reason;  // why it is not active
  Time active_since;   // made or last resumed
  static void members(auto& self, auto& visit) {
    visit(self.project);
    visit(self.endpoint);
    visit(self.config);
    visit(self.version);
    visit(self.start);
    visit(self.generation);
    visit(self.status);
    visit(self.reason);
    visit(self.active_since);
  }
};
std::string_view to_text(Pipeline::Status status);

/// Events between two marks, sent once more.
struct Replay {
  static constexpr std::string_view kind = "replay";
  enum class Status : std::uint8_t { running, paused, cancelled, completed };
  std::optional<Uuid> project;
  std::optional<Uuid> endpoint;  // empty: to a product, or through a pipeline
  std::optional<Uuid> pipeline;  // through this one
  std::string config;            // JSON, webhooks/replay.h
  std::string from;              // marks
  std::string to;
  Status status = Status::running;
  std::string reason;  // why it is paused or cancelled
  Time running_since;  // asked for or last resumed
  // What became of its deliveries, once it is completed.
  std::uint64_t succeeded = 0;
  std::uint64_t exhausted = 0;
  std::uint64_t skipped = 0;
  static void members(auto& self, auto& visit) {
    visit(self.project);
    visit(self.endpoint);
    visit(self.pipeline);
    visit(self.config);
    visit(self.from);
    visit(self.to);
    visit(self.status);
    visit(self.reason);
    visit(self.running_since);
    visit(self.succeeded);
    visit(self.exhausted);
    visit(self.skipped);
  }
  bool ended() const { return status == Status::cancelled || status == Status::completed; }
};
std::string_view to_text(Replay::Status status);

/// Where deliveries go: to an endpoint or through a pipeline as events come, or by a replay. Each
/// has a cursor, lanes and counts of its own.
struct Channel {
  Uuid endpoint;  // nil: a pipeline's, or a replay's that goes to a product or through a pipeline
  std::optional<Uuid> replay;
  std::optional<Uuid> pipeline;
  /// What its rows stand under.
  const Uuid& id() const { return replay ? *replay : pipeline ? *pipeline : endpoint; }
  /// Of its cursor.
  schemas::Entity cursor() const;
  friend bool operator==(const Channel&, const Channel&) = default;
};

/// An event on its way.
struct Delivery {
  static constexpr std::string_view kind = "delivery";
  Uuid endpoint;
  Uuid event;
  std::string type;
  schemas::TopicId topic{};
  schemas::Offset offset = 0;
  std::uint32_t index = 0;
  std::uint64_t lane = 0;
  schemas::DeliveryState state = schemas::DeliveryState::pending;
  std::uint32_t attempts = 0;  // since it was first or last asked for
  std::uint32_t attempts_in_all = 0;
  std::optional<Time> first_at;      // when the first of these attempts began
  std::optional<Time> next;          // of a failing one, and of one that was asked for again
  std::uint16_t status = 0;          // of the last attempt; 0: none, or no answer
  std::string error;                 // of the last attempt; why it was skipped
  std::optional<Uuid> replay;        // that sends it again
  std::optional<Uuid> pipeline;      // that makes of it what is sent,
  schemas::Version version{};        // as this version of it,
  std::vector<std::uint64_t> found;  // with these versions of other rows; 0: none
  static void members(auto& self, auto& visit) {
    visit(self.endpoint);
    visit(self.event);
    visit(self.type);
    visit(self.topic);
    visit(self.offset);
    visit(self.index);
    visit(self.lane);
    visit(self.state);
    visit(self.attempts);
    visit(self.attempts_in_all);
    visit(self.first_at);
    visit(self.next);
    visit(self.status);
    visit(self.error);
    visit(self.replay);
    visit(self.pipeline);
    visit(self.version);
    visit(self.found);
  }
  Channel channel() const { return {endpoint, replay, pipeline}; }
  /// Something is still to be done.
  bool open() const {
    return state == schemas::DeliveryState::pending || state == schemas::DeliveryState::failing;
  }
};
std::string_view to_text(schemas::DeliveryState state);

/// Entity: the channel's, Channel::cursor.
struct DeliveryCursor {
  static constexpr std::string_view kind = "delivery_cursor";
  std::string mark;
  std::uint32_t generation = 0;
  schemas::Version version{};  // of a pipeline: from the mark on
  static void members(auto& self, auto& visit) {
    visit(self.mark);
    visit(self.generation);
    visit(self.version);
  }
};

/// How a channel's deliveries stand; folded beside them. Entity: the channel's id.
struct EndpointHealth {
  static constexpr std::string_view kind = "endpoint_health";
  std::uint64_t pending = 0;
  std::uint64_t failing = 0;
  std::uint64_t exhausted = 0;
  std::uint64_t skipped = 0;
  std::uint64_t succeeded = 0;
  std::optional<Time> failing_since;  // the first attempt that failed and no success since
  std::optional<Time> last_success;
  std::uint16_t last_status = 0;
  static void members(auto& self, auto& visit) {
    visit(self.pending);
    visit(self.failing);
    visit(self.exhausted);
    visit(self.skipped);
    visit(self.succeeded);
    visit(self.failing_since);
    visit(self.last_success);
    visit(self.last_status);
  }
  /// There was ever a delivery.
  bool anything() const { return pending + failing + exhausted + skipped + succeeded > 0; }
};

}  // namespace projections
