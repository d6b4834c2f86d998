#include "api/resources/keys.h"

#include <algorithm>

#include "api/edge/key_text.h"
#include "api/resources/answers.h"
#include "api/resources/lists.h"
#include "api/resources/pool.h"
#include "api/resources/reading.h"
#include "schemas/json_writer.h"
#include "schemas/permissions.h"

namespace api::resources {
namespace {

using projections::FoundRow;
using projections::Key;
using schemas::Entity;
using schemas::KeyId;
using schemas::json::Writer;

void write_texts(Writer& writer, std::string_view name, const std::vector<std::string>& texts) {
  writer.name(name).begin_array();
  for (const auto& text : texts) writer.value(text);
  writer.end_array();
}

void write_rights(Writer& writer, const std::vector<std::string>& permissions,
                  const std::optional<std::vector<std::string>>& projects,
                  const std::optional<schemas::Time>& expires) {
  write_texts(writer, "permissions", permissions);
  if (projects) {
    write_texts(writer, "projects", *projects);
  } else {
    writer.name("projects").null();
  }
  writer.member("expires_at", expires);
}

/// Where a key lives, and its text when this answer is the one that shows it.
struct Shown {
  OrganizationId organization;
  Space space;
  std::optional<std::string_view> text;
};

void render(std::string& out, const Shown& shown, const FoundRow& found) {
  auto row = projections::decode_row<Key>(found.bytes);
  const auto& key = row.state;
  std::optional<std::string> hint;
  if (!key.credentials.empty()) hint = key.credentials.back().hint;
  Writer writer(out);
  writer.begin_object()
      .member("id", to_text(KeyId(found.entity.id)))
      .member("name", key.name)
      .member("key", shown.text)
      .member("hint", hint)
      .member("organization_id", to_text(shown.organization))
      .member("space", to_text(shown.space));
  write_rights(writer, key.permissions, key.projects, key.expires);
  writer.member("state", to_text(key.status))
      .member("created_at", row.head.created_at)
      .member("updated_at", row.head.updated_at)
      .member("version", to_number(row.head.version))
      .end_object();
}

/// The spaces in which this caller finds keys, the likelier first.
std::vector<Space> spaces_of(const Ask& ask) {
  const auto& caller = ask.caller();
  const bool both = caller.platform() && !caller.space_named &&
                    caller.organization != schemas::platform_organization;
  if (both) return {Space::live, Space::test};
  return {caller.space};
}

/// A key that is restricted to projects sees keys that are restricted to some of them.
bool sees(const Ask& ask, const Key& key) {
  const auto& own = ask.caller().access->projects;
  if (!own) return true;
  return key.projects && std::ranges::all_of(*key.projects, [&](const auto& project) {
           return std::ranges::find(*own, project) != own->end();
         });
}

bool listed(const Ask& ask, Space space, const FoundRow& found) {
  auto row = projections::decode_row<Key>(found.bytes);
  return sees(ask, row.state) && picked(ask, "state", to_text(row.state.status)) &&
         picked(ask, "space", to_text(space));
}

void check_permissions(ObjectReader& reader, const std::vector<std::string>& permissions) {
  if (permissions.empty()) return;
  auto wrong = std::ranges::find_if_not(permissions, [](const auto& permission) {
    return permission.empty() || schemas::is_permission(permission);
  });
  if (wrong == permissions.end()) return;
  reader.wrong("permissions", schemas::json::quote(*wrong) +
                                  " is no permission; they look like projects:read, products.git:* "
                                  "or *");
}

void check_projects(ObjectReader& reader, const std::optional<std::vector<std::string>>& projects) {
  if (!projects) return;
  auto is_id = [](const auto& text) {
    return text.empty() || schemas::parse_id<schemas::ProjectTag>(text).has_value();
  };
  if (!std::ranges::all_of(*projects, is_id)) reader.wrong("projects", "must be ids of projects");
}

struct NewKey {
  manager::CreateKey command;
  Space space;
};

Result<NewKey> parse_create(const Ask& ask) {
  ObjectReader reader(ask.body());
  NewKey key{{}, ask.caller().space};
  key.command.name = read_name(reader);
  key.space = reader.optional_choice<Space>("space", {{"live", Space::live}, {"test", Space::test}})
                  .value_or(key.space);
  key.command.permissions = reader.texts("permissions", permissions_max, {.characters_max = 100});
  check_permissions(reader, key.command.permissions);
  key.command.projects = reader.optional_texts("projects", key_projects_max);
  check_projects(reader, key.command.projects);
  key.command.expires = reader.optional_time("expires_at");
  auto read = reader.finish();
  if (!read) return std::unexpected(std::move(read).error());
  return key;
}

/// A key opens the space that it is made in, so only a platform key makes keys of both.
Result<void> check_space(const Ask& ask, Space space) {
  const auto& caller = ask.caller();
  if (!caller.platform() && space != caller.space) {
    return schemas::invalid_field("/space", "goes beyond the space of the key that makes it");
  }
  if (space == Space::test && caller.organization == schemas::platform_organization) {
    return schemas::invalid_field("/space", "org_platform has the space live only");
  }
  return {};
}

/// One page over the caller's spaces: ids are ordered by time whatever their space, so the pages of
/// both are merged.
std::string read_page(const Ask& ask, const ListRequest& request, const Reading& reading) {
  struct Found {
    Space space;
    FoundRow row;
  };
  std::vector<Found> found;
  projections::Reader::Page page;
  for (auto space : spaces_of(ask)) {
    const Keep keep = [&ask, space](const FoundRow& row) { return listed(ask, space, row); };
    auto options = list_options(request, reading, keep);
    if (request.cursor) {
      options.after = projections::parse_entity_key(request.cursor->last_key, true);
    }
    projections::Reader reader(reading.rows(), ask.caller().organization, space);
    auto part = reader.list(reading.place().topic, Key::kind, true, options);
    page.more = page.more || part.more;
    for (auto& row : part.rows) found.push_back({space, std::move(row)});
  }
  std::ranges::sort(found, [&](const Found& a, const Found& b) {
    return request.descending ? a.row.entity > b.row.entity : a.row.entity < b.row.entity;
  });
  page.more = page.more || found.size() > request.limit;
  found.erase(found.begin() + std::min(found.size(), request.limit), found.end());
  for (const auto& one : found) page.rows.push_back(one.row);
  if (!page.rows.empty()) page.last = page.rows.back().entity;
  auto next = found.begin();
  auto render_next = [&](std::string& out, const FoundRow& row) {
    render(out, {ask.caller().organization, (next++)->space, {}}, row);
  };
  return page_json(ask, request, reading, page, render_next);
}

/// Whoever makes a new secret for a key could then do what the key may do, for as long as it may.
Result<void> check_rights_over(const edge::Caller& caller, const Key& key) {
  if (key.platform && !caller.platform()) {
    return schemas::fail(schemas::ErrorCode::forbidden, "this is a platform key, and yours is not");
  }
  const auto& expires = caller.access->expires;
  if (expires && (!key.expires || *key.expires > *expires)) {
    return schemas::fail(schemas::Error{schemas::ErrorCode::forbidden,
                                        "the key to be rotated lives longer than this one",
                                        {},
                                        {{"permission", R"("keys:write")"}}});
  }
  for (const auto& permission : key.permissions) {
    if (schemas::covers(caller.access->permissions, permission)) continue;
    return schemas::fail(schemas::Error{schemas::ErrorCode::forbidden,
                                        "the key to be rotated may do more than this one",
                                        {},
                                        {{"permission", schemas::json::quote(permission)}}});
  }
  return {};
}

/// What create and rotate answer: the text is shown by the first answer only.
std::string json_of(const manager::Outcome& outcome, MarkOwner where, const schemas::Secret& text) {
  Shown shown{where.organization, where.space, {}};
  if (!outcome.replayed) shown.text = text.reveal();
  std::string json;
  render(json, shown, {outcome.subject, outcome.row});
  return json;
}

}  // namespace

Result<FoundKey> key_in_path(const Ask& ask) {
  auto id = schemas::parse_id<schemas::KeyTag>(ask.request.captured("key_id"));
  if (!id) return edge::not_found("key with this id");
  for (auto space : spaces_of(ask)) {
    projections::Reader reader(ask.services.rows, ask.caller().organization, space);
    auto row = reader.get<Key>(ask.identity().topic, Entity{id->uuid(), {}});
    if (row && sees(ask, row->state)) return FoundKey{id->uuid(), space, std::move(row->state)};
  }
  return edge::not_found("key with this id");
}

// POST /v2/auth/keys
Answer create_key(Ask& ask) {
  auto key = parse_create(ask);
  if (!key) co_return std::unexpected(std::move(key).error());
  auto allowed = check_space(ask, key->space);
  if (!allowed) co_return std::unexpected(std::move(allowed).error());
  auto text = edge::make_key_text(key->space);
  key->command.digest = edge::key_digest(text.reveal());
  key->command.hint = edge::key_hint(text.reveal());
  const MarkOwner where{ask.caller().organization, key->space};
  ask.reflects_for = where;
  auto outcome = co_await write(ask, where, std::move(key->command));
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  auto response = created(*outcome, "/v2/auth/keys/" + to_text(KeyId(outcome->subject.id)),
                          json_of(*outcome, where, text));
  response.add_header("Cache-Control", "no-store");
  co_return response;
}

// GET /v2/auth/keys
Answer list_keys(Ask& ask) {
  auto request = parse_list(ask);
  if (!request) co_return std::unexpected(std::move(request).error());
  auto reading = co_await open_list(ask, ask.identity(), *request);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  auto read = [&] { return read_page(ask, *request, *reading); };
  auto json = co_await answer_on(ask.services.scans, read);
  co_return http::json_response(200, std::move(json));
}

// GET /v2/auth/keys/{key_id}
Answer get_key(Ask& ask) {
  auto id = schemas::parse_id<schemas::KeyTag>(ask.request.captured("key_id"));
  if (!id) co_return edge::not_found("key with this id");
  for (auto space : spaces_of(ask)) {
    auto place = ask.identity();
    place.space = space;
    auto reading = co_await open_reading(ask, place, View::row);
    if (!reading) co_return std::unexpected(std::move(reading).error());
    const Entity entity{id->uuid(), {}};
    auto bytes = reading->find(Key::kind, entity);
    if (!bytes) continue;
    auto row = projections::decode_row<Key>(*bytes);
    if (!sees(ask, row.state)) continue;
    std::string json;
    render(json, {place.organization, space, {}}, {entity, std::move(*bytes)});
    co_return entity_answer(ask, row.head.version, std::move(json));
  }
  co_return edge::not_found("key with this id");
}

// POST /v2/auth/keys/{key_id}/rotate
Answer rotate_key(Ask& ask) {
  auto found = key_in_path(ask);
  if (!found) co_return std::unexpected(std::move(found).error());
  ObjectReader reader(ask.body());
  auto overlap = reader.optional_integer("overlap_seconds", {.min = 0, .max = overlap_max_seconds});
  auto read = reader.finish();
  if (!read) co_return std::unexpected(std::move(read).error());
  auto allowed = check_rights_over(ask.caller(), found->state);
  if (!allowed) co_return std::unexpected(std::move(allowed).error());
  auto text = edge::make_key_text(found->space);
  manager::RotateKey command{.id = found->id,
                             .digest = edge::key_digest(text.reveal()),
                             .hint = edge::key_hint(text.reveal()),
                             .overlap = std::chrono::seconds(overlap.value_or(0))};
  const MarkOwner where{ask.caller().organization, found->space};
  ask.reflects_for = where;
  auto outcome = co_await write(ask, where, std::move(command));
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  auto response = changed(*outcome, json_of(*outcome, where, text));
  response.add_header("Cache-Control", "no-store");
  co_return response;
}

// DELETE /v2/auth/keys/{key_id}
Answer revoke_key(Ask& ask) {
  auto found = key_in_path(ask);
  if (!found) co_return std::unexpected(std::move(found).error());
  if (found->state.platform && !ask.caller().platform()) {
    co_return schemas::fail(schemas::ErrorCode::forbidden,
                            "this is a platform key, and yours is not");
  }
  const MarkOwner where{ask.caller().organization, found->space};
  ask.reflects_for = where;
  auto outcome = co_await write(ask, where, manager::RevokeKey{found->id});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return removed(*outcome);
}

// GET /v2/auth/whoami
Answer whoami(Ask& ask) {
  const auto& access = *ask.caller().access;
  const OrganizationId organization(access.organization);
  auto place = ask.identity();
  place.organization = organization;
  place.space = access.space;
  ask.reflects_for = MarkOwner{organization, access.space};
  auto reading = co_await open_reading(ask, place, View::row);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  std::string json;
  Writer writer(json);
  writer.begin_object()
      .member("kind", "key")
      .member("id", to_text(KeyId(access.key)))
      .member("organization_id", to_text(organization))
      .member("space", to_text(access.space));
  write_rights(writer, access.permissions, access.projects, access.expires);
  writer.end_object();
  co_return http::json_response(200, std::move(json));
}

}  // namespace api::resources
