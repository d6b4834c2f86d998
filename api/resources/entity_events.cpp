#include "api/resources/event_json.h"
#include "api/resources/events.h"
#include "api/resources/keys.h"
#include "api/resources/lists.h"
#include "api/resources/organizations.h"
#include "api/resources/pipelines.h"
#include "api/resources/pool.h"
#include "api/resources/products.h"
#include "api/resources/project_paths.h"
#include "api/resources/replays.h"
#include "api/resources/resources.h"
#include "api/resources/webhooks.h"
#include "projections/timeline.h"
#include "schemas/json_writer.h"

namespace api::resources {
namespace {

using projections::Reader;
using schemas::Entity;
using schemas::Version;

/// Whose events: they answer also when the entity is deleted.
struct EntityEvents {
  Place place;
  std::string kind;
  Entity entity;
  std::string_view product;
  std::string_view missing;  // what a 404 says
  /// Whether the caller may know of it; empty: whoever names it.
  std::function<bool(const Reader&)> visible = {};
};

struct EventPage {
  std::vector<Reader::EventPlace> places;
  bool more = false;
};

// What a cursor of these lists says: where the last event given stands.
constexpr std::size_t place_bytes = 16;
std::string encode_place(const Reader::EventPlace& place) {
  std::string key;
  projections::append_u64(key, place.offset);
  projections::append_u64(key, place.index);
  return key;
}
Reader::EventPlace decode_place(std::string_view key) {
  return {projections::read_u64(key),
          static_cast<std::uint32_t>(projections::read_u64(key.substr(8))), Version{}};
}

EventPage read_page(const EntityEvents& of, const ListRequest& request, const Reading& reading,
                    Version after) {
  Reader::EventsOptions options{.after = after,
                                .behind = {},
                                .as_of = reading.as_of(),
                                .direction = request.descending ? projections::Direction::descending
                                                                : projections::Direction::ascending,
                                .limit = request.limit + 1};
  if (request.cursor) options.behind = decode_place(request.cursor->last_key);
  EventPage page;
  page.places = reading.reader().events_of(of.place.topic, of.kind, of.entity, options);
  page.more = page.places.size() > request.limit;
  if (page.more) page.places.pop_back();
  return page;
}

Result<std::string> render(const Ask& ask, const EntityEvents& of, const ListRequest& request,
                           const Reading& reading, EventPage page) {
  const auto log = ask.services.topics.log_of(of.place.topic, of.place.organization);
  projections::Timeline timeline(reading.rows(), ask.services.log, of.place.organization,
                                 of.place.space, log.partition);
  const auto owner = ask.mark_owner();
  std::string json = R"({"data":[)";
  for (std::size_t i = 0; i < page.places.size(); ++i) {
    const auto& place = page.places[i];
    auto event = timeline.at(of.place.topic, place.offset, place.index);
    if (!event) return std::unexpected(std::move(event).error());
    if (json.back() != '[') json.push_back(',');
    const auto mark =
        ask.services.marks.encode(owner.organization, owner.space, {&event->position, 1});
    auto appended =
        append_event(json, event->batch, event->index, of.product, mark, &ask.services.sealing);
    if (!appended) return std::unexpected(std::move(appended).error());
    if (json.size() < page_bytes_max || i + 1 == page.places.size()) continue;
    page.places.resize(i + 1);
    page.more = true;
  }
  json += R"(],"next_cursor":)";
  if (page.more) {
    json +=
        schemas::json::quote(next_cursor(ask, request, reading, encode_place(page.places.back())));
  } else {
    json += "null";
  }
  json.push_back('}');
  return json;
}

Answer list(Ask& ask, EntityEvents of) {
  auto request = parse_list(ask);
  if (!request) co_return std::unexpected(std::move(request).error());
  if (request->cursor && request->cursor->last_key.size() != place_bytes) {
    co_return edge::wrong_parameter("cursor", "of an earlier version; begin the list anew");
  }
  auto reading = co_await open_list(ask, of.place, *request);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  const Version after{number_parameter(ask, "after_version", 0)};
  auto read = [&]() -> Result<std::string> {
    auto reader = reading->reader();
    const bool known = reader.existence(of.place.topic, of.kind, of.entity).version != Version{};
    if (!known || (of.visible && !of.visible(reader))) {
      return edge::not_found(of.missing);
    }
    return render(ask, of, *request, *reading, read_page(of, *request, *reading, after));
  };
  auto json = co_await answer_on(ask.services.scans, read);
  if (!json) co_return std::unexpected(std::move(json).error());
  co_return http::json_response(200, std::move(*json));
}

/// What is below a project has events also when it is gone, and when the project is.
Answer list_of_part(Ask& ask, std::string_view kind, Entity entity, std::string_view missing) {
  if (!is_entity_name(entity.name)) co_return edge::not_found(missing);
  co_return co_await list(
      ask, {ask.projects(), std::string(kind), std::move(entity), "projects", missing});
}

}  // namespace

// GET /v2/organizations/{organization_id}/events
Answer list_organization_events(Ask& ask) {
  auto id = organization_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  co_return co_await list(
      ask, {ask.platform(), "organization", {*id, {}}, "identity", "organization with this id"});
}

// GET /v2/auth/keys/{key_id}/events
Answer list_key_events(Ask& ask) {
  auto found = key_in_path(ask);
  if (!found) co_return std::unexpected(std::move(found).error());
  auto place = ask.identity();
  place.space = found->space;
  co_return co_await list(ask, {place, "key", {found->id, {}}, "identity", "key with this id"});
}

// GET /v2/projects/{project_id}/events
Answer list_project_events(Ask& ask) {
  auto id = project_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  co_return co_await list(
      ask, {ask.projects(), "project", {*id, {}}, "projects", "project with this id"});
}

// GET /v2/projects/{project_id}/environments/{environment}/events
Answer list_environment_events(Ask& ask) {
  auto place = place_in_path(ask);
  if (!place) co_return std::unexpected(std::move(place).error());
  co_return co_await list_of_part(
      ask, projections::Environment::kind,
      projections::environment_entity(place->project, *place->environment),
      "environment of this name in the project");
}

// GET /v2/projects/{project_id}/members/{user_id}/events
Answer list_member_events(Ask& ask) {
  auto place = place_in_path(ask);
  if (!place) co_return std::unexpected(std::move(place).error());
  co_return co_await list_of_part(
      ask, projections::Member::kind,
      projections::member_entity(place->project, ask.request.captured("user_id")),
      "member of the project with this id");
}

// GET /v2/projects/{project_id}/settings/events
// GET /v2/projects/{project_id}/environments/{environment}/settings/events
Answer list_settings_events(Ask& ask) {
  auto place = place_in_path(ask);
  if (!place) co_return std::unexpected(std::move(place).error());
  co_return co_await list_of_part(ask, projections::Settings::kind,
                                  projections::settings_entity(place->project, place->environment),
                                  "settings that were ever changed");
}

// GET …/secrets/{secret}/events
Answer list_secret_events(Ask& ask) {
  auto place = place_in_path(ask);
  if (!place) co_return std::unexpected(std::move(place).error());
  co_return co_await list_of_part(ask, projections::Secret::kind,
                                  projections::secret_entity(place->project, place->environment,
                                                             ask.request.captured("secret")),
                                  "secret of this name");
}

// GET /v2/resources/{resource_id}/events
Answer list_resource_events(Ask& ask) {
  auto id = resource_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  const auto place = ask.resources();
  co_return co_await list(ask, {.place = place,
                                .kind = "resource",
                                .entity = {*id, {}},
                                .product = "resources",
                                .missing = "resource with this id",
                                .visible = [&ask, place, id](const Reader& reader) {
                                  return sees_resource(ask, reader, place.topic, *id);
                                }});
}

// GET /v2/webhooks/endpoints/{endpoint_id}/events
Answer list_endpoint_events(Ask& ask) {
  auto id = endpoint_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  const auto place = ask.webhooks();
  const Entity entity{*id, {}};
  auto visible = [&ask, place, entity](const Reader& reader) {
    if (!ask.caller().restricted()) return true;
    const auto row = reader.get<projections::Endpoint>(place.topic, entity);
    return row && sees_endpoint_of(ask, row->state.project);
  };
  co_return co_await list(
      ask, {place, "endpoint", entity, "webhooks", "endpoint with this id", visible});
}

// GET /v2/replays/{replay_id}/events
Answer list_replay_events(Ask& ask) {
  auto id = replay_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  const auto place = ask.webhooks();
  const Entity entity{*id, {}};
  auto visible = [&ask, place, entity](const Reader& reader) {
    if (!ask.caller().restricted()) return true;
    const auto row = reader.get<projections::Replay>(place.topic, entity);
    return row && sees_replay(ask, row->state);
  };
  co_return co_await list(ask,
                          {place, "replay", entity, "webhooks", "replay with this id", visible});
}

// GET /v2/pipelines/{pipeline_id}/events
Answer list_pipeline_events(Ask& ask) {
  auto id = pipeline_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  const auto place = ask.webhooks();
  const Entity entity{*id, {}};
  auto visible = [&ask, place, entity](const Reader& reader) {
    if (!ask.caller().restricted()) return true;
    const auto row = reader.get<projections::Pipeline>(place.topic, entity);
    return row && sees_pipeline(ask, row->state);
  };
  co_return co_await list(
      ask, {place, "pipeline", entity, "webhooks", "pipeline with this id", visible});
}

// GET /v2/webhooks/retry-policies/{retry_policy_id}/events
Answer list_retry_policy_events(Ask& ask) {
  constexpr std::string_view missing = "retry policy with this id";
  const auto id =
      schemas::parse_id<schemas::RetryPolicyTag>(ask.request.captured("retry_policy_id"));
  if (!id) co_return edge::not_found(missing);
  co_return co_await list(
      ask, {ask.webhooks(), "retry_policy", Entity{id->uuid(), {}}, "webhooks", missing});
}

// GET /v2/quotas/{kind}/events
Answer list_quota_events(Ask& ask) {
  if (ask.caller().restricted()) co_return edge::not_found("quota of this kind");
  std::string kind(ask.request.captured("kind"));
  co_return co_await list(
      ask, {ask.resources(), "quota", {{}, std::move(kind)}, "resources", "quota of this kind"});
}

// GET /v2/resource-kinds/{kind}/events
Answer list_resource_kind_events(Ask& ask) {
  std::string kind(ask.request.captured("kind"));
  co_return co_await list(ask, {ask.resource_kinds(),
                                "resource_kind",
                                {{}, std::move(kind)},
                                "resources",
                                "kind of resources of this name"});
}

// GET /v2/products/{product}/events
Answer list_product_events(Ask& ask) {
  std::string name(ask.request.captured("product"));
  co_return co_await list(
      ask, {ask.platform(), "product", {{}, std::move(name)}, "identity", "product of this name"});
}

// GET /v2/products/{product}/{kind}/{entity}/events
Answer list_entity_events(Ask& ask) {
  auto entity = declared_entity_in_path(ask);
  if (!entity) co_return std::unexpected(std::move(entity).error());
  auto answer = co_await list(ask, {entity->place,
                                    entity->kind,
                                    {{}, entity->name},
                                    ask.request.captured("product"),
                                    "entity of this name"});
  const bool missing = !answer && answer.error().code == schemas::ErrorCode::not_found;
  if (missing) co_return missing_entity(ask, entity->kind);
  co_return answer;
}

}  // namespace api::resources
