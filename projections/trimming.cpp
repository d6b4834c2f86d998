#include "projections/trimming.h"

#include <algorithm>

#include "projections/evolve.h"
#include "projections/timeline.h"

namespace projections {
namespace {

/// A history row on its way from the oldest that is kept to the newest.
struct Kept {
  std::string key;
  RowHead head;
  std::string state;
};

bool is_beyond(const Trimming& t, const RowHead& row, const RowHead& next) {
  const auto& [versions, seconds] = t.bounds;
  const auto newer = to_number(t.newest) - to_number(row.version);
  const bool too_many = versions > 0 && newer >= versions;
  return too_many || (seconds > 0 && t.recorded - next.updated_at > std::chrono::seconds(seconds));
}

/// Entries of what a list as of a moment before `offset` would have to know, which nobody can ask
/// for any more.
void forget_entries(const Trimming& t, const std::string& json, Offset offset, WriteSet& changes) {
  if (t.indexes == nullptr || t.indexes->empty()) return;
  const auto state = schemas::json::parse(json);
  ENSURE(state.has_value());
  for (const auto& index : *t.indexes) {
    const auto value = index_value(state->root(), index);
    if (!value) continue;
    auto key = index_key('Y', t.scope, index.name(), *value, t.entity);
    const auto entry = t.rows.get(key);
    Offset left = 0;
    if (entry) Decoder{*entry}(left);
    if (entry && left == offset) changes[std::move(key)] = std::nullopt;
  }
}

}  // namespace

void trim_history(const Trimming& t, WriteSet& changes) {
  if (t.bounds == schemas::Bounds{}) return;
  const auto first_kept = oldest_kept_key(t.scope, t.entity);
  const auto from = history_prefix(t.scope, t.entity);
  const auto known = t.rows.get(first_kept);
  const auto to = known ? from + *known + '\0' : prefix_end(from);
  std::optional<Kept> row;
  std::optional<Offset> gone_before;
  std::size_t trimmed = 0;
  std::string oldest;
  WriteSet heads;
  t.rows.scan_back(from, to, [&](std::string_view key, std::string_view bytes) {
    std::string_view state;
    const auto next = decode_head(bytes, &state);
    const bool goes = row && is_beyond(t, row->head, next) && trimmed < trimmed_at_once;
    if (row && !goes) return false;
    if (goes) {
      if (!row->head.deleted) {
        forget_entries(t, decode_row<Declared>(encode_head(row->head) + row->state).state.json,
                       next.offset, changes);
        row->head.trimmed = true;
        heads[row->key] = encode_head(row->head);
      }
      gone_before = next.offset;
      ++trimmed;
      oldest = key.substr(from.size());
    }
    row = Kept{std::string(key), next, std::string(state)};
    return true;
  });
  if (!gone_before) return;
  for (auto& [key, head] : heads) changes[key] = std::move(head);
  changes[first_kept] = std::move(oldest);
  if (*gone_before <= kept_from(t.rows, t.scope)) return;
  std::string kept;
  Encoder{kept}(*gone_before);
  changes[kept_from_key(t.scope)] = std::move(kept);
}

Offset kept_from(const RowReader& rows, const KindScope& scope) {
  const auto row = rows.get(kept_from_key(scope));
  Offset offset = 0;
  if (row) Decoder{*row}(offset);
  return offset;
}

schemas::Result<std::string> restore(const RowReader& rows, eventstore::Log& log, LogId log_id,
                                     const KindScope& scope, const Entity& entity,
                                     const std::string& trimmed) {
  constexpr std::size_t events_max = 100'000;
  constexpr std::size_t piece = 256;
  const auto head = decode_head(trimmed, nullptr);
  const Reader reader(rows, scope.organization, scope.space);
  Timeline timeline(rows, log, scope.organization, scope.space, log_id.partition);
  // Back to where the entity was replaced as a whole, then forward from there.
  std::vector<Reader::EventPlace> places;
  Reader::EventsOptions options{.after = {},
                                .behind = {},
                                .as_of = static_cast<std::int64_t>(head.offset),
                                .direction = Direction::descending,
                                .limit = piece};
  for (bool whole = false; !whole;) {
    const auto more = reader.events_of(scope.topic, scope.kind, entity, options);
    if (more.empty()) break;
    options.behind = more.back();
    for (const auto& place : more) {
      if (place.version > head.version) continue;
      auto event = timeline.at(scope.topic, place.offset, place.index);
      if (!event) return std::unexpected(std::move(event).error());
      const auto data = event->event().data();
      const auto* json = std::get_if<schemas::Json>(&data);
      if (json == nullptr || json->fold == schemas::Fold::remove) {
        whole = true;
        break;
      }
      places.push_back(place);
      whole = json->fold == schemas::Fold::replace;
      if (whole) break;
    }
    if (places.size() > events_max) {
      return schemas::fail(schemas::ErrorCode::history_trimmed,
                           "this entity's state of that moment is not kept, and would have to be "
                           "folded from more than 100,000 events; ask for its events instead");
    }
  }
  std::optional<Declared> state;
  for (auto place = places.rbegin(); place != places.rend(); ++place) {
    auto event = timeline.at(scope.topic, place->offset, place->index);
    if (!event) return std::unexpected(std::move(event).error());
    auto after =
        evolve(std::move(state), event->event().data(), {event->batch.recorded(), place->version});
    if (!after) return std::unexpected(std::move(after).error());
    state = std::move(*after);
  }
  ENSURE(state.has_value());
  auto whole = head;
  whole.trimmed = false;
  return encode_row(whole, *state);
}

}  // namespace projections
