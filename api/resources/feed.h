#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/resources/ask.h"
#include "projections/timeline.h"
#include "schemas/cel/filter.h"

/// Reading one organization's events: which of them, from where, and the mark behind each one.
namespace api::resources {

using projections::TimelineEvent;
using schemas::MarkedPosition;

/// Which events a reader wants and may see. Shared by a stream's reads; any thread.
struct EventFilter {
  /// Exact types, or beginnings of types with `*` behind them; empty: all.
  std::vector<std::string> types;
  std::vector<std::string> kinds;
  std::vector<std::string> subjects;
  /// Products to follow; empty: all, also those to come.
  std::vector<std::string> products;
  /// Of those followed only these; empty: all. Marks say where all are.
  std::vector<std::string> of_products = {};
  /// A condition besides, over the event as it is shown.
  std::shared_ptr<const schemas::cel::Filter> where;
  /// Of a restricted key: only events of these projects.
  std::shared_ptr<const projections::Access> access;
  /// Of an endpoint's deliveries: tests of it are wanted whatever else is, those of others never.
  std::optional<schemas::Uuid> tests_of = {};

  /// All but `where`.
  bool matches(const schemas::EventView& event) const;
};

/// The project that an event belongs to, by its entity or by what it says; empty: to none.
std::optional<schemas::Uuid> project_of(const schemas::EventView& event);

/// Where a reader of events stands: behind the organization's own last event that it passed, for
/// each topic that has one. Topics that are not named have passed nothing.
struct Passed {
  std::vector<MarkedPosition> positions;  // by topic

  const MarkedPosition* find(TopicId topic) const;
  bool contains(const TimelineEvent& event) const;
  void set(const MarkedPosition& position);
};

/// A place in the order of events: by accepted time, topic, offset, event. Of a whole record: its
/// first event.
struct TimelineKey {
  schemas::Time recorded;
  TopicId topic{};
  schemas::Offset offset = 0;
  std::uint32_t index = 0;
  friend auto operator<=>(const TimelineKey&, const TimelineKey&) = default;
};
TimelineKey key_of(const TimelineEvent& event);

/// The events of one (organization, space) as one snapshot shows them. One thread, may block.
class Feed {
 public:
  Feed(const Services& services, const projections::RowReader& rows, MarkOwner scope,
       const EventFilter& filter);

  /// What a mark's positions mean here. Topics that it does not name stand where they were when the
  /// newest named event was accepted, unless the mark says that it names all.
  Passed passed_at(const std::vector<MarkedPosition>& mark) const;
  Passed passed_now() const;
  /// Everything before a key.
  Passed passed_before(const TimelineKey& key) const;
  static Passed passed_nothing() { return {}; }

  /// The newest event that a place has passed; empty when it has passed none. A place behind a
  /// whole record stands for its last event, or for all of it, which begins with the first.
  enum class WholeRecord : std::uint8_t { first_event, last_event };
  std::optional<TimelineKey> newest(const Passed& passed, WholeRecord whole) const;
  /// The key at which everything accepted from `time` on begins.
  static TimelineKey key_at(schemas::Time time) { return {.recorded = time}; }

  /// Takes an event that was asked for, with the mark behind it; false: enough.
  using Take =
      std::function<bool(const TimelineEvent&, std::string_view product, const std::string& mark)>;
  enum class End : std::uint8_t {
    reached,  // no more events in the range
    enough,   // `take` said so, or too many events were looked at
  };
  /// Passes events in order from `passed` on, which moves over what was looked at.
  Result<End> forward(Passed& passed, const std::optional<TimelineKey>& until,
                      const Take& take) const;
  /// The same from the newest event before `before` (empty: of all) back to `from`. `passed` is the
  /// place behind the event looked at last, as the mark of each event is.
  Result<End> backward(Passed& passed, const std::optional<TimelineKey>& before,
                       const std::optional<TimelineKey>& from, const Take& take) const;

  std::string mark_of(const Passed& passed) const;

 private:
  struct OwnRecord {
    schemas::Offset offset;
    schemas::Time recorded;
  };
  std::optional<OwnRecord> last_own(TopicId topic, std::int64_t at_most) const;
  std::optional<OwnRecord> last_own_before(TopicId topic, const TimelineKey& key) const;
  std::optional<schemas::Time> recorded_at(TopicId topic, const MarkedPosition& position) const;
  MarkedPosition whole(TopicId topic, const OwnRecord& record) const;
  projections::Places places_of(const Passed& passed) const;
  projections::Places places_before(const std::optional<TimelineKey>& key) const;
  std::string_view name_of(TopicId topic) const;
  projections::Timeline timeline() const;

  const Services& services_;
  const projections::RowReader& rows_;
  MarkOwner scope_;
  const EventFilter& filter_;
  std::uint16_t partition_;
  std::vector<eventstore::Topic> topics_;
};

/// Topics that the filter follows.
std::vector<eventstore::Topic> followed(const Services& services, const EventFilter& filter);

/// The mark of a place. When all topics are followed it says so: those that it does not name have
/// passed nothing.
std::vector<MarkedPosition> mark_positions(const EventFilter& filter, const Passed& passed);
std::string mark_of(const Services& services, MarkOwner scope, const EventFilter& filter,
                    const Passed& passed);

}  // namespace api::resources
