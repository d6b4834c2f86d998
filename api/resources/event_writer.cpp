#include "api/resources/event_writer.h"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "api/http/problem.h"
#include "api/resources/pipeline_operation.h"
#include "api/resources/pipeline_run.h"
#include "api/resources/pool.h"
#include "api/resources/product_events.h"
#include "api/resources/sealed_fields.h"
#include "projections/timeline.h"
#include "schemas/crypto.h"
#include "schemas/json_reader.h"
#include "schemas/json_writer.h"
#include "schemas/planted.h"
#include "schemas/sealed_text.h"

namespace api::resources {
namespace {

using manager::AppendEvents;
using schemas::Result;

std::unexpected<schemas::Error> refused(std::string detail) {
  return schemas::fail(schemas::ErrorCode::invalid_request, std::move(detail));
}

/// What is written: read, made, and not sealed yet.
struct Made {
  AppendEvents command;
  std::optional<SinkRequest> request = {};  // in its place
  std::vector<std::string> sealed_places;   // JSON pointers of what was sealed before
  std::string from;                         // the product
  std::string correlation;
  std::uint8_t hops = 0;
  std::vector<std::uint64_t> found;
  schemas::EventId event;  // that it comes of
};

/// JSON pointers of what is sealed.
std::vector<std::string> sealed_places(std::string_view json) {
  std::vector<std::string> places;
  if (!schemas::may_hold_sealed(json)) return places;
  const auto document = schemas::json::parse(json);
  ENSURE(document.has_value());
  schemas::json::rewrite(
      document->root(),
      [&](std::string_view pointer, schemas::json::Value value) -> std::optional<std::string> {
        if (value.is_string() && schemas::parse_sealed_text(*value.as_string())) {
          places.emplace_back(pointer);
        }
        return std::nullopt;
      });
  return places;
}

/// The event as it would have been sent, were it sent to that product.
Result<void> take_over(const Services& services, const webhooks::EventWriter::Republished& asked,
                       const projections::TimelineEvent& event, Made& made) {
  const auto view = event.event();
  const auto entity = view.entity();
  const auto data = view.data();
  const auto* json = std::get_if<schemas::Json>(&data);
  if (json == nullptr) {
    return refused(
        "an event of a built-in product cannot be written to a declared one; leave its type out of "
        "the replay");
  }
  const auto& [organization, space] = asked.scope;
  auto clear = open_sealed(services.sealing,
                           {organization, space, made.from, view.kind(), entity.name}, json->text);
  const bool is_broken = !clear && clear.error().code != schemas::ErrorCode::root_key_missing;
  if (is_broken) return refused("the event cannot be shown: " + clear.error().detail);
  if (!clear) return std::unexpected(std::move(clear).error());
  made.sealed_places = sealed_places(json->text);
  made.command.events.push_back({.kind = std::string(view.kind()),
                                 .entity = entity.name,
                                 .type = std::string(view.type()),
                                 .data = std::move(*clear)});
  return {};
}

/// An operation is asked as its route would be.
Result<void> request(const Services& services, const webhooks::PipelineConfig::Sink& sink,
                     const projections::TimelineEvent& event, const webhooks::Transform::Made& from,
                     std::string_view clear, Made& made) {
  const auto* operation = find_sink_operation(sink.operation);
  if (operation == nullptr) return refused("there is no operation '" + sink.operation + "'");
  if (auto may = check_nothing_sealed(made.sealed_places); !may) return may;
  auto body = schemas::json::parse(clear);
  if (!body) return refused("what the pipeline made: " + body.error().detail);
  if (auto there = wait_for_decision(services, *operation, event); !there) return there;
  auto& asked = made.request.emplace(SinkRequest{
      .operation = *operation, .path = {}, .body = std::move(*body), .correlation = {}});
  for (std::size_t i = 0; i < from.path.size(); ++i) {
    asked.path.emplace_back(sink.path[i].first, from.path[i]);
  }
  return {};
}

/// What a pipeline makes of it, checked as what a client sends is.
Result<void> transform(const Services& services, const webhooks::EventWriter::Republished& asked,
                       const projections::TimelineEvent& event, Made& made) {
  const auto pipeline =
      services.pipelines.of(services, asked.scope, *asked.pipeline, asked.pinned.version);
  if (!pipeline) return std::unexpected(pipeline.error());
  if (auto near = check_hops(event); !near) return near;
  auto ran = run_pipeline(services, asked.scope, (*pipeline)->transform, event, made.from,
                          asked.pinned.found);
  if (!ran) return std::unexpected(std::move(ran).error());
  auto clear = in_clear(ran->made, ran->opened, made.sealed_places);
  if (!clear) return std::unexpected(std::move(clear).error());
  made.correlation = event.batch.correlation();
  if (!planted(schemas::Fault::forget_hops)) made.hops = event.batch.hops() + 1;
  made.found = std::move(ran->found);
  const auto& sink = (*pipeline)->transform.config().sink;
  if (!sink.operation.empty()) return request(services, sink, event, ran->made, *clear, made);
  auto command = command_of(ran->made, *clear, asked.product);
  if (!command) return std::unexpected(std::move(command).error());
  made.command = std::move(*command);
  return {};
}

/// A value that was sealed is sealed where it is written, too.
Result<void> check_sealed(const Made& made) {
  if (planted(schemas::Fault::write_sealed_in_clear)) return {};
  const auto document = schemas::json::parse(made.command.events.front().data);
  ENSURE(document.has_value());
  for (const auto& place : made.sealed_places) {
    const auto value = schemas::json::resolve(document->root(), place);
    const auto text = value ? value->as_string() : std::nullopt;
    if (!value || (text && schemas::parse_sealed_text(*text))) continue;
    return refused(
        fmt::format("'{}' is sealed in {} and would not be in {}; name it under `sealed` "
                    "in that manifest",
                    place, made.from, made.command.product));
  }
  return {};
}

Result<Made> read(const Services& services, const webhooks::EventWriter::Republished& asked) {
  const auto& [organization, space] = asked.scope;
  const auto partition = schemas::partition_of(organization, services.topics.partition_count());
  projections::Timeline timeline(services.rows, services.log, organization, space, partition);
  const auto event = timeline.at(asked.topic, asked.offset, asked.index);
  if (!event) return std::unexpected(event.error());
  Made made{.command = {.product = asked.product, .events = {}, .conditions = {}},
            .sealed_places = {},
            .from = std::string(services.topics.name(asked.topic)),
            .correlation = {},
            .event = event->event().id()};
  auto done = asked.pipeline ? transform(services, asked, *event, made)
                             : take_over(services, asked, *event, made);
  if (!done) return std::unexpected(std::move(done).error());
  if (made.request) return made;
  made.command.events.front().occurred = event->event().occurred();
  const auto kinds = services.sealed.of(services, asked.product);
  auto sealed = seal_events({services.sealing, *kinds, organization, space}, made.command);
  if (!sealed) return std::unexpected(std::move(sealed).error());
  if (auto checked = check_sealed(made); !checked) {
    return std::unexpected(std::move(checked).error());
  }
  return made;
}

/// The same of every attempt of a delivery, so that one whose answer was lost is not written twice.
schemas::IdempotencyProof proof_of(const schemas::Uuid& delivery) {
  const auto digest =
      schemas::sha256(schemas::bytes_of("republished " + std::string(delivery.view())));
  schemas::IdempotencyProof proof{};
  std::ranges::copy_n(digest.begin(), proof.key.size(), proof.key.begin());
  proof.request = proof.key;
  return proof;
}

webhooks::EventWriter::Answer answer_of(const schemas::Error& error,
                                        std::vector<std::uint64_t> found) {
  auto reason = error.detail;
  if (!error.fields.empty()) {
    reason += ": " + error.fields.front().where + ": " + error.fields.front().detail;
  }
  return {http::status_of(error.code), http::problem_json(error, ""), std::move(reason),
          std::move(found)};
}

boost::asio::awaitable<webhooks::EventWriter::Answer> write_by_operation(
    const Services& services, const webhooks::EventWriter::Republished& event, Made made) {
  made.request->correlation = std::move(made.correlation);
  const auto response = co_await ask_operation(services, event.scope, std::move(*made.request),
                                               {.event = made.event,
                                                .hops = made.hops,
                                                .replay = event.replay,
                                                .idempotency = proof_of(event.delivery)});
  if (!response) co_return answer_of(response.error(), std::move(made.found));
  co_return webhooks::EventWriter::Answer{.status = response->status,
                                          .found = std::move(made.found)};
}

}  // namespace

Result<void> check_hops(const projections::TimelineEvent& event) {
  if (event.batch.hops() < webhooks::hops_max) return {};
  return refused(
      fmt::format("it came of {} pipelines, one behind the other, and goes through no "
                  "more; is there a circle?",
                  event.batch.hops()));
}

Result<void> check_nothing_sealed(const std::vector<std::string>& sealed_places) {
  if (sealed_places.empty()) return {};
  return refused(
      fmt::format("'{}' is sealed where it comes from; an operation is given nothing "
                  "that is sealed",
                  sealed_places.front()));
}

Result<AppendEvents> command_of(const webhooks::Transform::Made& made, std::string_view clear,
                                const std::string& product) {
  std::string json;
  schemas::json::Writer writer(json);
  writer.begin_object().name("events").begin_array().begin_object();
  writer.member("kind", made.kind)
      .member("entity", made.entity)
      .member("type", made.type)
      .name("data")
      .raw(clear)
      .end_object()
      .end_array()
      .end_object();
  const auto document = schemas::json::parse(json);
  if (!document) return refused("what the pipeline made: " + document.error().detail);
  schemas::json::ObjectReader reader(document->root());
  auto command = read_batch(reader, product);
  if (auto read = reader.finish(); !read) return std::unexpected(std::move(read).error());
  return command;
}

boost::asio::awaitable<EventWriter::Answer> EventWriter::write(Republished event,
                                                               boost::asio::thread_pool& pool) {
  auto work = [&] { return read(services_, event); };
  auto made = co_await answer_on(pool, work);
  const bool is_ours = !made && made.error().code != schemas::ErrorCode::invalid_request;
  if (is_ours) throw std::runtime_error(made.error().detail);
  if (!made) co_return answer_of(made.error(), event.pinned.found);
  if (event.replay) made->correlation = to_text(schemas::ReplayId(*event.replay));
  if (made->request) co_return co_await write_by_operation(services_, event, std::move(*made));
  manager::CommandContext context{.organization = event.scope.organization,
                                  .space = event.scope.space,
                                  .actor = {},
                                  .rights = {},
                                  .correlation = std::move(made->correlation),
                                  .traceparent = {},
                                  .idempotency = proof_of(event.delivery),
                                  .if_match = {},
                                  .sequence = {},
                                  .replay = event.replay,
                                  .hops = made->hops,
                                  .causation = made->event};
  const auto outcome =
      co_await services_.commands.execute(std::move(context), std::move(made->command));
  if (!outcome) co_return answer_of(outcome.error(), std::move(made->found));
  co_return Answer{.found = std::move(made->found)};
}

}  // namespace api::resources
