#include "webhooks/outlet_setup.h"

#include "webhooks/replay.h"

namespace webhooks {

using projections::Endpoint;
using projections::Pipeline;
using projections::Replay;
using schemas::Result;
using schemas::Uuid;

projections::Channel OutletSource::channel() const {
  if (replay) return {replay->state.endpoint.value_or(Uuid{}), id, replay->state.pipeline};
  if (pipeline) return {Uuid{}, {}, id};
  return {id, {}, {}};
}

bool OutletSource::active() const {
  if (is_suspended) return false;
  if (replay && replay->state.status != Replay::Status::running) return false;
  if (!replay && pipeline && pipeline->state.status != Pipeline::Status::active) return false;
  return orphaned().empty() && (!endpoint || endpoint->state.status == Endpoint::Status::active);
}

/// An endpoint that was moved is another project's people's: they are sent what is of theirs.
std::string_view OutletSource::orphaned() const {
  if (!replay && !pipeline) return {};
  if (replay && replay->state.pipeline && !pipeline) return "its pipeline was deleted";
  const auto& to = pipeline ? pipeline->state.endpoint : replay->state.endpoint;
  if (!to) return {};
  if (!endpoint) return "its endpoint was deleted";
  const auto& project = endpoint->state.project;
  const auto& own = replay ? replay->state.project : pipeline->state.project;
  if (project && project != own) return "its endpoint was moved to another project";
  return {};
}

std::uint32_t OutletSource::generation() const {
  if (replay) return 0;
  return pipeline ? pipeline->state.generation : endpoint->state.generation;
}

std::optional<OutletSource> find_source(const projections::Reader& reader,
                                        schemas::TopicId webhooks, const Uuid& id) {
  OutletSource source{
      .id = id, .endpoint = {}, .replay = {}, .pipeline = {}, .is_suspended = false};
  source.replay = reader.get<Replay>(webhooks, {id, {}});
  const auto through = source.replay ? source.replay->state.pipeline : std::optional(id);
  if (through) source.pipeline = reader.get<Pipeline>(webhooks, {*through, {}});
  auto endpoint = std::optional(id);
  if (source.replay) endpoint = source.replay->state.endpoint;
  if (source.pipeline) endpoint = source.pipeline->state.endpoint;
  if (endpoint) source.endpoint = reader.get<Endpoint>(webhooks, {*endpoint, {}});
  if (!source.replay && !source.pipeline && !source.endpoint) return std::nullopt;
  return source;
}

SourceVersions versions_of(const projections::Reader& reader, schemas::TopicId webhooks,
                           const OutletSource& source) {
  SourceVersions versions;
  if (source.replay) versions.replay = source.replay->head.version;
  if (source.pipeline) versions.pipeline = source.pipeline->head.version;
  if (!source.endpoint) return versions;
  projections::Encoder{versions.endpoint}(source.endpoint->state);
  const auto config = schemas::json::parse(source.endpoint->state.config);
  const auto named = config ? config->root().find("retry_policy_id") : std::nullopt;
  const auto text = named ? named->as_string() : std::nullopt;
  const auto id = text ? schemas::parse_id<schemas::RetryPolicyTag>(*text) : std::nullopt;
  if (!id) return versions;
  const auto policy = reader.get<projections::RetryPolicyState>(webhooks, {id->uuid(), {}});
  if (policy) versions.policy = policy->head.version;
  return versions;
}

namespace {

Result<void> open_sealed(const SetupParts& parts, const Endpoint& endpoint, OutletSetup& setup) {
  const schemas::Entity entity{*setup.endpoint, {}};
  const auto place = [&](std::string_view field) {
    return eventstore::FieldPlace{setup.scope.organization, setup.scope.space, Endpoint::kind,
                                  entity, field};
  };
  for (const auto& secret : endpoint.secrets) {
    auto opened = parts.sealing.open(place("secret"), secret.sealed);
    if (!opened) return std::unexpected(std::move(opened).error());
    auto signer = parse_signer(opened->reveal());
    if (!signer) return std::unexpected(std::move(signer).error());
    setup.signers.push_back({std::move(*signer), secret.expires});
  }
  if (endpoint.headers.empty()) return {};
  auto opened = parts.sealing.open(place("headers"), endpoint.headers);
  if (!opened) return std::unexpected(std::move(opened).error());
  const auto document = schemas::json::parse(opened->reveal());
  if (!document) return std::unexpected(document.error());
  for (const auto& [name, value] : document->root().members()) {
    setup.headers.emplace_back(name, value.as_string().value_or(""));
  }
  return {};
}

/// What a product refuses it refuses again; what it cannot take now is tried for days. A declared
/// one may be not known yet where it is written: 404.
RetryPolicy policy_of_written(bool by_operation) {
  auto policy = default_retry_policy();
  // Asked again within the day for which an idempotency key is known, jitter included.
  auto& delays = std::get<ListedDelays>(policy.rules.schedule).delays;
  for (auto& delay : delays)
    delay = std::min<std::chrono::milliseconds>(delay, std::chrono::hours{18});
  policy.rules.final_statuses = {400, 403, 409, 412, 413, 415, 422};
  if (by_operation) policy.rules.final_statuses = {400, 403, 404, 409, 410, 412, 413, 415, 422};
  return policy;
}

/// What goes through a pipeline: its expressions are the reader's and the writer's.
Result<void> apply(const Uuid& id, const Pipeline& pipeline, OutletSetup& setup) {
  auto config = parse_pipeline_config(pipeline.config);
  if (!config) return std::unexpected(std::move(config).error());
  setup.project = pipeline.project;
  setup.config.types = std::move(config->types);
  setup.config.order = DeliveryOrder::entity;
  setup.products = std::move(config->products);
  setup.to_product = std::move(config->sink.product);
  if (!config->sink.operation.empty()) setup.policy = policy_of_written(true);
  setup.pipeline = {id, pipeline.version};
  setup.priority = config->priority;
  setup.place = pipeline.start;
  setup.active_since = std::max(setup.active_since, pipeline.active_since);
  return {};
}

/// What a replay asks for in the endpoint's or the pipeline's place.
Result<void> apply(const Replay& replay, OutletSetup& setup) {
  auto config = parse_replay_config(replay.config);
  if (!config) return std::unexpected(std::move(config).error());
  setup.project = replay.project;
  setup.config.types = std::move(config->types);
  auto filter = filter_of(*config);
  if (!filter) return std::unexpected(std::move(filter).error());
  setup.filter = std::move(*filter);
  if (config->rate_per_second) setup.config.rate_per_second = config->rate_per_second;
  setup.products = std::move(config->products);
  if (!replay.pipeline) setup.to_product = std::move(config->product);
  if (replay.pipeline) setup.pipeline = {*replay.pipeline, config->definition, config->of};
  setup.failed_of = failed_of(replay, *config);
  setup.place = replay.from;
  setup.until = replay.to;
  setup.active_since = std::max(setup.active_since, replay.running_since);
  return {};
}

OutletSetup empty_setup(const SetupParts& parts, const OutletSource& source) {
  return {.scope = parts.scope,
          .channel = source.channel(),
          .generation = source.generation(),
          .project = {},
          .config = {},
          .policy = {},
          .place = {}};
}

Result<OutletSetup> setup_of_written(const SetupParts& parts, const OutletSource& source) {
  auto setup = empty_setup(parts, source);
  setup.policy = policy_of_written(false);
  setup.config.max_in_flight = in_flight_max;
  return setup;
}

Result<OutletSetup> setup_to_endpoint(const SetupParts& parts, const OutletSource& source) {
  const auto& endpoint = source.endpoint->state;
  auto config = parse_endpoint_config(endpoint.config);
  if (!config) return std::unexpected(std::move(config).error());
  auto setup = empty_setup(parts, source);
  setup.project = endpoint.project;
  setup.config = *config;
  setup.policy = retry_policy_of(parts.reader, parts.webhooks, *config);
  setup.place = endpoint.start;
  setup.active_since = endpoint.active_since;
  setup.endpoint =
      source.pipeline ? source.pipeline->state.endpoint : std::optional(setup.channel.endpoint);
  if (!source.replay && !source.pipeline && !setup.config.filter.empty()) {
    auto filter = schemas::cel::Filter::compile(setup.config.filter);
    if (!filter) return std::unexpected(std::move(filter).error());
    setup.filter = std::make_shared<const schemas::cel::Filter>(std::move(*filter));
  }
  if (setup.config.kind == EndpointKind::push) {
    auto url = parse_webhook_url(setup.config.url);
    if (!url) return std::unexpected(std::move(url).error());
    setup.url = std::move(*url);
    if (auto opened = open_sealed(parts, endpoint, setup); !opened) {
      return std::unexpected(std::move(opened).error());
    }
  }
  return setup;
}

}  // namespace

std::optional<Uuid> failed_of(const Replay& replay, const ReplayConfig& config) {
  if (!config.only_failed) return std::nullopt;
  return config.of ? config.of : replay.pipeline ? replay.pipeline : replay.endpoint;
}

Result<OutletSetup> setup_of(const SetupParts& parts, const OutletSource& source) {
  auto made = source.endpoint ? setup_to_endpoint(parts, source) : setup_of_written(parts, source);
  if (!made) return made;
  auto& setup = *made;
  Result<void> applied;
  if (source.pipeline) applied = apply(source.pipeline_id(), source.pipeline->state, setup);
  if (applied && source.replay) applied = apply(source.replay->state, setup);
  if (!applied) return std::unexpected(std::move(applied).error());
  const auto cursor =
      parts.reader.get<projections::DeliveryCursor>(parts.deliveries, setup.channel.cursor());
  if (cursor && cursor->state.generation == setup.generation) setup.place = cursor->state.mark;
  const auto health =
      parts.reader.get<projections::EndpointHealth>(parts.deliveries, {setup.id(), {}});
  if (health) setup.health = health->state;
  return made;
}

}  // namespace webhooks
