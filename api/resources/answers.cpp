#include "api/resources/answers.h"

#include <spdlog/spdlog.h>

#include "projections/row.h"
#include "schemas/json_writer.h"

namespace api::resources {
namespace {

void say_replayed(const manager::Outcome& outcome, Response& response) {
  if (outcome.replayed) response.add_header("Idempotent-Replayed", "true");
}

void say_version(const manager::Outcome& outcome, Response& response) {
  auto version = projections::decode_head(outcome.row, nullptr).version;
  response.add_header("ETag", edge::etag(version));
}

/// What opens or closes doors is always told; the rest when somebody looks.
void log_written(const Ask& ask, MarkOwner where, const manager::Outcome& outcome) {
  const bool sensitive = ask.operation.sensitivity == Sensitivity::sensitive;
  const auto level = sensitive ? spdlog::level::info : spdlog::level::debug;
  if (outcome.unchanged || outcome.replayed || !spdlog::should_log(level)) return;
  const auto& first = outcome.events.front();
  const auto by = ask.cause ? "event=" + to_text(ask.cause->event)
                            : "key=" + to_text(schemas::KeyId(ask.caller().access->key));
  spdlog::log(
      level, "{} request={} {} organization={} space={} entity={} topic={} partition={} offset={}",
      ask.operation.name, ask.request.id, by, to_text(where.organization), to_text(where.space),
      schemas::entity_text(first.kind, first.entity), static_cast<int>(outcome.position.log.topic),
      outcome.position.log.partition, outcome.position.offset);
}

}  // namespace

void name_key_to_retry_with(std::optional<std::string_view> key, schemas::Error& error) {
  if (error.code != schemas::ErrorCode::outcome_unknown) return;
  error.members.emplace_back("idempotency_key", key ? schemas::json::quote(*key) : "null");
}

manager::CommandContext command_context(const Ask& ask, MarkOwner where) {
  const auto& caller = ask.caller();
  manager::CommandContext context{.organization = where.organization,
                                  .space = where.space,
                                  .actor = {schemas::ActorKind::key, caller.access->key},
                                  .rights = caller.access,
                                  .correlation = ask.request.id,
                                  .traceparent = std::string(ask.conditions.traceparent),
                                  .if_match = ask.conditions.if_match};
  if (ask.cause) {
    context.actor = {};
    context.rights = {};
    context.idempotency = ask.cause->idempotency;
    context.replay = ask.cause->replay;
    context.hops = ask.cause->hops;
    context.causation = ask.cause->event;
    return context;
  }
  if (ask.conditions.idempotency_key && ask.document) {
    context.idempotency =
        edge::idempotency_proof({ask.services.hmac, ask.digest_key.value_or(ask.services.hmac)},
                                {caller.organization, caller.space},
                                *ask.conditions.idempotency_key, ask.request, ask.body());
  }
  return context;
}

awaitable<Result<manager::Outcome>> write(Ask& ask, MarkOwner where, manager::Command command) {
  auto context = command_context(ask, where);
  auto outcome = co_await ask.services.commands.execute(std::move(context), std::move(command));
  if (outcome) {
    ask.reflects = {schemas::marked(outcome->position)};
    log_written(ask, where, *outcome);
  } else {
    name_key_to_retry_with(ask.conditions.idempotency_key, outcome.error());
  }
  co_return outcome;
}

std::unexpected<schemas::Error> rows_unreadable(std::string_view request,
                                                const projections::StoreFailure& failure) {
  spdlog::error("rows cannot be read request={} error=\"{}\"", request, failure.what());
  return schemas::fail(schemas::ErrorCode::internal, "the row store cannot be read");
}

schemas::json::Writer& write_times(schemas::json::Writer& writer,
                                   const projections::RowHead& head) {
  return writer.member("created_at", head.created_at)
      .member("updated_at", head.updated_at)
      .member("version", to_number(head.version));
}

Response created(const manager::Outcome& outcome, std::string_view location, std::string body) {
  auto response = http::json_response(201, std::move(body));
  response.add_header("Location", location);
  say_version(outcome, response);
  say_replayed(outcome, response);
  return response;
}

Response accepted(const manager::Outcome& outcome, std::string body) {
  auto response = http::json_response(202, std::move(body));
  say_version(outcome, response);
  say_replayed(outcome, response);
  return response;
}

Response changed(const manager::Outcome& outcome, std::string body) {
  auto response = http::json_response(200, std::move(body));
  say_version(outcome, response);
  say_replayed(outcome, response);
  return response;
}

Response removed(const manager::Outcome& outcome) {
  auto response = http::empty_response();
  say_replayed(outcome, response);
  return response;
}

Response entity_answer(const Ask& ask, schemas::Version version, std::string body) {
  const auto& known = ask.conditions.if_none_match;
  const bool fresh = known && edge::etag_matches(*known, version);
  auto response = fresh ? http::empty_response() : http::json_response(200, std::move(body));
  if (fresh) response.status = 304;
  response.add_header("ETag", edge::etag(version));
  return response;
}

}  // namespace api::resources
