#include "api/resources/webhooks.h"

#include "api/resources/answers.h"
#include "api/resources/feed.h"
#include "api/resources/lists.h"
#include "api/resources/pool.h"
#include "api/resources/reading.h"
#include "projections/delivery_rows.h"
#include "schemas/json_writer.h"
#include "schemas/time.h"
#include "webhooks/signature.h"

namespace api::resources {
namespace {

using projections::Endpoint;
using projections::FoundRow;
using schemas::EndpointId;
using schemas::Entity;
using schemas::ProjectId;
using schemas::Uuid;
using schemas::json::Writer;
using webhooks::EndpointConfig;
using webhooks::EndpointKind;

constexpr std::size_t headers_max = 20;
constexpr std::int64_t overlap_usual_seconds = 24 * 60 * 60;

/// What a body says of an endpoint, new or changed.
struct Asked {
  EndpointConfig config;
  std::optional<Uuid> project;
  bool headers_named = false;
  std::string headers;  // JSON; empty: none
  std::string start = "now";
  std::optional<std::string> secret;
};

/// A token (RFC 9110 5.6.2) that is not ours to send.
std::string_view wrong_header(std::string_view name, std::string_view value) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  const auto in_token = [&](unsigned char c) {
    return std::isalnum(c) != 0 || marks.find(static_cast<char>(c)) != marks.npos;
  };
  if (name.empty() || name.size() > 100 || !std::ranges::all_of(name, in_token)) {
    return "is no name of a header";
  }
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  constexpr std::array reserved{
      "host", "content-length", "content-type", "connection", "user-agent", "transfer-encoding",
      "te",   "trailer",        "upgrade",      "expect",     "keep-alive"};
  if (lower.starts_with("webhook-") || lower.starts_with("tidemark-") ||
      std::ranges::find(reserved, lower) != reserved.end()) {
    return "is set by Tidemark";
  }
  const auto printable = [](unsigned char c) { return c >= 0x20 && c < 0x7f; };
  if (value.size() > 4'096 || !std::ranges::all_of(value, printable)) {
    return "must have at most 4096 characters of printable ASCII";
  }
  return {};
}

void read_headers(ObjectReader& reader, Asked& asked) {
  const auto value = reader.optional_value("headers");
  asked.headers_named = value.has_value();
  if (!value || value->is_null()) return;
  if (asked.config.kind == EndpointKind::pull) {
    return reader.wrong("headers", std::string(webhooks::not_pulled));
  }
  if (!value->is_object() || value->size() > headers_max) {
    return reader.wrong("headers", "must be an object of at most 20 texts");
  }
  for (const auto& [name, text] : value->members()) {
    const auto wrong = text.is_string() ? wrong_header(name, *text.as_string())
                                        : std::string_view("must be a text");
    if (!wrong.empty()) {
      return reader.wrong("headers", "'" + std::string(name) + "' " + std::string(wrong));
    }
  }
  if (value->size() > 0) asked.headers = schemas::json::minify(*value);
}

/// One that was let through once is not asked again.
void read_url(const Ask& ask, ObjectReader& reader, const EndpointConfig& config) {
  if (config.url.empty()) return;
  const auto url = webhooks::parse_webhook_url(config.url);
  const auto allowed =
      url ? ask.services.egress.check(*url) : Result<void>(std::unexpected(url.error()));
  if (!allowed) reader.wrong("url", allowed.error().detail);
}

Asked read_asked(const Ask& ask, ObjectReader& reader) {
  Asked asked;
  asked.config = webhooks::read_endpoint_config(reader);
  if (ask.body().find("url")) read_url(ask, reader, asked.config);
  const auto project = reader.optional_text("project_id", {.characters_max = 1'000});
  if (project) {
    const auto id = schemas::parse_id<schemas::ProjectTag>(*project);
    asked.project = id ? id->uuid() : Uuid{};
  }
  read_headers(reader, asked);
  return asked;
}

std::optional<std::string> read_secret(ObjectReader& reader, const EndpointConfig& config) {
  auto secret = reader.optional_text("secret", {.characters_max = 200});
  if (!secret) return secret;
  if (config.kind == EndpointKind::pull) {
    reader.wrong("secret", std::string(webhooks::not_pulled));
    return secret;
  }
  const auto signer = webhooks::parse_signer(*secret);
  const bool is_key = secret->starts_with("whsk_");
  const bool wants_key = config.signature == webhooks::SignatureScheme::ed25519;
  if (!signer) reader.wrong("secret", signer.error().detail);
  if (signer && is_key != wants_key) {
    reader.wrong("secret", wants_key ? "must begin with whsk_" : "must begin with whsec_");
  }
  return secret;
}

Result<Asked> parse_create(const Ask& ask) {
  ObjectReader reader(ask.body());
  auto asked = read_asked(ask, reader);
  asked.secret = read_secret(reader, asked.config);
  asked.start = reader.optional_text("start", {.characters_max = 4'000}).value_or("now");
  auto read = reader.finish();
  if (!read) return std::unexpected(std::move(read).error());
  return asked;
}

/// The endpoint's members as they would have to be sent to make it, patched.
Result<Asked> parse_change(const Ask& ask, const Endpoint& now,
                           const std::optional<std::string>& headers) {
  if (!ask.body().is_object()) {
    ObjectReader reader(ask.body());
    return std::unexpected(reader.finish().error());
  }
  for (const auto& [name, value] : ask.body().members()) {
    if (name == "signature" || name == "kind") {
      return schemas::invalid_field("/" + std::string(name),
                                    "cannot be changed; make another endpoint");
    }
  }
  auto target = schemas::json::parse(now.config);
  if (!target) return std::unexpected(std::move(target).error());
  auto merged = schemas::json::merge_patch(target->root(), ask.body());
  auto document = schemas::json::parse(merged);
  if (document && headers) {
    const auto whole = schemas::json::rewrite(
        document->root(), [&](std::string_view pointer, Value) -> std::optional<std::string> {
          if (pointer != "/headers") return std::nullopt;
          return *headers;
        });
    document = schemas::json::parse(whole);
  }
  if (!document) return std::unexpected(std::move(document).error());
  ObjectReader reader(document->root());
  auto asked = read_asked(ask, reader);
  if (auto read = reader.finish(); !read) return std::unexpected(std::move(read).error());
  if (!ask.body().find("project_id")) asked.project = now.project;
  if (asked.config.kind == EndpointKind::pull && asked.project != now.project) {
    return schemas::invalid_field(
        "/project_id",
        "cannot be changed where events of the project before wait; make another endpoint");
  }
  asked.headers_named = ask.body().find("headers").has_value();
  return asked;
}

std::string make_secret(const EndpointConfig& config) {
  if (config.signature == webhooks::SignatureScheme::ed25519) {
    return webhooks::SigningKey::make().text();
  }
  return webhooks::SigningSecret::make().text();
}

/// What its maker is shown: of a key pair the public half.
std::string shown_secret(std::string_view secret) {
  const auto signer = webhooks::parse_signer(secret);
  ENSURE(signer.has_value());
  const auto* key = std::get_if<webhooks::SigningKey>(&*signer);
  return key != nullptr ? key->public_text() : std::string(secret);
}

/// On the pool: keys and marks may have to be read.
awaitable<Result<std::string>> seal(Ask& ask, const Uuid& id, std::string_view field,
                                    std::string text) {
  auto work = [&]() -> Result<std::string> {
    auto& sealing = ask.services.sealing;
    if (ask.conditions.idempotency_key) {
      auto digest_key = sealing.digest_key(ask.here().organization);
      if (!digest_key) return std::unexpected(std::move(digest_key).error());
      ask.digest_key = *digest_key;
    }
    const Entity entity{id, {}};
    return sealing.seal({ask.here().organization, ask.here().space, Endpoint::kind, entity, field},
                        text);
  };
  co_return co_await answer_on(ask.services.records, work);
}

/// `reader`: for how its deliveries stand; null: that is not told.
void render_endpoint(std::string& out, const Ask& ask, const FoundRow& found,
                     const projections::Reader* reader,
                     std::optional<std::string_view> secret = {}) {
  const auto row = projections::decode_row<Endpoint>(found.bytes);
  const auto& state = row.state;
  std::optional<std::string> project;
  if (state.project) project = to_text(ProjectId(*state.project));
  Writer writer(out);
  writer.begin_object()
      .member("id", to_text(EndpointId(found.entity.id)))
      .member("organization_id", to_text(ask.caller().organization))
      .member("project_id", project);
  const auto config = schemas::json::parse(state.config);
  ENSURE(config.has_value());
  if (!config->root().find("kind")) writer.member("kind", to_text(EndpointKind::push));
  for (const auto& [name, value] : config->root().members()) writer.member(name, value);
  std::optional<std::string_view> reason;
  if (!state.reason.empty()) reason = state.reason;
  writer.member("has_headers", !state.headers.empty())
      .member("state", to_text(state.status))
      .member("reason", reason);
  if (secret) writer.member("secret", secret);
  if (reader != nullptr) {
    write_health(writer, *reader, ask.deliveries().topic, {found.entity.id, {}, {}},
                 state.generation, state.start);
  }
  write_times(writer, row.head).end_object();
}

std::string json_of(const Ask& ask, const manager::Outcome& outcome,
                    std::optional<std::string_view> secret = {}) {
  std::string json;
  render_endpoint(json, ask, {outcome.subject, outcome.row}, nullptr, secret);
  return json;
}

/// An answer that shows a secret; a repeated one does not, nor that of an endpoint that is pulled:
/// it signs nothing.
Response with_secret(const Ask& ask, const manager::Outcome& outcome, const EndpointConfig& config,
                     std::string_view secret, bool is_new) {
  std::optional<std::string> shown;
  if (!outcome.replayed && config.kind == EndpointKind::push) shown = shown_secret(secret);
  auto json = json_of(ask, outcome, shown);
  const auto location = "/v2/webhooks/endpoints/" + to_text(EndpointId(outcome.subject.id));
  auto response =
      is_new ? created(outcome, location, std::move(json)) : changed(outcome, std::move(json));
  response.add_header("Cache-Control", "no-store");
  return response;
}

/// A patch of the headers that are sealed: as they are after it, JSON; empty: none.
awaitable<Result<std::string>> merge_headers(Ask& ask, const Uuid& id, const Endpoint& now,
                                             Value patch) {
  std::string before = "{}";
  if (!now.headers.empty() && patch.is_object()) {
    auto open = [&] {
      const Entity entity{id, {}};
      return ask.services.sealing.open(
          {ask.here().organization, ask.here().space, Endpoint::kind, entity, "headers"},
          now.headers);
    };
    auto opened = co_await answer_on(ask.services.records, open);
    if (!opened) co_return std::unexpected(std::move(opened).error());
    before = opened->reveal();
  }
  const auto target = schemas::json::parse(before);
  if (!target) co_return std::unexpected(target.error());
  co_return schemas::json::merge_patch(target->root(), patch);
}

Answer act_on(Ask& ask, manager::Command command) {
  auto outcome = co_await write(ask, ask.here(), std::move(command));
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return changed(*outcome, json_of(ask, *outcome));
}

}  // namespace

namespace {

Result<std::string> find_start(const Ask& ask, std::string_view start) {
  const EventFilter filter;
  const auto snapshot = ask.services.rows.snapshot();
  const Feed feed(ask.services, *snapshot, ask.here(), filter);
  if (start == "now") return feed.mark_of(feed.passed_now());
  if (start == "beginning") return feed.mark_of(Feed::passed_nothing());
  if (const auto time = schemas::parse_time(start)) {
    return feed.mark_of(feed.passed_before(Feed::key_at(*time)));
  }
  const auto mark = decode_mark(ask.services, ask.caller(), start);
  if (!mark) {
    return schemas::invalid_field("/start", "must be now, beginning, a mark of your own or a time");
  }
  return feed.mark_of(feed.passed_at(*mark));
}

}  // namespace

awaitable<Result<std::string>> start_mark(Ask& ask, std::string_view start) {
  auto find = [&] { return find_start(ask, start); };
  co_return co_await answer_on(ask.services.records, find);
}

void write_health(Writer& writer, const projections::Reader& reader, TopicId deliveries,
                  const projections::Channel& channel, std::uint32_t generation,
                  const std::string& start) {
  const auto row = reader.get<projections::EndpointHealth>(deliveries, Entity{channel.id(), {}});
  const auto health = row ? row->state : projections::EndpointHealth{};
  const auto cursor = reader.get<projections::DeliveryCursor>(deliveries, channel.cursor());
  const bool moved = cursor && cursor->state.generation == generation;
  writer.name("deliveries")
      .begin_object()
      .member("pending", health.pending)
      .member("failing", health.failing)
      .member("exhausted", health.exhausted)
      .member("skipped", health.skipped)
      .member("succeeded", health.succeeded)
      .member("failing_since", health.failing_since)
      .member("last_success_at", health.last_success)
      .name("last_status");
  health.last_status != 0 ? writer.value(health.last_status) : writer.null();
  writer.member("cursor", moved ? cursor->state.mark : start).end_object();
}

std::unexpected<schemas::Error> no_endpoint() {
  return edge::not_found("endpoint with this id");
}

Result<Uuid> endpoint_in_path(const Ask& ask) {
  auto id = schemas::parse_id<schemas::EndpointTag>(ask.request.captured("endpoint_id"));
  if (!id) return no_endpoint();
  return id->uuid();
}

Result<void> may_read_events(const Ask& ask) {
  return edge::require_permission(ask.caller(), "events:read");
}

awaitable<Result<EndpointNow>> endpoint_now(Ask& ask, const Uuid& id) {
  auto reading = co_await open_reading(ask, ask.webhooks(), View::row);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  auto bytes = reading->find(Endpoint::kind, {id, {}});
  if (!bytes) co_return no_endpoint();
  auto row = projections::decode_row<Endpoint>(*bytes);
  if (!sees_endpoint_of(ask, row.state.project)) co_return no_endpoint();
  co_return EndpointNow{row.head.version, std::move(row.state)};
}

bool sees_endpoint_of(const Ask& ask, const std::optional<Uuid>& project) {
  return project ? ask.caller().sees_project(*project) : !ask.caller().restricted();
}

// POST /v2/webhooks/endpoints
Answer create_endpoint(Ask& ask) {
  if (auto may = may_read_events(ask); !may) co_return std::unexpected(std::move(may).error());
  auto asked = parse_create(ask);
  if (!asked) co_return std::unexpected(std::move(asked).error());
  const auto id = schemas::make_uuid(ask.services.clock.wall());
  const auto secret = asked->secret ? *asked->secret : make_secret(asked->config);
  auto start = co_await start_mark(ask, asked->start);
  if (!start) co_return std::unexpected(std::move(start).error());
  auto sealed = co_await seal(ask, id, "secret", secret);
  if (!sealed) co_return std::unexpected(std::move(sealed).error());
  std::optional<std::string> headers;
  if (!asked->headers.empty()) {
    auto sealed_headers = co_await seal(ask, id, "headers", asked->headers);
    if (!sealed_headers) co_return std::unexpected(std::move(sealed_headers).error());
    headers = std::move(*sealed_headers);
  }
  auto outcome = co_await write(ask, ask.here(),
                                manager::CreateEndpoint{.id = id,
                                                        .project = asked->project,
                                                        .retry_policy = asked->config.retry_policy,
                                                        .config = to_json(asked->config),
                                                        .secret = std::move(*sealed),
                                                        .headers = std::move(headers),
                                                        .start = std::move(*start)});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return with_secret(ask, *outcome, asked->config, secret, true);
}

// GET /v2/webhooks/endpoints
Answer list_endpoints(Ask& ask) {
  ListSpec spec{.kind = Endpoint::kind, .keep = {}, .render = [&ask](auto& out, const auto& found) {
                  render_endpoint(out, ask, found, nullptr);
                }};
  if (ask.caller().restricted() || filtered(ask, {"state", "project_id"})) {
    spec.keep = [&ask](const FoundRow& found) {
      const auto row = projections::decode_row<Endpoint>(found.bytes);
      return sees_endpoint_of(ask, row.state.project) &&
             picked(ask, "state", to_text(row.state.status)) &&
             picked<schemas::ProjectTag>(ask, "project_id", row.state.project);
    };
  }
  co_return co_await list_answer(ask, ask.webhooks(), std::move(spec));
}

// GET /v2/webhooks/endpoints/{endpoint_id}
Answer get_endpoint(Ask& ask) {
  auto id = endpoint_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto reading = co_await open_reading(ask, ask.webhooks(), View::snapshot);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  Entity entity{*id, {}};
  auto row = reading->find(Endpoint::kind, entity);
  if (!row) co_return no_endpoint();
  const auto decoded = projections::decode_row<Endpoint>(*row);
  if (!sees_endpoint_of(ask, decoded.state.project)) co_return no_endpoint();
  const auto reader = reading->reader();
  std::string json;
  render_endpoint(json, ask, {std::move(entity), std::move(*row)},
                  reading->as_of() ? nullptr : &reader);
  auto response = http::json_response(200, std::move(json));
  response.add_header("ETag", edge::etag(decoded.head.version));
  co_return response;
}

// PATCH /v2/webhooks/endpoints/{endpoint_id}
Answer change_endpoint(Ask& ask) {
  if (auto may = may_read_events(ask); !may) co_return std::unexpected(std::move(may).error());
  auto id = endpoint_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  constexpr int attempts_max = 5;
  for (int attempt = 1;; ++attempt) {
    auto now = co_await endpoint_now(ask, *id);
    if (!now) co_return std::unexpected(std::move(now).error());
    std::optional<std::string> merged;
    if (const auto patch = ask.body().find("headers"); patch && !patch->is_null()) {
      auto all = co_await merge_headers(ask, *id, now->state, *patch);
      if (!all) co_return std::unexpected(std::move(all).error());
      merged = std::move(*all);
    }
    auto asked = parse_change(ask, now->state, merged);
    if (!asked) co_return std::unexpected(std::move(asked).error());
    std::optional<std::string> headers;
    if (asked->headers_named) {
      headers.emplace();
      if (!asked->headers.empty()) {
        auto sealed = co_await seal(ask, *id, "headers", asked->headers);
        if (!sealed) co_return std::unexpected(std::move(sealed).error());
        headers = std::move(*sealed);
      }
    }
    auto outcome =
        co_await write(ask, ask.here(),
                       manager::ChangeEndpoint{.id = *id,
                                               .based_on = now->version,
                                               .project = asked->project,
                                               .retry_policy = asked->config.retry_policy,
                                               .config = to_json(asked->config),
                                               .headers = std::move(headers)});
    const bool moved_on = !outcome && outcome.error().code == schemas::ErrorCode::version_conflict;
    if (moved_on && attempt < attempts_max) continue;
    if (!outcome) co_return std::unexpected(std::move(outcome).error());
    co_return changed(*outcome, json_of(ask, *outcome));
  }
}

// DELETE /v2/webhooks/endpoints/{endpoint_id}
Answer delete_endpoint(Ask& ask) {
  auto id = endpoint_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto outcome = co_await write(ask, ask.here(), manager::DeleteEndpoint{*id});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return removed(*outcome);
}

// POST /v2/webhooks/endpoints/{endpoint_id}/pause
Answer pause_endpoint(Ask& ask) {
  auto id = endpoint_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  co_return co_await act_on(
      ask, manager::PauseEndpoint{.id = *id, .disable = false, .reason = "paused on request"});
}

// POST /v2/webhooks/endpoints/{endpoint_id}/resume
Answer resume_endpoint(Ask& ask) {
  if (auto may = may_read_events(ask); !may) co_return std::unexpected(std::move(may).error());
  auto id = endpoint_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  ObjectReader reader(ask.body());
  const auto skip = reader.optional_choice<bool>("skip_to", {{"now", true}});
  if (auto read = reader.finish(); !read) co_return std::unexpected(std::move(read).error());
  std::optional<std::string> start;
  if (skip) {
    auto mark = co_await start_mark(ask, "now");
    if (!mark) co_return std::unexpected(std::move(mark).error());
    start = std::move(*mark);
  }
  co_return co_await act_on(ask, manager::ResumeEndpoint{*id, std::move(start)});
}

// POST /v2/webhooks/endpoints/{endpoint_id}/test
Answer test_endpoint(Ask& ask) {
  auto id = endpoint_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto outcome = co_await write(ask, ask.here(), manager::TestEndpoint{*id});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  const auto& event = outcome->events.front().id;
  std::string json;
  Writer(json)
      .begin_object()
      .member("event_id", to_text(event))
      .member("delivery_id", to_text(schemas::DeliveryId(
                                 projections::delivery_id(*id, event.uuid(), outcome->recorded))))
      .end_object();
  co_return accepted(*outcome, std::move(json));
}

// POST /v2/webhooks/endpoints/{endpoint_id}/secret/rotate
Answer rotate_endpoint_secret(Ask& ask) {
  auto id = endpoint_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto now = co_await endpoint_now(ask, *id);
  if (!now) co_return std::unexpected(std::move(now).error());
  auto config = webhooks::parse_endpoint_config(now->state.config);
  if (!config) co_return std::unexpected(std::move(config).error());
  if (config->kind == EndpointKind::pull) {
    co_return schemas::fail(schemas::ErrorCode::invalid_transition,
                            "an endpoint of kind pull signs nothing, so it has no secret");
  }
  ObjectReader reader(ask.body());
  const auto overlap =
      reader.optional_integer("overlap_seconds", {.min = 0, .max = secret_overlap_max_seconds});
  const auto given = read_secret(reader, *config);
  if (auto read = reader.finish(); !read) co_return std::unexpected(std::move(read).error());
  const auto secret = given ? *given : make_secret(*config);
  auto sealed = co_await seal(ask, *id, "secret", secret);
  if (!sealed) co_return std::unexpected(std::move(sealed).error());
  auto outcome = co_await write(
      ask, ask.here(),
      manager::RotateEndpointSecret{*id, std::move(*sealed),
                                    std::chrono::seconds(overlap.value_or(overlap_usual_seconds))});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return with_secret(ask, *outcome, *config, secret, false);
}

}  // namespace api::resources
