#include "projections/timeline.h"

#include <algorithm>
#include <utility>

#include "projections/row.h"

namespace projections {
namespace {

/// More than a reader of single records takes for small ones.
constexpr std::size_t large_record_size = 64 * 1024;

constexpr std::uint32_t whole_record = schemas::Position::whole_record;

Time recorded_of(std::string_view row) {
  Time recorded;
  Decoder{row}(recorded);
  return recorded;
}

}  // namespace

TimelineEvent Timeline::Record::event(std::uint32_t index) const {
  TimelineEvent event{position.log, static_cast<Offset>(position.offset), index, count, position,
                      batch};
  if (index + 1 < count) event.position.index = index;
  return event;
}

schemas::Result<Timeline::Record> Timeline::read(TopicId topic, Offset offset) {
  const LogId log{topic, partition_};
  if (large_ && *large_ != topic) readers_.erase(*std::exchange(large_, {}));
  auto& reader = readers_[topic];
  if (!reader) reader = log_.reader(log);
  const auto record = reader->read(offset);
  if (!record) return std::unexpected(record.error());
  if (record->payload.bytes().size() > large_record_size) large_ = topic;
  // The index named it, so it is this organization's; a record of another would be a leak.
  const auto batch = schemas::BatchView::verify(record->payload.bytes());
  ENSURE(batch && batch->organization() == organization_ && batch->space() == space_);
  const auto& head = record->head;
  return Record{.position = schemas::marked({log, static_cast<std::int64_t>(offset), whole_record,
                                             head.epoch, head.sequence, head.chain}),
                .batch = *batch,
                .count = batch->event_count()};
}

schemas::Result<TimelineEvent> Timeline::at(TopicId topic, Offset offset, std::uint32_t index) {
  const auto record = read(topic, offset);
  if (!record) return std::unexpected(record.error());
  return record->event(index);
}

TimelineWalk::TimelineWalk(Timeline& timeline, Direction direction, const Places& from,
                           std::optional<Time> bound)
    : timeline_(timeline), direction_(direction), bound_(bound) {
  for (const auto& [topic, place] : from) {
    const bool nothing_before = !ascending() && place.offset < 0;
    if (!nothing_before) lanes_.push_back({.topic = topic, .from = place, .found = {}});
  }
}

schemas::Result<std::optional<TimelineEvent>> TimelineWalk::next() {
  while (first_ == end_) {
    auto* lane = nearest();
    if (lane == nullptr) return std::nullopt;
    if (auto entered = enter(*lane); !entered) return std::unexpected(std::move(entered).error());
  }
  return record_->event(ascending() ? first_++ : --end_);
}

/// The lane whose next record comes first; none at the end.
TimelineWalk::Lane* TimelineWalk::nearest() {
  Lane* nearest = nullptr;
  for (auto& lane : lanes_) {
    const auto* candidate = head(lane);
    if (candidate == nullptr) continue;
    const auto* best = nearest == nullptr ? nullptr : head(*nearest);
    if (best == nullptr || (ascending() ? *candidate < *best : *best < *candidate)) nearest = &lane;
  }
  return nearest;
}

const TimelineWalk::RecordPlace* TimelineWalk::head(Lane& lane) {
  if (lane.passed == lane.found.size() && !lane.ended) find(lane);
  return lane.passed < lane.found.size() ? &lane.found[lane.passed] : nullptr;
}

void TimelineWalk::find(Lane& lane) {
  lane.found.clear();
  lane.passed = 0;
  const auto key = [&](Offset offset) {
    return record_key(timeline_.organization_, timeline_.space_, lane.topic, offset);
  };
  const auto visit = [&](std::string_view at, std::string_view row) {
    const auto recorded = recorded_of(row);
    if (bound_ && (ascending() ? recorded >= *bound_ : recorded < *bound_)) return false;
    lane.found.push_back({recorded, lane.topic, read_u64(at.substr(at.size() - 8))});
    return lane.found.size() < lane.to_find;
  };
  if (ascending()) {
    const bool is_behind = lane.from.index == whole_record;
    const auto from = static_cast<Offset>(lane.from.offset + (is_behind ? 1 : 0));
    timeline_.rows_.scan(key(from), prefix_end(key(~Offset{0})), visit);
  } else {
    const auto last = static_cast<Offset>(lane.from.offset);
    timeline_.rows_.scan_back(key(0), key(last + 1), visit);
  }
  lane.ended = lane.found.size() < lane.to_find;
  lane.to_find = std::min(2 * lane.to_find, found_max);
}

/// Goes on with the lane's next record: all of it, or what is behind (before) the place in it where
/// the lane begins.
schemas::Result<void> TimelineWalk::enter(Lane& lane) {
  const auto record = timeline_.read(lane.topic, lane.found[lane.passed++].offset);
  if (!record) return std::unexpected(record.error());
  record_ = *record;
  first_ = 0;
  end_ = record->count;
  const auto offset = record->position.offset;
  if (offset == lane.from.offset && lane.from.index != whole_record) {
    const auto behind = std::min(lane.from.index + 1, end_);
    (ascending() ? first_ : end_) = behind;
  }
  lane.from = ascending() ? Place{offset, whole_record} : Place{offset - 1, whole_record};
  return {};
}

}  // namespace projections
