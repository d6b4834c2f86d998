#include "projections/reader.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <ranges>

#include "projections/resource_rows.h"
#include "schemas/planted.h"

namespace projections {
namespace {

constexpr std::size_t place_bytes = 12;  // ~offset 8 and ~index 4 at the end of a history key

struct HistoryKey {
  std::string_view entity;  // the key up to the place
  Offset offset;
  std::uint32_t index;
};

HistoryKey parse_history_key(std::string_view key) {
  auto place = key.substr(key.size() - place_bytes);
  std::uint32_t index = 0;
  for (std::size_t i = 8; i < place_bytes; ++i) {
    index = (index << 8) | static_cast<std::uint8_t>(place[i]);
  }
  return {key.substr(0, key.size() - place_bytes), ~read_u64(place), ~index};
}

/// Smallest key of an entity's history that is not newer than the record at `offset`.
std::string history_from(const KindScope& scope, const Entity& entity, std::int64_t offset) {
  return history_key(scope, entity, static_cast<Offset>(offset),
                     std::numeric_limits<std::uint32_t>::max());
}

/// The keys of a kind in one table, or of those below one entity.
struct Range {
  std::string from;
  std::string to;
};
Range range_of(const std::string& prefix, const std::optional<Entity>& below) {
  auto from = prefix;
  if (below) {
    from += entity_key(*below);
    from.pop_back();  // the zero that ends a name
  }
  auto to = prefix_end(from);
  return {std::move(from), std::move(to)};
}

/// What an entity's row of now says about a moment of the past.
struct RowNow {
  bool settled = false;              // its history need not be asked
  std::optional<std::string> bytes;  // the row of that moment; empty: it was not there
};
RowNow row_now(std::string_view row, std::int64_t as_of) {
  const auto head = decode_head(row, nullptr);
  if (static_cast<std::int64_t>(head.offset) > as_of) return {head.version == Version{1}, {}};
  return {true, head.deleted ? std::nullopt : std::optional<std::string>(row)};
}

/// Is told of the next entity, as it stands in keys; answers whether to go on.
using Consider = std::function<bool(std::string_view key, const RowNow* now)>;

/// Hops from entity to entity by their histories.
void hop(const RowReader& rows, const KindScope& scope, const ListOptions& options,
         const Consider& consider) {
  const auto prefix = kind_prefix('H', scope);
  auto [from, to] = range_of(prefix, options.below);
  if (options.after) {
    auto after = prefix + entity_key(*options.after);
    (options.descending ? to : from) = options.descending ? after : prefix_end(after);
  }
  for (;;) {
    std::optional<std::string> entity;
    auto first = [&](std::string_view key, std::string_view) {
      entity.emplace(parse_history_key(key).entity);
      return false;
    };
    options.descending ? rows.scan_back(from, to, first) : rows.scan(from, to, first);
    if (!entity || !consider(std::string_view(*entity).substr(prefix.size()), nullptr)) return;
    (options.descending ? to : from) = options.descending ? *entity : prefix_end(*entity);
  }
}

struct Piece {
  std::map<std::string, RowNow, std::less<>> entities;
  std::optional<std::string> more_behind;  // empty: this was the last piece
};
/// The next entities that ever were, alive and deleted ones.
Piece next_piece(const RowReader& rows, const KindScope& scope, const ListOptions& options,
                 const std::optional<std::string>& after) {
  constexpr std::size_t entities_max = 64;
  Piece piece;
  for (char table : {'R', 'D'}) {
    const auto prefix = kind_prefix(table, scope);
    auto [from, to] = range_of(prefix, options.below);
    if (after) (options.descending ? to : from) = prefix + *after;
    if (after && !options.descending) from.push_back('\0');
    std::size_t count = 0;
    std::string last;
    auto visit = [&](std::string_view key, std::string_view row) {
      last = key.substr(prefix.size());
      piece.entities.emplace(last, row_now(row, *options.as_of));
      return ++count < entities_max;
    };
    options.descending ? rows.scan_back(from, to, visit) : rows.scan(from, to, visit);
    if (count < entities_max) continue;
    const bool nearer = !piece.more_behind || (options.descending ? last > *piece.more_behind
                                                                  : last < *piece.more_behind);
    if (nearer) piece.more_behind = std::move(last);
  }
  std::erase_if(piece.entities, [&](const auto& entity) {
    if (!piece.more_behind) return false;
    return options.descending ? entity.first < *piece.more_behind
                              : entity.first > *piece.more_behind;
  });
  return piece;
}

/// Walks over the rows of now: whatever ever was has one, alive or deleted, and what did not change
/// since the moment is told by it alone.
void walk(const RowReader& rows, const KindScope& scope, const ListOptions& options,
          const Consider& consider) {
  auto tell = [&](const auto& entity) { return consider(entity.first, &entity.second); };
  std::optional<std::string> after;
  if (options.after) after = entity_key(*options.after);
  do {
    auto piece = next_piece(rows, scope, options, after);
    const bool on = options.descending
                        ? std::ranges::all_of(piece.entities | std::views::reverse, tell)
                        : std::ranges::all_of(piece.entities, tell);
    if (!on) return;
    after = std::move(piece.more_behind);
  } while (after);
}

}  // namespace

std::optional<std::string> Reader::find(TopicId topic, std::string_view kind,
                                        const Entity& entity) const {
  return rows_.get(row_key(scope(topic, kind), entity));
}

std::optional<std::string> Reader::find_as_of(TopicId topic, std::string_view kind,
                                              const Entity& entity, std::int64_t offset) const {
  if (offset < 0) return std::nullopt;
  auto kind_scope = scope(topic, kind);
  std::optional<std::string> found;
  rows_.scan(history_from(kind_scope, entity, offset),
             prefix_end(history_prefix(kind_scope, entity)), [&](auto, std::string_view row) {
               if (!decode_head(row, nullptr).deleted) found.emplace(row);
               return false;
             });
  return found;
}

Reader::Existence Reader::existence(TopicId topic, std::string_view kind,
                                    const Entity& entity) const {
  auto kind_scope = scope(topic, kind);
  if (auto row = rows_.get(row_key(kind_scope, entity))) {
    return {decode_head(*row, nullptr).version, true};
  }
  if (auto row = rows_.get(deleted_key(kind_scope, entity))) {
    return {decode_head(*row, nullptr).version, false};
  }
  return {};
}

std::optional<std::string> Reader::unique(TopicId topic, std::string_view kind,
                                          std::string_view field, std::string_view value) const {
  return rows_.get(unique_key(scope(topic, kind), field, value));
}

Reader::Page Reader::list(TopicId topic, std::string_view kind, bool has_id,
                          const ListOptions& options) const {
  auto kind_scope = scope(topic, kind);
  if (!options.by_index.empty()) return list_by_index(kind_scope, options);
  auto page = options.as_of ? list_as_of(kind_scope, has_id, options)
                            : list_now(kind_scope, has_id, options);
  if (!page.last && !page.rows.empty()) page.last = page.rows.back().entity;
  return page;
}

Reader::Page Reader::list_now(const KindScope& kind_scope, bool has_id,
                              const ListOptions& options) const {
  Page page;
  auto prefix = kind_prefix('R', kind_scope);
  auto [from, to] = range_of(prefix, options.below);
  if (options.after) {
    auto after = prefix + entity_key(*options.after);
    // Keys end in a zero byte, so nothing stands between a key and the key with one more zero.
    (options.descending ? to : from) = options.descending ? after : after + '\0';
  }
  auto visit = [&](std::string_view key, std::string_view row) {
    FoundRow found{parse_entity_key(key.substr(prefix.size()), has_id), std::string(row)};
    if (options.filter && !options.filter(found)) return true;
    page.more = page.rows.size() == options.limit;
    if (!page.more) page.rows.push_back(std::move(found));
    if (page.more && planted(schemas::Fault::skip_at_page_edge)) page.rows.back() = found;
    return !page.more;
  };
  options.descending ? rows_.scan_back(from, to, visit) : rows_.scan(from, to, visit);
  return page;
}

Reader::Page Reader::list_as_of(const KindScope& kind_scope, bool has_id,
                                const ListOptions& options) const {
  Page page;
  if (*options.as_of < 0) return page;
  std::size_t looks = 0;
  auto consider = [&](std::string_view key, const RowNow* now) {
    FoundRow found{parse_entity_key(key, has_id), {}};
    auto row = now != nullptr && now->settled
                   ? now->bytes
                   : find_as_of(kind_scope.topic, kind_scope.kind, found.entity, *options.as_of);
    if (row) found.bytes = std::move(*row);
    if (row && (!options.filter || options.filter(found))) {
      page.more = page.rows.size() == options.limit;
      if (page.more) return false;
      page.rows.push_back(found);
    }
    if (++looks < options.looks_max) return true;
    page.more = true;
    page.last = std::move(found.entity);
    return false;
  };
  folded_beside(kind_scope.kind) ? hop(rows_, kind_scope, options, consider)
                                 : walk(rows_, kind_scope, options, consider);
  return page;
}

std::vector<Reader::EventPlace> Reader::events_of(TopicId topic, std::string_view kind,
                                                  const Entity& entity,
                                                  const EventsOptions& options) const {
  // History is newest first in key order.
  const bool forwards = options.direction == Direction::ascending;
  const auto kind_scope = scope(topic, kind);
  auto from = history_prefix(kind_scope, entity);
  auto to = prefix_end(from);
  if (options.as_of && *options.as_of < 0) return {};
  if (options.as_of) from = history_from(kind_scope, entity, *options.as_of);
  if (options.behind) {
    auto behind = history_key(kind_scope, entity, options.behind->offset, options.behind->index);
    (forwards ? to : from) = forwards ? behind : std::max(from, behind + '\0');
  } else if (forwards && options.after != Version{}) {
    auto last_before = find_version(kind_scope, entity, options.after);
    if (!last_before) return {};
    to = std::move(*last_before);
  }
  std::vector<EventPlace> places;
  auto visit = [&](std::string_view key, std::string_view row) {
    auto version = decode_head(row, nullptr).version;
    if (version <= options.after) return false;
    auto place = parse_history_key(key);
    places.push_back({place.offset, place.index, version});
    return places.size() < options.limit;
  };
  if (from >= to) return places;
  forwards ? rows_.scan_back(from, to, visit) : rows_.scan(from, to, visit);
  return places;
}

std::optional<std::string> Reader::find_at(TopicId topic, std::string_view kind,
                                           const Entity& entity, Version version) const {
  if (version == Version{}) return std::nullopt;
  const auto places = events_of(
      topic, kind, entity, {.after = Version{to_number(version) - 1}, .behind = {}, .limit = 1});
  if (places.empty()) return std::nullopt;
  return find_as_of(topic, kind, entity, static_cast<std::int64_t>(places.front().offset));
}

/// The history key of one version; empty when the entity has not reached it. Versions rise with
/// offsets, so a bisection finds the record.
std::optional<std::string> Reader::find_version(const KindScope& kind_scope, const Entity& entity,
                                                Version version) const {
  const auto end = prefix_end(history_prefix(kind_scope, entity));
  auto newest_up_to = [&](Offset offset) {
    std::optional<EventPlace> newest;
    rows_.scan(history_from(kind_scope, entity, static_cast<std::int64_t>(offset)), end,
               [&](std::string_view key, std::string_view row) {
                 auto place = parse_history_key(key);
                 newest = {place.offset, place.index, decode_head(row, nullptr).version};
                 return false;
               });
    return newest;
  };
  auto newest = newest_up_to(std::numeric_limits<std::int64_t>::max());
  if (!newest || newest->version < version) return std::nullopt;
  Offset low = 0;
  Offset high = newest->offset;  // a record that has reached the version
  while (low < high) {
    auto middle = low + (high - low) / 2;
    auto found = newest_up_to(middle);
    const bool reached = found && found->version >= version;
    (reached ? high : low) = reached ? found->offset : middle + 1;
  }
  std::optional<std::string> found;
  rows_.scan(history_from(kind_scope, entity, static_cast<std::int64_t>(high)), end,
             [&](std::string_view key, std::string_view row) {
               if (decode_head(row, nullptr).version == version) found.emplace(key);
               return !found;
             });
  return found;
}

std::int64_t Reader::offset_at(TopicId topic, Time time) const {
  // Recorded times never fall within a log, so a bisection over offsets finds the last one in time.
  auto first_from = [&](Offset offset) {
    std::optional<std::pair<Offset, Time>> found;
    rows_.scan(record_key(organization_, space_, topic, offset),
               prefix_end(record_key(organization_, space_, topic, ~Offset{0})),
               [&](std::string_view key, std::string_view row) {
                 Time recorded;
                 Decoder{row}(recorded);
                 found = {read_u64(key.substr(key.size() - 8)), recorded};
                 return false;
               });
    return found;
  };
  Offset last = 0;
  rows_.scan_back(record_key(organization_, space_, topic, 0),
                  prefix_end(record_key(organization_, space_, topic, ~Offset{0})),
                  [&](std::string_view key, std::string_view) {
                    last = read_u64(key.substr(key.size() - 8));
                    return false;
                  });
  std::int64_t found = -1;
  Offset low = 0;
  Offset high = last + 1;  // the answer is below
  while (low < high) {
    auto middle = low + (high - low) / 2;
    auto record = first_from(middle);
    if (record && record->second <= time) {
      found = static_cast<std::int64_t>(record->first);
      low = record->first + 1;
    } else {
      high = middle;
    }
  }
  return found;
}

Time Reader::recorded_at(TopicId topic, std::int64_t offset) const {
  Time recorded;
  if (offset < 0) return recorded;
  rows_.scan_back(record_key(organization_, space_, topic, 0),
                  record_key(organization_, space_, topic, static_cast<Offset>(offset) + 1),
                  [&](std::string_view, std::string_view row) {
                    Decoder{row}(recorded);
                    return false;
                  });
  return recorded;
}

void each_scope(const RowReader& rows, const std::function<void(OrganizationId, Space)>& visit) {
  const auto shared = shared_rows_prefix();
  for (std::string from(1, '\0'); from < shared;) {
    std::optional<std::pair<OrganizationId, Space>> scope;
    rows.scan(from, shared, [&](std::string_view key, std::string_view) {
      schemas::Uuid organization;
      std::copy_n(key.begin(), organization.bytes.size(), organization.bytes.begin());
      scope.emplace(OrganizationId(organization), static_cast<Space>(key[16]));
      return false;
    });
    if (!scope) return;
    visit(scope->first, scope->second);
    from = prefix_end(organization_prefix(scope->first, scope->second));
  }
}

}  // namespace projections
