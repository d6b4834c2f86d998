#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "projections/row_keys.h"
#include "projections/rows.h"
#include "schemas/json.h"
#include "schemas/result.h"

/// Indexes over the rows of declared products: what a manifest names under `indexes`, `unique` and
/// `project`. A row has an entry under its present value, and under each value that it once had the
/// offset of the record that took it away, so that lists of the past are found too.
///
///     'X' | topic | kind | index | value | entity               has the value now
///     'Y' | topic | kind | index | value | entity  ->  offset   had it until that record
///
/// Entries are made with the row by the one fold. What an index lacks when it is declared is made
/// from the history rows in pieces; whichever comes first, the entries are the same in the end.
namespace projections {

/// One or more JSON pointers into the state. A row is in the index when there is a text, number or
/// boolean at each of them.
struct Index {
  std::vector<std::string> pointers;
  /// Those of them whose values are sealed: rows are found by the blind index in them
  /// (schemas/sealed_text.h).
  std::vector<std::string> sealed = {};

  bool is_sealed(std::string_view pointer) const;

  /// As it stands in keys.
  std::string name() const;
  friend auto operator<=>(const Index&, const Index&) = default;
};
using KindIndexes = std::map<std::string, std::vector<Index>, std::less<>>;

/// What an accepted manifest names, by kind.
KindIndexes indexes_of(std::string_view manifest);
std::vector<Index> indexes_of(schemas::json::Value kind);

/// A value as it stands in keys: of one pointer, from its text. Numbers are written as JSON in the
/// fewest digits; 10 and "10" are the same value.
std::string index_value(std::string_view text);
/// The text by which a value is found; empty when it is no text, number or boolean.
std::optional<std::string> index_text(schemas::json::Value value);
/// Of a whole row's state; empty when it is not in the index.
std::optional<std::string> index_value(schemas::json::Value state, const Index& index);

/// The newest manifests' indexes, by product: what a fold has to keep. A number goes up with each
/// change, so that what was folded before it can be told. Core thread.
class DeclaredIndexes {
 public:
  void take(const std::string& product, std::string_view manifest);
  void clear() { products_.clear(); }
  /// Null when the product declares none.
  const KindIndexes* of(const std::string& product) const;
  std::uint64_t generation() const { return generation_; }
  /// Entries were made from rows that were there before: what was folded without them is not as it
  /// would be folded now.
  void note_entries() { ++generation_; }

 private:
  std::map<std::string, KindIndexes> products_;
  std::uint64_t generation_ = 0;
};

/// How far an index is made from the rows that were there before it.
struct IndexBuild {
  bool done = false;
  std::string last;             // the key that was looked at last
  std::uint64_t looked_at = 0;  // history rows
};
std::string encode_build(const IndexBuild& build);
IndexBuild decode_build(std::string_view row);
/// Empty when no such index is declared.
std::optional<IndexBuild> find_build(const RowReader& rows, std::string_view product,
                                     std::string_view kind, const Index& index);

/// Which builds a manifest begins, and which rows of indexes that are gone it drops.
void fold_builds(const RowReader& rows, const std::string& product, std::string_view manifest,
                 WriteSet& changes);
/// Makes the entries of at most `rows_max` more history rows, of every organization in turn, and
/// takes from it what was looked at.
void build_piece(const RowReader& rows, TopicId topic, std::string_view kind, const Index& index,
                 std::size_t& rows_max, IndexBuild& build, WriteSet& changes);

/// The entries of one row that changes; null: it is not there.
void fold_entries(const KindScope& scope, const std::vector<Index>& indexes, const Entity& entity,
                  const std::string* before, const std::string* after, Offset offset,
                  WriteSet& changes);

}  // namespace projections
