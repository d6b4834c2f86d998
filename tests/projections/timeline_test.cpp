// Goal: an organization's events of several products come in one order, oldest or newest first, in
// pieces of any size, from any place, also from inside a record, and only its own. Method: random
// histories with many equal times, against a sorted list of all that happened.

#include "projections/timeline.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "tests/support/history.h"
#include "tests/support/scoped_rows.h"

namespace projections {
namespace {

using schemas::Uuid;
constexpr auto whole_record = schemas::Position::whole_record;

const OrganizationId acme(Uuid{{1}});
const OrganizationId other(Uuid{{2}});

struct Told {
  Time recorded;
  TopicId topic;
  Offset offset;
  std::uint32_t index;
  std::uint32_t count;
  std::string entity;
  friend auto operator<=>(const Told&, const Told&) = default;
};

class RandomTimeline : public testing::TestWithParam<std::uint32_t> {
 protected:
  RandomTimeline() : random(GetParam()) {
    std::map<std::tuple<int, Uuid, int, std::string>, std::uint64_t> versions;
    std::int64_t time = 1000;
    for (int i = 0; i < 80; ++i) {
      const TopicId topic{static_cast<std::uint16_t>(6 + draw(3))};
      const auto organization = draw(3) == 0 ? other : acme;
      const auto space = draw(4) == 0 ? Space::test : Space::live;
      time += draw(2);
      std::vector<Happened> events;
      for (auto count = 1 + draw(4); count > 0; --count) {
        auto name = std::string(1, static_cast<char>('a' + draw(5)));
        auto& version =
            versions[{static_cast<int>(topic), organization.uuid(), static_cast<int>(space), name}];
        events.push_back(file(name, ++version, "{}"));
      }
      if (draw(5) == 0) history.zombie({topic, 3});
      const auto offset = history.add(
          {.log = {topic, 3}, .organization = organization, .space = space, .recorded = time},
          events);
      if (organization != acme || space != Space::live) continue;
      for (std::uint32_t index = 0; index < events.size(); ++index) {
        all.push_back({Time{std::chrono::milliseconds{time}}, topic, offset, index,
                       static_cast<std::uint32_t>(events.size()), events[index].entity.name});
      }
    }
    EXPECT_TRUE(folded.start());
    std::ranges::sort(all);
  }
  std::uint32_t draw(std::uint32_t below) { return random() % below; }

  Places beginning() const { return {{TopicId{6}, {}}, {TopicId{7}, {}}, {TopicId{8}, {}}}; }
  /// Somewhere in each topic: before all, behind some event, behind a whole record of anybody's.
  Places somewhere() {
    auto places = beginning();
    for (auto& [topic, place] : places) {
      if (draw(4) == 0) continue;
      if (draw(3) == 0) {
        place.offset = draw(120);
        continue;
      }
      const auto& event = all[draw(static_cast<std::uint32_t>(all.size()))];
      if (event.topic != topic) continue;
      place = {static_cast<std::int64_t>(event.offset),
               event.index + 1 == event.count ? whole_record : event.index};
    }
    return places;
  }
  bool is_behind(const Told& event, const Places& places) const {
    const auto place = places.find(event.topic);
    if (place == places.end()) return false;
    const auto offset = static_cast<std::int64_t>(event.offset);
    if (offset != place->second.offset) return offset > place->second.offset;
    return place->second.index != whole_record && event.index > place->second.index;
  }
  void check(const TimelineEvent& event, const Told& expected) {
    ASSERT_EQ(event.batch.recorded(), expected.recorded);
    ASSERT_EQ(event.log.topic, expected.topic);
    ASSERT_EQ(event.offset, expected.offset);
    ASSERT_EQ(event.index, expected.index);
    ASSERT_EQ(event.count, expected.count);
    ASSERT_EQ(event.event().entity().name, expected.entity);
    const auto record = *history.storage().at(*history.storage().find(event.log, event.offset));
    const auto& head = record.head;
    ASSERT_EQ(event.position,
              schemas::marked({event.log, static_cast<std::int64_t>(event.offset),
                               expected.index + 1 == expected.count ? whole_record : expected.index,
                               head.epoch, head.sequence, head.chain}));
  }
  /// Walks from `places` to the end in pieces of any size, each from where the last one ended.
  void walk(const RowReader& rows, Direction direction, Places places, std::optional<Time> bound,
            const std::vector<Told>& expected) {
    Timeline timeline(rows, folded.log(), acme, Space::live, 3);
    std::size_t at = 0;
    for (bool ended = false; !ended;) {
      TimelineWalk walk(timeline, direction, places, bound);
      for (auto piece = 1 + draw(40); piece > 0 && !ended; --piece) {
        const auto event = walk.next();
        ASSERT_TRUE(event);
        ended = !*event;
        if (ended) break;
        ASSERT_LT(at, expected.size());
        check(**event, expected[at++]);
        places[(*event)->log.topic] = behind(**event, direction);
      }
    }
    ASSERT_EQ(at, expected.size());
  }
  static Place behind(const TimelineEvent& event, Direction direction) {
    if (direction == Direction::ascending) return {event.position.offset, event.position.index};
    if (event.index > 0) return {event.position.offset, event.index - 1};
    return {event.position.offset - 1, whole_record};
  }

  std::mt19937 random;
  History history;
  Folded folded{history};
  std::vector<Told> all;
};

TEST_P(RandomTimeline, GoesOnInOrderFromAnywhereInPiecesOfAnySize) {
  const ScopedRows rows(folded.rows(), acme, Space::live);
  for (int round = 0; round < 40; ++round) {
    const auto places = round == 0 ? beginning() : somewhere();
    std::optional<Time> until;
    if (draw(3) == 0) until = Time{std::chrono::milliseconds{1000 + draw(50)}};
    std::vector<Told> expected;
    for (const auto& event : all) {
      if (is_behind(event, places) && (!until || event.recorded < *until))
        expected.push_back(event);
    }
    walk(rows, Direction::ascending, places, until, expected);
  }
}

TEST_P(RandomTimeline, GoesBackInOrderFromAnywhereInPiecesOfAnySize) {
  const ScopedRows rows(folded.rows(), acme, Space::live);
  for (int round = 0; round < 40; ++round) {
    const auto places = somewhere();
    std::optional<Time> from;
    if (draw(3) == 0) from = Time{std::chrono::milliseconds{1000 + draw(50)}};
    std::vector<Told> expected;
    for (const auto& event : all) {
      if (!is_behind(event, places) && (!from || event.recorded >= *from)) {
        expected.push_back(event);
      }
    }
    // Newest record first; within it the last event first.
    std::ranges::reverse(expected);
    walk(rows, Direction::descending, places, from, expected);
  }
}

TEST_P(RandomTimeline, OnlyTheTopicsAskedForAreTold) {
  std::vector<Told> expected;
  std::ranges::copy_if(all, std::back_inserter(expected),
                       [](const Told& told) { return told.topic == TopicId{7}; });
  walk(folded.rows(), Direction::ascending, {{TopicId{7}, {}}}, {}, expected);
}

TEST_P(RandomTimeline, AnEventIsFoundAtItsPlace) {
  Timeline timeline(folded.rows(), folded.log(), acme, Space::live, 3);
  std::ranges::shuffle(all, random);
  for (const auto& expected : all) {
    auto event = timeline.at(expected.topic, expected.offset, expected.index);
    ASSERT_TRUE(event);
    check(*event, expected);
  }
}

/// Another log's records, by readers that never give back the memory of the largest one they read,
/// as the journal's; counts how much all of them hold.
class HoardingLog final : public eventstore::Log {
 public:
  explicit HoardingLog(eventstore::Log& log) : log_(log) {}
  std::size_t held() const { return held_; }

  std::unique_ptr<eventstore::RecordReader> reader(LogId id) override {
    return std::make_unique<Reader>(log_.reader(id), held_);
  }
  schemas::Result<void> open_topic(const eventstore::Topic& topic) override {
    return log_.open_topic(topic);
  }
  void append(std::vector<eventstore::Append> records) override { log_.append(std::move(records)); }
  schemas::Result<std::unique_ptr<eventstore::Cursor>> read(
      std::vector<eventstore::ReadFrom> from) override {
    return log_.read(std::move(from));
  }
  Offset durable_end(LogId id) const override { return log_.durable_end(id); }
  eventstore::PartitionState state(LogId id) const override { return log_.state(id); }
  std::vector<LogId> partitions() const override { return log_.partitions(); }
  std::optional<schemas::Error> read_only() const override { return log_.read_only(); }
  void close() override { log_.close(); }

 private:
  class Reader final : public eventstore::RecordReader {
   public:
    Reader(std::unique_ptr<eventstore::RecordReader> reader, std::size_t& held)
        : reader_(std::move(reader)), held_(held) {}
    ~Reader() override { held_ -= largest_; }
    schemas::Result<eventstore::StoredRecord> read(Offset offset) override {
      auto record = reader_->read(offset);
      const auto size = record ? record->payload.bytes().size() : 0;
      if (size > largest_) held_ += size - std::exchange(largest_, size);
      return record;
    }

   private:
    std::unique_ptr<eventstore::RecordReader> reader_;
    std::size_t& held_;
    std::size_t largest_ = 0;
  };

  eventstore::Log& log_;
  std::size_t held_ = 0;
};

/// One large record, some small ones, in each of many topics in turn.
TEST(TimelineMemory, HoldsOneLargeRecordAtATimeHoweverManyTopics) {
  constexpr std::size_t large = 1024 * 1024;
  constexpr std::uint16_t topics = 20;
  const auto json = R"({"text":")" + std::string(large, 'x') + R"("})";
  History history;
  Places places;
  std::uint64_t version = 0;
  for (int round = 0; round < 3; ++round) {
    ++version;
    for (std::uint16_t i = 0; i < topics; ++i) {
      const TopicId topic{static_cast<std::uint16_t>(6 + i)};
      const History::Head head{.log = {topic, 3}, .organization = acme};
      history.add(head, {file("f", version, round == 1 ? "{}" : json)});
      places[topic];
    }
  }
  Folded folded{history};
  ASSERT_TRUE(folded.start());
  HoardingLog log(folded.log());
  Timeline timeline(folded.rows(), log, acme, Space::live, 3);
  for (const auto direction : {Direction::ascending, Direction::descending}) {
    if (direction == Direction::descending) {
      for (auto& [topic, place] : places) place.offset = 1000;
    }
    TimelineWalk walk(timeline, direction, places);
    std::size_t told = 0;
    while (true) {
      const auto event = walk.next();
      ASSERT_TRUE(event);
      if (!*event) break;
      ++told;
      ASSERT_LT(log.held(), 2 * large);
    }
    EXPECT_EQ(told, 3 * topics);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomTimeline, testing::Range(1u, 21u));

}  // namespace
}  // namespace projections
