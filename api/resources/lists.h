#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/resources/reading.h"
#include "schemas/cursors.h"

/// Lists in pages: {"data":[…],"next_cursor":"…"|null}. A cursor goes on at the mark it began with.
namespace api::resources {

/// A page ends when it has so many bytes, whatever its limit.
inline constexpr std::size_t page_bytes_max = std::size_t{4} << 20;

/// What the parameters of a list say; check_parameters has checked their form.
struct ListRequest {
  std::size_t limit = 50;
  bool descending = false;
  std::optional<schemas::Time> created_after;   // inclusive
  std::optional<schemas::Time> created_before;  // exclusive
  /// Names this list: route, path and everything that picks or orders its rows.
  schemas::ListDigest digest{};
  std::optional<schemas::ListCursor> cursor;
};
Result<ListRequest> parse_list(const Ask& ask);

/// The same admission as of one entity; a page that goes on is read as of its beginning.
awaitable<Result<Reading>> open_list(Ask& ask, Place place, const ListRequest& request);

using Keep = std::function<bool(const projections::FoundRow&)>;
using Render = std::function<void(std::string& out, const projections::FoundRow&)>;

struct ListSpec {
  std::string_view kind;
  bool has_id = true;
  /// Only what stands below this entity.
  std::optional<schemas::Entity> below = {};
  /// Whether there is anything to list, at the reading's moment; empty: always.
  std::function<Result<void>(Reading&)> admit = {};
  /// Only what all of these declared indexes have; `keep` tells the rest.
  std::vector<projections::ListOptions::ByIndex> by_index = {};
  /// Rows that the caller may see and asked for; empty: all.
  Keep keep;
  Render render;
};

/// A page of one kind at one place, read on the pool.
awaitable<Result<Response>> list_answer(Ask& ask, Place place, ListSpec spec);

/// Lists of a kind go back as far as all of its entities' history is kept; else `detail`.
Result<void> check_kept(const Reading& reading, std::string_view kind, std::string detail);
/// Says with a history_trimmed how far that is.
awaitable<void> name_earliest_kept(const Ask& ask, const Place& place, std::string_view kind,
                                   schemas::Error& error);

// ---- parts, for lists that are put together otherwise ----

bool in_created_range(const ListRequest& request, const projections::FoundRow& row);
projections::ListOptions list_options(const ListRequest& request, const Reading& reading,
                                      const Keep& keep);
std::string page_json(const Ask& ask, const ListRequest& request, const Reading& reading,
                      const projections::Reader::Page& page, const Render& render);
/// Empty text for the last page: rendered as null.
std::string next_cursor(const Ask& ask, const ListRequest& request, const Reading& reading,
                        std::string last_key);

/// Whether `value` is one of a filter's values; true when the filter is not there.
bool picked(const Ask& ask, std::string_view filter, std::string_view value);
/// The same of an id, which there may be none of.
template <typename Tag>
bool picked(const Ask& ask, std::string_view filter, const std::optional<schemas::Uuid>& id) {
  return picked(ask, filter, id ? to_text(schemas::Id<Tag>(*id)) : std::string());
}
/// Whether the request has one of these filters.
bool filtered(const Ask& ask, std::initializer_list<std::string_view> filters);

}  // namespace api::resources
