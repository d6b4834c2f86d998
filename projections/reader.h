#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "projections/row_keys.h"
#include "projections/rows.h"
#include "projections/states.h"

/// Queries over the rows of one (organization, space): the organization is named once, here, and
/// every answer stays within it. Reads whatever RowReader it is given: a snapshot, or rows under an
/// overlay. A value over a reference: cheap, one thread, must not outlive the rows.
namespace projections {

/// A row as it is stored: decode it with decode_row<State>.
struct FoundRow {
  Entity entity;
  std::string bytes;
};

enum class Direction : std::uint8_t { ascending, descending };

struct ListOptions {
  /// Only entities behind (or, descending, before) this one.
  std::optional<Entity> after;
  bool descending = false;
  std::size_t limit = 50;
  /// Inclusive offset in the kind's log; empty: as of now.
  std::optional<std::int64_t> as_of;
  /// Only entities of this id whose names begin with this one's.
  std::optional<Entity> below;
  /// A page of the past that looked at so many entities ends early.
  std::size_t looks_max = std::numeric_limits<std::size_t>::max();
  /// Rows for which it answers false are left out.
  std::function<bool(const FoundRow&)> filter;
  /// Only rows that each of these declared indexes has under one of its values; `filter` tells
  /// those that had them once from those that have them at the moment of the list.
  struct ByIndex {
    std::string index;
    std::vector<std::string> values;
  };
  std::vector<ByIndex> by_index = {};
};

class Reader {
 public:
  Reader(const RowReader& rows, OrganizationId organization, Space space)
      : rows_(rows), organization_(organization), space_(space) {}

  /// The row of an entity that is there now.
  std::optional<std::string> find(TopicId topic, std::string_view kind, const Entity& entity) const;
  /// As the entity was once the record at `offset` was folded; empty when it was not there then.
  std::optional<std::string> find_as_of(TopicId topic, std::string_view kind, const Entity& entity,
                                        std::int64_t offset) const;
  /// The version an entity has reached, there or deleted; 0 when it never existed.
  struct Existence {
    Version version{};
    bool there = false;
  };
  Existence existence(TopicId topic, std::string_view kind, const Entity& entity) const;

  template <typename State>
  std::optional<Row<State>> get(TopicId topic, const Entity& entity,
                                std::string_view kind = kind_of<State>()) const {
    auto bytes = find(topic, kind, entity);
    return bytes ? std::optional(decode_row<State>(*bytes)) : std::nullopt;
  }

  /// As the entity was at this version, at the end of the record that made it; empty when it was
  /// not there then, or has not reached it.
  std::optional<std::string> find_at(TopicId topic, std::string_view kind, const Entity& entity,
                                     Version version) const;

  /// Who holds a unique value, as an entity key (row_keys.h).
  std::optional<std::string> unique(TopicId topic, std::string_view kind, std::string_view field,
                                    std::string_view value) const;

  /// Whether an entity other than these has the value in a declared index; which one.
  std::optional<std::string> held_by_other(TopicId topic, std::string_view kind,
                                           std::string_view index, std::string_view value,
                                           const std::set<std::string>& than) const;

  /// Rows alive, by entity. `more` says whether another page follows, behind `last`: the last row,
  /// or the last one that was looked at when there were too many for nothing.
  struct Page {
    std::vector<FoundRow> rows;
    bool more = false;
    std::optional<Entity> last = {};
  };
  Page list(TopicId topic, std::string_view kind, bool has_id, const ListOptions& options) const;

  /// Where one entity's events stand, by version. The cost is that of the page, wherever in the
  /// entity's history it begins.
  struct EventPlace {
    Offset offset;
    std::uint32_t index;
    Version version;
  };
  struct EventsOptions {
    Version after{};                      // only versions above
    std::optional<EventPlace> behind;     // only those that follow this one in the direction
    std::optional<std::int64_t> as_of{};  // inclusive offset
    Direction direction = Direction::ascending;
    std::size_t limit = 50;
  };
  std::vector<EventPlace> events_of(TopicId topic, std::string_view kind, const Entity& entity,
                                    const EventsOptions& options) const;

  /// The last record of this organization and product accepted at or before `time`; -1 when none.
  std::int64_t offset_at(TopicId topic, Time time) const;

  /// When the last of them at or before `offset` was accepted; the epoch when none.
  Time recorded_at(TopicId topic, std::int64_t offset) const;

  OrganizationId organization() const { return organization_; }
  Space space() const { return space_; }

 private:
  KindScope scope(TopicId topic, std::string_view kind) const {
    return {organization_, space_, topic, kind};
  }
  template <typename State>
  static constexpr std::string_view kind_of() {
    if constexpr (requires { State::kind; }) return State::kind;
    return {};
  }
  std::optional<std::string> find_version(const KindScope& scope, const Entity& entity,
                                          Version version) const;
  Page list_now(const KindScope& scope, bool has_id, const ListOptions& options) const;
  Page list_as_of(const KindScope& scope, bool has_id, const ListOptions& options) const;
  Page list_by_index(const KindScope& scope, const ListOptions& options) const;

  const RowReader& rows_;
  OrganizationId organization_;
  Space space_;
};

/// Every organization and space that has rows, by hopping from one to the next: for the platform's
/// own work at a start. What is done with them is asked of a Reader, like everything else.
void each_scope(const RowReader& rows, const std::function<void(OrganizationId, Space)>& visit);

}  // namespace projections
