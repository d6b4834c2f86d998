#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "projections/declared_indexes.h"
#include "schemas/events.h"
#include "schemas/json_schema/schema.h"
#include "schemas/result.h"

/// What a declared product consists of: kinds, their event types, and what each type does to an
/// entity. Parsed from the text that stands in the log; a value.
namespace manager {

/// Seconds of a number from 1 to 9999 and a unit (s, m, h, d), such as 90d.
std::optional<std::uint32_t> parse_age(std::string_view text);

class Manifest {
 public:
  struct Type {
    schemas::Fold fold;
    std::optional<schemas::json_schema::Schema> schema;  // of the event's data
  };
  struct Kind {
    std::map<std::string, Type, std::less<>> events;
    /// Names that writers may still send, and the types that their events are written as.
    std::map<std::string, std::string, std::less<>> aliases;
    /// Lists are filtered by these.
    std::vector<projections::Index> indexes;
    /// No two entities that are there have the same values in one of these.
    std::vector<projections::Index> unique;
    /// What of the events' data, and so of the state, is sealed: JSON pointers, none in another.
    std::vector<std::string> sealed;
    /// How much of an entity's history rows keep.
    schemas::Bounds keep;
    /// Where the state names the project that the entity belongs to; empty: nowhere.
    std::string project;

    /// What an event of this name becomes; null when the kind does not know it.
    const std::pair<const std::string, Type>* written_as(std::string_view name) const;
    /// Whether an index or a unique rule names this sealed field, so that it has a blind index.
    bool finds_by(std::string_view pointer) const;
  };

  /// Checks form, names, schemas and number (1,000 kinds and types in all); the error has a pointer
  /// per wrong member.
  static schemas::Result<Manifest> parse(std::string_view json, std::uint32_t version);

  std::uint32_t version() const { return version_; }
  const std::map<std::string, Kind, std::less<>>& kinds() const { return kinds_; }
  /// How the type folds; empty when the kind or the type is not declared.
  std::optional<schemas::Fold> fold_of(std::string_view kind, std::string_view type) const;

 private:
  std::uint32_t version_ = 0;
  std::map<std::string, Kind, std::less<>> kinds_;
};

}  // namespace manager
