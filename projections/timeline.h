#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "eventstore/log.h"
#include "projections/reader.h"
#include "schemas/batch.h"

/// One organization's events of several products in one order, read from the log through the index
/// organization -> records, so that another organization's history is never scanned. Order: by
/// accepted time, topic, offset; within a product that is the log's order. Blocks on the disk: any
/// thread that may, one at a time.
namespace projections {

struct TimelineEvent {
  LogId log;
  Offset offset;
  std::uint32_t index;
  eventstore::Payload payload;  // owns the batch
  schemas::Position position;   // of this very event
  schemas::BatchView batch() const { return schemas::BatchView::trusted(payload.bytes()); }
  schemas::EventView event() const { return batch().event(index); }
};

/// Where a reader of several logs stands: behind these (offset, event index) pairs.
struct Place {
  std::int64_t offset = -1;
  std::uint32_t index = schemas::Position::whole_record;
  friend auto operator<=>(const Place&, const Place&) = default;
};
using Places = std::map<TopicId, Place>;

class Timeline {
 public:
  /// `rows` is a snapshot; events beyond it are not seen. `topics` are the products to follow.
  Timeline(const RowReader& rows, eventstore::Log& log, OrganizationId organization, Space space,
           std::uint16_t partition);

  /// Up to `limit` events behind `places`, which moves on over what is answered. `until` (recorded
  /// time, exclusive) ends the range.
  schemas::Result<std::vector<TimelineEvent>> next(Places& places, std::size_t limit,
                                                   std::optional<Time> until = {}) const;
  /// The newest `limit` events before `places`, newest first; `places` moves back.
  schemas::Result<std::vector<TimelineEvent>> previous(Places& places, std::size_t limit,
                                                       std::optional<Time> from = {}) const;
  /// One event of one record, for `GET …/{entity}/events`.
  schemas::Result<TimelineEvent> at(TopicId topic, Offset offset, std::uint32_t index) const;

 private:
  const RowReader& rows_;
  eventstore::Log& log_;
  OrganizationId organization_;
  Space space_;
  std::uint16_t partition_;
};

}  // namespace projections
