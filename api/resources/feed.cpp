#include "api/resources/feed.h"

#include <algorithm>
#include <limits>

#include "api/resources/event_json.h"
#include "api/resources/reading.h"
#include "projections/reader.h"
#include "schemas/type_pattern.h"

namespace api::resources {
namespace {

using projections::Direction;
using schemas::LogId;
using schemas::Offset;
using schemas::Position;
using schemas::Time;

/// What one call looks at at most, so that a filter that drops nearly all cannot hold a thread. So
/// many steps of a condition are as good as an event.
constexpr std::size_t looked_at_max = 5'000;
constexpr std::size_t steps_per_look = 200;
constexpr std::size_t bytes_per_look = 4'096;  // of a text that it is asked over
constexpr std::chrono::milliseconds tick{1};

bool one_of(const std::vector<std::string>& values, std::string_view value) {
  return std::ranges::find(values, value) != values.end();
}

/// Asks the condition, for which an event is written as it is shown, and read.
class Sieve {
 public:
  Sieve(const Services& services, const EventFilter& filter)
      : services_(services), filter_(filter) {}

  Result<bool> takes(const TimelineEvent& event, std::string_view product) {
    ++looked_at_;
    if (filter_.tests_of && event.event().type() == "endpoint.tested") {
      return event.event().entity().id == *filter_.tests_of;
    }
    const auto& products = filter_.of_products;
    if (!products.empty() && !one_of(products, product)) return false;
    if (!filter_.matches(event.event())) return false;
    if (filter_.where == nullptr) return true;
    text_.clear();
    auto shown = append_event(text_, event.batch, event.index, product, {}, &services_.sealing);
    // A delivery says that it cannot be shown; a list ends there.
    if (!shown && filter_.tests_of) return true;
    if (!shown) return std::unexpected(std::move(shown).error());
    const auto document = schemas::json::parse(text_);
    if (!document) return std::unexpected(document.error());
    const bool takes = filter_.where->matches(document->root(), memory_);
    looked_at_ += 1 + memory_.spent() / steps_per_look + text_.size() / bytes_per_look;
    return takes;
  }

  bool tired() const { return looked_at_ >= looked_at_max; }

 private:
  const Services& services_;
  const EventFilter& filter_;
  schemas::cel::Memory memory_{schemas::cel::filter_limits};
  std::string text_;
  std::size_t looked_at_ = 0;
};

}  // namespace

bool EventFilter::matches(const schemas::EventView& event) const {
  if (!kinds.empty() && !one_of(kinds, event.kind())) return false;
  if (!types.empty() && std::ranges::none_of(types, [&](const auto& pattern) {
        return schemas::type_fits(pattern, event.type());
      })) {
    return false;
  }
  const bool restricted = access && access->projects;
  if (subjects.empty() && !restricted) return true;
  const auto subject = schemas::entity_text(event.kind(), event.entity());
  if (!subjects.empty() && !one_of(subjects, subject)) return false;
  if (!restricted) return true;
  const auto project = project_of(event);
  return project && one_of(*access->projects, to_text(schemas::ProjectId(*project)));
}

std::optional<schemas::Uuid> project_of(const schemas::EventView& event) {
  const bool is_below_one = schemas::id_prefix(event.kind()) == schemas::ProjectTag::prefix;
  const auto project =
      is_below_one ? std::optional(event.entity().id) : schemas::project_in(event.data());
  return project && !project->nil() ? project : std::nullopt;
}

bool Passed::contains(const TimelineEvent& event) const {
  const auto* last = find(event.log.topic);
  if (last == nullptr) return false;
  const auto offset = static_cast<std::int64_t>(event.offset);
  return offset < last->offset || (offset == last->offset && event.index <= last->index);
}

const MarkedPosition* Passed::find(TopicId topic) const {
  auto found = std::ranges::find(positions, topic,
                                 [](const MarkedPosition& position) { return position.log.topic; });
  return found == positions.end() ? nullptr : &*found;
}

void Passed::set(const MarkedPosition& position) {
  auto at = std::ranges::lower_bound(positions, position.log, {}, &MarkedPosition::log);
  if (at != positions.end() && at->log == position.log) {
    *at = position;
  } else {
    positions.insert(at, position);
  }
}

TimelineKey key_of(const TimelineEvent& event) {
  return {event.batch.recorded(), event.log.topic, event.offset, event.index};
}

std::vector<MarkedPosition> mark_positions(const EventFilter& filter, const Passed& passed) {
  constexpr auto room = schemas::MarkCodec::positions_max;
  auto positions = passed.positions;
  if (positions.size() > room) positions.resize(room);
  if (filter.products.empty() && positions.size() < room) positions.push_back(names_all_topics());
  return positions;
}

std::string mark_of(const Services& services, MarkOwner scope, const EventFilter& filter,
                    const Passed& passed) {
  return services.marks.encode(scope.organization, scope.space, mark_positions(filter, passed));
}

std::vector<eventstore::Topic> followed(const Services& services, const EventFilter& filter) {
  auto topics = services.topics.all();
  // What became of deliveries is not news that could be delivered: they would go on for ever.
  std::erase_if(topics, [&](const auto& topic) {
    return filter.products.empty() ? topic.name == eventstore::deliveries_product
                                   : !one_of(filter.products, topic.name);
  });
  return topics;
}

Feed::Feed(const Services& services, const projections::RowReader& rows, MarkOwner scope,
           const EventFilter& filter)
    : services_(services),
      rows_(rows),
      scope_(scope),
      filter_(filter),
      partition_(schemas::partition_of(scope.organization, services.topics.partition_count())),
      topics_(followed(services, filter)) {}

projections::Timeline Feed::timeline() const {
  return {rows_, services_.log, scope_.organization, scope_.space, partition_};
}

std::string_view Feed::name_of(TopicId topic) const {
  return std::ranges::find(topics_, topic, &eventstore::Topic::id)->name;
}

// ---- places ----

std::optional<Feed::OwnRecord> Feed::last_own(TopicId topic, std::int64_t at_most) const {
  if (at_most < 0) return std::nullopt;
  using projections::record_key;
  std::optional<OwnRecord> found;
  rows_.scan_back(
      record_key(scope_.organization, scope_.space, topic, 0),
      record_key(scope_.organization, scope_.space, topic, static_cast<Offset>(at_most) + 1),
      [&](std::string_view key, std::string_view row) {
        found = OwnRecord{projections::read_u64(key.substr(key.size() - 8)), {}};
        projections::Decoder{row}(found->recorded);
        return false;
      });
  return found;
}

std::optional<Feed::OwnRecord> Feed::last_own_before(TopicId topic, const TimelineKey& key) const {
  if (topic == key.topic) return last_own(topic, static_cast<std::int64_t>(key.offset) - 1);
  projections::Reader reader(rows_, scope_.organization, scope_.space);
  // Of two events of one moment, the one of the lower topic comes first.
  const auto time = topic < key.topic ? key.recorded : key.recorded - tick;
  return last_own(topic, reader.offset_at(topic, time));
}

MarkedPosition Feed::whole(TopicId topic, const OwnRecord& record) const {
  auto mark = mark_at(services_, {topic, partition_}, static_cast<std::int64_t>(record.offset));
  if (!mark) throw projections::StoreFailure(mark.error().detail);
  return *mark;
}

/// When the record at a marked place was accepted, whosever it is.
std::optional<Time> Feed::recorded_at(TopicId topic, const MarkedPosition& position) const {
  if (position.offset < 0) return std::nullopt;
  auto own = last_own(topic, position.offset);
  if (own && static_cast<std::int64_t>(own->offset) == position.offset) return own->recorded;
  auto record = services_.log.read_one(position.log, static_cast<Offset>(position.offset));
  if (!record || record->head.kind != eventstore::RecordKind::events) return std::nullopt;
  auto batch = schemas::BatchView::verify(record->payload.bytes());
  return batch ? std::optional(batch->recorded()) : std::nullopt;
}

Passed Feed::passed_at(const std::vector<MarkedPosition>& mark) const {
  Passed passed;
  std::vector<TopicId> unnamed;
  std::optional<Time> newest;
  for (const auto& topic : topics_) {
    auto named = std::ranges::find(mark, LogId{topic.id, partition_}, &MarkedPosition::log);
    if (named == mark.end()) {
      unnamed.push_back(topic.id);
      continue;
    }
    newest = std::max(newest, recorded_at(topic.id, *named));
    auto own = last_own(topic.id, named->offset);
    if (!own) continue;
    const bool exactly = static_cast<std::int64_t>(own->offset) == named->offset;
    passed.set(exactly ? *named : whole(topic.id, *own));
  }
  if (!newest || std::ranges::any_of(mark, is_names_all)) return passed;
  projections::Reader reader(rows_, scope_.organization, scope_.space);
  for (auto topic : unnamed) {
    if (auto own = last_own(topic, reader.offset_at(topic, *newest))) {
      passed.set(whole(topic, *own));
    }
  }
  return passed;
}

Passed Feed::passed_now() const {
  Passed passed;
  for (const auto& topic : topics_) {
    if (auto own = last_own(topic.id, std::numeric_limits<std::int64_t>::max() - 1)) {
      passed.set(whole(topic.id, *own));
    }
  }
  return passed;
}

Passed Feed::passed_before(const TimelineKey& key) const {
  Passed passed;
  for (const auto& topic : topics_) {
    if (topic.id == key.topic && key.index > 0) {
      auto inside = whole(topic.id, {key.offset, key.recorded});
      inside.index = key.index - 1;
      passed.set(inside);
    } else if (auto own = last_own_before(topic.id, key)) {
      passed.set(whole(topic.id, *own));
    }
  }
  return passed;
}

std::optional<TimelineKey> Feed::newest(const Passed& passed, WholeRecord whole) const {
  std::optional<TimelineKey> newest;
  for (const auto& position : passed.positions) {
    auto own = last_own(position.log.topic, position.offset);
    if (!own) continue;
    newest = std::max(newest, std::optional<TimelineKey>(TimelineKey{
                                  own->recorded, position.log.topic, own->offset, position.index}));
  }
  if (!newest || newest->index != Position::whole_record) return newest;
  newest->index = 0;
  if (whole == WholeRecord::last_event) {
    auto timeline = this->timeline();
    auto first = timeline.at(newest->topic, newest->offset, 0);
    if (!first) throw projections::StoreFailure(first.error().detail);
    newest->index = first->count - 1;
  }
  return newest;
}

projections::Places Feed::places_of(const Passed& passed) const {
  projections::Places places;
  for (const auto& topic : topics_) {
    const auto* position = passed.find(topic.id);
    places[topic.id] = position != nullptr ? projections::Place{position->offset, position->index}
                                           : projections::Place{};
  }
  return places;
}

projections::Places Feed::places_before(const std::optional<TimelineKey>& key) const {
  if (key) return places_of(passed_before(*key));
  projections::Places places;
  for (const auto& topic : topics_) {
    places[topic.id].offset = std::numeric_limits<std::int64_t>::max() - 1;
  }
  return places;
}

std::string Feed::mark_of(const Passed& passed) const {
  return resources::mark_of(services_, scope_, filter_, passed);
}

// ---- passing events ----

Result<Feed::End> Feed::forward(Passed& passed, const std::optional<TimelineKey>& until,
                                const Take& take) const {
  std::optional<Time> until_time;
  if (until) until_time = until->recorded + tick;
  auto timeline = this->timeline();
  projections::TimelineWalk walk(timeline, Direction::ascending, places_of(passed), until_time);
  for (Sieve sieve(services_, filter_); !sieve.tired();) {
    const auto event = walk.next();
    if (!event) return std::unexpected(event.error());
    if (!*event || (until && key_of(**event) >= *until)) return End::reached;
    passed.set((*event)->position);
    const auto product = name_of((*event)->log.topic);
    const auto taken = sieve.takes(**event, product);
    if (!taken) return std::unexpected(taken.error());
    if (*taken && !take(**event, product, mark_of(passed))) return End::enough;
  }
  return End::enough;
}

Result<Feed::End> Feed::backward(Passed& passed, const std::optional<TimelineKey>& before,
                                 const std::optional<TimelineKey>& from, const Take& take) const {
  std::optional<Time> from_time;
  if (from) from_time = from->recorded;
  auto timeline = this->timeline();
  projections::TimelineWalk walk(timeline, Direction::descending, places_before(before), from_time);
  for (Sieve sieve(services_, filter_); !sieve.tired();) {
    const auto event = walk.next();
    if (!event) return std::unexpected(event.error());
    if (!*event || (from && key_of(**event) < *from)) return End::reached;
    passed = passed_before(key_of(**event));
    passed.set((*event)->position);
    const auto product = name_of((*event)->log.topic);
    const auto taken = sieve.takes(**event, product);
    if (!taken) return std::unexpected(taken.error());
    if (*taken && !take(**event, product, mark_of(passed))) return End::enough;
  }
  return End::enough;
}

}  // namespace api::resources
