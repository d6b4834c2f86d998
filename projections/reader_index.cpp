#include <algorithm>
#include <ranges>
#include <set>

#include "projections/reader.h"

/// Lists by declared indexes (declared_indexes.h).
namespace projections {
namespace {

/// Entries are taken from each value's range in pieces and merged by entity.
constexpr std::size_t piece_entries = 128;
/// A page looks at so many entities for each row that it may have, and then ends early.
constexpr std::size_t looks_per_row = 20;

bool is_from(std::string_view row, std::int64_t offset) {
  return static_cast<std::int64_t>(decode_head(row, nullptr).offset) <= offset;
}

/// The entities under one value in one table, in the order of the list.
struct Range {
  std::string prefix;
  std::string from;
  std::string to;
};

/// The entities of all ranges of one index in order, without doubles, in pieces.
class Candidates {
 public:
  Candidates(const RowReader& rows, const KindScope& scope, const ListOptions& options,
             const ListOptions::ByIndex& by)
      : rows_(rows), options_(options) {
    for (const auto& value : by.values) {
      add(index_prefix('X', scope, by.index, value));
      if (options.as_of) add(index_prefix('Y', scope, by.index, value));
    }
  }

  struct Piece {
    std::vector<std::string> entities;
    std::optional<std::string> more_behind;  // empty: this was the last piece
  };
  Piece next(const std::optional<std::string>& after) const {
    std::set<std::string> found;
    std::optional<std::string> complete_to;
    for (const auto& range : ranges_) {
      auto seen = read(range, after, found);
      if (!seen) continue;
      const bool nearer =
          !complete_to || (options_.descending ? *seen > *complete_to : *seen < *complete_to);
      if (nearer) complete_to = std::move(seen);
    }
    Piece piece{{found.begin(), found.end()}, std::move(complete_to)};
    if (options_.descending) std::ranges::reverse(piece.entities);
    std::erase_if(piece.entities, [&](const std::string& entity) {
      if (!piece.more_behind) return false;
      return options_.descending ? entity < *piece.more_behind : entity > *piece.more_behind;
    });
    return piece;
  }

 private:
  void add(std::string prefix) {
    auto to = prefix_end(prefix);
    ranges_.push_back({prefix, prefix, std::move(to)});
  }
  /// The last entity of a piece that did not reach the range's end.
  std::optional<std::string> read(const Range& range, const std::optional<std::string>& after,
                                  std::set<std::string>& found) const {
    auto from = range.from;
    auto to = range.to;
    if (after) (options_.descending ? to : from) = range.prefix + *after;
    if (after && !options_.descending) from.push_back('\0');
    std::size_t count = 0;
    std::optional<std::string> last;
    auto visit = [&](std::string_view key, std::string_view row) {
      last.emplace(key.substr(range.prefix.size()));
      // What left the value before the moment of the list has nothing to say.
      Offset left = 0;
      if (!row.empty()) Decoder{row}(left);
      if (row.empty() || static_cast<std::int64_t>(left) > *options_.as_of) found.insert(*last);
      return ++count < piece_entries;
    };
    options_.descending ? rows_.scan_back(from, to, visit) : rows_.scan(from, to, visit);
    return count < piece_entries ? std::nullopt : last;
  }

  const RowReader& rows_;
  const ListOptions& options_;
  std::vector<Range> ranges_;
};

/// What is wanted is in every index, so the piece that gets furthest is enough: the narrowest
/// index leads, wherever it stands among the filters.
Candidates::Piece furthest_piece(const std::vector<Candidates>& indexes,
                                 const std::optional<std::string>& after, bool descending) {
  auto furthest = indexes.front().next(after);
  for (const auto& index : indexes | std::views::drop(1)) {
    if (!furthest.more_behind) break;
    auto piece = index.next(after);
    const bool further =
        !piece.more_behind || (descending ? *piece.more_behind < *furthest.more_behind
                                          : *piece.more_behind > *furthest.more_behind);
    if (further) furthest = std::move(piece);
  }
  return furthest;
}

}  // namespace

Reader::Page Reader::list_by_index(const KindScope& kind_scope, const ListOptions& options) const {
  Page page;
  if (options.as_of && *options.as_of < 0) return page;
  std::vector<Candidates> indexes;
  for (const auto& by : options.by_index) indexes.emplace_back(rows_, kind_scope, options, by);
  std::optional<std::string> after;
  if (options.after) after = entity_key(*options.after);
  std::size_t looks = 0;
  const auto looks_max = looks_per_row * (options.limit + piece_entries);
  for (;;) {
    auto piece = furthest_piece(indexes, after, options.descending);
    for (auto& key : piece.entities) {
      auto entity = parse_entity_key(key, false);
      auto row = find(kind_scope.topic, kind_scope.kind, entity);
      const bool changed_since = options.as_of && !(row && is_from(*row, *options.as_of));
      if (changed_since) {
        row = find_as_of(kind_scope.topic, kind_scope.kind, entity, *options.as_of);
      }
      const bool fits = row && (!options.filter || options.filter({entity, *row}));
      page.more = fits && page.rows.size() == options.limit;
      if (page.more) return page;
      page.last = entity;
      if (fits) page.rows.push_back({std::move(entity), std::move(*row)});
    }
    if (!piece.more_behind) return page;
    after = std::move(piece.more_behind);
    page.last = parse_entity_key(*after, false);
    looks += piece_entries;
    page.more = looks > looks_max;
    if (page.more) return page;
  }
}

std::optional<std::string> Reader::held_by_other(TopicId topic, std::string_view kind,
                                                 std::string_view index, std::string_view value,
                                                 const std::set<std::string>& than) const {
  const auto prefix = index_prefix('X', scope(topic, kind), index, value);
  std::optional<std::string> other;
  rows_.scan(prefix, prefix_end(prefix), [&](std::string_view key, auto) {
    auto name = parse_entity_key(key.substr(prefix.size()), false).name;
    if (!than.contains(name)) other = std::move(name);
    return !other;
  });
  return other;
}

}  // namespace projections
