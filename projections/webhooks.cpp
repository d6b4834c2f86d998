#include "projections/delivery_rows.h"
#include "projections/evolve.h"

namespace projections {

using schemas::DeliveryState;

std::string_view to_text(Endpoint::Status status) {
  switch (status) {
    case Endpoint::Status::active:
      return "active";
    case Endpoint::Status::paused:
      return "paused";
    case Endpoint::Status::disabled:
      return "disabled";
  }
  return "";
}

std::string_view to_text(DeliveryState state) {
  switch (state) {
    case DeliveryState::pending:
      return "pending";
    case DeliveryState::succeeded:
      return "succeeded";
    case DeliveryState::failing:
      return "failing";
    case DeliveryState::exhausted:
      return "exhausted";
    case DeliveryState::skipped:
      return "skipped";
  }
  return "";
}

std::string_view to_text(Replay::Status status) {
  switch (status) {
    case Replay::Status::running:
      return "running";
    case Replay::Status::paused:
      return "paused";
    case Replay::Status::cancelled:
      return "cancelled";
    case Replay::Status::completed:
      return "completed";
  }
  return "";
}

std::string_view to_text(Pipeline::Status status) {
  return status == Pipeline::Status::active ? "active" : "paused";
}

schemas::Entity Channel::cursor() const {
  if (replay) return {endpoint, to_text(schemas::ReplayId(*replay))};
  if (pipeline) return {endpoint, to_text(schemas::PipelineId(*pipeline))};
  return {endpoint, {}};
}

namespace {

Endpoint endpoint_of(const schemas::EndpointCreated& created, Time recorded) {
  Endpoint endpoint;
  endpoint.active_since = recorded;
  endpoint.project = created.project;
  endpoint.config = created.config;
  endpoint.secrets.push_back({std::string(created.secret), {}});
  if (created.headers) endpoint.headers = *created.headers;
  endpoint.start = created.start;
  return endpoint;
}

/// The secret that was the newest goes on for a while, and those before it as long as they had.
void rotate(Endpoint& endpoint, const schemas::EndpointSecretRotated& rotated, Time recorded) {
  auto& secrets = endpoint.secrets;
  if (!secrets.empty()) secrets.back().expires = rotated.old_expires;
  std::erase_if(secrets, [&](const auto& secret) { return *secret.expires <= recorded; });
  if (secrets.size() > old_secrets_max) secrets.erase(secrets.begin());
  secrets.push_back({std::string(rotated.secret), {}});
}

/// What changes an endpoint that is there; false: it is no such event.
bool change(Endpoint& endpoint, const EventData& data, const Moment& moment) {
  if (const auto* changed = std::get_if<schemas::EndpointChanged>(&data)) {
    endpoint.project = changed->project;
    endpoint.config = changed->config;
    if (changed->headers) endpoint.headers = *changed->headers;
    return true;
  }
  if (const auto* rotated = std::get_if<schemas::EndpointSecretRotated>(&data)) {
    rotate(endpoint, *rotated, moment.recorded);
    return true;
  }
  if (const auto* paused = std::get_if<schemas::EndpointPaused>(&data)) {
    endpoint.status = Endpoint::Status::paused;
    endpoint.reason = paused->reason;
    return true;
  }
  if (const auto* disabled = std::get_if<schemas::EndpointDisabled>(&data)) {
    endpoint.status = Endpoint::Status::disabled;
    endpoint.reason = disabled->reason;
    return true;
  }
  if (const auto* resumed = std::get_if<schemas::EndpointResumed>(&data)) {
    endpoint.status = Endpoint::Status::active;
    endpoint.reason.clear();
    endpoint.active_since = moment.recorded;
    if (resumed->start) {
      endpoint.start = *resumed->start;
      ++endpoint.generation;
    }
    return true;
  }
  return std::holds_alternative<schemas::EndpointTested>(data);
}

Delivery delivery_of(const schemas::DeliveredEvent& of) {
  Delivery delivery;
  delivery.endpoint = of.endpoint;
  delivery.event = of.event;
  delivery.type = of.type;
  delivery.topic = of.topic;
  delivery.offset = of.offset;
  delivery.index = of.index;
  delivery.lane = of.lane;
  delivery.replay = of.replay;
  delivery.pipeline = of.pipeline;
  delivery.version = of.version;
  delivery.found = of.found;
  return delivery;
}

Result<std::optional<Delivery>> attempted(std::optional<Delivery> state,
                                          const schemas::DeliveryAttempted& attempt,
                                          const EventData& data) {
  if (!state) state = delivery_of(attempt.of);
  const bool goes_on = is_leased(*state) && attempt.attempt == state->attempts;
  if (!state->open() || (!goes_on && attempt.attempt != state->attempts + 1)) {
    return cannot_apply(data);
  }
  if (!goes_on) {
    state->attempts = attempt.attempt;
    ++state->attempts_in_all;
    if (attempt.attempt == 1) state->first_at = attempt.started;
  }
  state->state = attempt.state;
  state->next.reset();
  if (state->open()) state->next = attempt.next;
  // An attempt may be the first that finds out.
  if (state->found.empty()) state->found = attempt.of.found;
  state->status = attempt.status;
  state->error = attempt.error.value_or("");
  return state;
}

}  // namespace

Result<std::optional<Endpoint>> evolve(std::optional<Endpoint> state, const EventData& data,
                                       const Moment& moment) {
  if (const auto* created = std::get_if<schemas::EndpointCreated>(&data); created && !state) {
    return endpoint_of(*created, moment.recorded);
  }
  if (!state) return cannot_apply(data);
  if (std::holds_alternative<schemas::EndpointDeleted>(data)) return std::nullopt;
  if (change(*state, data, moment)) return state;
  return cannot_apply(data);
}

Result<std::optional<RetryPolicyState>> evolve(std::optional<RetryPolicyState> state,
                                               const EventData& data, const Moment&) {
  if (const auto* created = std::get_if<schemas::RetryPolicyCreated>(&data); created && !state) {
    return RetryPolicyState{std::string(created->config)};
  }
  if (!state) return cannot_apply(data);
  if (const auto* changed = std::get_if<schemas::RetryPolicyChanged>(&data)) {
    return RetryPolicyState{std::string(changed->config)};
  }
  if (std::holds_alternative<schemas::RetryPolicyDeleted>(data)) return std::nullopt;
  return cannot_apply(data);
}

Result<std::optional<Delivery>> evolve(std::optional<Delivery> state, const EventData& data,
                                       const Moment& moment) {
  if (const auto* attempt = std::get_if<schemas::DeliveryAttempted>(&data)) {
    return attempted(std::move(state), *attempt, data);
  }
  if (const auto* held = std::get_if<schemas::DeliveryHeld>(&data); held && !state) {
    return delivery_of(held->of);
  }
  if (!state) return cannot_apply(data);
  if (std::holds_alternative<schemas::DeliveryForgotten>(data) && !state->open()) {
    return std::nullopt;
  }
  if (std::holds_alternative<schemas::DeliveryRequested>(data)) {
    state->state = DeliveryState::pending;
    state->attempts = 0;
    state->first_at.reset();
    state->next = moment.recorded;
    return state;
  }
  if (const auto* skipped = std::get_if<schemas::DeliverySkipped>(&data);
      skipped && state->open()) {
    state->state = DeliveryState::skipped;
    state->next.reset();
    state->error = skipped->reason;
    return state;
  }
  return cannot_apply(data);
}

Result<std::optional<Replay>> evolve(std::optional<Replay> state, const EventData& data,
                                     const Moment& moment) {
  using Status = Replay::Status;
  if (const auto* requested = std::get_if<schemas::ReplayRequested>(&data); requested && !state) {
    return Replay{.project = requested->project,
                  .endpoint = requested->endpoint,
                  .pipeline = requested->pipeline,
                  .config = std::string(requested->config),
                  .from = std::string(requested->from),
                  .to = std::string(requested->to),
                  .status = Status::running,
                  .reason = {},
                  .running_since = moment.recorded,
                  .succeeded = 0,
                  .exhausted = 0,
                  .skipped = 0};
  }
  if (!state || state->ended()) return cannot_apply(data);
  state->reason.clear();
  if (const auto* paused = std::get_if<schemas::ReplayPaused>(&data)) {
    state->status = Status::paused;
    state->reason = paused->reason;
    return state;
  }
  if (std::holds_alternative<schemas::ReplayResumed>(data)) {
    state->status = Status::running;
    state->running_since = moment.recorded;
    return state;
  }
  if (const auto* cancelled = std::get_if<schemas::ReplayCancelled>(&data)) {
    state->status = Status::cancelled;
    state->reason = cancelled->reason;
    return state;
  }
  if (const auto* completed = std::get_if<schemas::ReplayCompleted>(&data)) {
    state->status = Status::completed;
    state->succeeded = completed->succeeded;
    state->exhausted = completed->exhausted;
    state->skipped = completed->skipped;
    return state;
  }
  return cannot_apply(data);
}

Result<std::optional<DeliveryCursor>> evolve(std::optional<DeliveryCursor>, const EventData& data,
                                             const Moment&) {
  const auto* moved = std::get_if<schemas::DeliveryCursorMoved>(&data);
  if (moved == nullptr) return cannot_apply(data);
  return DeliveryCursor{std::string(moved->mark), moved->generation, moved->version};
}

Result<std::optional<Pipeline>> evolve(std::optional<Pipeline> state, const EventData& data,
                                       const Moment& moment) {
  using Status = Pipeline::Status;
  if (const auto* created = std::get_if<schemas::PipelineCreated>(&data); created && !state) {
    return Pipeline{.project = created->project,
                    .endpoint = created->endpoint,
                    .config = std::string(created->config),
                    .version = moment.version,
                    .start = std::string(created->start),
                    .generation = 0,
                    .status = created->paused ? Status::paused : Status::active,
                    .reason = created->paused ? "created paused" : "",
                    .active_since = moment.recorded};
  }
  if (!state) return cannot_apply(data);
  if (std::holds_alternative<schemas::PipelineDeleted>(data)) return std::nullopt;
  if (const auto* changed = std::get_if<schemas::PipelineChanged>(&data)) {
    state->project = changed->project;
    state->config = changed->config;
    state->version = moment.version;
    return state;
  }
  if (const auto* paused = std::get_if<schemas::PipelinePaused>(&data)) {
    state->status = Status::paused;
    state->reason = paused->reason;
    return state;
  }
  if (const auto* resumed = std::get_if<schemas::PipelineResumed>(&data)) {
    state->status = Status::active;
    state->reason.clear();
    state->active_since = moment.recorded;
    if (resumed->start) {
      state->start = *resumed->start;
      ++state->generation;
    }
    return state;
  }
  return cannot_apply(data);
}

}  // namespace projections
