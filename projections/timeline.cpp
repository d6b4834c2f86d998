#include "projections/timeline.h"

#include <algorithm>

#include "projections/row.h"

namespace projections {
namespace {

constexpr std::uint32_t whole_record = schemas::Position::whole_record;

Time recorded_of(std::string_view row) {
  Time recorded;
  Decoder{row}(recorded);
  return recorded;
}

TimelineEvent event_of(const eventstore::StoredRecord& record, std::uint32_t index,
                       std::uint32_t count) {
  const auto& head = record.head;
  return {.log = record.log,
          .offset = record.offset,
          .index = index,
          .count = count,
          .payload = record.payload,
          .position = {record.log, static_cast<std::int64_t>(record.offset),
                       index + 1 == count ? whole_record : index, head.epoch, head.sequence,
                       head.chain}};
}

}  // namespace

std::vector<Timeline::RecordPlace> Timeline::records_after(const Places& places, std::size_t limit,
                                                           std::optional<Time> until) const {
  std::vector<RecordPlace> records;
  for (const auto& [topic, place] : places) {
    auto from = static_cast<Offset>(place.index == whole_record ? place.offset + 1 : place.offset);
    std::size_t found = 0;
    rows_.scan(record_key(organization_, space_, topic, from),
               prefix_end(record_key(organization_, space_, topic, ~Offset{0})),
               [&](std::string_view key, std::string_view row) {
                 auto recorded = recorded_of(row);
                 if (until && recorded >= *until) return false;
                 records.push_back({recorded, topic, read_u64(key.substr(key.size() - 8))});
                 return ++found < limit;
               });
  }
  std::ranges::sort(records);
  return records;
}

std::vector<Timeline::RecordPlace> Timeline::records_before(const Places& places, std::size_t limit,
                                                            std::optional<Time> from) const {
  std::vector<RecordPlace> records;
  for (const auto& [topic, place] : places) {
    if (place.offset < 0) continue;
    std::size_t found = 0;
    rows_.scan_back(record_key(organization_, space_, topic, 0),
                    record_key(organization_, space_, topic, static_cast<Offset>(place.offset) + 1),
                    [&](std::string_view key, std::string_view row) {
                      auto recorded = recorded_of(row);
                      if (from && recorded < *from) return false;
                      records.push_back({recorded, topic, read_u64(key.substr(key.size() - 8))});
                      return ++found < limit;
                    });
  }
  std::ranges::sort(records, std::greater<>{});
  return records;
}

schemas::Result<eventstore::StoredRecord> Timeline::read(TopicId topic, Offset offset) const {
  auto record = log_.read_one({topic, partition_}, offset);
  if (!record) return record;
  // The index named it, so it is this organization's; a record of another would be a leak.
  auto batch = schemas::BatchView::verify(record->payload.bytes());
  ENSURE(batch && batch->organization() == organization_ && batch->space() == space_);
  return record;
}

schemas::Result<std::vector<TimelineEvent>> Timeline::next(Places& places, std::size_t limit,
                                                           std::optional<Time> until) const {
  std::vector<TimelineEvent> events;
  for (const auto& place : records_after(places, limit, until)) {
    if (events.size() == limit) break;
    auto record = read(place.topic, place.offset);
    if (!record) return std::unexpected(std::move(record).error());
    auto count = schemas::BatchView::trusted(record->payload.bytes()).event_count();
    auto& at = places[place.topic];
    std::uint32_t index = at.offset == static_cast<std::int64_t>(place.offset) ? at.index + 1 : 0;
    for (; index < count && events.size() < limit; ++index) {
      events.push_back(event_of(*record, index, count));
      at = {static_cast<std::int64_t>(place.offset), events.back().position.index};
    }
  }
  return events;
}

schemas::Result<std::vector<TimelineEvent>> Timeline::previous(Places& places, std::size_t limit,
                                                               std::optional<Time> from) const {
  std::vector<TimelineEvent> events;
  for (const auto& place : records_before(places, limit, from)) {
    if (events.size() == limit) break;
    auto record = read(place.topic, place.offset);
    if (!record) return std::unexpected(std::move(record).error());
    auto count = schemas::BatchView::trusted(record->payload.bytes()).event_count();
    auto& at = places[place.topic];
    auto behind = at.offset == static_cast<std::int64_t>(place.offset) && at.index != whole_record
                      ? at.index + 1
                      : count;
    while (behind > 0 && events.size() < limit) {
      events.push_back(event_of(*record, --behind, count));
    }
    at = behind > 0 ? Place{static_cast<std::int64_t>(place.offset), behind - 1}
                    : Place{static_cast<std::int64_t>(place.offset) - 1, whole_record};
  }
  return events;
}

schemas::Result<TimelineEvent> Timeline::at(TopicId topic, Offset offset,
                                            std::uint32_t index) const {
  auto record = read(topic, offset);
  if (!record) return std::unexpected(std::move(record).error());
  auto count = schemas::BatchView::trusted(record->payload.bytes()).event_count();
  return event_of(*record, index, count);
}

}  // namespace projections
