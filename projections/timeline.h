#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "eventstore/log.h"
#include "projections/reader.h"
#include "projections/rows.h"
#include "schemas/batch.h"
#include "schemas/marks.h"

/// One organization's events of several products in one order, read from the log through the index
/// organization -> records, so that another organization's history is never scanned. Order: by
/// accepted time, topic, offset; within a product that is the log's order. Blocks on the disk; one
/// thread at a time; must not outlive the rows.
namespace projections {

using schemas::Time;

struct TimelineEvent {
  LogId log;
  Offset offset;
  std::uint32_t index;
  std::uint32_t count;               // events in its record
  schemas::MarkedPosition position;  // behind this very event
  schemas::BatchView batch;          // lives as long as its giver says
  schemas::EventView event() const { return batch.event(index); }
};

/// Where a reader of several logs stands: behind the event `index` of the record at `offset`.
struct Place {
  std::int64_t offset = -1;
  std::uint32_t index = schemas::Position::whole_record;
  friend auto operator<=>(const Place&, const Place&) = default;
};
/// Topics to follow, and how far one is in each.
using Places = std::map<TopicId, Place>;

class Timeline {
 public:
  Timeline(const RowReader& rows, eventstore::Log& log, OrganizationId organization, Space space,
           std::uint16_t partition)
      : rows_(rows), log_(log), organization_(organization), space_(space), partition_(partition) {}

  /// One event at a known place; it lives until the next call of anything here.
  schemas::Result<TimelineEvent> at(TopicId topic, Offset offset, std::uint32_t index);

 private:
  friend class TimelineWalk;

  struct RecordPlace {
    Time recorded;
    TopicId topic;
    Offset offset;
    friend auto operator<=>(const RecordPlace&, const RecordPlace&) = default;
  };
  struct Record {
    schemas::MarkedPosition position;  // behind all of it
    schemas::BatchView batch;
    std::uint32_t count;
    TimelineEvent event(std::uint32_t index) const;
  };
  schemas::Result<Record> read(TopicId topic, Offset offset);

  const RowReader& rows_;
  eventstore::Log& log_;
  OrganizationId organization_;
  Space space_;
  std::uint16_t partition_;
  std::map<TopicId, std::unique_ptr<eventstore::RecordReader>> readers_;
  /// Whose reader has met a large record, and stays as large: one at most, however many topics.
  std::optional<TopicId> large_;
};

/// Passes an organization's events one by one. The timeline must outlive it and gives nothing else
/// meanwhile.
class TimelineWalk {
 public:
  /// Ascending: the events behind `from`, oldest first, accepted before `bound`. Descending: those
  /// at or before `from`, newest first, accepted at or after `bound`.
  TimelineWalk(Timeline& timeline, Direction direction, const Places& from,
               std::optional<Time> bound = {});

  /// Empty at the end. The event lives until the next call.
  schemas::Result<std::optional<TimelineEvent>> next();

 private:
  using RecordPlace = Timeline::RecordPlace;
  /// One topic's next records, found a few at a time.
  struct Lane {
    TopicId topic;
    Place from;
    std::vector<RecordPlace> found;
    std::size_t passed = 0;  // of those found
    std::size_t to_find = found_min;
    bool ended = false;
  };
  static constexpr std::size_t found_min = 16;
  static constexpr std::size_t found_max = 256;

  bool ascending() const { return direction_ == Direction::ascending; }
  const RecordPlace* head(Lane& lane);
  void find(Lane& lane);
  Lane* nearest();
  schemas::Result<void> enter(Lane& lane);

  Timeline& timeline_;
  const Direction direction_;
  const std::optional<Time> bound_;
  std::vector<Lane> lanes_;
  std::optional<Timeline::Record> record_;
  std::uint32_t first_ = 0;  // events of record_ that are still to come: from first_ to before end_
  std::uint32_t end_ = 0;
};

}  // namespace projections
