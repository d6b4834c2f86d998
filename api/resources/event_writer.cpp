#include "api/resources/event_writer.h"

#include <algorithm>
#include <set>
#include <stdexcept>

#include <fmt/format.h>

#include "api/http/problem.h"
#include "api/resources/pool.h"
#include "api/resources/sealed_fields.h"
#include "projections/timeline.h"
#include "schemas/crypto.h"
#include "schemas/json.h"
#include "schemas/sealed_text.h"

namespace api::resources {
namespace {

using manager::AppendEvents;
using schemas::Result;

/// The first place where a value was sealed and is not any more, if so.
std::optional<std::string> lost_seal(std::string_view before, std::string_view after) {
  if (!schemas::may_hold_sealed(before)) return std::nullopt;
  std::set<std::string, std::less<>> sealed;
  const auto each = [](std::string_view json, const auto& look) {
    const auto document = schemas::json::parse(json);
    ENSURE(document.has_value());
    schemas::json::rewrite(
        document->root(),
        [&](std::string_view pointer, schemas::json::Value value) -> std::optional<std::string> {
          if (value.is_string() && schemas::parse_sealed_text(*value.as_string())) look(pointer);
          return std::nullopt;
        });
  };
  each(before, [&](std::string_view pointer) { sealed.emplace(pointer); });
  each(after, [&](std::string_view pointer) { sealed.erase(std::string(pointer)); });
  return sealed.empty() ? std::nullopt : std::optional(*sealed.begin());
}

/// The event as it would have been sent, were it sent to `event.product`.
Result<AppendEvents> read(const Services& services,
                          const webhooks::EventWriter::Republished& event) {
  const auto& [organization, space] = event.scope;
  const auto partition = schemas::partition_of(organization, services.topics.partition_count());
  projections::Timeline timeline(services.rows, services.log, organization, space, partition);
  const auto found = timeline.at(event.topic, event.offset, event.index);
  if (!found) return std::unexpected(found.error());
  const auto view = found->event();
  const auto entity = view.entity();
  const auto data = view.data();
  const auto* json = std::get_if<schemas::Json>(&data);
  if (json == nullptr) {
    return schemas::fail(schemas::ErrorCode::invalid_request,
                         "an event of a built-in product cannot be written to a declared one; "
                         "leave its type out of the replay");
  }
  const std::string product(services.topics.name(event.topic));
  auto text = open_sealed(services.sealing,
                          {organization, space, product, view.kind(), entity.name}, json->text);
  const bool is_broken = !text && text.error().code != schemas::ErrorCode::root_key_missing;
  if (is_broken) {
    return schemas::fail(schemas::ErrorCode::invalid_request,
                         "the event cannot be shown: " + text.error().detail);
  }
  if (!text) return std::unexpected(std::move(text).error());
  AppendEvents command{.product = event.product, .events = {}, .conditions = {}};
  command.events.push_back({.kind = std::string(view.kind()),
                            .entity = entity.name,
                            .type = std::string(view.type()),
                            .data = std::move(*text),
                            .occurred = view.occurred(),
                            .causation = view.id().uuid()});
  const auto kinds = services.sealed.of(services, event.product);
  auto sealed = seal_events({services.sealing, *kinds, organization, space}, command);
  if (!sealed) return std::unexpected(std::move(sealed).error());
  if (const auto pointer = lost_seal(json->text, command.events.front().data)) {
    return schemas::fail(schemas::ErrorCode::invalid_request,
                         fmt::format("'{}' is sealed in {} and would not be in {}; name it under "
                                     "`sealed` in that manifest",
                                     *pointer, product, event.product));
  }
  return command;
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

webhooks::EventWriter::Answer answer_of(const schemas::Error& error) {
  return {http::status_of(error.code), http::problem_json(error, "")};
}

}  // namespace

boost::asio::awaitable<EventWriter::Answer> EventWriter::write(Republished event,
                                                               boost::asio::thread_pool& pool) {
  auto work = [&] { return read(services_, event); };
  auto command = co_await answer_on(pool, work);
  const bool is_ours = !command && command.error().code != schemas::ErrorCode::invalid_request;
  if (is_ours) throw std::runtime_error(command.error().detail);
  if (!command) co_return answer_of(command.error());
  manager::CommandContext context{.organization = event.scope.organization,
                                  .space = event.scope.space,
                                  .actor = {},
                                  .rights = {},
                                  .correlation = to_text(schemas::ReplayId(event.replay)),
                                  .traceparent = {},
                                  .idempotency = proof_of(event.delivery),
                                  .if_match = {},
                                  .sequence = {},
                                  .replay = event.replay};
  const auto outcome = co_await services_.commands.execute(std::move(context), std::move(*command));
  if (!outcome) co_return answer_of(outcome.error());
  co_return Answer{};
}

}  // namespace api::resources
