#include "projections/trimming.h"

#include <algorithm>

#include "projections/evolve.h"

namespace projections {
namespace {

/// A history row and where the one after it stands.
struct Row {
  std::string key;
  RowHead head;
  std::string state;
};

bool is_beyond(const Trimming& t, const RowHead& row, const RowHead& next) {
  const auto& [versions, seconds] = t.bounds;
  const auto replaced_since = t.recorded - next.updated_at;
  const bool too_old = seconds > 0 && replaced_since > std::chrono::seconds(seconds);
  const bool too_many = versions > 0 && to_number(t.newest) - to_number(row.version) >= versions &&
                        replaced_since > pages_go_on_for;
  return too_old || too_many;
}

/// Entries of what only a list as of a moment before `offset` would have to know, and nobody can
/// ask for any more.
void forget_entries(const Trimming& t, const Row& row, Offset offset, WriteSet& changes) {
  if (t.indexes == nullptr || t.indexes->empty()) return;
  Declared declared;
  Decoder{row.state}(declared);
  const auto state = schemas::json::parse(declared.json);
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

/// What goes, oldest first: whole groups of rows that one record replaced, since what a record
/// replaces within itself was never to be seen.
class Goes {
 public:
  Goes(const Trimming& t, TrimAllowance& left) : t_(t), left_(left) {}

  /// The next row, from the oldest that is kept on; answers whether to go on.
  bool look_at(std::string_view key, std::string_view bytes) {
    Row next{std::string(key), {}, {}};
    std::string_view state;
    next.head = decode_head(bytes, &state);
    next.state = state;
    if (before_) {
      const bool same_group = !gone_.empty() && gone_.back().second == next.head.offset;
      const bool goes = same_group || (is_beyond(t_, before_->head, next.head) && left_.rows > 0 &&
                                       left_.bytes > 0);
      if (!goes) return false;
      left_.rows -= std::min<std::size_t>(left_.rows, 1);
      left_.bytes -= std::min(left_.bytes, before_->state.size());
      gone_.emplace_back(std::move(*before_), next.head.offset);
    }
    before_ = std::move(next);
    return true;
  }
  /// With the offset of the record that replaced it.
  std::vector<std::pair<Row, Offset>>& rows() { return gone_; }
  const Row& oldest_kept() const { return *before_; }

 private:
  const Trimming& t_;
  TrimAllowance& left_;
  std::optional<Row> before_;
  std::vector<std::pair<Row, Offset>> gone_;
};

}  // namespace

void trim_history(const Trimming& t, TrimAllowance& left, WriteSet& changes) {
  if (t.bounds == schemas::Bounds{} || left.rows == 0 || left.bytes == 0) return;
  const auto place = oldest_kept_key(t.scope, t.entity);
  const auto from = history_prefix(t.scope, t.entity);
  const auto known = t.rows.get(place);
  Goes goes(t, left);
  t.rows.scan_back(from, known ? from + *known + '\0' : prefix_end(from),
                   [&](auto key, auto row) { return goes.look_at(key, row); });
  if (goes.rows().empty()) return;
  auto kept = kept_from(t.rows, t.scope);
  const auto kept_before = kept;
  for (auto& [row, replaced_at] : goes.rows()) {
    if (row.head.deleted) continue;
    forget_entries(t, row, replaced_at, changes);
    row.head.trimmed = true;
    changes[std::move(row.key)] = encode_head(row.head);
    kept = std::max(kept, replaced_at);
  }
  changes[place] = goes.oldest_kept().key.substr(from.size());
  if (kept == kept_before) return;
  std::string bytes;
  Encoder{bytes}(kept);
  changes[kept_from_key(t.scope)] = std::move(bytes);
}

Offset kept_from(const RowReader& rows, const KindScope& scope) {
  const auto row = rows.get(kept_from_key(scope));
  Offset offset = 0;
  if (row) Decoder{*row}(offset);
  return offset;
}

namespace {

/// Reads events of one entity, newest first: neighbours stand in one record often.
class EventsBack {
 public:
  EventsBack(eventstore::Log& log, LogId id) : reader_(log.reader(id)) {}
  schemas::Result<schemas::BatchView> record(Offset offset) {
    if (!record_ || record_->offset != offset) {
      auto read = reader_->read(offset);
      if (!read) return std::unexpected(std::move(read).error());
      record_ = std::move(*read);
    }
    return schemas::BatchView::trusted(record_->payload.bytes());
  }

 private:
  std::unique_ptr<eventstore::RecordReader> reader_;
  std::optional<eventstore::StoredRecord> record_;
};

struct Change {
  std::string json;
  schemas::Fold fold;
  Time recorded;
};

std::unexpected<schemas::Error> too_much() {
  return schemas::fail(schemas::ErrorCode::history_trimmed,
                       "this entity's state of that moment is not kept, and to fold it from its "
                       "events would be too much work; ask for its events instead");
}

}  // namespace

schemas::Result<std::string> restore(const RowReader& rows, eventstore::Log& log, LogId id,
                                     const KindScope& scope, const Entity& entity,
                                     const std::string& trimmed, const RestoreLimits& limits) {
  constexpr std::size_t piece = 256;
  const auto until = std::chrono::steady_clock::now() + limits.time;
  const auto head = decode_head(trimmed, nullptr);
  const Reader reader(rows, scope.organization, scope.space);
  EventsBack events(log, id);
  // Back to where the entity was replaced as a whole, then forward from there.
  std::vector<Change> changes;
  std::size_t bytes = 0;
  Reader::EventsOptions options{.after = {},
                                .behind = {},
                                .as_of = static_cast<std::int64_t>(head.offset),
                                .direction = Direction::descending,
                                .limit = piece};
  for (bool whole = false; !whole;) {
    const auto places = reader.events_of(scope.topic, scope.kind, entity, options);
    if (places.empty()) break;
    options.behind = places.back();
    for (const auto& place : places) {
      auto batch = events.record(place.offset);
      if (!batch) return std::unexpected(std::move(batch).error());
      const auto data = batch->event(place.index).data();
      const auto* json = std::get_if<schemas::Json>(&data);
      whole = json == nullptr || json->fold == schemas::Fold::remove;
      if (whole) break;
      changes.push_back({std::string(json->text), json->fold, batch->recorded()});
      bytes += json->text.size();
      const bool late = std::chrono::steady_clock::now() > until;
      if (changes.size() > limits.events || bytes > limits.bytes || late) return too_much();
      whole = json->fold == schemas::Fold::replace;
      if (whole) break;
    }
  }
  std::optional<Declared> state;
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    bytes += state ? state->json.size() : 0;
    if (bytes > limits.bytes || std::chrono::steady_clock::now() > until) return too_much();
    auto after =
        evolve(std::move(state), schemas::Json{change->json, change->fold}, {change->recorded});
    if (!after) return std::unexpected(std::move(after).error());
    state = std::move(*after);
  }
  ENSURE(state.has_value());
  auto whole = head;
  whole.trimmed = false;
  return encode_row(whole, *state);
}

}  // namespace projections
