#include "api/resources/deliveries.h"

#include "api/resources/answers.h"
#include "api/resources/lists.h"
#include "api/resources/pipelines.h"
#include "api/resources/pool.h"
#include "api/resources/reading.h"
#include "api/resources/replays.h"
#include "api/resources/webhook_event_json.h"
#include "api/resources/webhooks.h"
#include "projections/delivery_rows.h"
#include "projections/timeline.h"
#include "schemas/json_writer.h"

namespace api::resources {
namespace {

using projections::Delivery;
using projections::FoundRow;
using schemas::DeliveryId;
using schemas::DeliveryState;
using schemas::EndpointId;
using schemas::Entity;
using schemas::Uuid;
using schemas::json::Writer;

constexpr std::size_t attempts_shown_max = 100;
constexpr std::size_t resent_at_once = 1'000;

std::unexpected<schemas::Error> no_delivery() {
  return edge::not_found("delivery with this id");
}

Result<Uuid> delivery_in_path(const Ask& ask) {
  auto id = schemas::parse_id<schemas::DeliveryTag>(ask.request.captured("delivery_id"));
  if (!id) return no_delivery();
  return id->uuid();
}

/// Whether the caller may know of a delivery: of its replay, or of its endpoint; of one whose
/// endpoint is gone, whoever is not restricted to projects.
bool sees_delivery(const Ask& ask, const Delivery& delivery) {
  if (!ask.caller().restricted()) return true;
  if (delivery.replay) return sees_replay(ask, *delivery.replay);
  const auto place = ask.webhooks();
  const projections::Reader reader(ask.services.rows, place.organization, place.space);
  if (delivery.pipeline) {
    const auto pipeline = reader.get<projections::Pipeline>(place.topic, {*delivery.pipeline, {}});
    return pipeline && sees_pipeline(ask, pipeline->state);
  }
  const auto row = reader.get<projections::Endpoint>(place.topic, {delivery.endpoint, {}});
  return row && sees_endpoint_of(ask, row->state.project);
}

/// `attempts`: JSON; empty: not told.
void render_delivery(std::string& out, const Ask& ask, const FoundRow& found,
                     std::string_view attempts = {}) {
  const auto row = projections::decode_row<Delivery>(found.bytes);
  const auto& state = row.state;
  std::optional<std::string_view> error;
  if (!state.error.empty()) error = state.error;
  std::optional<std::string> endpoint;
  if (!state.endpoint.nil()) endpoint = to_text(EndpointId(state.endpoint));
  std::optional<std::string> replay;
  if (state.replay) replay = to_text(schemas::ReplayId(*state.replay));
  std::optional<std::string> pipeline;
  if (state.pipeline) pipeline = to_text(schemas::PipelineId(*state.pipeline));
  Writer writer(out);
  writer.begin_object()
      .member("id", to_text(DeliveryId(found.entity.id)))
      .member("endpoint_id", endpoint)
      .member("replay_id", replay)
      .member("pipeline_id", pipeline)
      .name("definition_version");
  state.pipeline ? writer.value(to_number(state.version)) : writer.null();
  writer.member("event_id", to_text(schemas::EventId(state.event)))
      .member("event_type", state.type)
      .member("product", ask.services.topics.name(state.topic))
      .member("state", projections::to_text(state.state))
      .member("attempts_made", state.attempts_in_all)
      .name("status");
  state.status != 0 ? writer.value(state.status) : writer.null();
  writer.member("error", error).member("next_at", state.next);
  if (!attempts.empty()) writer.name("attempts").raw(attempts);
  write_times(writer, row.head).end_object();
}

/// One of a worker, told once it is known that it has no outcome.
struct BegunAttempt {
  std::uint32_t attempt;
  schemas::Time started;
  std::string text;
};

/// What each attempt's event says, from the log.
Result<std::string> read_attempts(const Ask& ask, const Reading& reading, const Entity& entity) {
  const auto& place = reading.place();
  const auto places = reading.reader().events_of(place.topic, Delivery::kind, entity,
                                                 {.behind = {},
                                                  .as_of = reading.as_of(),
                                                  .direction = projections::Direction::descending,
                                                  .limit = attempts_shown_max});
  const auto log = ask.services.topics.log_of(place.topic, place.organization);
  projections::Timeline timeline(reading.rows(), ask.services.log, place.organization, place.space,
                                 log.partition);
  std::string json;
  Writer writer(json);
  writer.begin_array();
  std::optional<BegunAttempt> begun;
  for (auto at = places.rbegin(); at != places.rend(); ++at) {
    auto event = timeline.at(place.topic, at->offset, at->index);
    if (!event) return std::unexpected(std::move(event).error());
    const auto data = event->event().data();
    const auto* found = std::get_if<schemas::DeliveryAttempted>(&data);
    if (found == nullptr) {
      if (begun) writer.raw(begun->text);
      begun.reset();
      continue;
    }
    auto attempted = *found;
    const bool goes_on = begun && begun->attempt == attempted.attempt;
    if (goes_on) attempted.started = begun->started;
    if (attempted.started == schemas::Time{}) attempted.started = event->batch.recorded();
    if (begun && !goes_on) writer.raw(begun->text);
    begun.reset();
    std::string text;
    Writer one(text);
    one.begin_object();
    write_attempt(one, attempted);
    one.member("event_id", to_text(event->event().id())).end_object();
    if (attempted.state == DeliveryState::pending) {
      begun.emplace(attempted.attempt, attempted.started, std::move(text));
    } else {
      writer.raw(text);
    }
  }
  if (begun) writer.raw(begun->text);
  writer.end_array();
  return json;
}

struct Wanted {
  std::optional<Uuid> endpoint;
  std::optional<Uuid> replay;
  std::optional<Uuid> pipeline;
  std::optional<DeliveryState> state;

  /// The channel whose deliveries are listed; of several that are named, the one with the fewest.
  std::optional<Uuid> channel() const { return replay ? replay : pipeline ? pipeline : endpoint; }
};

std::optional<DeliveryState> state_named(std::string_view text) {
  for (const auto state : {DeliveryState::pending, DeliveryState::succeeded, DeliveryState::failing,
                           DeliveryState::exhausted, DeliveryState::skipped}) {
    if (projections::to_text(state) == text) return state;
  }
  return std::nullopt;
}

/// check_parameters has checked its form.
template <typename Tag>
std::optional<Uuid> id_parameter(const Ask& ask, std::string_view name) {
  const auto text = ask.request.parameter(name);
  if (!text) return std::nullopt;
  return schemas::parse_id<Tag>(*text)->uuid();
}

Wanted parse_wanted(const Ask& ask) {
  Wanted wanted{.endpoint = id_parameter<schemas::EndpointTag>(ask, "endpoint_id"),
                .replay = id_parameter<schemas::ReplayTag>(ask, "replay_id"),
                .pipeline = id_parameter<schemas::PipelineTag>(ask, "pipeline_id"),
                .state = {}};
  if (const auto text = ask.request.parameter("state")) wanted.state = state_named(*text);
  return wanted;
}

/// The delivery that a row of an index is about.
FoundRow delivery_of(const Reading& reading, const FoundRow& found) {
  const Entity entity{projections::delivery_in(found.entity), {}};
  const auto reader = reading.reader();
  const auto topic = reading.place().topic;
  auto row = reading.as_of() ? reader.find_as_of(topic, Delivery::kind, entity, *reading.as_of())
                             : reader.find(topic, Delivery::kind, entity);
  ENSURE(row.has_value());
  return {entity, std::move(*row)};
}

Result<void> check_deliveries_kept(const Reading& reading) {
  return check_kept(
      reading, Delivery::kind,
      "deliveries that ended long ago are not kept: answers go back to the earliest mark, "
      "and show what is kept by now");
}

/// Lists of a moment at which something had not ended that is forgotten say how far they go back.
Answer list_kept(Ask& ask, ListSpec spec) {
  auto some = co_await list_answer(ask, ask.deliveries(), std::move(spec));
  if (!some) co_await name_earliest_kept(ask, ask.deliveries(), Delivery::kind, some.error());
  co_return some;
}

Answer list_by_index(Ask& ask, Wanted wanted) {
  const Reading* reading = nullptr;  // known once the list is let in
  const bool has_row = wanted.state && *wanted.state != DeliveryState::succeeded;
  ListSpec spec{
      .kind = projections::delivery_of_kind,
      .below = projections::deliveries_of(wanted.channel(), has_row ? wanted.state : std::nullopt),
      .keep = {},
      .render = {}};
  spec.admit = [&reading](Reading& opened) -> Result<void> {
    reading = &opened;
    return check_deliveries_kept(opened);
  };
  spec.keep = [&](const FoundRow& found) {
    const auto delivery =
        projections::decode_row<Delivery>(delivery_of(*reading, found).bytes).state;
    return (!wanted.state || delivery.state == *wanted.state) &&
           (!wanted.endpoint || delivery.endpoint == *wanted.endpoint) &&
           (!wanted.pipeline || delivery.pipeline == wanted.pipeline) &&
           sees_delivery(ask, delivery);
  };
  spec.render = [&](std::string& out, const FoundRow& found) {
    render_delivery(out, ask, delivery_of(*reading, found));
  };
  co_return co_await list_kept(ask, std::move(spec));
}

Result<Uuid> known_endpoint(const Ask& ask, std::string_view text) {
  const auto id = schemas::parse_id<schemas::EndpointTag>(text);
  const auto place = ask.webhooks();
  const projections::Reader reader(ask.services.rows, place.organization, place.space);
  const auto row =
      id ? reader.get<projections::Endpoint>(place.topic, {id->uuid(), {}}) : std::nullopt;
  if (row && sees_endpoint_of(ask, row->state.project)) return id->uuid();
  return schemas::invalid_field("/endpoint_id", "there is no endpoint with this id");
}

Result<Uuid> known_pipeline(const Ask& ask, std::string_view text) {
  const auto id = schemas::parse_id<schemas::PipelineTag>(text);
  const auto place = ask.webhooks();
  const projections::Reader reader(ask.services.rows, place.organization, place.space);
  const auto row =
      id ? reader.get<projections::Pipeline>(place.topic, {id->uuid(), {}}) : std::nullopt;
  if (row && sees_pipeline(ask, row->state)) return id->uuid();
  return schemas::invalid_field("/pipeline_id", "there is no pipeline with this id");
}

/// What making a pipeline asks for, its deliveries being made again does.
Result<void> may_make(const Ask& ask, const Uuid& pipeline) {
  const auto place = ask.webhooks();
  const projections::Reader reader(ask.services.rows, place.organization, place.space);
  const auto row = reader.get<projections::Pipeline>(place.topic, {pipeline, {}});
  return row ? may_run(ask, row->state) : Result<void>();
}

}  // namespace

// GET /v2/webhooks/deliveries
Answer list_deliveries(Ask& ask) {
  const auto wanted = parse_wanted(ask);
  const bool indexed =
      wanted.channel() || (wanted.state && *wanted.state != DeliveryState::succeeded);
  if (indexed) co_return co_await list_by_index(ask, wanted);
  ListSpec spec{
      .kind = Delivery::kind,
      .admit = check_deliveries_kept,
      .keep = {},
      .render = [&ask](auto& out, const auto& found) { render_delivery(out, ask, found); }};
  if (wanted.state || ask.caller().restricted()) {
    spec.keep = [&ask, state = wanted.state](const FoundRow& found) {
      const auto delivery = projections::decode_row<Delivery>(found.bytes).state;
      return (!state || delivery.state == *state) && sees_delivery(ask, delivery);
    };
  }
  co_return co_await list_kept(ask, std::move(spec));
}

// GET /v2/webhooks/deliveries/{delivery_id}
Answer get_delivery(Ask& ask) {
  auto id = delivery_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto reading = co_await open_reading(ask, ask.deliveries(), View::snapshot);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  Entity entity{*id, {}};
  auto row = reading->find(Delivery::kind, entity);
  if (auto kept = check_deliveries_kept(*reading); !row && !kept) {
    co_await name_earliest_kept(ask, ask.deliveries(), Delivery::kind, kept.error());
    co_return std::unexpected(std::move(kept).error());
  }
  if (!row) co_return no_delivery();
  const auto decoded = projections::decode_row<Delivery>(*row);
  if (!sees_delivery(ask, decoded.state)) co_return no_delivery();
  auto read = [&] { return read_attempts(ask, *reading, entity); };
  auto attempts = co_await answer_on(ask.services.scans, read);
  if (!attempts) co_return std::unexpected(std::move(attempts).error());
  std::string json;
  render_delivery(json, ask, {entity, std::move(*row)}, *attempts);
  co_return entity_answer(ask, decoded.head.version, std::move(json));
}

// POST /v2/webhooks/deliveries/{delivery_id}/resend
Answer resend_delivery(Ask& ask) {
  auto id = delivery_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  const auto place = ask.deliveries();
  const projections::Reader reader(ask.services.rows, place.organization, place.space);
  const auto known = reader.get<Delivery>(place.topic, {*id, {}});
  if (known && known->state.pipeline && sees_delivery(ask, known->state)) {
    if (auto may = may_make(ask, *known->state.pipeline); !may) {
      co_return std::unexpected(std::move(may).error());
    }
  }
  auto outcome = co_await write(ask, ask.here(), manager::ResendDeliveries{{*id}});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  if (outcome->row.empty()) co_return no_delivery();  // asked for before, and forgotten since
  std::string json;
  render_delivery(json, ask, {outcome->subject, outcome->row});
  co_return accepted(*outcome, std::move(json));
}

// POST /v2/webhooks/deliveries/resend
Answer resend_deliveries(Ask& ask) {
  ObjectReader body(ask.body());
  const auto text = body.optional_text("endpoint_id", {.characters_max = 100});
  const auto pipeline_text = body.optional_text("pipeline_id", {.characters_max = 100});
  if (text.has_value() == pipeline_text.has_value()) {
    body.wrong("endpoint_id", "or `pipeline_id`: one of them says whose deliveries");
  }
  const auto state = body.choice<DeliveryState>("state", {{"exhausted", DeliveryState::exhausted},
                                                          {"failing", DeliveryState::failing},
                                                          {"skipped", DeliveryState::skipped}});
  if (auto read = body.finish(); !read) co_return std::unexpected(std::move(read).error());
  auto channel = pipeline_text ? known_pipeline(ask, *pipeline_text) : known_endpoint(ask, *text);
  if (!channel) co_return std::unexpected(std::move(channel).error());
  auto may = pipeline_text ? may_make(ask, *channel) : Result<void>();
  if (!may) co_return std::unexpected(std::move(may).error());
  auto reading = co_await open_reading(ask, ask.deliveries(), View::snapshot);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  const auto place = reading->place();
  const auto page = reading->reader().list(place.topic, projections::delivery_of_kind, true,
                                           {.after = {},
                                            .limit = resent_at_once,
                                            .as_of = {},
                                            .below = projections::deliveries_of(*channel, state),
                                            .filter = {}});
  manager::ResendDeliveries command;
  for (const auto& found : page.rows) command.ids.push_back(projections::delivery_in(found.entity));
  auto outcome = co_await write(ask, ask.here(), std::move(command));
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  std::string json;
  Writer(json)
      .begin_object()
      .member("resent", outcome->events.size())
      .member("more", page.more)
      .end_object();
  auto response = http::json_response(200, std::move(json));
  if (outcome->replayed) response.add_header("Idempotent-Replayed", "true");
  co_return response;
}

}  // namespace api::resources
