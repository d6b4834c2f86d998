#include "api/resources/lists.h"

#include <algorithm>
#include <vector>

#include "api/resources/parameters.h"
#include "api/resources/pool.h"
#include "projections/trimming.h"
#include "schemas/json_writer.h"
#include "schemas/time.h"

namespace api::resources {
namespace {

std::optional<schemas::Time> time_parameter(const Ask& ask, std::string_view name) {
  auto text = ask.request.parameter(name);
  return text ? schemas::parse_time(*text) : std::nullopt;
}

/// One way of writing a list, whatever the order of its parameters.
schemas::ListDigest digest_of(const Ask& ask) {
  std::vector<std::pair<std::string_view, std::string_view>> parts;
  for (const auto& [name, value] : ask.request.query) {
    const bool about_paging =
        name == "limit" || name == "cursor" || name == "at_least" || name == "stale";
    const bool as_without_it = name == "order" && value == "asc";
    if (!about_paging && !as_without_it) parts.emplace_back(name, value);
  }
  std::ranges::sort(parts);
  std::string text(ask.request.path);
  for (const auto& [name, value] : parts) {
    text.append(1, '\0').append(name).append(1, '\0').append(value);
  }
  return schemas::list_digest(text);
}

/// One page, read in pieces so that big rows end it early.
projections::Reader::Page read_page(const Reading& reading, const ListSpec& spec,
                                    projections::ListOptions options) {
  constexpr std::size_t piece_rows = 50;
  options.looks_max = 4'000;
  const auto limit = options.limit;
  const auto reader = reading.reader();
  projections::Reader::Page page;
  std::size_t bytes = 0;
  do {
    options.limit = std::min(piece_rows, limit - page.rows.size());
    auto piece = reader.list(reading.place().topic, spec.kind, spec.has_id, options);
    for (auto& row : piece.rows) {
      bytes += row.bytes.size();
      page.rows.push_back(std::move(row));
    }
    page.more = piece.more;
    page.last = std::move(piece.last);
    options.after = page.last;
    if (piece.rows.size() < options.limit) break;  // it ended early
  } while (page.more && page.rows.size() < limit && bytes < page_bytes_max);
  return page;
}

}  // namespace

Result<ListRequest> parse_list(const Ask& ask) {
  ListRequest request;
  request.limit = number_parameter(ask, "limit", request.limit);
  request.descending = ask.request.parameter("order") == "desc";
  request.created_after = time_parameter(ask, "created_after");
  request.created_before = time_parameter(ask, "created_before");
  request.digest = digest_of(ask);
  if (auto text = ask.request.parameter("cursor")) {
    auto cursor = ask.services.cursors.decode(ask.caller().organization, ask.caller().space,
                                              request.digest, *text);
    if (!cursor) return std::unexpected(std::move(cursor).error());
    request.cursor = std::move(*cursor);
  }
  return request;
}

awaitable<Result<Reading>> open_list(Ask& ask, Place place, const ListRequest& request) {
  if (!request.cursor) co_return co_await open_reading(ask, place, View::snapshot);
  if (request.cursor->began.size() != 1) {
    co_return edge::wrong_parameter("cursor", "not a cursor of this list");
  }
  const auto& began = request.cursor->began.front();
  const Required required{.marks = {began}};
  auto reached = co_await reach(ask.services, began.log, required, ask.conditions.wait);
  if (!reached) co_return std::unexpected(std::move(reached).error());
  Reading reading(ask, place, View::snapshot);
  auto frozen = check_frozen(ask.services, place);
  if (!frozen) co_return std::unexpected(std::move(frozen).error());
  reading.set_as_of(began);
  co_return reading;
}

bool in_created_range(const ListRequest& request, const projections::FoundRow& row) {
  const auto created = projections::decode_head(row.bytes, nullptr).created_at;
  if (request.created_after && created < *request.created_after) return false;
  return !request.created_before || created < *request.created_before;
}

projections::ListOptions list_options(const ListRequest& request, const Reading& reading,
                                      const Keep& keep) {
  projections::ListOptions options{
      .descending = request.descending, .limit = request.limit, .as_of = reading.as_of()};
  if (!keep && !request.created_after && !request.created_before) return options;
  options.filter = [&request, &keep](const projections::FoundRow& row) {
    return in_created_range(request, row) && (!keep || keep(row));
  };
  return options;
}

std::string next_cursor(const Ask& ask, const ListRequest& request, const Reading& reading,
                        std::string last_key) {
  return ask.services.cursors.encode(ask.caller().organization, ask.caller().space, request.digest,
                                     {{reading.reflects()}, std::move(last_key)});
}

std::string page_json(const Ask& ask, const ListRequest& request, const Reading& reading,
                      const projections::Reader::Page& page, const Render& render) {
  std::string json = R"({"data":[)";
  for (const auto& row : page.rows) {
    if (json.back() != '[') json.push_back(',');
    render(json, row);
  }
  json += R"(],"next_cursor":)";
  if (page.more) {
    auto last = projections::entity_key(*page.last);
    json += schemas::json::quote(next_cursor(ask, request, reading, std::move(last)));
  } else {
    json += "null";
  }
  json.push_back('}');
  return json;
}

awaitable<Result<Response>> list_answer(Ask& ask, Place place, ListSpec spec) {
  auto request = parse_list(ask);
  if (!request) co_return std::unexpected(std::move(request).error());
  auto reading = co_await open_list(ask, place, *request);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  if (spec.admit) {
    auto admitted = spec.admit(*reading);
    if (!admitted) co_return std::unexpected(std::move(admitted).error());
  }
  auto read = [&] {
    auto options = list_options(*request, *reading, spec.keep);
    options.below = spec.below;
    options.by_index = spec.by_index;
    if (request->cursor) {
      options.after = projections::parse_entity_key(request->cursor->last_key, spec.has_id);
    }
    auto page = read_page(*reading, spec, std::move(options));
    return page_json(ask, *request, *reading, page, spec.render);
  };
  auto json = co_await answer_on(ask.services.scans, read);
  co_return http::json_response(200, std::move(json));
}

Result<void> check_kept(const Reading& reading, std::string_view kind, std::string detail) {
  const auto as_of = reading.as_of();
  if (!as_of || *as_of < 0) return {};  // there was nothing before the first record
  const auto& place = reading.place();
  const auto kept =
      projections::kept_from(reading.rows(), {place.organization, place.space, place.topic, kind});
  if (static_cast<schemas::Offset>(*as_of) >= kept) return {};
  return schemas::fail(schemas::ErrorCode::history_trimmed, std::move(detail));
}

awaitable<void> name_earliest_kept(const Ask& ask, const Place& place, std::string_view kind,
                                   schemas::Error& error) {
  if (error.code != schemas::ErrorCode::history_trimmed) co_return;
  const auto kept = projections::kept_from(ask.services.rows,
                                           {place.organization, place.space, place.topic, kind});
  const auto log = ask.services.topics.log_of(place.topic, place.organization);
  const auto earliest = co_await read_mark_at(ask.services, log, static_cast<std::int64_t>(kept));
  if (!earliest) co_return;
  const auto owner = ask.mark_owner();
  const auto mark = ask.services.marks.encode(owner.organization, owner.space, {&*earliest, 1});
  error.members.emplace_back("earliest_mark", schemas::json::quote(mark));
}

bool picked(const Ask& ask, std::string_view filter, std::string_view value) {
  bool there = false;
  for (const auto& parameter : ask.request.query) {
    if (parameter.name != filter) continue;
    if (parameter.value == value) return true;
    there = true;
  }
  return !there;
}

bool filtered(const Ask& ask, std::initializer_list<std::string_view> filters) {
  return std::ranges::any_of(filters,
                             [&](auto name) { return ask.request.parameter(name).has_value(); });
}

}  // namespace api::resources
