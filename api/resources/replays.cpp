#include "api/resources/replays.h"

#include "api/resources/answers.h"
#include "api/resources/delivery_reader.h"
#include "api/resources/events.h"
#include "api/resources/feed.h"
#include "api/resources/lists.h"
#include "api/resources/pipelines.h"
#include "api/resources/pool.h"
#include "api/resources/products.h"
#include "api/resources/ranges.h"
#include "api/resources/reading.h"
#include "api/resources/stream_hub.h"
#include "api/resources/webhooks.h"
#include "projections/delivery_rows.h"
#include "projections/organization.h"
#include "schemas/json_writer.h"
#include "schemas/time.h"
#include "webhooks/replay.h"

namespace api::resources {
namespace {

using projections::Delivery;
using projections::Endpoint;
using projections::FoundRow;
using projections::Replay;
using schemas::EndpointId;
using schemas::Entity;
using schemas::ProjectId;
using schemas::ReplayId;
using schemas::Time;
using schemas::Uuid;
using schemas::json::Writer;
using webhooks::ReplayConfig;

constexpr std::chrono::seconds count_for{20};

std::unexpected<schemas::Error> no_replay() {
  return edge::not_found("replay with this id");
}

/// What a request says.
struct Asked {
  ReplayConfig config;
  std::optional<Uuid> endpoint;  // neither: config.product
  std::optional<Uuid> pipeline;
  std::optional<Uuid> project;
  std::string from;
  std::string to;
  bool dry_run = false;
  bool names_types = false;
  bool as_it_is = false;  // the pipeline
};

void read_range(ObjectReader& reader, Asked& asked) {
  asked.from = reader.text("from", {.characters_max = 4'000});
  asked.to = reader.optional_text("to", {.characters_max = 4'000}).value_or("now");
  asked.dry_run = reader.optional_boolean("dry_run").value_or(false);
}

/// Keys that are restricted to projects know of no declared products.
bool may_write_to(const Ask& ask, const std::string& product) {
  return !ask.caller().restricted() && declared_topic(ask.services, product);
}

/// Of what it takes it writes nothing, or it would never have all.
void choose_products(const Ask& ask, ObjectReader& reader, ReplayConfig& config) {
  const auto& sink = config.product;
  for (const auto& product : config.products) {
    const bool is_declared = declared_topic(ask.services, product).has_value();
    if (!ask.services.topics.find(product)) {
      reader.wrong("products", "there is no product '" + product + "'");
    } else if (product == eventstore::deliveries_product) {
      reader.wrong("products", "what became of deliveries is not replayed");
    } else if (!sink.empty() && (product == sink || !is_declared)) {
      reader.wrong("products", "must be declared ones, and not the one that it goes to");
    }
  }
  if (sink.empty() || !config.products.empty()) return;
  for (const auto& topic : ask.services.topics.all()) {
    const bool is_wanted = topic.name != sink && declared_topic(ask.services, topic.name);
    if (is_wanted) config.products.push_back(topic.name);
  }
  if (config.products.empty()) reader.wrong("products", "there is no other declared product");
}

void read_sink(const Ask& ask, ObjectReader& sink, Asked& asked) {
  const auto endpoint = sink.optional_text("endpoint_id", {.characters_max = 100});
  const auto product = sink.optional_text("product", {.characters_max = 100});
  const auto pipeline = sink.optional_text("pipeline_id", {.characters_max = 100});
  if (pipeline) {
    const auto id = schemas::parse_id<schemas::PipelineTag>(*pipeline);
    if (!id) sink.wrong("pipeline_id", "must be the id of a pipeline, pl_…");
    asked.pipeline = id ? id->uuid() : Uuid{};
  }
  if (endpoint) {
    const auto id = schemas::parse_id<schemas::EndpointTag>(*endpoint);
    if (!id) sink.wrong("endpoint_id", "must be the id of an endpoint, we_…");
    asked.endpoint = id ? id->uuid() : Uuid{};
  }
  if (product && !may_write_to(ask, *product)) {
    sink.wrong("product", "there is no declared product of this name");
  }
  asked.config.product = product.value_or("");
  if (endpoint.has_value() + product.has_value() + pipeline.has_value() != 1) {
    sink.wrong("endpoint_id",
               "or `pipeline_id` or `product`: one of them says where the events go");
  }
}

Result<Asked> parse_request(const Ask& ask) {
  Asked asked;
  ObjectReader reader(ask.body());
  asked.config = webhooks::read_replay_config(reader);
  const auto sink_member = ask.body().find("sink");
  const bool has_sink = sink_member && sink_member->is_object();
  reader.object("sink", [&](ObjectReader& sink) {
    if (has_sink) read_sink(ask, sink, asked);
  });
  const bool has_own = asked.endpoint || asked.pipeline;
  if (has_sink && asked.config.only_failed && !has_own && !asked.config.of) {
    reader.wrong("of", "must name the replay whose failures are meant");
  }
  choose_products(ask, reader, asked.config);
  const auto as =
      reader.optional_choice<bool>("definition", {{"pinned", false}, {"current", true}});
  if (as && !asked.pipeline) reader.wrong("definition", "is of replays through a pipeline");
  asked.as_it_is = as.value_or(false);
  const auto types = ask.body().find("types");
  asked.names_types = types && !types->is_null();
  if (const auto text = reader.optional_text("project_id", {.characters_max = 1'000})) {
    const auto id = schemas::parse_id<schemas::ProjectTag>(*text);
    asked.project = id ? id->uuid() : Uuid{};
  }
  read_range(reader, asked);
  if (auto read = reader.finish(); !read) return std::unexpected(std::move(read).error());
  return asked;
}

/// What the endpoint wants, or less.
Result<Asked> parse_endpoint_request(const Ask& ask, webhooks::EndpointConfig config) {
  Asked asked;
  ObjectReader reader(ask.body());
  asked.config.types = std::move(config.types);
  asked.config.filter = webhooks::read_filter(reader);
  asked.config.endpoint_filter = std::move(config.filter);
  webhooks::read_which_failed(reader, asked.config);
  asked.config.rate_per_second =
      reader.optional_integer("rate_per_second", {.min = 1, .max = webhooks::rate_max});
  read_range(reader, asked);
  if (auto read = reader.finish(); !read) return std::unexpected(std::move(read).error());
  return asked;
}

// ---- showing one ----

/// When the first event behind a place was accepted.
std::optional<Time> first_behind(const Feed& feed, Passed passed) {
  std::optional<Time> first;
  const auto take = [&](const TimelineEvent& event, std::string_view, const std::string&) {
    first = event.batch.recorded();
    return false;
  };
  if (!feed.forward(passed, {}, take)) return std::nullopt;
  return first;
}

/// How far it is, by the time when events were accepted: its cursor's, between those of its range.
std::optional<double> fraction_of(const Ask& ask, const projections::RowReader& rows,
                                  const Replay& replay, const std::string& position) {
  if (replay.status == Replay::Status::completed) return 1;
  const EventFilter all;
  const Feed feed(ask.services, rows, ask.here(), all);
  const auto here = ask.here();
  const auto from = ask.services.marks.decode(here.organization, here.space, replay.from);
  const auto end = time_at(ask, feed, replay.to);
  const auto begin = from ? first_behind(feed, feed.passed_at(*from)) : std::nullopt;
  if (!end || !begin) return std::nullopt;
  const auto at = time_at(ask, feed, position).value_or(*begin);
  if (*end <= *begin) return at >= *end ? 1 : 0;
  const auto whole = std::chrono::duration<double>(*end - *begin);
  return std::clamp(std::chrono::duration<double>(at - *begin) / whole, 0.0, 1.0);
}

/// `goes_on`: since it was asked for, without a break.
void write_progress(Writer& writer, const Ask& ask, const Reading& reading, const Uuid& id,
                    const Replay& replay, bool goes_on) {
  const auto reader = reading.reader();
  const auto deliveries = ask.deliveries().topic;
  const auto row = reader.get<projections::EndpointHealth>(deliveries, {id, {}});
  auto health = row ? row->state : projections::EndpointHealth{};
  if (replay.status == Replay::Status::completed) {  // rows of deliveries may be read less far
    health = {.succeeded = replay.succeeded};
    health.exhausted = replay.exhausted;
    health.skipped = replay.skipped;
  }
  const projections::Channel channel{replay.endpoint.value_or(Uuid{}), id, replay.pipeline};
  const auto cursor = reader.get<projections::DeliveryCursor>(deliveries, channel.cursor());
  const auto position = cursor ? cursor->state.mark : replay.from;
  const auto fraction = fraction_of(ask, reading.rows(), replay, position);
  std::optional<std::int64_t> remaining;
  const auto since = ask.services.clock.wall() - replay.running_since;
  if (goes_on && fraction.value_or(0) > 0) {
    const auto left = std::chrono::duration<double>(since) * ((1 - *fraction) / *fraction);
    remaining = static_cast<std::int64_t>(left.count());
  }
  writer.name("progress")
      .begin_object()
      .member("fraction", fraction)
      .member("remaining_seconds", remaining)
      .member("position", position)
      .member("pending", health.pending)
      .member("failing", health.failing)
      .member("succeeded", health.succeeded)
      .member("exhausted", health.exhausted)
      .member("skipped", health.skipped)
      .end_object();
}

/// Of one that is running: what it waits for.
std::string waits_for(const Ask& ask, const Reading& reading, const Replay& replay) {
  if (replay.status != Replay::Status::running) return {};
  const auto status =
      projections::status_of(reading.rows(), ask.identity().topic, ask.here().organization);
  if (status == projections::Organization::Status::suspended) {
    return "the organization is suspended";
  }
  auto to = replay.endpoint;
  if (replay.pipeline) {
    const auto pipeline =
        reading.reader().get<projections::Pipeline>(reading.place().topic, {*replay.pipeline, {}});
    if (!pipeline) return "its pipeline was deleted";
    to = pipeline->state.endpoint;
  }
  if (!to) return {};
  const auto endpoint = reading.reader().get<Endpoint>(reading.place().topic, {*to, {}});
  if (!endpoint) return "its endpoint was deleted";
  if (endpoint->state.status == Endpoint::Status::active) return {};
  return "its endpoint is " + std::string(to_text(endpoint->state.status)) + "; resume it";
}

/// `reading`: for how far it is; null: that is not told.
void render_replay(std::string& out, const Ask& ask, const FoundRow& found,
                   const Reading* reading) {
  const auto row = projections::decode_row<Replay>(found.bytes);
  const auto& state = row.state;
  std::optional<std::string> project;
  if (state.project) project = to_text(ProjectId(*state.project));
  const auto waiting = reading != nullptr ? waits_for(ask, *reading, state) : std::string();
  const auto& reason = waiting.empty() ? state.reason : waiting;
  const bool goes_on = state.status == Replay::Status::running && waiting.empty() &&
                       state.running_since == row.head.created_at;
  const auto config = schemas::json::parse(state.config);
  ENSURE(config.has_value());
  Writer writer(out);
  writer.begin_object()
      .member("id", to_text(ReplayId(found.entity.id)))
      .member("organization_id", to_text(ask.caller().organization))
      .member("project_id", project)
      .name("sink")
      .begin_object();
  std::optional<std::string> endpoint;
  if (state.endpoint) endpoint = to_text(EndpointId(*state.endpoint));
  std::optional<std::string> pipeline;
  if (state.pipeline) pipeline = to_text(schemas::PipelineId(*state.pipeline));
  writer.member("endpoint_id", endpoint)
      .member("pipeline_id", pipeline)
      .member("product", *config->root().find("product"))
      .end_object();
  for (const auto& [name, value] : config->root().members()) {
    if (name != "product" && name != "definition_version") writer.member(name, value);
  }
  const auto definition = config->root().find("definition_version");  // older ones have none
  definition ? writer.member("definition_version", *definition)
             : writer.name("definition_version").null();
  writer.member("from", state.from)
      .member("to", state.to)
      .member("state", to_text(state.status))
      .member("reason", reason.empty() ? std::nullopt : std::optional(reason));
  if (reading != nullptr) {
    write_progress(writer, ask, *reading, found.entity.id, state, goes_on);
  } else {
    writer.name("progress").null();
  }
  write_times(writer, row.head).end_object();
}

std::string json_of(const Ask& ask, const manager::Outcome& outcome) {
  std::string json;
  render_replay(json, ask, {outcome.subject, outcome.row}, nullptr);
  return json;
}

// ---- asking for one ----

webhooks::Wanted wanted_of(const Asked& asked, const Range& range,
                           std::shared_ptr<const schemas::cel::Filter> filter) {
  return {.tests_of = {},
          .types = asked.config.types,
          .products = asked.config.products,
          .filter = std::move(filter),
          .project = asked.project,
          .until = range.to,
          .pipeline = asked.pipeline
                          ? std::optional(webhooks::PipelineStep{
                                *asked.pipeline, asked.config.definition, asked.config.of})
                          : std::nullopt};
}

Answer count_events(Ask& ask, const Asked& asked, const Range& range,
                    std::shared_ptr<const schemas::cel::Filter> filter) {
  const auto here = ask.here();
  std::function<bool(const TimelineEvent&)> counts;
  if (asked.config.only_failed) {
    const auto own = asked.pipeline ? asked.pipeline : asked.endpoint;
    const auto of = asked.config.of ? *asked.config.of : *own;
    counts = [&ask, here, of, deliveries = ask.deliveries().topic](const TimelineEvent& event) {
      const projections::Reader reader(ask.services.rows, here.organization, here.space);
      const auto id =
          projections::delivery_id(of, event.event().id().uuid(), event.batch.recorded());
      const auto row = reader.get<Delivery>(deliveries, {id, {}});
      return row && row->state.state == schemas::DeliveryState::exhausted;
    };
  }
  const DeliveryReader log(ask.services);
  const auto wanted = wanted_of(asked, range, std::move(filter));
  CountedEvents counted{.mark = range.from};
  const auto end = ask.services.clock.monotonic() + count_for;
  // A step at a time, in line with others who read much.
  while (!counted.complete && ask.services.clock.monotonic() < end) {
    const auto inside = co_await ask.services.streams.readers().enter(here.organization);
    auto count = [&] {
      return log.count({here.organization, here.space}, wanted, counts, counted);
    };
    auto done = co_await answer_on(ask.services.scans, count);
    if (!done) co_return std::unexpected(std::move(done).error());
  }
  std::string json;
  Writer writer(json);
  writer.begin_object().member("events", counted.events).name("types").begin_object();
  for (const auto& [type, events] : counted.types) writer.member(type, events);
  writer.end_object().member("complete", counted.complete).end_object();
  co_return http::json_response(200, std::move(json));
}

Answer request(Ask& ask, Asked asked, std::optional<Uuid> endpoint_project) {
  if (endpoint_project && asked.project && asked.project != endpoint_project) {
    co_return schemas::invalid_field("/project_id",
                                     "must be the project of the endpoint or the pipeline");
  }
  if (endpoint_project) asked.project = endpoint_project;
  if (!sees_endpoint_of(ask, asked.project)) {
    co_return schemas::invalid_field("/project_id",
                                     "must be one of the projects that the key is restricted to");
  }
  const auto projects = ask.projects();
  const projections::Reader rows(ask.services.rows, projects.organization, projects.space);
  const bool is_there =
      !asked.project || rows.get<projections::Project>(projects.topic, {*asked.project, {}});
  if (asked.dry_run && !is_there) {
    co_return schemas::invalid_field("/project_id", "there is no project with this id");
  }
  if (asked.config.of && !sees_replay(ask, *asked.config.of)) {
    co_return schemas::invalid_field("/of", "there is no replay with this id");
  }
  // Each by itself compiles; together they may be too much.
  auto filter = webhooks::filter_of(asked.config);
  if (!filter) {
    co_return schemas::invalid_field("/filter",
                                     "together with the endpoint's: " + filter.error().detail);
  }
  auto reached = co_await reach_followed(ask, {}, marks_in(ask, asked.from, asked.to));
  if (!reached) co_return std::unexpected(std::move(reached).error());
  auto find = [&] { return find_range(ask, asked.from, asked.to); };
  auto range = co_await answer_on(ask.services.records, find);
  if (!range) co_return std::unexpected(std::move(range).error());
  if (asked.dry_run) co_return co_await count_events(ask, asked, *range, std::move(*filter));
  auto outcome =
      co_await write(ask, ask.here(),
                     manager::RequestReplay{.id = schemas::make_uuid(ask.services.clock.wall()),
                                            .project = asked.project,
                                            .endpoint = asked.endpoint,
                                            .config = to_json(asked.config),
                                            .from = std::move(range->from),
                                            .to = std::move(range->to),
                                            .pipeline = asked.pipeline});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return created(*outcome, "/v2/replays/" + to_text(ReplayId(outcome->subject.id)),
                    json_of(ask, *outcome));
}

/// Workers lease what waits: there is nothing to be sent again.
constexpr std::string_view not_to_pull =
    "is of kind pull; make another endpoint of that kind that starts where the replay would";

/// Whoever has events sent somewhere may do so in other ways too.
Result<void> may_send(const Ask& ask, std::string_view product) {
  if (auto may = may_read_events(ask); !may) return may;
  return edge::require_permission(
      ask.caller(),
      product.empty() ? "webhooks:write" : "products." + std::string(product) + ":write");
}
Result<void> may_send_to_sink(const Ask& ask) {
  const auto sink = ask.body().find("sink");
  const auto pipeline = sink ? sink->find("pipeline_id") : std::nullopt;
  if (pipeline && pipeline->is_string()) return may_read_events(ask);  // the rest is known later
  const auto product = sink ? sink->find("product") : std::nullopt;
  return may_send(ask, product ? product->as_string().value_or("") : "");
}

/// Through a pipeline: of its events, those that the request wants.
Answer request_through(Ask& ask, Asked asked) {
  const auto pipeline = co_await pipeline_now(ask, *asked.pipeline);
  if (!pipeline && pipeline.error().code == schemas::ErrorCode::not_found) {
    co_return schemas::invalid_field("/sink/pipeline_id", "there is no pipeline with this id");
  }
  if (!pipeline) co_return std::unexpected(pipeline.error());
  if (auto may = may_run(ask, pipeline->state); !may) {
    co_return std::unexpected(std::move(may).error());
  }
  if (asked.config.of) {
    const auto place = ask.webhooks();
    const projections::Reader reader(ask.services.rows, place.organization, place.space);
    const auto of = reader.get<Replay>(place.topic, {*asked.config.of, {}});
    if (!of || of->state.pipeline != asked.pipeline) {
      co_return schemas::invalid_field("/of", "must be a replay through this pipeline");
    }
  }
  if (asked.as_it_is) asked.config.definition = pipeline->state.version;
  co_return co_await request(ask, std::move(asked), pipeline->state.project);
}

Answer act_on(Ask& ask, manager::Command command) {
  auto outcome = co_await write(ask, ask.here(), std::move(command));
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return changed(*outcome, json_of(ask, *outcome));
}

}  // namespace

bool sees_replay(const Ask& ask, const Replay& replay) {
  if (!ask.caller().restricted()) return true;
  const auto place = ask.webhooks();
  const projections::Reader reader(ask.services.rows, place.organization, place.space);
  if (replay.pipeline) {
    const auto pipeline = reader.get<projections::Pipeline>(place.topic, {*replay.pipeline, {}});
    return pipeline && sees_pipeline(ask, pipeline->state) && sees_endpoint_of(ask, replay.project);
  }
  if (!replay.endpoint || !sees_endpoint_of(ask, replay.project)) return false;
  const auto endpoint = reader.get<Endpoint>(place.topic, {*replay.endpoint, {}});
  return endpoint && sees_endpoint_of(ask, endpoint->state.project);
}

bool sees_replay(const Ask& ask, const Uuid& id) {
  const auto place = ask.webhooks();
  const projections::Reader reader(ask.services.rows, place.organization, place.space);
  const auto row = reader.get<Replay>(place.topic, {id, {}});
  return row && sees_replay(ask, row->state);
}

Result<Uuid> replay_in_path(const Ask& ask) {
  auto id = schemas::parse_id<schemas::ReplayTag>(ask.request.captured("replay_id"));
  if (!id) return no_replay();
  return id->uuid();
}

// POST /v2/replays
Answer request_replay(Ask& ask) {
  if (auto may = may_send_to_sink(ask); !may) co_return std::unexpected(std::move(may).error());
  auto asked = parse_request(ask);
  if (!asked) co_return std::unexpected(std::move(asked).error());
  if (asked->pipeline) co_return co_await request_through(ask, std::move(*asked));
  if (!asked->endpoint) co_return co_await request(ask, std::move(*asked), std::nullopt);
  const auto endpoint = co_await endpoint_now(ask, *asked->endpoint);
  if (!endpoint && endpoint.error().code == schemas::ErrorCode::not_found) {
    co_return schemas::invalid_field("/sink/endpoint_id", "there is no endpoint with this id");
  }
  if (!endpoint) co_return std::unexpected(endpoint.error());
  auto config = webhooks::parse_endpoint_config(endpoint->state.config);
  if (!config) co_return std::unexpected(std::move(config).error());
  if (config->kind == webhooks::EndpointKind::pull) {
    co_return schemas::invalid_field("/sink/endpoint_id", std::string(not_to_pull));
  }
  if (!asked->names_types) {
    asked->config.types = std::move(config->types);
    asked->config.endpoint_filter = std::move(config->filter);
  }
  co_return co_await request(ask, std::move(*asked), endpoint->state.project);
}

// POST /v2/webhooks/endpoints/{endpoint_id}/replay
Answer replay_to_endpoint(Ask& ask) {
  if (auto may = may_read_events(ask); !may) co_return std::unexpected(std::move(may).error());
  auto id = endpoint_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  const auto endpoint = co_await endpoint_now(ask, *id);
  if (!endpoint) co_return std::unexpected(endpoint.error());
  auto config = webhooks::parse_endpoint_config(endpoint->state.config);
  if (!config) co_return std::unexpected(std::move(config).error());
  if (config->kind == webhooks::EndpointKind::pull) {
    co_return schemas::fail(schemas::ErrorCode::invalid_transition,
                            "the endpoint " + std::string(not_to_pull));
  }
  auto asked = parse_endpoint_request(ask, std::move(*config));
  if (!asked) co_return std::unexpected(std::move(asked).error());
  asked->endpoint = *id;
  co_return co_await request(ask, std::move(*asked), endpoint->state.project);
}

// GET /v2/replays
Answer list_replays(Ask& ask) {
  ListSpec spec{.kind = Replay::kind, .keep = {}, .render = [&ask](auto& out, const auto& found) {
                  render_replay(out, ask, found, nullptr);
                }};
  if (ask.caller().restricted() ||
      filtered(ask, {"state", "project_id", "endpoint_id", "pipeline_id"})) {
    spec.keep = [&ask](const FoundRow& found) {
      const auto state = projections::decode_row<Replay>(found.bytes).state;
      return sees_replay(ask, state) && picked(ask, "state", to_text(state.status)) &&
             picked<schemas::ProjectTag>(ask, "project_id", state.project) &&
             picked<schemas::EndpointTag>(ask, "endpoint_id", state.endpoint) &&
             picked<schemas::PipelineTag>(ask, "pipeline_id", state.pipeline);
    };
  }
  co_return co_await list_answer(ask, ask.webhooks(), std::move(spec));
}

// GET /v2/replays/{replay_id}
Answer get_replay(Ask& ask) {
  auto id = replay_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto reading = co_await open_reading(ask, ask.webhooks(), View::snapshot);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  Entity entity{*id, {}};
  auto row = reading->find(Replay::kind, entity);
  if (!row) co_return no_replay();
  const auto decoded = projections::decode_row<Replay>(*row);
  if (!sees_replay(ask, decoded.state)) co_return no_replay();
  auto render = [&]() -> Result<std::string> {
    std::string json;
    render_replay(json, ask, {entity, *row}, reading->as_of() ? nullptr : &*reading);
    return json;
  };
  auto json = co_await answer_on(ask.services.records, render);
  if (!json) co_return std::unexpected(std::move(json).error());
  auto response = http::json_response(200, std::move(*json));
  response.add_header("ETag", edge::etag(decoded.head.version));
  co_return response;
}

// POST /v2/replays/{replay_id}/pause
Answer pause_replay(Ask& ask) {
  auto id = replay_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  co_return co_await act_on(ask, manager::PauseReplay{*id, "paused on request"});
}

// POST /v2/replays/{replay_id}/resume
Answer resume_replay(Ask& ask) {
  auto id = replay_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto reading = co_await open_reading(ask, ask.webhooks(), View::row);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  const auto row = reading->find(Replay::kind, {*id, {}});
  if (!row) co_return no_replay();
  const auto state = projections::decode_row<Replay>(*row).state;
  if (!sees_replay(ask, state)) co_return no_replay();
  const auto config = webhooks::parse_replay_config(state.config);
  if (!config) co_return std::unexpected(config.error());
  Result<void> may;
  if (state.pipeline) {
    const auto pipeline = co_await pipeline_now(ask, *state.pipeline);
    const bool is_gone = !pipeline && pipeline.error().code == schemas::ErrorCode::not_found;
    if (pipeline) may = may_run(ask, pipeline->state);
    if (!pipeline && !is_gone) may = std::unexpected(pipeline.error());
  } else {
    may = may_send(ask, config->product);
  }
  if (!may) co_return std::unexpected(std::move(may).error());
  co_return co_await act_on(ask, manager::ResumeReplay{*id});
}

// POST /v2/replays/{replay_id}/cancel
Answer cancel_replay(Ask& ask) {
  auto id = replay_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  co_return co_await act_on(ask, manager::CancelReplay{*id, "cancelled on request"});
}

}  // namespace api::resources
