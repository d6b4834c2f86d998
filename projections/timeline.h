#pragma once

#include <map>
#include <optional>
#include <vector>

#include "eventstore/log.h"
#include "projections/row_keys.h"
#include "projections/rows.h"
#include "schemas/batch.h"

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
  std::uint32_t count;          // events in its record
  eventstore::Payload payload;  // owns the batch
  schemas::Position position;   // of this very event
  schemas::BatchView batch() const { return schemas::BatchView::trusted(payload.bytes()); }
  schemas::EventView event() const { return batch().event(index); }
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

  /// Up to `limit` events behind `places`, oldest first, accepted before `until`; `places` moves on
  /// over what is answered.
  schemas::Result<std::vector<TimelineEvent>> next(Places& places, std::size_t limit,
                                                   std::optional<Time> until = {}) const;
  /// The newest `limit` events at or before `places`, newest first, accepted at or after `from`;
  /// `places` moves back to before them.
  schemas::Result<std::vector<TimelineEvent>> previous(Places& places, std::size_t limit,
                                                       std::optional<Time> from = {}) const;
  schemas::Result<TimelineEvent> at(TopicId topic, Offset offset, std::uint32_t index) const;

 private:
  struct RecordPlace {
    Time recorded;
    TopicId topic;
    Offset offset;
    friend auto operator<=>(const RecordPlace&, const RecordPlace&) = default;
  };
  std::vector<RecordPlace> records_after(const Places& places, std::size_t limit,
                                         std::optional<Time> until) const;
  std::vector<RecordPlace> records_before(const Places& places, std::size_t limit,
                                          std::optional<Time> from) const;
  schemas::Result<eventstore::StoredRecord> read(TopicId topic, Offset offset) const;

  const RowReader& rows_;
  eventstore::Log& log_;
  OrganizationId organization_;
  Space space_;
  std::uint16_t partition_;
};

}  // namespace projections
