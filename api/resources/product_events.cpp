#include "api/resources/product_events.h"

#include <algorithm>

#include "api/resources/answers.h"
#include "api/resources/bulk_events.h"
#include "api/resources/parse.h"
#include "api/resources/pool.h"
#include "api/resources/products.h"
#include "api/resources/sealed_fields.h"
#include "schemas/json_writer.h"

namespace api::resources {
namespace {

using manager::AppendEvents;
using manager::Expected;
using Case = Expected::Case;

constexpr std::array<Case, 5> expected_cases{Case::any, Case::exists, Case::absent, Case::no_stream,
                                             Case::deleted};
static_assert(expected_cases.size() == expected_choices.size());

/// A number from 1, or a word.
std::optional<Expected> expected_of(Value value) {
  if (auto number = value.as_uint64(); number && *number > 0) {
    return Expected{Case::exactly, schemas::Version{*number}};
  }
  auto text = value.as_string();
  if (!text) return std::nullopt;
  auto found = std::ranges::find(expected_choices, *text);
  if (found == expected_choices.end()) return std::nullopt;
  return Expected{expected_cases[static_cast<std::size_t>(found - expected_choices.begin())], {}};
}

Expected read_expected(ObjectReader& reader, std::string_view name, std::optional<Value> value) {
  if (!value) return {};
  auto expected = expected_of(*value);
  if (!expected) {
    reader.wrong(name, "must be any, exists, absent, no_stream, deleted or a version from 1");
  }
  return expected.value_or(Expected{});
}

std::string read_entity(ObjectReader& reader) {
  auto name =
      reader.text("entity", {.characters_max = entity_name_max, .bytes_max = entity_name_max});
  if (name == "." || name == "..") reader.wrong("entity", "must not be . or ..");
  return name;
}

AppendEvents::Event read_event(ObjectReader& reader) {
  AppendEvents::Event event;
  event.type = reader.text("type", {.characters_max = 100});
  if (auto data = reader.value("data")) {
    if (data->is_object()) {
      event.data = schemas::json::minify(*data);
      if (schemas::may_hold_sealed(event.data) && looks_sealed(*data)) {
        reader.wrong("data", "holds a text that begins with sealed:1:, as only sealed values do");
      }
    } else {
      reader.wrong("data", "must be an object");
    }
  }
  event.occurred = reader.optional_time("time");
  return event;
}

Result<AppendEvents> parse_entity_events(const Ask& ask, const DeclaredEntity& entity) {
  ObjectReader reader(ask.body());
  AppendEvents command;
  command.product = ask.request.captured("product");
  auto expected =
      read_expected(reader, "expected_version", reader.optional_value("expected_version"));
  command.conditions.push_back({entity.kind, entity.name, expected});
  reader.objects("events", batch_events_max, [&](ObjectReader& one) {
    auto event = read_event(one);
    event.kind = entity.kind;
    event.entity = entity.name;
    command.events.push_back(std::move(event));
  });
  auto read = reader.finish();
  if (!read) return std::unexpected(std::move(read).error());
  return command;
}

void write_events(schemas::json::Writer& writer, const manager::Outcome& outcome) {
  writer.name("events").begin_array();
  for (const auto& event : outcome.events) {
    writer.begin_object()
        .member("id", to_text(event.id))
        .member("kind", event.kind)
        .member("entity", event.entity.name)
        .member("version", to_number(event.version))
        .end_object();
  }
  writer.end_array();
}

Response written(const manager::Outcome& outcome, std::string json) {
  auto response = http::json_response(201, std::move(json));
  if (outcome.replayed) response.add_header("Idempotent-Replayed", "true");
  return response;
}

/// Seals what the product's manifest says; most seal nothing.
awaitable<Result<void>> seal(Ask& ask, const Place& place, AppendEvents& command) {
  auto& sealing = ask.services.sealing;
  const auto kinds = ask.services.sealed.of(ask.services, command.product);
  if (kinds->empty()) co_return Result<void>();
  auto work = [&] {
    return seal_events({sealing, *kinds, place.organization, place.space}, command);
  };
  auto digest_key =
      sealing.has_key(place.organization) ? work() : co_await answer_on(ask.services.records, work);
  if (!digest_key) co_return std::unexpected(std::move(digest_key).error());
  ask.digest_key = *digest_key;
  co_return Result<void>();
}

/// An undeclared kind is a path that leads nowhere when the path names it.
bool is_about_kind(const schemas::Error& error) {
  return error.code == schemas::ErrorCode::invalid_request &&
         std::ranges::any_of(error.fields, [](const auto& field) {
           return field.where.ends_with("/kind") && !field.where.contains("/data/");
         });
}

}  // namespace

AppendEvents read_batch(ObjectReader& reader, std::string_view product) {
  AppendEvents command;
  command.product = product;
  reader.optional_objects("expected", batch_events_max, [&](ObjectReader& one) {
    AppendEvents::Condition condition;
    condition.kind = one.text("kind", {.characters_max = 48});
    condition.entity = read_entity(one);
    condition.expected = read_expected(one, "version", one.value("version"));
    command.conditions.push_back(std::move(condition));
  });
  reader.objects("events", batch_events_max, [&](ObjectReader& one) {
    auto event = read_event(one);
    event.kind = one.text("kind", {.characters_max = 48});
    event.entity = read_entity(one);
    command.events.push_back(std::move(event));
  });
  return command;
}

// POST /v2/products/{product}/{kind}/{entity}/events
Answer append_entity_events(Ask& ask) {
  auto entity = declared_entity_in_path(ask);
  if (!entity) co_return std::unexpected(std::move(entity).error());
  auto command = parse_entity_events(ask, *entity);
  if (!command) co_return std::unexpected(std::move(command).error());
  auto sealed = co_await seal(ask, entity->place, *command);
  if (!sealed) co_return std::unexpected(std::move(sealed).error());
  auto outcome =
      co_await write(ask, {entity->place.organization, entity->place.space}, std::move(*command));
  if (!outcome && is_about_kind(outcome.error())) co_return edge::not_found("kind of this name");
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  std::string json;
  schemas::json::Writer writer(json);
  writer.begin_object().member("version", to_number(outcome->events.back().version));
  write_events(writer, *outcome);
  writer.end_object();
  co_return written(*outcome, std::move(json));
}

// POST /v2/products/{product}/events
Answer append_events(Ask& ask) {
  auto place = product_in_path(ask);
  if (!place) co_return std::unexpected(std::move(place).error());
  if (ask.request.lines) co_return bulk_answer(ask, *place);
  ObjectReader reader(ask.body());
  auto command = read_batch(reader, ask.request.captured("product"));
  auto read = reader.finish();
  if (!read) co_return std::unexpected(std::move(read).error());
  auto sealed = co_await seal(ask, *place, command);
  if (!sealed) co_return std::unexpected(std::move(sealed).error());
  auto outcome = co_await write(ask, {place->organization, place->space}, std::move(command));
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  std::string json;
  schemas::json::Writer writer(json);
  writer.begin_object();
  write_events(writer, *outcome);
  writer.end_object();
  co_return written(*outcome, std::move(json));
}

}  // namespace api::resources
