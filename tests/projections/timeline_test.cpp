// Goal: an organization's events of several products come in one order, oldest or newest first, in
// pieces of any size, from any place, also from inside a record, and only its own. Method: random
// histories with many equal times, against a sorted list of all that happened.

#include "projections/timeline.h"

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
    ASSERT_EQ(event.batch().recorded(), expected.recorded);
    ASSERT_EQ(event.log.topic, expected.topic);
    ASSERT_EQ(event.offset, expected.offset);
    ASSERT_EQ(event.index, expected.index);
    ASSERT_EQ(event.count, expected.count);
    ASSERT_EQ(event.event().entity().name, expected.entity);
    const auto record = *history.storage().at(*history.storage().find(event.log, event.offset));
    ASSERT_EQ(event.position.log, event.log);
    ASSERT_EQ(event.position.offset, static_cast<std::int64_t>(event.offset));
    ASSERT_EQ(event.position.index,
              expected.index + 1 == expected.count ? whole_record : expected.index);
    ASSERT_EQ(event.position.epoch, record.head.epoch);
    ASSERT_EQ(event.position.sequence, record.head.sequence);
    ASSERT_EQ(event.position.chain, record.head.chain);
  }

  std::mt19937 random;
  History history;
  Folded folded{history};
  std::vector<Told> all;
};

TEST_P(RandomTimeline, NextGoesOnInOrderFromAnywhereInPiecesOfAnySize) {
  const ScopedRows rows(folded.rows(), acme, Space::live);
  const Timeline timeline(rows, folded.log(), acme, Space::live, 3);
  for (int round = 0; round < 40; ++round) {
    auto places = round == 0 ? beginning() : somewhere();
    std::optional<Time> until;
    if (draw(3) == 0) until = Time{std::chrono::milliseconds{1000 + draw(50)}};
    std::vector<Told> expected;
    for (const auto& event : all) {
      if (is_behind(event, places) && (!until || event.recorded < *until))
        expected.push_back(event);
    }
    std::size_t at = 0;
    for (;;) {
      const std::size_t limit = 1 + draw(7);
      auto events = timeline.next(places, limit, until);
      ASSERT_TRUE(events);
      ASSERT_EQ(events->size(), std::min(limit, expected.size() - at)) << "round " << round;
      for (const auto& event : *events) check(event, expected[at++]);
      if (events->size() < limit) break;
    }
    ASSERT_EQ(at, expected.size());
  }
}

TEST_P(RandomTimeline, PreviousGoesBackInOrderFromAnywhereInPiecesOfAnySize) {
  const ScopedRows rows(folded.rows(), acme, Space::live);
  const Timeline timeline(rows, folded.log(), acme, Space::live, 3);
  for (int round = 0; round < 40; ++round) {
    auto places = somewhere();
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
    std::size_t at = 0;
    for (;;) {
      const std::size_t limit = 1 + draw(7);
      auto events = timeline.previous(places, limit, from);
      ASSERT_TRUE(events);
      ASSERT_EQ(events->size(), std::min(limit, expected.size() - at)) << "round " << round;
      for (const auto& event : *events) check(event, expected[at++]);
      if (events->size() < limit) break;
    }
    ASSERT_EQ(at, expected.size());
  }
}

TEST_P(RandomTimeline, BackAndForthMeetTheSameEvents) {
  const Timeline timeline(folded.rows(), folded.log(), acme, Space::live, 3);
  auto places = beginning();
  const auto walked = timeline.next(places, 1 + draw(static_cast<std::uint32_t>(all.size())));
  ASSERT_TRUE(walked);
  auto back = places;
  auto before = timeline.previous(back, all.size());
  ASSERT_TRUE(before);
  ASSERT_EQ(before->size(), walked->size());
  auto again = timeline.next(back, before->size());
  ASSERT_TRUE(again);
  ASSERT_EQ(again->size(), before->size());
  for (std::size_t i = 0; i < again->size(); ++i) {
    const auto& mirrored = (*before)[before->size() - 1 - i];
    EXPECT_EQ((*again)[i].offset, mirrored.offset);
    EXPECT_EQ((*again)[i].index, mirrored.index);
  }
}

TEST_P(RandomTimeline, OnlyTheTopicsAskedForAreTold) {
  const Timeline timeline(folded.rows(), folded.log(), acme, Space::live, 3);
  Places places{{TopicId{7}, {}}};
  auto events = timeline.next(places, 1000);
  ASSERT_TRUE(events);
  EXPECT_EQ(events->size(),
            static_cast<std::size_t>(std::ranges::count(all, TopicId{7}, &Told::topic)));
}

TEST_P(RandomTimeline, AnEventIsFoundAtItsPlace) {
  const Timeline timeline(folded.rows(), folded.log(), acme, Space::live, 3);
  for (const auto& expected : all) {
    auto event = timeline.at(expected.topic, expected.offset, expected.index);
    ASSERT_TRUE(event);
    check(*event, expected);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomTimeline, testing::Range(1u, 21u));

}  // namespace
}  // namespace projections
