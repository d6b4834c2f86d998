#include <set>

#include <fmt/core.h>

#include "manager/decide.h"
#include "projections/delivery_rows.h"

/// Endpoints, retry policies, and what the deliverer says became of deliveries.
namespace manager {

using projections::Channel;
using projections::Delivery;
using projections::DeliveryCursor;
using projections::Endpoint;
using projections::RetryPolicyState;
using schemas::DeliveryState;

namespace {

std::unexpected<schemas::Error> no_endpoint() {
  return fail(ErrorCode::not_found, "there is no endpoint with this id");
}

Result<projections::Row<Endpoint>> visible_endpoint(const Context& context, const Uuid& id) {
  auto row = context.view.get<Endpoint>(context.topic, {id, {}});
  if (!row || !may_see_of(context, row->state.project)) return no_endpoint();
  auto matched = check_if_match(context, row->head.version);
  if (!matched) return std::unexpected(std::move(matched).error());
  return std::move(*row);
}

/// What an endpoint refers to is there, and for the caller to see.
Result<void> check_references(const Context& context, const std::optional<Uuid>& project,
                              const std::optional<Uuid>& policy, Decision::LookedAt& looked_at) {
  if (auto checked = check_project(context, project, looked_at); !checked) return checked;
  if (policy && !context.view.get<RetryPolicyState>(context.topic, Entity{*policy, {}})) {
    return schemas::invalid_field("/retry_policy_id", "there is no retry policy with this id");
  }
  return {};
}

}  // namespace

Result<void> check_room(const Context& context, std::string_view kind, std::size_t max,
                        std::string_view what) {
  const auto there =
      context.view.list(context.topic, kind, true,
                        {.after = {}, .limit = max, .as_of = {}, .below = {}, .filter = {}});
  if (there.rows.size() < max) return {};
  return fail(
      ErrorCode::over_quota,
      fmt::format("there are {} {}, and no more may be; delete one that is not needed", max, what));
}

std::unexpected<schemas::Error> moved_on(Version based_on, Version current) {
  return fail(ErrorCode::version_conflict,
              fmt::format("it was changed meanwhile, from version {} to {}; ask again",
                          to_number(based_on), to_number(current)));
}

bool may_see_of(const Context& context, const std::optional<Uuid>& project) {
  if (context.rights == nullptr || !context.rights->projects) return true;
  return project && may_see(context, *project);
}

Result<void> check_project(const Context& context, const std::optional<Uuid>& project,
                           Decision::LookedAt& looked_at) {
  if (!may_see_of(context, project)) {
    return schemas::invalid_field("/project_id",
                                  "must be one of the projects that the key is restricted to");
  }
  if (!project) return {};
  looked_at = {context.references->projects, context.organization};
  const auto row = context.references->own.get<projections::Project>(context.references->projects,
                                                                     Entity{*project, {}});
  if (!row) return schemas::invalid_field("/project_id", "there is no project with this id");
  return {};
}

std::unexpected<schemas::Error> wrong_state(std::string detail, std::string_view state) {
  return fail(schemas::Error{ErrorCode::invalid_transition,
                             std::move(detail),
                             {},
                             {{"state", fmt::format("\"{}\"", state)}}});
}

Result<Decision> decide(const Context& context, const CreateEndpoint& command) {
  Decision::LookedAt looked_at{context.topic, context.organization};
  auto checked = check_references(context, command.project, command.retry_policy, looked_at);
  if (!checked) return std::unexpected(std::move(checked).error());
  auto room = check_room(context, Endpoint::kind, endpoints_max, "endpoints");
  if (!room) return std::unexpected(std::move(room).error());
  std::optional<std::string_view> headers;
  if (command.headers) headers = *command.headers;
  auto decision = one_event(context, {command.id, {}}, Version{},
                            schemas::EndpointCreated{.project = command.project,
                                                     .config = command.config,
                                                     .secret = command.secret,
                                                     .headers = headers,
                                                     .start = command.start});
  if (command.project) decision.looked_at.push_back(looked_at);
  return decision;
}

Result<Decision> decide(const Context& context, const ChangeEndpoint& command) {
  auto row = visible_endpoint(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  if (row->head.version != command.based_on) return moved_on(command.based_on, row->head.version);
  Decision::LookedAt looked_at{context.topic, context.organization};
  auto checked = check_references(context, command.project, command.retry_policy, looked_at);
  if (!checked) return std::unexpected(std::move(checked).error());
  const bool same = row->state.config == command.config && row->state.project == command.project &&
                    !command.headers;
  if (same) return nothing(Endpoint::kind, {command.id, {}});
  std::optional<std::string_view> headers;
  if (command.headers) headers = *command.headers;
  auto decision =
      one_event(context, {command.id, {}}, row->head.version,
                schemas::EndpointChanged{
                    .project = command.project, .config = command.config, .headers = headers});
  if (command.project) decision.looked_at.push_back(looked_at);
  return decision;
}

Result<Decision> decide(const Context& context, const RotateEndpointSecret& command) {
  auto row = visible_endpoint(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  return one_event(context, {command.id, {}}, row->head.version,
                   schemas::EndpointSecretRotated{row->state.project, command.secret,
                                                  context.now + command.overlap});
}

Result<Decision> decide(const Context& context, const PauseEndpoint& command) {
  auto row = visible_endpoint(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  const auto& state = row->state;
  const auto wanted = command.disable ? Endpoint::Status::disabled : Endpoint::Status::paused;
  if (state.status == wanted) return nothing(Endpoint::kind, {command.id, {}});
  if (state.status == Endpoint::Status::disabled) {
    return wrong_state("the endpoint is disabled; resume it first", to_text(state.status));
  }
  if (command.disable) {
    return one_event(context, {command.id, {}}, row->head.version,
                     schemas::EndpointDisabled{state.project, command.reason});
  }
  return one_event(context, {command.id, {}}, row->head.version,
                   schemas::EndpointPaused{state.project, command.reason});
}

Result<Decision> decide(const Context& context, const ResumeEndpoint& command) {
  auto row = visible_endpoint(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  const bool active = row->state.status == Endpoint::Status::active;
  if (active && !command.start) return nothing(Endpoint::kind, {command.id, {}});
  std::optional<std::string_view> start;
  if (command.start) start = *command.start;
  return one_event(context, {command.id, {}}, row->head.version,
                   schemas::EndpointResumed{row->state.project, start});
}

Result<Decision> decide(const Context& context, const TestEndpoint& command) {
  auto row = visible_endpoint(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  if (row->state.status != Endpoint::Status::active) {
    return wrong_state("only an active endpoint is sent anything; resume it first",
                       to_text(row->state.status));
  }
  return one_event(context, {command.id, {}}, row->head.version,
                   schemas::EndpointTested{row->state.project});
}

Result<Decision> decide(const Context& context, const DeleteEndpoint& command) {
  auto row = visible_endpoint(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  return one_event(context, {command.id, {}}, row->head.version,
                   schemas::EndpointDeleted{row->state.project});
}

Result<Decision> decide(const Context& context, const CreateRetryPolicy& command) {
  auto room = check_room(context, RetryPolicyState::kind, retry_policies_max, "retry policies");
  if (!room) return std::unexpected(std::move(room).error());
  return one_event(context, {context.new_id(), {}}, Version{},
                   schemas::RetryPolicyCreated{command.config});
}

Result<Decision> decide(const Context& context, const ChangeRetryPolicy& command) {
  auto row = required<RetryPolicyState>(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  if (row->head.version != command.based_on) return moved_on(command.based_on, row->head.version);
  if (row->state.config == command.config) {
    return nothing(RetryPolicyState::kind, {command.id, {}});
  }
  return one_event(context, {command.id, {}}, row->head.version,
                   schemas::RetryPolicyChanged{command.config});
}

Result<Decision> decide(const Context& context, const DeleteRetryPolicy& command) {
  auto row = required<RetryPolicyState>(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  const auto id = to_text(schemas::RetryPolicyId(command.id));
  const auto user = context.view.list(
      context.topic, Endpoint::kind, true,
      {.after = {},
       .limit = 1,
       .as_of = {},
       .below = {},
       .filter = [&](const projections::FoundRow& found) {
         return projections::decode_row<Endpoint>(found.bytes).state.config.find('"' + id + '"') !=
                std::string::npos;
       }});
  if (!user.rows.empty()) {
    return fail(ErrorCode::in_use,
                fmt::format("endpoint {} has this retry policy; give it another one first",
                            to_text(schemas::EndpointId(user.rows.front().entity.id))));
  }
  return one_event(context, {command.id, {}}, row->head.version, schemas::RetryPolicyDeleted{});
}

namespace {

schemas::DeliveredEvent delivered(const RecordDeliveries& command, const DeliveryRecord& record) {
  return {.endpoint = command.endpoint,
          .event = record.event,
          .type = record.type,
          .topic = record.topic,
          .offset = record.offset,
          .index = record.index,
          .lane = record.lane,
          .replay = command.replay,
          .pipeline = command.pipeline,
          .version = record.version,
          .found = record.found};
}

schemas::EventData data_of(const RecordDeliveries& command, const DeliveryRecord& record) {
  if (record.held) return schemas::DeliveryHeld{delivered(command, record)};
  std::optional<std::string_view> error;
  std::optional<std::string_view> body;
  if (record.error) error = *record.error;
  if (record.body) body = *record.body;
  return schemas::DeliveryAttempted{.of = delivered(command, record),
                                    .attempt = record.attempt,
                                    .started = record.started,
                                    .status = record.status,
                                    .error = error,
                                    .body = body,
                                    .resolve_us = record.resolve_us,
                                    .connect_us = record.connect_us,
                                    .tls_us = record.tls_us,
                                    .answer_us = record.answer_us,
                                    .state = record.state,
                                    .next = record.next};
}

/// Whether it still says something: a delivery that is not there yet, or its next attempt. A lease
/// (pending) is an attempt that goes on: the worker who has it says more of it, beginning nothing
/// (no `started`); once its time is over, by the clock of whoever decides, it may be said to have
/// ended, or another lease begins. So of two who want the same delivery one gets it.
bool fits(const Context& context, const DeliveryRecord& record,
          const std::optional<projections::Row<Delivery>>& known) {
  const bool is_lease = record.state == DeliveryState::pending;
  if (!known) return record.held || (record.attempt == 1 && !is_lease);
  const auto& state = known->state;
  if (record.held || !state.open()) return false;
  const bool is_over = !state.next || *state.next <= context.now;
  if (is_leased(state) && record.attempt == state.attempts) {
    return record.started == Time{} || (record.state == DeliveryState::exhausted && is_over);
  }
  if (record.attempt != state.attempts + 1 || record.started == Time{}) return false;
  return is_over || !(is_lease || is_leased(state));
}

}  // namespace

Result<Decision> decide(const Context& context, const RecordDeliveries& command) {
  const Channel channel{command.endpoint, command.replay, command.pipeline};
  auto decision = nothing(DeliveryCursor::kind, channel.cursor());
  const auto add = [&](Entity entity, Version current, schemas::EventData data) {
    auto one = one_event(context, std::move(entity), current, std::move(data));
    decision.events.push_back(std::move(one.events.front()));
  };
  std::set<Uuid> seen;
  for (const auto& record : command.deliveries) {
    if (!seen.insert(record.id).second) continue;  // the view does not show the one before yet
    const Entity entity{record.id, {}};
    const auto known = context.view.get<Delivery>(context.topic, entity);
    if (fits(context, record, known)) {
      add(entity, known ? known->head.version : Version{}, data_of(command, record));
    }
  }
  if (!command.cursor) return decision;
  const auto known = context.view.get<DeliveryCursor>(context.topic, channel.cursor());
  const bool is_older =
      known &&
      (known->state.generation > command.generation ||
       (known->state.generation == command.generation && known->state.version > command.version));
  const bool same = known && known->state.mark == *command.cursor &&
                    known->state.generation == command.generation &&
                    known->state.version == command.version;
  if (!same && !is_older) {
    add(channel.cursor(), known ? known->head.version : Version{},
        schemas::DeliveryCursorMoved{*command.cursor, command.generation, command.version});
  }
  return decision;
}

namespace {

/// Of one that a pipeline makes.
Result<void> check_pipeline_resend(const Context& context, const projections::Row<Delivery>& row) {
  const auto pipeline = context.references->own.get<projections::Pipeline>(
      context.references->webhooks, {*row.state.pipeline, {}});
  const auto project = pipeline ? pipeline->state.project : std::nullopt;
  if (!may_see_of(context, project)) {
    return fail(ErrorCode::not_found, "there is no delivery with this id");
  }
  if (auto matched = check_if_match(context, row.head.version); !matched) return matched;
  if (!pipeline) {
    return wrong_state("its pipeline was deleted", projections::to_text(row.state.state));
  }
  const bool is_written = row.state.state == DeliveryState::succeeded && !pipeline->state.endpoint;
  if (!is_written) return {};
  return wrong_state("it is done; have it made once more by a replay",
                     projections::to_text(row.state.state));
}

/// Why a delivery cannot be asked for again, if so.
Result<void> check_resend(const Context& context, const projections::Row<Delivery>& row) {
  if (row.state.pipeline && !row.state.replay) return check_pipeline_resend(context, row);
  const auto webhooks = context.references->webhooks;
  const auto& own = context.references->own;
  const auto replay = row.state.replay
                          ? own.get<projections::Replay>(webhooks, {*row.state.replay, {}})
                          : std::nullopt;
  const auto endpoint = own.get<Endpoint>(webhooks, {row.state.endpoint, {}});
  const auto of_endpoint = endpoint ? endpoint->state.project : std::nullopt;
  const bool seen =
      may_see_of(context, of_endpoint) && (!replay || may_see_of(context, replay->state.project));
  if (!seen) {
    return fail(ErrorCode::not_found, "there is no delivery with this id");
  }
  if (auto matched = check_if_match(context, row.head.version); !matched) return matched;
  if (row.state.replay && (!replay || replay->state.ended())) {
    return wrong_state("the replay that it belongs to has ended; ask for another one",
                       projections::to_text(row.state.state));
  }
  if (row.state.endpoint.nil()) {
    return wrong_state(
        "it was made by a replay to a product or through a pipeline; have what failed replayed: "
        "only: failed, of: the replay",
        projections::to_text(row.state.state));
  }
  if (endpoint) return {};
  return wrong_state("its endpoint was deleted", projections::to_text(row.state.state));
}

}  // namespace

Result<Decision> decide(const Context& context, const ResendDeliveries& command) {
  auto decision = nothing(Delivery::kind, {command.ids.empty() ? Uuid{} : command.ids.front(), {}});
  for (const auto& id : command.ids) {
    const auto row = context.view.get<Delivery>(context.topic, {id, {}});
    auto checked =
        row ? check_resend(context, *row)
            : Result<void>(fail(ErrorCode::not_found, "there is no delivery with this id"));
    if (!checked && command.ids.size() == 1) return std::unexpected(std::move(checked).error());
    if (!checked || row->state.state == DeliveryState::pending) continue;
    auto one = one_event(context, {id, {}}, row->head.version, schemas::DeliveryRequested{});
    decision.events.push_back(std::move(one.events.front()));
  }
  if (!decision.events.empty()) {
    decision.looked_at.push_back({context.references->webhooks, context.organization});
  }
  return decision;
}

Result<Decision> decide(const Context& context, const ForgetDeliveries& command) {
  auto decision = nothing(Delivery::kind, {command.ids.empty() ? Uuid{} : command.ids.front(), {}});
  const auto ended_before = std::min(command.ended_before, context.now);
  std::set<Uuid> seen;
  for (const auto& id : command.ids) {
    if (!seen.insert(id).second) continue;  // the view does not show the one before yet
    const auto row = context.view.get<Delivery>(context.topic, {id, {}});
    if (!row || row->state.open() || row->head.updated_at >= ended_before) continue;
    auto one = one_event(context, {id, {}}, row->head.version, schemas::DeliveryForgotten{});
    decision.events.push_back(std::move(one.events.front()));
  }
  return decision;
}

Result<Decision> decide(const Context& context, const SkipDeliveries& command) {
  auto decision = nothing(Delivery::kind, {command.ids.empty() ? Uuid{} : command.ids.front(), {}});
  const Channel channel{command.endpoint, command.replay, command.pipeline};
  const auto cursor = context.view.get<DeliveryCursor>(context.topic, channel.cursor());
  if (command.generation && cursor && cursor->state.generation >= *command.generation) {
    return decision;
  }
  for (const auto& id : command.ids) {
    const auto row = context.view.get<Delivery>(context.topic, {id, {}});
    if (!row || !row->state.open() || row->state.channel() != channel) continue;
    const bool is_asked_for = row->state.state == DeliveryState::pending && row->state.next &&
                              !projections::is_leased(row->state);
    if (is_asked_for && command.since && *row->state.next >= *command.since) continue;
    auto one =
        one_event(context, {id, {}}, row->head.version, schemas::DeliverySkipped{command.reason});
    decision.events.push_back(std::move(one.events.front()));
  }
  return decision;
}

}  // namespace manager
