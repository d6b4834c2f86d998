// Goal: declared products: manifests whose versions stay, folds, expected versions of entities
// written or not, many events of one entity, the biggest records. Method: given commands,
// when a command, then outcome or error, in a World without disk.

#include <gtest/gtest.h>

#include "tests/support/world.h"

namespace manager {
namespace {

using projections::Declared;
using schemas::OrganizationId;
using Case = Expected::Case;

const OrganizationId acme(Uuid{{1}});
constexpr std::string_view git_manifest = R"({"kinds":{
  "file":{"events":{"file.set":{"fold":"replace"},"file.changed":{"fold":"merge"},
                    "file.gone":{"fold":"delete"}}},
  "tag":{"events":{"tag.set":{"fold":"replace"}}}}})";

// ---- declaring ----

class Products : public testing::Test {
 protected:
  Result<Outcome> declare(std::string name, std::string_view manifest) {
    return world.run(platform(), DeclareProduct{std::move(name), std::string(manifest)});
  }
  void declare_git() { ASSERT_TRUE(declare("git", git_manifest)); }

  static AppendEvents::Event set(std::string entity, std::string data = "{}") {
    return {"file", std::move(entity), "file.set", std::move(data), {}};
  }
  static AppendEvents::Event gone(std::string entity) {
    return {"file", std::move(entity), "file.gone", "{}", {}};
  }
  static AppendEvents::Event changed(std::string entity, std::string data) {
    return {"file", std::move(entity), "file.changed", std::move(data), {}};
  }
  static AppendEvents batch(std::vector<AppendEvents::Event> events,
                            std::vector<AppendEvents::Condition> conditions = {}) {
    return {"git", std::move(events), std::move(conditions)};
  }
  Result<Outcome> write(std::vector<AppendEvents::Event> events,
                        std::vector<AppendEvents::Condition> conditions = {}) {
    return world.run(of(acme), batch(std::move(events), std::move(conditions)));
  }
  std::string json(std::string entity) {
    auto row =
        world.reader(acme).get<Declared>(world.topic("git"), {{}, std::move(entity)}, "file");
    return row ? row->state.json : "none";
  }
  std::uint64_t records() {
    return world.log().durable_end(world.core().topics().log_of(world.topic("git"), acme));
  }
  /// Its manifest again, with these members for the kind `file`.
  std::string outcome_with(const std::string& members) {
    auto done = declare("git", R"({"kinds":{"file":{"events":{"file.set":{"fold":"replace","schema":
        {"properties":{"email":{"pattern":"@"}}}},"file.changed":{"fold":"merge"},
        "file.gone":{"fold":"delete"}})" +
                                   members + "}}}");
    if (done) return "version " + std::to_string(to_number(done->events.front().version));
    return done.error().code == ErrorCode::in_use ? done.error().fields.front().where : "?";
  }
  /// As the edge would submit it: `sealed` for what is in clear.
  static AppendEvents::Event sealed_event(std::string entity, std::string sealed,
                                          std::string clear = "a@b") {
    auto event = set(std::move(entity), R"({"email":")" + sealed + R"("})");
    event.clear = R"({"email":")" + clear + R"("})";
    return event;
  }
  World world;
};

constexpr std::string_view blind_one = "sealed:1:AAAA:AAAAAAAAAAAAAAAAAAAAAA";
constexpr std::string_view blind_same = "sealed:1:BBBB:AAAAAAAAAAAAAAAAAAAAAA";
constexpr std::string_view blind_other = "sealed:1:BBBB:BBBBBBBBBBBBBBBBBBBBBB";
constexpr std::string_view not_blind = "sealed:1:AAAA";

TEST_F(Products, WhatTheManifestSealsIsWrittenSealedOrNotAtAll) {
  ASSERT_EQ(outcome_with(R"(,"sealed":["/email"])"), "version 1");
  EXPECT_TRUE(write({sealed_event("a", std::string(not_blind))}));
  EXPECT_EQ(json("a"), R"({"email":"sealed:1:AAAA"})");
  EXPECT_TRUE(write({set("b", R"({"email":null})")})) << "nothing to seal";
  EXPECT_TRUE(write({set("c", R"({"name":"x"})")}));
  for (const auto& event : {set("d", R"({"email":"a@b"})"), set("d", R"({"email":7})"),
                            set("d", R"({"email":"sealed:1:AAAA"})"), sealed_event("d", "a@b"),
                            sealed_event("d", std::string(blind_one))}) {
    auto refused = write({event});
    ASSERT_FALSE(refused) << event.data;
    EXPECT_EQ(refused.error().code, ErrorCode::mark_not_reached) << "sealed by another manifest";
  }
  EXPECT_EQ(json("d"), "none");
  auto wrong = write({sealed_event("d", std::string(not_blind), "no address")});
  ASSERT_FALSE(wrong) << "schemas check what is in clear";
  EXPECT_EQ(wrong.error().fields.front().where, "/events/0/data/email");
}

TEST_F(Products, ASealedFieldIsUniqueByItsBlindIndex) {
  ASSERT_EQ(outcome_with(R"(,"sealed":["/email"],"unique":["/email"])"), "version 1");
  EXPECT_TRUE(write({sealed_event("a", std::string(blind_one))}));
  EXPECT_FALSE(write({sealed_event("b", std::string(not_blind))})) << "it would be found by nobody";
  auto taken = write({sealed_event("b", std::string(blind_same))});
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::unique_taken);
  EXPECT_TRUE(write({sealed_event("b", std::string(blind_other))}));
  EXPECT_TRUE(write({gone("a"), sealed_event("c", std::string(blind_same))}));
}

TEST_F(Products, OfAKindThatHasEventsSealedFieldsStayAndGetNoIndex) {
  ASSERT_EQ(outcome_with(R"(,"sealed":["/email"])"), "version 1");
  EXPECT_EQ(outcome_with(R"(,"sealed":["/mail"],"indexes":["/email"])"), "version 2")
      << "no events yet";
  ASSERT_EQ(outcome_with(R"(,"sealed":["/email"],"indexes":["/name"])"), "version 3");
  ASSERT_TRUE(write({sealed_event("a", std::string(not_blind))}));
  EXPECT_EQ(outcome_with(R"(,"indexes":["/name"])"), "/kinds/file/sealed");
  EXPECT_EQ(outcome_with(R"(,"sealed":["/email"],"indexes":["/name","/email"])"),
            "/kinds/file/sealed");
  EXPECT_EQ(outcome_with(R"(,"sealed":["/email","/name"],"indexes":["/name"])"),
            "/kinds/file/sealed")
      << "its rows are in the index in clear";
  EXPECT_EQ(outcome_with(R"(,"sealed":["/email","/phone"],"indexes":["/phone","/name"])"),
            "/kinds/file/sealed");
  EXPECT_EQ(outcome_with(R"(,"sealed":["/email","/phone"],"indexes":["/name"])"), "version 4");
}

TEST_F(Products, EveryChangeIsANewVersionTheSameAgainIsNot) {
  auto one = declare("git", git_manifest);
  ASSERT_TRUE(one);
  EXPECT_EQ(to_number(one->events.front().version), 1u);
  auto same = declare("git", git_manifest);
  ASSERT_TRUE(same);
  EXPECT_TRUE(same->unchanged);
  auto reordered = declare("git", R"({"kinds":{
    "tag":{"events":{"tag.set":{"fold":"replace"}}},
    "file":{"events":{"file.gone":{"fold":"delete"},"file.set":{"fold":"replace"},
                      "file.changed":{"fold":"merge"}}}}})");
  ASSERT_TRUE(reordered);
  EXPECT_TRUE(reordered->unchanged);
  auto two = declare("git", R"({"kinds":{"k":{"events":{"other.set":{"fold":"merge"}}}}})");
  ASSERT_TRUE(two);
  EXPECT_EQ(to_number(two->events.front().version), 2u);
}

TEST_F(Products, IfMatchHoldsForTheFirstAndTheSameManifestToo) {
  auto early = world.run(if_match(platform(), 1), DeclareProduct{"git", std::string(git_manifest)});
  ASSERT_FALSE(early) << "there is nothing yet";
  EXPECT_EQ(early.error().code, ErrorCode::precondition_failed);
  EXPECT_EQ(early.error().members.front().second, "0");
  declare_git();
  auto same = world.run(if_match(platform(), 7), DeclareProduct{"git", std::string(git_manifest)});
  ASSERT_FALSE(same);
  EXPECT_EQ(same.error().code, ErrorCode::precondition_failed);
  EXPECT_TRUE(world.run(if_match(platform(), 1), DeclareProduct{"git", std::string(git_manifest)}));
}

TEST_F(Products, ABadManifestWritesNothingNotEvenATopic) {
  ASSERT_TRUE(declare("other", git_manifest));
  const auto size = world.storage().size();
  EXPECT_FALSE(declare("git", R"({"kinds":{}})"));
  EXPECT_EQ(world.storage().size(), size);
  EXPECT_FALSE(world.core().topics().find("git"));
}

TEST_F(Products, AFirstManifestThatIsRefusedForWhateverReasonMakesNoTopic) {
  const std::string manifest(git_manifest);
  ASSERT_TRUE(world.run(with_key(platform(), "k", "one"), DeclareProduct{"hg", manifest}));
  const auto size = world.storage().size();
  for (int i = 0; i < 3; ++i) {
    auto changed_since =
        world.run(if_match(platform(), 3), DeclareProduct{"p" + std::to_string(i), manifest});
    EXPECT_EQ(changed_since.error().code, ErrorCode::precondition_failed);
  }
  auto reused = world.run(with_key(platform(), "k", "two"), DeclareProduct{"git", manifest});
  EXPECT_EQ(reused.error().code, ErrorCode::idempotency_key_reused);
  auto stopped = platform();
  stopped.sequence = std::make_shared<Sequence>();
  stopped.sequence->refuse(stopped.sequence->next());
  EXPECT_FALSE(world.run(stopped, DeclareProduct{"git", manifest}));
  EXPECT_EQ(world.storage().size(), size);
  EXPECT_EQ(world.core().topics().all().size(), std::size(eventstore::built_in_products) + 1);
  EXPECT_TRUE(declare("git", manifest));
}

TEST(ProductsOfALogOfManyPartitions, EndBeforeTheLogCanHoldNoMore) {
  World world(4096);
  const std::string manifest(git_manifest);
  ASSERT_TRUE(world.run(platform(), DeclareProduct{"one", manifest}));
  ASSERT_TRUE(world.run(platform(), DeclareProduct{"two", manifest}));
  auto third = world.run(platform(), DeclareProduct{"three", manifest});
  ASSERT_FALSE(third) << "a journal with its topic would never open again";
  EXPECT_EQ(third.error().code, ErrorCode::invalid_request);
  EXPECT_NE(third.error().detail.find("of 4096 partitions the log would have more than 32768"),
            std::string::npos)
      << third.error().detail;
  EXPECT_FALSE(world.core().topics().find("three"));
  EXPECT_TRUE(world.run(
      platform(), DeclareProduct{"two", R"({"kinds":{"k":{"events":{"a.b":{"fold":"merge"}}}}})"}));
}

TEST_F(Products, SeveralNewProductsAtOnceGetATopicEach) {
  std::vector<ReplyPtr> replies;
  for (auto name : {"git", "hg", "git", "svn"}) {
    replies.push_back(world.send(platform(), DeclareProduct{name, std::string(git_manifest)}));
  }
  world.settle();
  for (const auto& reply : replies) EXPECT_TRUE(reply->ok());
  EXPECT_TRUE(replies[2]->outcome().unchanged);
  const std::set<schemas::TopicId> topics{world.topic("git"), world.topic("hg"),
                                          world.topic("svn")};
  EXPECT_EQ(topics.size(), 3u);
  world.crash();
  for (auto name : {"git", "hg", "svn"}) EXPECT_TRUE(topics.contains(world.topic(name))) << name;
}

TEST_F(Products, ATopicThatCouldNotBeWrittenRefusesAllWhoWaitedForIt) {
  auto one = world.send(platform(), DeclareProduct{"git", std::string(git_manifest)});
  auto two = world.send(platform(), DeclareProduct{"hg", std::string(git_manifest)});
  world.log().refuse_next({ErrorCode::disk_full, "no space", {}, {}});
  world.settle();
  EXPECT_EQ(one->code(), ErrorCode::disk_full);
  EXPECT_EQ(two->code(), ErrorCode::disk_full);
  EXPECT_TRUE(declare("hg", git_manifest));
  EXPECT_TRUE(declare("git", git_manifest));
}

TEST_F(Products, AnUndeclaredProductKindOrTypeIsRefused) {
  EXPECT_EQ(write({set("a")}).error().code, ErrorCode::not_found);
  declare_git();
  auto kind = write({set("a"), {"dir", "a", "file.set", "{}", {}}});
  EXPECT_EQ(kind.error().fields.front().where, "/events/1/kind");
  auto type = write({{"tag", "a", "file.set", "{}", {}}});
  EXPECT_EQ(type.error().fields.front().where, "/events/0/type");
  EXPECT_EQ(json("a"), "none") << "all or nothing";
}

TEST_F(Products, ABuiltInProductTakesNoDeclaredEvents) {
  for (auto name : {"identity", "projects"}) {
    AppendEvents command{name, {set("a")}, {}};
    EXPECT_EQ(world.run(of(acme), command).error().code, ErrorCode::not_found);
  }
}

TEST_F(Products, ATypeWithEventsNeitherGoesNorFoldsDifferently) {
  declare_git();
  ASSERT_TRUE(write({set("a")}));
  constexpr std::string_view without_set =
      R"({"kinds":{"file":{"events":{"file.changed":{"fold":"merge"}}}}})";
  constexpr std::string_view set_merges =
      R"({"kinds":{"file":{"events":{"file.set":{"fold":"merge"}}}}})";
  constexpr std::string_view only_set =
      R"({"kinds":{"file":{"events":{"file.set":{"fold":"replace"}}}}})";
  for (auto manifest : {without_set, set_merges}) {
    auto refused = declare("git", manifest);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::in_use);
    EXPECT_EQ(refused.error().fields.front().where, "/kinds/file/events/file.set");
  }
  EXPECT_TRUE(declare("git", only_set)) << "what has no events may go";
  ASSERT_TRUE(declare("git", git_manifest));
  world.rebuild();
  EXPECT_EQ(declare("git", without_set).error().code, ErrorCode::in_use);
}

TEST_F(Products, AnEventOfAnyOrganizationOrSpaceCounts) {
  declare_git();
  ASSERT_TRUE(world.run(of(OrganizationId(Uuid{{5}}), Space::test), batch({set("a")})));
  EXPECT_EQ(
      declare("git", R"({"kinds":{"tag":{"events":{"tag.set":{"fold":"replace"}}}}})").error().code,
      ErrorCode::in_use);
}

TEST_F(Products, AnEventSaysWhichManifestItFollows) {
  declare_git();
  ASSERT_TRUE(write({set("a")}));
  ASSERT_TRUE(declare("git", R"({"description":"x","kinds":{"file":{"events":{
      "file.set":{"fold":"replace"}}}}})"));
  ASSERT_TRUE(write({set("a")}));
  std::vector<std::uint32_t> schemas_seen;
  for (std::size_t i = 0; i < world.storage().size(); ++i) {
    auto record = *world.storage().at(i);
    if (record.log.topic != world.topic("git")) continue;
    if (record.head.kind != eventstore::RecordKind::events) continue;
    auto found = schemas::BatchView::trusted(record.payload.bytes());
    schemas_seen.push_back(found.event(0).schema());
  }
  EXPECT_EQ(schemas_seen, (std::vector<std::uint32_t>{1, 2}));
}

// ---- folds ----

TEST_F(Products, EventsReplaceMergeAndDelete) {
  declare_git();
  ASSERT_TRUE(write({set("a", R"({"x":1,"y":2})")}));
  ASSERT_TRUE(write({changed("a", R"({"y":null,"z":3})")}));
  EXPECT_EQ(json("a"), R"({"x":1,"z":3})");
  ASSERT_TRUE(write({gone("a")}));
  EXPECT_EQ(json("a"), "none");
  auto again = write({changed("a", R"({"n":1})")});
  EXPECT_EQ(json("a"), R"({"n":1})");
  EXPECT_EQ(to_number(again->events.front().version), 4u);
}

TEST_F(Products, AnEntitySeveralTimesInOneRecordFoldsInOrder) {
  declare_git();
  auto outcome = write({set("a", R"({"v":1})"), set("b"), changed("a", R"({"w":2})"), gone("a"),
                        set("a", R"({"v":3})")});
  ASSERT_TRUE(outcome);
  std::vector<std::uint64_t> versions;
  for (const auto& event : outcome->events) versions.push_back(to_number(event.version));
  EXPECT_EQ(versions, (std::vector<std::uint64_t>{1, 1, 2, 3, 4}));
  EXPECT_EQ(json("a"), R"({"v":3})");
  EXPECT_EQ(records(), 2u) << "a claim and one record";
}

TEST_F(Products, TheSameNameInTwoKindsIsTwoEntities) {
  declare_git();
  auto outcome = write({set("a"), {"tag", "a", "tag.set", "{}", {}}, set("a")});
  ASSERT_TRUE(outcome);
  EXPECT_EQ(to_number(outcome->events[1].version), 1u);
  EXPECT_EQ(to_number(outcome->events[2].version), 2u);
}

TEST_F(Products, WhatDoesNotFoldIsRefusedAndNeverWritten) {
  declare_git();
  ASSERT_TRUE(write({set("a")}));
  const auto before = records();
  auto refused = write({changed("a", "no json")});
  EXPECT_EQ(refused.error().code, ErrorCode::internal);
  EXPECT_EQ(records(), before);
  EXPECT_TRUE(write({set("a")}));
}

// ---- expected versions ----

struct ExpectationCase {
  Case is;
  std::uint64_t number;
  bool never;       // met by an entity that never was
  bool there_v2;    // by one that is there at version 2
  bool deleted_v3;  // by one that was deleted at version 3
};

class Expectations : public Products, public testing::WithParamInterface<ExpectationCase> {};

TEST_P(Expectations, AreMetByTheRightStatesWrittenOrNot) {
  declare_git();
  ASSERT_TRUE(write({set("there"), set("there"), set("deleted"), set("deleted"), gone("deleted")}));
  const auto& expected = GetParam();
  const std::map<std::string, bool> met{
      {"never", expected.never}, {"there", expected.there_v2}, {"deleted", expected.deleted_v3}};
  const std::map<std::string, std::string> current{
      {"never", "0"}, {"there", "2"}, {"deleted", "3"}};
  int unwritten = 0;
  for (const auto& [entity, holds] : met) {
    const AppendEvents::Condition condition{
        "file", entity, {expected.is, Version{expected.number}}};
    // About an entity that the batch does not write.
    auto outcome = write({set("other" + std::to_string(++unwritten))}, {condition});
    EXPECT_EQ(outcome.has_value(), holds) << entity;
    if (!outcome) {
      EXPECT_EQ(outcome.error().code, ErrorCode::version_conflict);
      const auto& conflicts = outcome.error().members.front();
      EXPECT_EQ(conflicts.first, "conflicts");
      EXPECT_NE(conflicts.second.find("\"current_version\":" + current.at(entity)),
                std::string::npos)
          << conflicts.second;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Expectations,
                         testing::Values(ExpectationCase{Case::any, 0, true, true, true},
                                         ExpectationCase{Case::exists, 0, false, true, false},
                                         ExpectationCase{Case::absent, 0, true, false, true},
                                         ExpectationCase{Case::no_stream, 0, true, false, false},
                                         ExpectationCase{Case::deleted, 0, false, false, true},
                                         ExpectationCase{Case::exactly, 2, false, true, false},
                                         ExpectationCase{Case::exactly, 3, false, false, true},
                                         ExpectationCase{Case::exactly, 1, false, false, false}));

TEST_F(Products, ConditionsAreCheckedOnceBeforeTheFirstEvent) {
  declare_git();
  auto outcome = write({set("a"), set("a"), set("a")}, {{"file", "a", {Case::no_stream, {}}}});
  ASSERT_TRUE(outcome) << "not again before the second event of the same entity";
  auto conflict = write({set("a")}, {{"file", "a", {Case::exactly, Version{1}}},
                                     {"file", "b", {Case::exists, {}}},
                                     {"file", "a", {Case::exists, {}}}});
  ASSERT_FALSE(conflict);
  const auto& all = conflict.error().members.front().second;
  EXPECT_EQ(all, R"([{"kind":"file","entity":"a","expected":1,"current_version":3},)"
                 R"({"kind":"file","entity":"b","expected":"exists","current_version":0}])");
}

TEST_F(Products, ConditionsSeeWhatIsInFlight) {
  declare_git();
  ASSERT_TRUE(write({set("other")}));
  auto one = world.send(of(acme), batch({set("a")}, {{"file", "a", {Case::no_stream, {}}}}));
  auto two = world.send(of(acme), batch({set("a")}, {{"file", "a", {Case::no_stream, {}}}}));
  auto three =
      world.send(of(acme), batch({gone("a")}, {{"file", "a", {Case::exactly, Version{1}}}}));
  auto four = world.send(of(acme), batch({set("a")}, {{"file", "a", {Case::deleted, {}}}}));
  world.settle();
  EXPECT_TRUE(one->ok());
  EXPECT_EQ(two->code(), ErrorCode::version_conflict);
  EXPECT_TRUE(three->ok());
  EXPECT_TRUE(four->ok());
}

TEST_F(Products, SpacesAndOrganizationsHaveVersionsOfTheirOwn) {
  declare_git();
  ASSERT_TRUE(write({set("a"), set("a")}));
  for (const auto& context : {of(acme, Space::test), of(OrganizationId(Uuid{{2}}))}) {
    auto outcome = world.run(context, batch({set("a")}, {{"file", "a", {Case::no_stream, {}}}}));
    ASSERT_TRUE(outcome);
    EXPECT_EQ(to_number(outcome->events.front().version), 1u);
  }
}

// ---- sizes ----

TEST_F(Products, ARecordHoldsTenThousandEvents) {
  declare_git();
  std::vector<AppendEvents::Event> events;
  for (int i = 0; i < 10'000; ++i) events.push_back(set("e" + std::to_string(i % 7'000)));
  auto outcome = write(std::move(events));
  ASSERT_TRUE(outcome) << outcome.error().detail;
  EXPECT_EQ(outcome->events.size(), 10'000u);
  EXPECT_EQ(to_number(outcome->events.back().version), 2u);
  const auto hash = world.hash();
  world.rebuild();
  EXPECT_EQ(world.hash(), hash);
  EXPECT_TRUE(world.core().projector().frozen().empty());
}

TEST_F(Products, ARecordOfMoreThanFourMebibytesIsRefusedAndWritesNothing) {
  declare_git();
  ASSERT_TRUE(write({set("a")}));
  const auto before = records();
  auto text = [](std::size_t size) { return "\"" + std::string(size, 'x') + "\""; };
  auto refused = write({set("big", text(4 << 20))});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::record_too_large);
  EXPECT_EQ(records(), before);
  const auto quarter = text((1 << 20) - 1000);
  EXPECT_TRUE(write({set("b", quarter), set("c", quarter), set("d", quarter), set("e", quarter)}));
  EXPECT_TRUE(write({set("a")}, {{"file", "e", {Case::exactly, Version{1}}}}));
}

TEST_F(Products, AnEntityHoldsOneMebibyteOfStateAndNoMore) {
  declare_git();
  const auto state = R"({"x":")" + std::string((1 << 20) - 8, 'x') + R"("})";
  ASSERT_TRUE(write({set("a", state)}));
  const auto before = records();
  for (const auto& event : {changed("a", R"({"y":1})"), set("b", state + " ")}) {
    auto refused = write({event});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::record_too_large);
    EXPECT_NE(refused.error().detail.find("it may have 1048576: spread it"), std::string::npos)
        << refused.error().detail;
  }
  EXPECT_EQ(records(), before);
  EXPECT_TRUE(write({changed("a", R"({"x":"","y":1})")})) << "it may become smaller";
}

TEST_F(Products, ASmallBatchOfMergesIntoALargeEntityIsRefusedBeforeItCostsGigabytes) {
  declare_git();
  ASSERT_TRUE(write({set("a", R"({"y":")" + std::string(1'000'000, 'y') + R"("})")}));
  const auto before = records();
  auto refused = write(std::vector(10'000, changed("a", R"({"x":1})")));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::record_too_large);
  EXPECT_NE(refused.error().detail.find("67108864 bytes: send fewer events"), std::string::npos)
      << refused.error().detail;
  EXPECT_EQ(records(), before);
  EXPECT_TRUE(write(std::vector(60, changed("a", R"({"x":1})"))));
}

TEST_F(Products, EntityNamesMayHoldAnyBytes) {
  declare_git();
  using namespace std::string_literals;
  const std::vector<std::string> names{
      "\x01"s, "\xff"s, "a\x01"s, "a", "ab", "a b", "a/b", "ä", std::string(512, 'x')};
  for (const auto& name : names)
    ASSERT_TRUE(write({set(name, "\"" + std::to_string(name.size()) + "\"")}));
  for (const auto& name : names) EXPECT_EQ(json(name), "\"" + std::to_string(name.size()) + "\"");
  auto page = world.reader(acme).list(world.topic("git"), "file", false, {.limit = 100});
  EXPECT_EQ(page.rows.size(), names.size());
}

TEST_F(Products, AConditionOnAKindThatIsNotDeclaredIsNoCondition) {
  declare_git();
  for (auto is : {Case::any, Case::absent, Case::no_stream, Case::exists}) {
    auto refused = write({set("a")}, {{"file", "a", {Case::any, {}}}, {"flie", "a", {is, {}}}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_request);
    EXPECT_EQ(refused.error().fields.front().where, "/expected/1/kind");
  }
}

TEST_F(Products, IfMatchIsTheVersionOfTheEntityThatIsAppendedTo) {
  declare_git();
  ASSERT_TRUE(write({set("a"), set("a")}));
  auto stale = world.run(if_match(of(acme), 1), batch({set("a")}));
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().code, ErrorCode::precondition_failed);
  EXPECT_TRUE(world.run(if_match(of(acme), 2), batch({set("a")})));
}

}  // namespace
}  // namespace manager
