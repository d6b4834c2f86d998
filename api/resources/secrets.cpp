#include "api/resources/secrets.h"

#include <algorithm>

#include "api/resources/answers.h"
#include "api/resources/pool.h"
#include "api/resources/project_paths.h"
#include "api/resources/reading.h"
#include "schemas/json_writer.h"

namespace api::resources {
namespace {

using projections::FoundRow;
using projections::Secret;
using schemas::Entity;
using schemas::Version;

constexpr std::string_view value_field = "value";

std::unexpected<schemas::Error> no_secret() {
  return edge::not_found("secret of this name");
}

bool is_secret_name(std::string_view name) {
  const auto begins = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && name.size() <= secret_name_max && begins(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return begins(c) || c == '.' || c == '-'; });
}

struct SecretInPath {
  PlaceInPath place;
  std::string name;

  Entity entity() const {
    return projections::secret_entity(place.project, place.environment, name);
  }
};
Result<SecretInPath> secret_in_path(const Ask& ask) {
  auto place = place_in_path(ask);
  if (!place) return std::unexpected(std::move(place).error());
  const auto name = ask.request.captured("secret");
  if (!is_secret_name(name)) return no_secret();
  return SecretInPath{std::move(*place), std::string(name)};
}

/// The name of a subject below `…/secrets/`, and the environment before that.
std::pair<std::optional<std::string_view>, std::string_view> parts_of(const Entity& entity) {
  const std::string_view path = entity.name;
  const auto name = path.substr(path.rfind('/') + 1);
  constexpr std::string_view before = "environments/";
  if (!path.starts_with(before)) return {std::nullopt, name};
  return {path.substr(before.size(), path.find('/', before.size()) - before.size()), name};
}

eventstore::FieldPlace place_of_value(const Ask& ask, const Entity& entity) {
  return {ask.here().organization, ask.here().space, Secret::kind, entity, value_field};
}

Result<std::string> parse_value(Value body) {
  ObjectReader reader(body);
  auto value =
      reader.text("value", {.characters_max = secret_bytes_max,
                            .bytes_max = secret_bytes_max,
                            .control_characters = schemas::json::ControlCharacters::allow});
  auto read = reader.finish();
  if (!read) return std::unexpected(std::move(read).error());
  return value;
}

Result<std::optional<Version>> parse_version(Value body) {
  ObjectReader reader(body);
  const auto number = reader.optional_integer("version", {.min = 1});
  auto read = reader.finish();
  if (!read) return std::unexpected(std::move(read).error());
  if (!number) return std::nullopt;
  return Version{static_cast<std::uint64_t>(*number)};
}

/// The value sealed, and what keys the digest of a request that holds it.
awaitable<Result<std::string>> seal(Ask& ask, const Entity& entity, std::string value) {
  auto& sealing = ask.services.sealing;
  auto work = [&]() -> Result<std::string> {
    if (ask.conditions.idempotency_key) {
      auto digest_key = sealing.digest_key(ask.here().organization);
      if (!digest_key) return std::unexpected(std::move(digest_key).error());
      ask.digest_key = *digest_key;
    }
    return sealing.seal(place_of_value(ask, entity), value);
  };
  co_return co_await answer_on(ask.services.records, work);
}

/// What the outcome's event says was shown; the row is the secret's after it.
struct Shown {
  Version version{};
  std::string sealed;
};
std::optional<Shown> shown_by(const Ask& ask, const manager::Outcome& outcome,
                              std::optional<Version> asked) {
  if (outcome.row.empty()) return std::nullopt;
  auto current = projections::decode_row<Secret>(outcome.row).state;
  const auto version = asked.value_or(current.value_version);
  if (version == current.value_version) return Shown{version, std::move(current.sealed)};
  const auto place = ask.projects();
  const projections::Reader reader(ask.services.rows, place.organization, place.space);
  const auto bytes = reader.find_at(place.topic, Secret::kind, outcome.subject, version);
  if (!bytes) return std::nullopt;
  return Shown{version, projections::decode_row<Secret>(*bytes).state.sealed};
}

}  // namespace

void render_secret(std::string& out, const FoundRow& found) {
  const auto row = projections::decode_row<Secret>(found.bytes);
  const auto [environment, name] = parts_of(found.entity);
  schemas::json::Writer writer(out);
  writer.begin_object()
      .member("project_id", to_text(schemas::ProjectId(found.entity.id)))
      .member("environment", environment)
      .member("name", name)
      .member("value_version", to_number(row.state.value_version));
  write_times(writer, row.head).end_object();
}

// GET /v2/projects/{project_id}/secrets
// GET /v2/projects/{project_id}/environments/{environment}/secrets
Answer list_secrets(Ask& ask) {
  auto place = place_in_path(ask);
  if (!place) co_return std::unexpected(std::move(place).error());
  auto parent = projections::secrets_of(place->project, place->environment);
  co_return co_await list_parts(ask, Secret::kind, std::move(*place), std::move(parent),
                                render_secret);
}

// GET …/secrets/{secret}
Answer get_secret(Ask& ask) {
  auto secret = secret_in_path(ask);
  if (!secret) co_return std::unexpected(std::move(secret).error());
  auto found = co_await find_part(ask, Secret::kind, secret->entity(), no_secret());
  if (!found) co_return std::unexpected(std::move(found).error());
  const auto version = projections::decode_head(found->bytes, nullptr).version;
  std::string json;
  render_secret(json, *found);
  co_return entity_answer(ask, version, std::move(json));
}

// PUT …/secrets/{secret}
Answer put_secret(Ask& ask) {
  auto place = place_in_path(ask);
  if (!place) co_return std::unexpected(std::move(place).error());
  std::string name(ask.request.captured("secret"));
  if (!is_secret_name(name)) {
    co_return edge::wrong_parameter("secret", "must match " + std::string(secret_name_pattern));
  }
  auto value = parse_value(ask.body());
  if (!value) co_return std::unexpected(std::move(value).error());
  const auto entity = projections::secret_entity(place->project, place->environment, name);
  auto sealed = co_await seal(ask, entity, std::move(*value));
  if (!sealed) co_return std::unexpected(std::move(sealed).error());
  auto outcome = co_await write(ask, ask.here(),
                                manager::PutSecret{place->project, std::move(place->environment),
                                                   std::move(name), std::move(*sealed)});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  std::string json;
  render_secret(json, {outcome->subject, outcome->row});
  const auto row = projections::decode_row<Secret>(outcome->row);
  const bool is_new = row.head.version == row.state.first_version;
  if (!is_new) co_return changed(*outcome, std::move(json));
  co_return created(*outcome, ask.request.path, std::move(json));
}

// DELETE …/secrets/{secret}
Answer delete_secret(Ask& ask) {
  auto secret = secret_in_path(ask);
  if (!secret) co_return std::unexpected(std::move(secret).error());
  auto& [place, name] = *secret;
  auto outcome = co_await write(
      ask, ask.here(),
      manager::DeleteSecret{place.project, std::move(place.environment), std::move(name)});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return removed(*outcome);
}

// POST …/secrets/{secret}/reveal
Answer reveal_secret(Ask& ask) {
  auto secret = secret_in_path(ask);
  if (!secret) co_return std::unexpected(std::move(secret).error());
  auto asked = parse_version(ask.body());
  if (!asked) co_return std::unexpected(std::move(asked).error());
  if (const auto& why = ask.services.sealing.refusal(); !why.empty()) {
    co_return schemas::fail(schemas::ErrorCode::root_key_missing,
                            "sealed fields cannot be read now; nothing was written");
  }
  auto outcome =
      co_await write(ask, ask.here(),
                     manager::RevealSecret{secret->place.project, secret->place.environment,
                                           secret->name, *asked});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  const auto shown = shown_by(ask, *outcome, *asked);
  if (!shown) co_return no_secret();
  std::string json;
  schemas::json::Writer writer(json);
  writer.begin_object().member("name", secret->name).name("value");
  if (outcome->replayed) {
    writer.null();
  } else {
    auto open = [&] {
      return ask.services.sealing.open(place_of_value(ask, outcome->subject), shown->sealed);
    };
    const auto value = co_await answer_on(ask.services.records, open);
    if (!value) co_return std::unexpected(value.error());
    writer.value(value->reveal());
  }
  writer.member("version", to_number(shown->version)).end_object();
  auto response = http::json_response(200, std::move(json));
  if (outcome->replayed) response.add_header("Idempotent-Replayed", "true");
  response.add_header("Cache-Control", "no-store");
  co_return response;
}

}  // namespace api::resources
