// Goal: what a reader answers about now and about every past moment is what happened, for entities
// and for lists, whatever bytes their names and ids hold, and nothing of another organization.
// Method: random histories of several organizations, spaces, products and kinds in one log, folded;
// every answer is compared with a plain model of every past state. Failing seeds are printed.

#include "projections/reader.h"

#include <random>

#include <gtest/gtest.h>

#include "tests/support/history.h"
#include "tests/support/scoped_rows.h"

namespace projections {
namespace {

using schemas::Fold;
using schemas::Uuid;
using namespace std::string_literals;

/// One (organization, space, product, kind).
struct Corner {
  OrganizationId organization;
  Space space;
  TopicId topic;
  std::string kind;
  friend auto operator<=>(const Corner&, const Corner&) = default;
  bool has_id() const { return kind == "project"; }
};

struct Seen {
  std::string state;
  std::uint64_t version;
  Time created;
  Time updated;
  friend bool operator==(const Seen&, const Seen&) = default;
};
/// In the order of lists: by id, then by the bytes of the name.
using States = std::map<Entity, Seen>;

struct Moment {
  std::int64_t offset;
  Time recorded;
  States states;
};
struct Event {
  Offset offset;
  std::uint32_t index;
  std::uint64_t version;
};
struct Model {
  std::vector<Moment> moments;
  std::map<Entity, std::vector<Event>> events;
  States states;
};

const std::vector<std::string> names{
    "a",     "ab",      "a\x01"s,    "a/b",       "a b",
    "\x01"s, "\xff"s,   "\xff\xff"s, "\xc3\xa4"s, "a\xff"s,
    "b",     "A",       "proj_1",    "~",         "%2F",
    " ",     "a/b/c.d", "\x7f"s,     "\xfe\xff"s, std::string(512, 'x'),
};

std::vector<Uuid> ids() {
  std::vector<Uuid> made;
  for (int i = 0; i < 10; ++i) {
    Uuid id;
    id.bytes[0] = static_cast<std::uint8_t>(i % 3);  // zeros in front, behind and between
    id.bytes[7] = static_cast<std::uint8_t>(i / 3);
    id.bytes[15] = static_cast<std::uint8_t>(i % 2 == 0 ? 0xff : 0);
    id.bytes[8] = 1;
    made.push_back(id);
  }
  return made;
}

const std::vector<OrganizationId> organizations{schemas::platform_organization,
                                                OrganizationId(Uuid{{0, 0, 0, 0, 0, 0, 0, 1}}),
                                                OrganizationId(Uuid{{0xff, 0xff}})};

class RandomHistory {
 public:
  explicit RandomHistory(std::uint32_t seed) : random_(seed) {
    for (int i = 0; i < 120; ++i) add_record();
    EXPECT_TRUE(folded.start());
    EXPECT_TRUE(folded.projector().frozen().empty());
  }
  std::uint32_t draw(std::uint32_t below) { return random_() % below; }

  History history;
  Folded folded{history};
  std::map<Corner, Model> models;

 private:
  void add_record() {
    // Events of one record are of one product, possibly of several kinds.
    const auto organization = organizations[draw(3)];
    const auto space = draw(3) == 0 ? Space::test : Space::live;
    const auto built_in = draw(3) == 0;
    const TopicId topic{static_cast<std::uint16_t>(built_in ? 2 : 6 + draw(2))};
    time_ += draw(3);
    const Time recorded{std::chrono::milliseconds{time_}};
    std::vector<Happened> events;
    std::vector<std::pair<Corner, Entity>> touched;
    for (auto count = 1 + draw(4); count > 0; --count) {
      const Corner corner{organization, space, topic,
                          built_in ? "project" : (draw(2) == 0 ? "file" : "fil")};
      events.push_back(built_in ? project_event(models[corner], recorded)
                                : file_event(models[corner], corner.kind, recorded));
      touched.emplace_back(corner, events.back().entity);
    }
    const auto offset = history.add(
        {.log = {topic, 0}, .organization = organization, .space = space, .recorded = time_},
        events);
    for (std::uint32_t i = 0; i < events.size(); ++i) {
      models[touched[i].first].events[touched[i].second].push_back({offset, i, events[i].version});
    }
    for (auto& [corner, model] : models) {
      if (corner.organization != organization || corner.space != space || corner.topic != topic) {
        continue;
      }
      model.moments.push_back({static_cast<std::int64_t>(offset), recorded, model.states});
    }
  }

  Happened file_event(Model& model, const std::string& kind, Time recorded) {
    const Entity entity{{}, names[draw(static_cast<std::uint32_t>(names.size()))]};
    const auto version = ++versions_of(model)[entity];
    const bool remove = draw(4) == 0;
    texts_.push_back("{\"v\":" + std::to_string(version) + "}");
    note(model, entity, remove ? std::optional<std::string>() : texts_.back(), version, recorded);
    return {kind, entity, version,
            schemas::Json{texts_.back(), remove ? Fold::remove : Fold::replace}, "file.happened"};
  }
  Happened project_event(Model& model, Time recorded) {
    static const auto all_ids = ids();
    const Entity entity{all_ids[draw(static_cast<std::uint32_t>(all_ids.size()))], {}};
    const auto version = ++versions_of(model)[entity];
    const bool there = model.states.contains(entity);
    texts_.push_back("name " + std::to_string(version));
    const std::string_view text = texts_.back();
    if (there && draw(4) == 0) {
      note(model, entity, std::nullopt, version, recorded);
      return project(entity.id, version, schemas::ProjectDeleted{});
    }
    note(model, entity, texts_.back(), version, recorded);
    if (there) return project(entity.id, version, schemas::ProjectChanged{text, {}});
    texts_.push_back("slug-" + std::to_string(texts_.size()));
    return project(entity.id, version, schemas::ProjectCreated{text, texts_.back()});
  }
  void note(Model& model, const Entity& entity, std::optional<std::string> state,
            std::uint64_t version, Time recorded) {
    auto found = model.states.find(entity);
    const auto created = found == model.states.end() ? recorded : found->second.created;
    if (found != model.states.end()) model.states.erase(found);
    if (state) model.states[entity] = {*state, version, created, recorded};
  }
  std::map<Entity, std::uint64_t>& versions_of(const Model& model) { return by_model_[&model]; }

  std::mt19937 random_;
  std::int64_t time_ = 1000;
  std::map<const Model*, std::map<Entity, std::uint64_t>> by_model_;
  std::deque<std::string> texts_;
};

Seen decoded(const Corner& corner, std::string_view row) {
  const auto head = decode_head(row, nullptr);
  return {
      corner.has_id() ? decode_row<Project>(row).state.name : decode_row<Declared>(row).state.json,
      to_number(head.version), head.created_at, head.updated_at};
}

/// All pages of a list, by cursors of random sizes.
std::vector<std::pair<Entity, Seen>> all_pages(const Reader& reader, const Corner& corner,
                                               ListOptions options, std::mt19937& random) {
  std::vector<std::pair<Entity, Seen>> listed;
  for (;;) {
    options.limit = 1 + random() % 5;
    auto page = reader.list(corner.topic, corner.kind, corner.has_id(), options);
    EXPECT_LE(page.rows.size(), options.limit);
    for (const auto& row : page.rows) listed.emplace_back(row.entity, decoded(corner, row.bytes));
    if (!page.more) return listed;
    EXPECT_EQ(page.rows.size(), options.limit) << "more follows, yet the page is not full";
    if (page.rows.empty()) return listed;
    options.after = page.rows.back().entity;
  }
}

std::vector<std::pair<Entity, Seen>> expected_list(const States& states, bool descending) {
  std::vector<std::pair<Entity, Seen>> listed(states.begin(), states.end());
  if (descending) std::ranges::reverse(listed);
  return listed;
}

class RandomReads : public testing::TestWithParam<std::uint32_t> {
 protected:
  RandomReads() : made(GetParam()), random(GetParam()) {}

  /// Calls `check` for each corner with a reader that may see nothing else.
  template <typename Check>
  void everywhere(Check check) {
    for (const auto& [corner, model] : made.models) {
      SCOPED_TRACE(testing::Message()
                   << "seed " << GetParam() << " " << to_text(corner.organization) << " "
                   << to_text(corner.space) << " topic " << static_cast<int>(corner.topic) << " "
                   << corner.kind);
      const ScopedRows rows(made.folded.rows(), corner.organization, corner.space);
      check(corner, model, Reader(rows, corner.organization, corner.space));
    }
  }
  RandomHistory made;
  std::mt19937 random;
};

TEST_P(RandomReads, EveryEntityIsAtEveryPastOffsetWhatItWasThen) {
  everywhere([&](const Corner& corner, const Model& model, const Reader& reader) {
    auto check = [&](std::int64_t offset, const States& states) {
      for (const auto& [entity, events] : model.events) {
        auto row = reader.find_as_of(corner.topic, corner.kind, entity, offset);
        const auto expected = states.find(entity);
        ASSERT_EQ(row.has_value(), expected != states.end()) << offset << " " << entity.name;
        if (row) ASSERT_EQ(decoded(corner, *row), expected->second) << offset << " " << entity.name;
      }
    };
    check(-1, {});
    std::int64_t last = 0;
    const States* before = nullptr;
    static const States none;
    for (const auto& moment : model.moments) {
      // Between two of its records nothing changes, whatever others wrote there.
      for (auto offset = last; offset < moment.offset; ++offset)
        check(offset, before ? *before : none);
      check(moment.offset, moment.states);
      last = moment.offset + 1;
      before = &moment.states;
    }
    check(INT64_MAX, model.states);
  });
}

TEST_P(RandomReads, EveryListAtEveryPastOffsetIsWhatWasThereThenInOrder) {
  everywhere([&](const Corner& corner, const Model& model, const Reader& reader) {
    for (const auto& moment : model.moments) {
      for (bool descending : {false, true}) {
        ListOptions options{.descending = descending, .as_of = moment.offset};
        ASSERT_EQ(all_pages(reader, corner, options, random),
                  expected_list(moment.states, descending))
            << "as of " << moment.offset << (descending ? " descending" : "");
      }
    }
    ASSERT_TRUE(all_pages(reader, corner, {.as_of = -1}, random).empty());
  });
}

TEST_P(RandomReads, ListsOfNowAreWhatIsThere) {
  everywhere([&](const Corner& corner, const Model& model, const Reader& reader) {
    for (bool descending : {false, true}) {
      ASSERT_EQ(all_pages(reader, corner, {.descending = descending}, random),
                expected_list(model.states, descending));
      // From any entity on, there or not.
      for (const auto& [entity, events] : model.events) {
        ListOptions options{.after = entity, .descending = descending};
        auto expected = expected_list(model.states, descending);
        std::erase_if(expected, [&](const auto& one) {
          return descending ? one.first >= entity : one.first <= entity;
        });
        ASSERT_EQ(all_pages(reader, corner, options, random), expected);
        options.as_of = INT64_MAX;
        ASSERT_EQ(all_pages(reader, corner, options, random), expected);
      }
    }
  });
}

TEST_P(RandomReads, AFilterLeavesOutAndPagesStayFull) {
  everywhere([&](const Corner& corner, const Model& model, const Reader& reader) {
    auto odd = [](const FoundRow& row) {
      return to_number(decode_head(row.bytes, nullptr).version) % 2 == 1;
    };
    for (auto as_of : {std::optional<std::int64_t>(), std::optional<std::int64_t>(INT64_MAX)}) {
      auto expected = expected_list(model.states, false);
      std::erase_if(expected, [](const auto& one) { return one.second.version % 2 == 0; });
      ASSERT_EQ(all_pages(reader, corner, {.as_of = as_of, .filter = odd}, random), expected);
    }
  });
}

TEST_P(RandomReads, ATimeMeansTheLastRecordAcceptedAtOrBeforeIt) {
  everywhere([&](const Corner& corner, const Model&, const Reader& reader) {
    // All kinds of a product share its records.
    std::map<std::int64_t, Time> records;
    for (const auto& [other, other_model] : made.models) {
      if (other.organization != corner.organization || other.space != corner.space ||
          other.topic != corner.topic) {
        continue;
      }
      for (const auto& moment : other_model.moments) records[moment.offset] = moment.recorded;
    }
    for (std::int64_t at = 990; at < 1300; ++at) {
      const Time time{std::chrono::milliseconds{at}};
      std::int64_t expected = -1;
      for (const auto& [offset, recorded] : records) {
        if (recorded <= time) expected = offset;
      }
      ASSERT_EQ(reader.offset_at(corner.topic, time), expected) << at;
    }
    EXPECT_EQ(reader.offset_at(corner.topic, Time::max()), records.rbegin()->first);
    EXPECT_EQ(reader.offset_at(corner.topic, Time::min()), -1);
    EXPECT_EQ(reader.offset_at(TopicId{999}, Time::max()), -1);
  });
}

TEST_P(RandomReads, AnEntitysEventsAreFoundInOrderFromAnyVersionOn) {
  everywhere([&](const Corner& corner, const Model& model, const Reader& reader) {
    for (const auto& [entity, events] : model.events) {
      for (std::uint64_t after = 0; after <= events.size(); ++after) {
        for (bool descending : {false, true}) {
          const std::size_t limit = 1 + random() % 4;
          std::vector<Event> expected;
          for (const auto& event : events) {
            if (event.version > after) expected.push_back(event);
          }
          if (descending) std::ranges::reverse(expected);
          if (expected.size() > limit) expected.resize(limit);
          auto found = reader.events_of(
              corner.topic, corner.kind, entity,
              {.after = Version{after},
               .behind = {},
               .direction = descending ? Direction::descending : Direction::ascending,
               .limit = limit});
          ASSERT_EQ(found.size(), expected.size()) << "after " << after;
          for (std::size_t i = 0; i < found.size(); ++i) {
            ASSERT_EQ(found[i].offset, expected[i].offset);
            ASSERT_EQ(found[i].index, expected[i].index);
            ASSERT_EQ(to_number(found[i].version), expected[i].version);
          }
        }
      }
    }
  });
}

TEST_P(RandomReads, ExistenceKnowsTheVersionOfWhatWasDeleted) {
  everywhere([&](const Corner& corner, const Model& model, const Reader& reader) {
    for (const auto& [entity, events] : model.events) {
      const auto existence = reader.existence(corner.topic, corner.kind, entity);
      EXPECT_EQ(to_number(existence.version), events.back().version);
      EXPECT_EQ(existence.there, model.states.contains(entity));
      EXPECT_EQ(reader.find(corner.topic, corner.kind, entity).has_value(), existence.there);
    }
    const Entity never{{}, "never"};
    EXPECT_EQ(reader.existence(corner.topic, corner.kind, never).version, Version{});
  });
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomReads, testing::Range(1u, 9u));

TEST(Reads, PagesOverAThousandEntitiesWithDeletesGoThroughAllOfThem) {
  History history;
  const OrganizationId acme(Uuid{{1}});
  std::mt19937 random(11);
  States states;
  std::deque<std::string> texts;
  const Corner corner{acme, Space::live, TopicId{6}, "file"};
  for (int i = 0; i < 1000; ++i) {
    const auto name = std::to_string(random() % 100'000'000);
    if (states.contains({{}, name})) continue;
    const Time recorded{std::chrono::milliseconds{i + 1}};
    history.add({.log = {TopicId{6}, 0}, .organization = acme, .recorded = i + 1},
                {file(name, 1, "{}")});
    states[{{}, name}] = {"{}", 1, recorded, recorded};
    if (random() % 3 != 0) continue;
    history.add({.log = {TopicId{6}, 0}, .organization = acme, .recorded = i + 1},
                {file(name, 2, "{}", Fold::remove)});
    states.erase({{}, name});
  }
  Folded folded(history);
  ASSERT_TRUE(folded.start());
  const Reader reader(folded.rows(), acme, Space::live);
  for (bool descending : {false, true}) {
    for (auto as_of : {std::optional<std::int64_t>(), std::optional<std::int64_t>(1'000'000)}) {
      ListOptions options{.descending = descending, .as_of = as_of};
      EXPECT_EQ(all_pages(reader, corner, options, random), expected_list(states, descending));
    }
  }
}

TEST_P(RandomReads, PagesOfAnEntitysEventsGoThroughAllOfThemAsOfAnyMoment) {
  everywhere([&](const Corner& corner, const Model& model, const Reader& reader) {
    for (const auto& [entity, events] : model.events) {
      for (const auto& moment : events) {
        for (auto direction : {Direction::ascending, Direction::descending}) {
          const auto after = random() % 3;
          Reader::EventsOptions options{.after = Version{after},
                                        .behind = {},
                                        .as_of = static_cast<std::int64_t>(moment.offset),
                                        .direction = direction,
                                        .limit = 1 + random() % 3};
          std::vector<std::uint64_t> expected;
          for (const auto& event : events) {
            if (event.offset <= moment.offset && event.version > after) {
              expected.push_back(event.version);
            }
          }
          if (direction == Direction::descending) std::ranges::reverse(expected);
          std::vector<std::uint64_t> found;
          for (;;) {
            auto page = reader.events_of(corner.topic, corner.kind, entity, options);
            for (const auto& place : page) found.push_back(to_number(place.version));
            if (page.empty()) break;
            options.behind = page.back();
          }
          ASSERT_EQ(found, expected) << "as of " << moment.offset << " after " << after;
        }
      }
    }
  });
}

/// Counts the rows that a read looks at.
class CountedRows final : public RowReader {
 public:
  explicit CountedRows(const RowReader& rows) : rows_(rows) {}
  std::optional<std::string> get(std::string_view key) const override { return rows_.get(key); }
  void scan(std::string_view from, std::string_view to, const Visit& visit) const override {
    rows_.scan(from, to, counted(visit));
  }
  void scan_back(std::string_view from, std::string_view to, const Visit& visit) const override {
    rows_.scan_back(from, to, counted(visit));
  }
  mutable std::size_t looked_at = 0;

 private:
  Visit counted(const Visit& visit) const {
    return [this, &visit](std::string_view key, std::string_view row) {
      ++looked_at;
      return visit(key, row);
    };
  }
  const RowReader& rows_;
};

TEST(Reads, APageOfAnEntitysEventsLooksAtItsOwnRowsOnlyWhereverItBegins) {
  History history;
  const OrganizationId acme(Uuid{{1}});
  for (std::uint64_t version = 1; version <= 3000; ++version) {
    history.add({.log = {TopicId{6}, 0}, .organization = acme}, {file("a", version, "{}")});
  }
  Folded folded(history);
  ASSERT_TRUE(folded.start());
  const Reader plain(folded.rows(), acme, Space::live);
  const auto middle = plain.events_of(TopicId{6}, "file", {{}, "a"},
                                      {.after = Version{1499}, .behind = {}, .limit = 1});
  ASSERT_EQ(middle.size(), 1u);
  ASSERT_EQ(middle.front().version, Version{1500});
  const auto moment = static_cast<std::int64_t>(middle.front().offset);
  for (auto direction : {Direction::ascending, Direction::descending}) {
    const Reader::EventsOptions pages[] = {
        {.after = Version{1500}, .behind = {}, .direction = direction, .limit = 10},
        {.behind = middle.front(), .direction = direction, .limit = 10},
        {.behind = {}, .as_of = moment, .direction = direction, .limit = 10},
        {.after = Version{1200},
         .behind = {},
         .as_of = moment,
         .direction = direction,
         .limit = 10}};
    for (const auto& options : pages) {
      const CountedRows rows(folded.rows());
      const Reader reader(rows, acme, Space::live);
      EXPECT_EQ(reader.events_of(TopicId{6}, "file", {{}, "a"}, options).size(), 10u);
      EXPECT_LE(rows.looked_at, 30u);
    }
  }
}

/// Counts what a read asks for.
class CountedScans final : public RowReader {
 public:
  explicit CountedScans(const RowReader& rows) : rows_(rows) {}
  std::optional<std::string> get(std::string_view key) const override { return rows_.get(key); }
  void scan(std::string_view from, std::string_view to, const Visit& visit) const override {
    ++count;
    rows_.scan(from, to, visit);
  }
  void scan_back(std::string_view from, std::string_view to, const Visit& visit) const override {
    ++count;
    rows_.scan_back(from, to, visit);
  }
  mutable std::size_t count = 0;

 private:
  const RowReader& rows_;
};

TEST(Reads, AListOfThePastAsksForTheHistoryOfWhatChangedSinceOnly) {
  History history;
  const OrganizationId acme(Uuid{{1}});
  const History::Head in_acme{.log = {TopicId{6}, 0}, .organization = acme};
  auto name = [](int number) { return "f" + std::to_string(1000 + number); };
  for (int i = 0; i < 200; ++i) history.add(in_acme, {file(name(i), 1, "{}")});
  const auto moment = static_cast<std::int64_t>(history.add(in_acme, {file("a", 1, "{}")}));
  for (int i = 0; i < 20; ++i) history.add(in_acme, {file(name(i), 2, "{}")});
  for (int i = 200; i < 400; ++i) history.add(in_acme, {file(name(i), 1, "{}")});
  Folded folded(history);
  ASSERT_TRUE(folded.start());
  for (bool descending : {false, true}) {
    const CountedScans rows(folded.rows());
    const Reader reader(rows, acme, Space::live);
    ListOptions options{.descending = descending, .limit = 1000, .as_of = moment};
    EXPECT_EQ(reader.list(TopicId{6}, "file", false, options).rows.size(), 201u);
    EXPECT_LE(rows.count, 20u + 2 * 7);
    options.looks_max = 30;
    std::vector<std::string> found;
    int pages = 0;
    for (bool more = true; more; ++pages) {
      auto page = reader.list(TopicId{6}, "file", false, options);
      for (const auto& row : page.rows) found.push_back(row.entity.name);
      more = page.more;
      options.after = page.last;
    }
    EXPECT_EQ(pages, 401 / 30 + 1);
    EXPECT_EQ(found.size(), 201u);
    if (descending) std::ranges::reverse(found);
    EXPECT_EQ(found.front(), "a");
    EXPECT_TRUE(std::ranges::is_sorted(found));
  }
}

TEST(Reads, ALimitOfExactlyWhatIsThereSaysThatNothingFollows) {
  History history;
  const OrganizationId acme(Uuid{{1}});
  for (auto name : {"a", "b", "c"}) {
    history.add({.log = {TopicId{6}, 0}, .organization = acme}, {file(name, 1, "{}")});
  }
  Folded folded(history);
  ASSERT_TRUE(folded.start());
  const Reader reader(folded.rows(), acme, Space::live);
  for (auto as_of : {std::optional<std::int64_t>(), std::optional<std::int64_t>(99)}) {
    EXPECT_FALSE(reader.list(TopicId{6}, "file", false, {.limit = 3, .as_of = as_of}).more);
    EXPECT_TRUE(reader.list(TopicId{6}, "file", false, {.limit = 2, .as_of = as_of}).more);
  }
}

}  // namespace
}  // namespace projections
