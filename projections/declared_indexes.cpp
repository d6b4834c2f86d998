#include "projections/declared_indexes.h"

#include <algorithm>

#include "projections/row.h"
#include "projections/states.h"
#include "schemas/crypto.h"
#include "schemas/sealed_text.h"

namespace projections {
namespace {

using schemas::json::Value;

constexpr char between_parts = '\x01';
constexpr char of_sealed = '\x02';      // another index than that over the same field in clear
constexpr std::size_t value_max = 120;  // bytes; longer ones stand in keys by their digest

/// Neither a zero byte, which ends a value in a key, nor what separates the parts of several.
bool stands_for_itself(std::string_view text) {
  return text.size() <= value_max &&
         std::ranges::none_of(text, [](char c) { return c == '\0' || c == between_parts; });
}

void add(std::vector<Index>& indexes, Index index) {
  if (std::ranges::find(indexes, index) == indexes.end()) indexes.push_back(std::move(index));
}

Index index_of(Value names, Value kind) {
  Index index;
  if (auto one = names.as_string()) index.pointers.emplace_back(*one);
  for (auto name : names.elements()) index.pointers.emplace_back(*name.as_string());
  const auto sealed = kind.find("sealed");
  if (!sealed) return index;
  for (const auto& pointer : index.pointers) {
    const auto is_it = [&](Value one) { return one.as_string() == pointer; };
    if (std::ranges::any_of(sealed->elements(), is_it)) index.sealed.push_back(pointer);
  }
  return index;
}

/// A sealed value that has no blind index was sealed before an index named it.
std::optional<std::string> blind_of(Value value) {
  const auto text = value.as_string();
  const auto sealed = text ? schemas::parse_sealed_text(*text) : std::nullopt;
  if (!sealed || sealed->blind.empty()) return std::nullopt;
  return std::string(sealed->blind);
}

}  // namespace

std::string Index::name() const {
  std::string name;
  for (const auto& pointer : pointers) {
    if (!name.empty()) name.push_back(between_parts);
    if (is_sealed(pointer)) name.push_back(of_sealed);
    name += pointer;
  }
  return name;
}

bool Index::is_sealed(std::string_view pointer) const {
  return std::ranges::find(sealed, pointer) != sealed.end();
}

std::vector<Index> indexes_of(Value kind) {
  std::vector<Index> indexes;
  for (auto list : {"indexes", "unique"}) {
    auto declared = kind.find(list);
    if (!declared) continue;
    for (auto one : declared->elements()) add(indexes, index_of(one, kind));
  }
  auto project = kind.find("project");
  if (project && project->is_string()) add(indexes, index_of(*project, kind));
  return indexes;
}

KindIndexes indexes_of(std::string_view manifest) {
  auto document = schemas::json::parse(manifest);
  ENSURE(document.has_value());
  KindIndexes found;
  auto kinds = document->root().find("kinds");
  if (!kinds) return found;
  for (auto [name, kind] : kinds->members()) {
    auto indexes = indexes_of(kind);
    if (!indexes.empty()) found.emplace(name, std::move(indexes));
  }
  return found;
}

std::string index_value(std::string_view text) {
  if (stands_for_itself(text)) return "=" + std::string(text);
  std::string key = "#";
  for (auto byte : schemas::sha256(schemas::bytes_of(text))) {
    constexpr std::string_view digits = "0123456789abcdef";
    key.push_back(digits[byte >> 4]);
    key.push_back(digits[byte & 15]);
  }
  return key;
}

std::optional<std::string> index_text(Value value) {
  if (auto text = value.as_string()) return std::string(*text);
  if (value.is_number() || value.as_bool()) return schemas::json::minify(value);
  return std::nullopt;
}

std::optional<std::string> index_value(Value state, const Index& index) {
  std::string key;
  for (const auto& pointer : index.pointers) {
    auto value = schemas::json::resolve(state, pointer);
    auto text = !value                     ? std::nullopt
                : index.is_sealed(pointer) ? blind_of(*value)
                                           : index_text(*value);
    if (!text) return std::nullopt;
    if (!key.empty()) key.push_back(between_parts);
    key += index_value(*text);
  }
  return key;
}

void DeclaredIndexes::take(const std::string& product, std::string_view manifest) {
  auto found = indexes_of(manifest);
  auto& known = products_[product];
  if (known == found) return;
  known = std::move(found);
  ++generation_;
}

const KindIndexes* DeclaredIndexes::of(const std::string& product) const {
  auto found = products_.find(product);
  return found == products_.end() || found->second.empty() ? nullptr : &found->second;
}

std::string encode_build(const IndexBuild& build) {
  std::string row;
  Encoder encoder(row);
  encoder(build.done);
  encoder(build.last);
  encoder(build.looked_at);
  return row;
}

IndexBuild decode_build(std::string_view row) {
  IndexBuild build;
  Decoder decoder(row);
  decoder(build.done);
  decoder(build.last);
  decoder(build.looked_at);
  return build;
}

std::optional<IndexBuild> find_build(const RowReader& rows, std::string_view product,
                                     std::string_view kind, const Index& index) {
  auto row = rows.get(build_key(product, kind, index.name()));
  return row ? std::optional(decode_build(*row)) : std::nullopt;
}

void fold_builds(const RowReader& rows, const std::string& product, std::string_view manifest,
                 WriteSet& changes) {
  std::vector<std::string> wanted;
  for (const auto& [kind, indexes] : indexes_of(manifest)) {
    for (const auto& index : indexes) wanted.push_back(build_key(product, kind, index.name()));
  }
  const auto prefix = builds_prefix(product);
  rows.scan(prefix, prefix_end(prefix), [&](std::string_view key, auto) {
    if (std::ranges::find(wanted, key) == wanted.end()) changes[std::string(key)] = std::nullopt;
    return true;
  });
  for (auto& key : wanted) {
    if (!rows.get(key)) changes[std::move(key)] = encode_build({});
  }
}

void fold_entries(const KindScope& scope, const std::vector<Index>& indexes, const Entity& entity,
                  const std::string* before, const std::string* after, Offset offset,
                  WriteSet& changes) {
  auto read = [](const std::string* json) {
    auto document = json == nullptr ? std::nullopt : std::optional(schemas::json::parse(*json));
    ENSURE(!document || document->has_value());
    return document ? std::optional(std::move(**document)) : std::nullopt;
  };
  const auto old_state = read(before);
  const auto new_state = read(after);
  for (const auto& index : indexes) {
    auto old_value = old_state ? index_value(old_state->root(), index) : std::nullopt;
    auto new_value = new_state ? index_value(new_state->root(), index) : std::nullopt;
    if (old_value == new_value) continue;
    const auto name = index.name();
    if (old_value) {
      changes[index_key('X', scope, name, *old_value, entity)] = std::nullopt;
      std::string left;
      Encoder{left}(offset);
      changes[index_key('Y', scope, name, *old_value, entity)] = std::move(left);
    }
    if (new_value) changes[index_key('X', scope, name, *new_value, entity)] = "";
  }
}

namespace {

/// A history row as a build looks at it.
struct Past {
  std::string entity;  // its key's end, up to the place
  Offset offset = 0;
  std::optional<std::string> value;  // in the index
};

/// The history rows of one kind in one (organization, space), newest first for each entity.
class HistoryWalk {
 public:
  HistoryWalk(const RowReader& rows, const KindScope& scope, const Index& index, WriteSet& changes)
      : rows_(rows),
        scope_(scope),
        index_(index),
        name_(index.name()),
        prefix_size_(kind_prefix('H', scope).size()),
        changes_(changes) {}

  void look_at(std::string_view key, std::string_view row) {
    constexpr std::size_t place_bytes = 12;
    Past past;
    past.entity = key.substr(prefix_size_, key.size() - place_bytes - prefix_size_);
    past.offset = ~read_u64(key.substr(key.size() - place_bytes));
    const auto head = decode_head(row, nullptr);
    if (!head.deleted && !head.trimmed) {
      auto declared = decode_row<Declared>(row);
      auto document = schemas::json::parse(declared.state.json);
      ENSURE(document.has_value());
      past.value = index_value(document->root(), index_);
    }
    const bool newest = !newer_ || newer_->entity != past.entity;
    if (past.value && newest) changes_[key_of('X', past)] = "";
    if (past.value && !newest && past.value != newer_->value) note_left(past, newer_->offset);
    newer_ = std::move(past);
  }
  /// The row that a piece ended with, to go on behind it.
  void resume(std::string_view key, std::string_view row) {
    WriteSet nothing;
    std::swap(nothing, changes_);
    look_at(key, row);
    std::swap(nothing, changes_);
  }

 private:
  std::string key_of(char table, const Past& past) const {
    return index_key(table, scope_, name_, *past.value, parse_entity_key(past.entity, false));
  }
  /// The last time that it was left counts.
  void note_left(const Past& past, Offset at) {
    auto key = key_of('Y', past);
    auto written = changes_.find(key);
    auto row = written != changes_.end() ? written->second : rows_.get(key);
    Offset known = 0;
    if (row) Decoder{*row}(known);
    if (row && known >= at) return;
    std::string left;
    Encoder{left}(at);
    changes_[std::move(key)] = std::move(left);
  }

  const RowReader& rows_;
  KindScope scope_;
  const Index& index_;
  std::string name_;
  std::size_t prefix_size_;
  WriteSet& changes_;
  std::optional<Past> newer_;
};

}  // namespace

void build_piece(const RowReader& rows, TopicId topic, std::string_view kind, const Index& index,
                 std::size_t& rows_max, IndexBuild& build, WriteSet& changes) {
  constexpr std::size_t owner_bytes = 17;  // organization and space
  const auto shared = std::string(owner_bytes - 1, '\xff');
  while (rows_max > 0) {
    std::optional<std::string> owner;
    rows.scan(build.last, shared, [&](std::string_view key, auto) {
      owner.emplace(key.substr(0, owner_bytes));
      return false;
    });
    build.done = !owner;
    if (build.done) return;
    schemas::Uuid organization;
    std::copy_n(owner->begin(), organization.bytes.size(), organization.bytes.begin());
    const KindScope scope{OrganizationId(organization), static_cast<Space>(owner->back()), topic,
                          kind};
    const auto prefix = kind_prefix('H', scope);
    HistoryWalk walk(rows, scope, index, changes);
    const auto behind = std::max(build.last, prefix);
    if (behind >= prefix_end(prefix)) {
      build.last = prefix_end(*owner);
      continue;
    }
    rows.scan(behind, prefix_end(prefix), [&](std::string_view key, auto row) {
      if (key == build.last) {
        walk.resume(key, row);
        return true;
      }
      walk.look_at(key, row);
      build.last = key;
      ++build.looked_at;
      return --rows_max > 0;
    });
    // Whoever has no such rows costs a look too.
    if (rows_max > 0) {
      build.last = prefix_end(*owner);
      --rows_max;
    }
  }
}

}  // namespace projections
