#include <algorithm>
#include <limits>

#include "api/resources/event_json.h"
#include "api/resources/events.h"
#include "api/resources/keys.h"
#include "api/resources/lists.h"
#include "api/resources/organizations.h"
#include "api/resources/pool.h"
#include "api/resources/products.h"
#include "api/resources/projects.h"
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
};

/// A page of versions: an entity's versions are dense, so a descending page is an ascending one
/// turned round.
struct VersionPage {
  std::vector<Reader::EventPlace> places;
  bool more = false;
};

bool in_time(const Reading& reading, const Reader::EventPlace& place) {
  return !reading.as_of() || static_cast<std::int64_t>(place.offset) <= *reading.as_of();
}

/// The newest version that the reading sees; empty when it sees none.
Version newest_version(const EntityEvents& of, const Reading& reading) {
  auto reader = reading.reader();
  if (!reading.as_of()) return reader.existence(of.place.topic, of.kind, of.entity).version;
  auto places = reader.events_of(of.place.topic, of.kind, of.entity, Version{}, false,
                                 std::numeric_limits<std::size_t>::max());
  auto later =
      std::ranges::find_if_not(places, [&](const auto& place) { return in_time(reading, place); });
  return later == places.begin() ? Version{} : std::prev(later)->version;
}

VersionPage ascending(const EntityEvents& of, const Reading& reading, Version after,
                      std::size_t limit) {
  VersionPage page;
  page.places =
      reading.reader().events_of(of.place.topic, of.kind, of.entity, after, false, limit + 1);
  std::erase_if(page.places, [&](const auto& place) { return !in_time(reading, place); });
  page.more = page.places.size() > limit;
  if (page.more) page.places.pop_back();
  return page;
}

/// Versions up to `last`, newest first.
VersionPage descending(const EntityEvents& of, const Reading& reading, Version last, Version after,
                       std::size_t limit) {
  const auto top = to_number(last);
  const auto floor = to_number(after);
  if (top <= floor) return {};
  const auto count = std::min<std::uint64_t>(limit, top - floor);
  VersionPage page;
  page.places = reading.reader().events_of(of.place.topic, of.kind, of.entity, Version{top - count},
                                           false, count);
  std::ranges::reverse(page.places);
  page.more = top - count > floor;
  return page;
}

VersionPage read_versions(const EntityEvents& of, const ListRequest& request,
                          const Reading& reading, Version after) {
  std::optional<Version> last_given;
  if (request.cursor) last_given = Version{projections::read_u64(request.cursor->last_key)};
  if (!request.descending) {
    return ascending(of, reading, last_given.value_or(after), request.limit);
  }
  auto last = last_given ? Version{to_number(*last_given) - 1} : newest_version(of, reading);
  return descending(of, reading, last, after, request.limit);
}

Result<std::string> render(const Ask& ask, const EntityEvents& of, const ListRequest& request,
                           const Reading& reading, VersionPage page) {
  const auto log = ask.services.topics.log_of(of.place.topic, of.place.organization);
  const projections::Timeline timeline(reading.rows(), ask.services.log, of.place.organization,
                                       of.place.space, log.partition);
  const auto owner = ask.mark_owner();
  std::string json = R"({"data":[)";
  for (std::size_t i = 0; i < page.places.size(); ++i) {
    const auto& place = page.places[i];
    auto event = timeline.at(of.place.topic, place.offset, place.index);
    if (!event) return std::unexpected(std::move(event).error());
    const auto position = schemas::marked(event->position);
    if (json.back() != '[') json.push_back(',');
    append_event(json, *event, of.product,
                 ask.services.marks.encode(owner.organization, owner.space, {&position, 1}));
    if (json.size() < page_bytes_max || i + 1 == page.places.size()) continue;
    page.places.resize(i + 1);
    page.more = true;
  }
  json += R"(],"next_cursor":)";
  if (page.more) {
    std::string last_key;
    projections::append_u64(last_key, to_number(page.places.back().version));
    json += schemas::json::quote(next_cursor(ask, request, reading, std::move(last_key)));
  } else {
    json += "null";
  }
  json.push_back('}');
  return json;
}

Answer list(Ask& ask, EntityEvents of) {
  auto request = parse_list(ask);
  if (!request) co_return std::unexpected(std::move(request).error());
  auto reading = co_await open_list(ask, of.place, *request);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  const Version after{number_parameter(ask, "after_version", 0)};
  auto read = [&]() -> Result<std::string> {
    auto reader = reading->reader();
    if (reader.existence(of.place.topic, of.kind, of.entity).version == Version{}) {
      return edge::not_found(of.missing);
    }
    return render(ask, of, *request, *reading, read_versions(of, *request, *reading, after));
  };
  auto json = co_await answer_on(ask.services.scans, read);
  if (!json) co_return std::unexpected(std::move(json).error());
  co_return http::json_response(200, std::move(*json));
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
