#include "api/resources/pipelines.h"

#include "api/resources/answers.h"
#include "api/resources/declared_lists.h"
#include "api/resources/lists.h"
#include "api/resources/pipeline_operation.h"
#include "api/resources/pool.h"
#include "api/resources/products.h"
#include "api/resources/reading.h"
#include "schemas/json_writer.h"

namespace api::resources {
namespace {

using projections::FoundRow;
using projections::Pipeline;
using schemas::Entity;
using schemas::PipelineId;
using schemas::ProjectId;
using schemas::Uuid;
using schemas::json::Writer;
using webhooks::PipelineConfig;

struct Asked {
  AskedPipeline pipeline;
  std::string start = "now";
  bool paused = false;
};

void check_operation(ObjectReader& reader, const PipelineConfig& config) {
  const auto* operation = find_sink_operation(config.sink.operation);
  if (operation == nullptr) {
    return reader.wrong("sink",
                        "operation: must be one of /openapi.json (its operationId) that changes "
                        "projects or resources of an organization, and no secret");
  }
  const bool takes_all =
      config.products.empty() && std::ranges::find(config.types, "*") != config.types.end();
  if (takes_all) {
    reader.wrong("source",
                 "must name types or products: with all, an operation would be asked "
                 "because of what it did itself");
  }
  const auto checked = check_sink_operation(*operation, config);
  if (checked) return;
  const auto& fault = checked.error().fields.front();
  reader.wrong(std::string_view(fault.where).substr(1), fault.detail);
}

/// What only products that are there can say.
void check_products(const Ask& ask, ObjectReader& reader, const PipelineConfig& config) {
  for (const auto& product : config.products) {
    if (!ask.services.topics.find(product)) {
      reader.wrong("source", "products: there is no product '" + product + "'");
    } else if (product == eventstore::deliveries_product) {
      reader.wrong("source", "products: what becomes of deliveries goes through no pipeline");
    }
  }
  for (const auto& one : config.enrich) {
    const bool is_project = one.product == eventstore::projects_product && one.kind == "project";
    const bool is_resource = one.product == eventstore::resources_product && one.kind == "resource";
    if (is_project || is_resource || declared_topic(ask.services, one.product)) continue;
    reader.wrong("enrich", "'" + one.as + "': must be of a declared product, or kind project of " +
                               "projects, or kind resource of resources");
  }
  const auto& to = config.sink.product;
  if (!to.empty() && !declared_topic(ask.services, to)) {
    reader.wrong("sink", "product: there is no declared product of this name");
  }
  if (!config.sink.operation.empty()) check_operation(reader, config);
}

/// There would never be a row of a kind that its product does not declare. The product is read as
/// it is by now, wherever it was declared.
awaitable<Result<void>> check_enriched(const Ask& ask, const PipelineConfig& config) {
  if (config.enrich.empty()) co_return Result<void>();
  const auto& services = ask.services;
  const auto log = services.topics.log_of(ask.platform().topic, schemas::platform_organization);
  auto ask_end = [&] { return services.log.ask_end(log); };
  auto end = co_await answer_on(services.records, ask_end);
  if (!end) co_return std::unexpected(std::move(end).error());
  auto reached = co_await reach(services, log, {.end = *end, .marks = {}}, ask.conditions.wait);
  if (!reached) co_return reached;
  for (std::size_t i = 0; i < config.enrich.size(); ++i) {
    const auto& [as, product, kind, id] = config.enrich[i];
    if (!declared_topic(services, product) || declared_kind(ask, product, kind)) continue;
    co_return schemas::invalid_field(
        "/enrich/" + std::to_string(i) + "/kind",
        "there is no kind of this name in what '" + product + "' declares");
  }
  co_return Result<void>();
}

AskedPipeline read_asked(const Ask& ask, ObjectReader& reader) {
  AskedPipeline asked;
  asked.config = webhooks::read_pipeline_config(reader);
  check_products(ask, reader, asked.config);
  if (const auto text = reader.optional_text("project_id", {.characters_max = 1'000})) {
    const auto id = schemas::parse_id<schemas::ProjectTag>(*text);
    asked.project = id ? id->uuid() : Uuid{};
  }
  return asked;
}

Result<Asked> parse_create(const Ask& ask) {
  Asked asked;
  ObjectReader reader(ask.body());
  asked.pipeline = read_asked(ask, reader);
  asked.start = reader.optional_text("start", {.characters_max = 4'000}).value_or("now");
  asked.paused = reader.optional_boolean("paused").value_or(false);
  auto read = reader.finish();
  if (!read) return std::unexpected(std::move(read).error());
  return asked;
}

/// The same as the manager's, which a dry run does not ask.
Result<void> check_project(const Ask& ask, const std::optional<Uuid>& project) {
  if (!sees_endpoint_of(ask, project)) {
    return schemas::invalid_field("/project_id",
                                  "must be one of the projects that the key is restricted to");
  }
  if (!project) return {};
  const auto place = ask.projects();
  const projections::Reader rows(ask.services.rows, place.organization, place.space);
  if (rows.get<projections::Project>(place.topic, {*project, {}})) return {};
  return schemas::invalid_field("/project_id", "there is no project with this id");
}

/// `reader`: for how its deliveries stand; null: that is not told.
void render_pipeline(std::string& out, const Ask& ask, const FoundRow& found,
                     const projections::Reader* reader) {
  const auto row = projections::decode_row<Pipeline>(found.bytes);
  const auto& state = row.state;
  std::optional<std::string> project;
  if (state.project) project = to_text(ProjectId(*state.project));
  // Of older versions all members, too; of newer ones as it is.
  const auto stored = webhooks::parse_pipeline_config(state.config);
  const auto config = schemas::json::parse(stored ? to_json(*stored) : state.config);
  ENSURE(config.has_value());
  std::optional<std::string_view> reason;
  if (!state.reason.empty()) reason = state.reason;
  Writer writer(out);
  writer.begin_object()
      .member("id", to_text(PipelineId(found.entity.id)))
      .member("organization_id", to_text(ask.caller().organization))
      .member("project_id", project);
  for (const auto& [name, value] : config->root().members()) writer.member(name, value);
  writer.member("definition_version", to_number(state.version))
      .member("state", to_text(state.status))
      .member("reason", reason);
  if (reader != nullptr) {
    write_health(writer, *reader, ask.deliveries().topic, {Uuid{}, {}, found.entity.id},
                 state.generation, state.start);
  }
  write_times(writer, row.head).end_object();
}

std::string json_of(const Ask& ask, const manager::Outcome& outcome) {
  std::string json;
  render_pipeline(json, ask, {outcome.subject, outcome.row}, nullptr);
  return json;
}

/// An endpoint is one that events are sent to; its project is the pipeline's.
awaitable<Result<void>> check_endpoint(Ask& ask, AskedPipeline& asked) {
  const auto& config = asked.config;
  if (!config.sink.endpoint) co_return Result<void>();
  const auto endpoint = co_await endpoint_now(ask, *config.sink.endpoint);
  if (!endpoint && endpoint.error().code == schemas::ErrorCode::not_found) {
    co_return schemas::invalid_field("/sink/endpoint_id", "there is no endpoint with this id");
  }
  if (!endpoint) co_return std::unexpected(endpoint.error());
  if (!asked.project) asked.project = endpoint->state.project;
  const auto known = webhooks::parse_endpoint_config(endpoint->state.config);
  if (known && known->kind == webhooks::EndpointKind::push) co_return Result<void>();
  co_return schemas::invalid_field("/sink/endpoint_id",
                                   "is of kind pull; make one of kind push, which is sent to");
}

Answer act_on(Ask& ask, manager::Command command) {
  auto outcome = co_await write(ask, ask.here(), std::move(command));
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return changed(*outcome, json_of(ask, *outcome));
}

}  // namespace

std::unexpected<schemas::Error> no_pipeline() {
  return edge::not_found("pipeline with this id");
}

Result<Uuid> pipeline_in_path(const Ask& ask) {
  auto id = schemas::parse_id<schemas::PipelineTag>(ask.request.captured("pipeline_id"));
  if (!id) return no_pipeline();
  return id->uuid();
}

bool sees_pipeline(const Ask& ask, const Pipeline& pipeline) {
  return sees_endpoint_of(ask, pipeline.project);
}

awaitable<Result<PipelineNow>> pipeline_now(Ask& ask, const Uuid& id) {
  auto reading = co_await open_reading(ask, ask.webhooks(), View::row);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  auto bytes = reading->find(Pipeline::kind, {id, {}});
  if (!bytes) co_return no_pipeline();
  auto row = projections::decode_row<Pipeline>(*bytes);
  if (!sees_pipeline(ask, row.state)) co_return no_pipeline();
  co_return PipelineNow{row.head.version, std::move(row.state)};
}

namespace {

/// What whoever does the same by hand needs.
std::string permission_of(const PipelineConfig::Sink& sink) {
  if (sink.endpoint) return "webhooks:write";
  if (sink.operation.empty()) return "products." + sink.product + ":write";
  const auto* operation = find_sink_operation(sink.operation);
  return operation != nullptr ? std::string(operation->permission) : "*";
}

}  // namespace

Result<void> may_run(const Ask& ask, const PipelineConfig& config) {
  if (auto may = may_read_events(ask); !may) return may;
  const bool is_more = !config.enrich.empty() || !config.sink.endpoint;
  if (ask.caller().restricted() && is_more) {
    return schemas::fail(schemas::ErrorCode::forbidden,
                         "a key that is restricted to projects has events sent to their endpoints, "
                         "with neither enrich nor a product or an operation as sink");
  }
  for (const auto& one : config.enrich) {
    const bool is_built_in =
        one.product == eventstore::projects_product || one.product == eventstore::resources_product;
    const auto family = is_built_in ? one.product : "products." + one.product;
    if (auto may = edge::require_permission(ask.caller(), family + ":read"); !may) return may;
  }
  return edge::require_permission(ask.caller(), permission_of(config.sink));
}

Result<void> may_run(const Ask& ask, const Pipeline& pipeline) {
  const auto config = webhooks::parse_pipeline_config(pipeline.config);
  if (!config) return std::unexpected(config.error());
  return may_run(ask, *config);
}

awaitable<Result<AskedPipeline>> patched(const Ask& ask, const Pipeline& now, Value patch) {
  if (!patch.is_object()) {
    ObjectReader reader(patch);
    co_return std::unexpected(reader.finish().error());
  }
  auto target = schemas::json::parse(now.config);
  if (!target) co_return std::unexpected(std::move(target).error());
  const auto merged = schemas::json::merge_patch(target->root(), patch);
  auto document = schemas::json::parse(merged);
  if (!document) co_return std::unexpected(std::move(document).error());
  ObjectReader reader(document->root());
  auto asked = read_asked(ask, reader);
  const auto before = webhooks::parse_pipeline_config(now.config);
  const bool same = before && before->sink.endpoint == asked.config.sink.endpoint &&
                    before->sink.product == asked.config.sink.product &&
                    before->sink.operation == asked.config.sink.operation;
  if (!same) reader.wrong("sink", "endpoint_id, product and operation stay; make another pipeline");
  if (auto read = reader.finish(); !read) co_return std::unexpected(std::move(read).error());
  if (!patch.find("project_id")) {
    asked.project = now.project;
  } else if (auto there = check_project(ask, asked.project); !there) {
    co_return std::unexpected(std::move(there).error());
  }
  if (patch.find("enrich")) {
    auto declared = co_await check_enriched(ask, asked.config);
    if (!declared) co_return std::unexpected(std::move(declared).error());
  }
  co_return asked;
}

// POST /v2/pipelines
Answer create_pipeline(Ask& ask) {
  if (auto may = may_read_events(ask); !may) co_return std::unexpected(std::move(may).error());
  auto asked = parse_create(ask);
  if (!asked) co_return std::unexpected(std::move(asked).error());
  auto& [config, project] = asked->pipeline;
  if (auto may = may_run(ask, config); !may) co_return std::unexpected(std::move(may).error());
  auto checked = co_await check_endpoint(ask, asked->pipeline);
  if (checked) checked = co_await check_enriched(ask, config);
  if (!checked) co_return std::unexpected(std::move(checked).error());
  auto start = co_await start_mark(ask, asked->start);
  if (!start) co_return std::unexpected(std::move(start).error());
  auto outcome = co_await write(ask, ask.here(),
                                manager::CreatePipeline{.project = project,
                                                        .endpoint = config.sink.endpoint,
                                                        .config = to_json(config),
                                                        .start = std::move(*start),
                                                        .paused = asked->paused});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return created(*outcome, "/v2/pipelines/" + to_text(PipelineId(outcome->subject.id)),
                    json_of(ask, *outcome));
}

// GET /v2/pipelines
Answer list_pipelines(Ask& ask) {
  ListSpec spec{.kind = Pipeline::kind, .keep = {}, .render = [&ask](auto& out, const auto& found) {
                  render_pipeline(out, ask, found, nullptr);
                }};
  if (ask.caller().restricted() || filtered(ask, {"state", "project_id", "endpoint_id"})) {
    spec.keep = [&ask](const FoundRow& found) {
      const auto state = projections::decode_row<Pipeline>(found.bytes).state;
      return sees_pipeline(ask, state) && picked(ask, "state", to_text(state.status)) &&
             picked<schemas::ProjectTag>(ask, "project_id", state.project) &&
             picked<schemas::EndpointTag>(ask, "endpoint_id", state.endpoint);
    };
  }
  co_return co_await list_answer(ask, ask.webhooks(), std::move(spec));
}

// GET /v2/pipelines/{pipeline_id}
Answer get_pipeline(Ask& ask) {
  auto id = pipeline_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto reading = co_await open_reading(ask, ask.webhooks(), View::snapshot);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  Entity entity{*id, {}};
  auto row = reading->find(Pipeline::kind, entity);
  if (!row) co_return no_pipeline();
  const auto decoded = projections::decode_row<Pipeline>(*row);
  if (!sees_pipeline(ask, decoded.state)) co_return no_pipeline();
  const auto reader = reading->reader();
  std::string json;
  render_pipeline(json, ask, {std::move(entity), std::move(*row)},
                  reading->as_of() ? nullptr : &reader);
  auto response = http::json_response(200, std::move(json));
  response.add_header("ETag", edge::etag(decoded.head.version));
  co_return response;
}

// PATCH /v2/pipelines/{pipeline_id}
Answer change_pipeline(Ask& ask) {
  if (auto may = may_read_events(ask); !may) co_return std::unexpected(std::move(may).error());
  auto id = pipeline_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  constexpr int attempts_max = 5;
  for (int attempt = 1;; ++attempt) {
    auto now = co_await pipeline_now(ask, *id);
    if (!now) co_return std::unexpected(std::move(now).error());
    auto asked = co_await patched(ask, now->state, ask.body());
    if (!asked) co_return std::unexpected(std::move(asked).error());
    if (auto may = may_run(ask, asked->config); !may) {
      co_return std::unexpected(std::move(may).error());
    }
    auto outcome = co_await write(ask, ask.here(),
                                  manager::ChangePipeline{.id = *id,
                                                          .based_on = now->version,
                                                          .project = asked->project,
                                                          .config = to_json(asked->config)});
    const bool moved_on = !outcome && outcome.error().code == schemas::ErrorCode::version_conflict;
    if (moved_on && attempt < attempts_max) continue;
    if (!outcome) co_return std::unexpected(std::move(outcome).error());
    co_return changed(*outcome, json_of(ask, *outcome));
  }
}

// DELETE /v2/pipelines/{pipeline_id}
Answer delete_pipeline(Ask& ask) {
  auto id = pipeline_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto outcome = co_await write(ask, ask.here(), manager::DeletePipeline{*id});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return removed(*outcome);
}

// POST /v2/pipelines/{pipeline_id}/pause
Answer pause_pipeline(Ask& ask) {
  auto id = pipeline_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  co_return co_await act_on(ask, manager::PausePipeline{*id, "paused on request"});
}

// POST /v2/pipelines/{pipeline_id}/resume
Answer resume_pipeline(Ask& ask) {
  auto id = pipeline_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  ObjectReader reader(ask.body());
  const auto skip = reader.optional_choice<bool>("skip_to", {{"now", true}});
  if (auto read = reader.finish(); !read) co_return std::unexpected(std::move(read).error());
  const auto now = co_await pipeline_now(ask, *id);
  if (!now) co_return std::unexpected(now.error());
  if (auto may = may_run(ask, now->state); !may) co_return std::unexpected(std::move(may).error());
  std::optional<std::string> start;
  if (skip) {
    auto mark = co_await start_mark(ask, "now");
    if (!mark) co_return std::unexpected(std::move(mark).error());
    start = std::move(*mark);
  }
  co_return co_await act_on(ask, manager::ResumePipeline{*id, std::move(start)});
}

}  // namespace api::resources
