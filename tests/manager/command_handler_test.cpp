// Goal: what the handler adds to every command: order of answers, failures, idempotency over time,
// sequences, bounds, first topics. Method: a World without disk; the test says when the log commits
// and what it answers.

#include <gtest/gtest.h>

#include "tests/support/world.h"

namespace manager {
namespace {

using schemas::OrganizationId;
using namespace std::chrono_literals;

const OrganizationId acme(schemas::Uuid{{1}});
const schemas::Error disk_full{ErrorCode::disk_full, "no space", {}, {}};

AppendEvents add_file(std::string entity, std::string type = "file.added") {
  return {.product = "git",
          .events = {{"file", std::move(entity), std::move(type), "{}", {}}},
          .conditions = {}};
}

constexpr std::string_view git_manifest =
    R"({"kinds":{"file":{"events":{"file.added":{"fold":"replace"},"file.deleted":{"fold":"delete"}}}}})";
constexpr std::string_view smaller_manifest =
    R"({"kinds":{"file":{"events":{"file.deleted":{"fold":"delete"}}}}})";

class Handler : public testing::Test {
 protected:
  void declare_git() {
    ASSERT_TRUE(world.run(platform(), DeclareProduct{"git", std::string(git_manifest)}));
  }
  /// Two organizations whose records stand in different partitions.
  OrganizationId elsewhere() {
    for (std::uint8_t i = 2;; ++i) {
      OrganizationId candidate(schemas::Uuid{{i}});
      if (schemas::partition_of(candidate, 4) != schemas::partition_of(acme, 4)) return candidate;
    }
  }
  World world;
};

// ---- idempotency over time ----

TEST_F(Handler, AKeyUsedAgainAfterADayIsRememberedForAnotherDay) {
  ASSERT_TRUE(world.run(with_key(of(acme), "k", "one"), CreateProject{"a", {}}));
  world.clock().pass(25h);
  auto second = world.run(with_key(of(acme), "k", "two"), CreateProject{"b", {}});
  ASSERT_TRUE(second);
  ASSERT_TRUE(world.run(of(acme), CreateProject{"c", {}}));
  auto again = world.run(with_key(of(acme), "k", "two"), CreateProject{"b", {}});
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(again->subject, second->subject);
}

TEST_F(Handler, ForgettingOldAnswersInPiecesSparesAKeyUsedAgain) {
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(world.run(with_key(of(acme), std::to_string(i)), CreateProject{"a", {}}));
    world.clock().pass(1s);
  }
  world.clock().pass(25h);
  auto second = world.run(with_key(of(acme), "49"), CreateProject{"b", {}});
  ASSERT_TRUE(second && !second->replayed);
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(world.run(of(acme), CreateProject{"c", {}}));
  auto again = world.run(with_key(of(acme), "49"), CreateProject{"b", {}});
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->replayed);
}

// ---- sequences ----

TEST_F(Handler, ASequenceWhoseFirstLineFailsOnDiskGoesNoFurther) {
  ASSERT_TRUE(world.run(of(acme), CreateProject{"first", {}}));
  auto line = of(acme);
  line.sequence = std::make_shared<Sequence>();
  world.log().refuse_next(disk_full);
  auto one = world.run(line, CreateProject{"one", {}});
  EXPECT_EQ(one.error().code, ErrorCode::disk_full);
  auto two = world.run(line, CreateProject{"two", {}});
  EXPECT_FALSE(two) << "a line behind the first refusal was written";
  EXPECT_TRUE(world.run(of(acme), CreateProject{"other", {}}));
}

TEST_F(Handler, ASequenceStopsAtTheFirstRefusalAndWhatCameBeforeStays) {
  declare_git();
  auto line = of(acme);
  line.sequence = std::make_shared<Sequence>();
  auto refused = add_file("c");
  refused.conditions.push_back({"file", "c", {Expected::Case::exists, {}}});
  std::vector<ReplyPtr> replies;
  for (const auto& command : {add_file("a"), add_file("b"), refused, add_file("d")}) {
    replies.push_back(world.send(line, command));
  }
  auto beside = world.send(of(acme), add_file("e"));
  world.settle();
  EXPECT_TRUE(replies[0]->ok() && replies[1]->ok());
  EXPECT_EQ(replies[2]->code(), ErrorCode::version_conflict);
  EXPECT_FALSE(replies[3]->ok());
  EXPECT_TRUE(beside->ok()) << "others go on";
  EXPECT_FALSE(world.run(line, add_file("f"))) << "it stays stopped";
}

TEST_F(Handler, ASequenceThatMeetsTheBoundGoesNoFurther) {
  ASSERT_TRUE(world.run(of(acme), CreateProject{"first", {}}));
  auto line = of(acme);
  line.sequence = std::make_shared<Sequence>();
  auto& commands = world.core().commands();
  std::size_t answered = 0;
  const auto share = CommandHandler::load_limits.of_one.commands;
  for (std::size_t i = 0; i < share; ++i) {
    commands.submit(of(acme), ArchiveProject{}, [&](auto) { ++answered; });
  }
  std::vector<std::optional<ErrorCode>> refused(3);
  for (auto& code : refused) {
    commands.submit(line, CreateProject{"line", {}}, [&](auto result) {
      if (!result) code = result.error().code;
    });
  }
  std::optional<bool> beside;
  commands.submit(of(elsewhere()), CreateProject{"b", {}},
                  [&](auto result) { beside = result.has_value(); });
  world.settle();
  EXPECT_EQ(answered, share);
  EXPECT_EQ(beside, true) << "what one organization has too much of, others still have";
  EXPECT_EQ(refused.front(), ErrorCode::overloaded);
  EXPECT_TRUE(refused[1] && refused[2]);
  EXPECT_FALSE(world.run(line, CreateProject{"line", {}}));
  EXPECT_TRUE(world.run(of(acme), CreateProject{"other", {}})) << "there is room again";
}

TEST_F(Handler, BulkRequestsOfManyOrganizationsLeaveRoomForSingleCommands) {
  for (std::uint8_t i = 1; i <= 4; ++i) {
    ASSERT_TRUE(world.run(of(OrganizationId(schemas::Uuid{{i}})), CreateProject{"first", {}}));
  }
  const auto& limits = CommandHandler::load_limits;
  auto& commands = world.core().commands();
  std::map<std::uint8_t, std::size_t> taken;
  std::size_t refused = 0;
  const auto bulk = [&](std::uint8_t organization, std::size_t count) {
    auto line = of(OrganizationId(schemas::Uuid{{organization}}));
    for (std::size_t i = 0; i < count; ++i) {
      line.sequence = std::make_shared<Sequence>();
      commands.submit(line, ArchiveProject{}, [&, organization](const auto& result) {
        const bool full = !result && result.error().code == ErrorCode::overloaded;
        ++(full ? refused : taken[organization]);
      });
    }
  };
  for (std::uint8_t i = 1; i <= 3; ++i) bulk(i, limits.of_one.commands);
  std::vector<bool> single;
  for (std::uint8_t i = 1; i <= 4; ++i) {
    commands.submit(of(OrganizationId(schemas::Uuid{{i}})), CreateProject{"beside", {}},
                    [&](const auto& result) { single.push_back(result.has_value()); });
  }
  world.settle();
  EXPECT_EQ(taken[1], limits.of_one.commands / 4 * 3);
  EXPECT_EQ(taken[1] + taken[2] + taken[3], limits.all.commands / 4 * 3);
  EXPECT_EQ(refused, 3 * limits.of_one.commands - limits.all.commands / 4 * 3);
  EXPECT_EQ(single, std::vector<bool>(4, true));
}

TEST_F(Handler, LinesBeforeTheOneThatMeetsTheBoundAreWritten) {
  ASSERT_TRUE(world.run(of(acme), CreateProject{"first", {}}));
  auto line = of(acme);
  line.sequence = std::make_shared<Sequence>();
  auto& commands = world.core().commands();
  const auto bulk = CommandHandler::load_limits.of_one.commands / 4 * 3;
  std::vector<std::optional<schemas::Error>> refused(bulk + 2);
  std::size_t answered = 0;
  for (auto& error : refused) {
    commands.submit(line, ChangeProject{}, [&](auto result) {
      if (!result) error = result.error();
      ++answered;
    });
  }
  world.settle();
  EXPECT_EQ(answered, refused.size());
  EXPECT_EQ(refused[0]->code, ErrorCode::not_found) << "the true reason of the first line";
  EXPECT_THAT(refused[1]->detail, testing::HasSubstr("an earlier line was refused"));

  line.sequence = std::make_shared<Sequence>();
  std::vector<std::optional<bool>> written(bulk + 2);
  for (auto& done : written) {
    commands.submit(line, CreateProject{"line", {}},
                    [&](auto result) { done = result.has_value(); });
  }
  world.settle();
  for (std::size_t i = 0; i < bulk; ++i) EXPECT_EQ(written[i], true) << i;
  EXPECT_EQ(written[bulk], false);
  EXPECT_EQ(written[bulk + 1], false) << "nothing behind it";
}

// ---- bytes in flight ----

constexpr std::string_view merging_manifest =
    R"({"kinds":{"file":{"events":{"file.set":{"fold":"replace"},"file.changed":{"fold":"merge"}}}}})";

TEST_F(Handler, CommandsOfManyBytesAreBoundedTooAndLeaveRoomForOthers) {
  ASSERT_TRUE(world.run(platform(), DeclareProduct{"git", std::string(merging_manifest)}));
  auto large = add_file("a", "file.set");
  large.events.front().data = "\"" + std::string(3 << 20, 'x') + "\"";
  auto& commands = world.core().commands();
  std::map<ErrorCode, int> refused;
  for (int i = 0; i < 50; ++i) {
    commands.submit(of(acme), large, [&](auto result) { ++refused[result.error().code]; });
  }
  std::optional<bool> beside;
  commands.submit(of(elsewhere()), CreateProject{"b", {}},
                  [&](auto result) { beside = result.has_value(); });
  world.settle();
  EXPECT_EQ(refused[ErrorCode::overloaded], 50 - 128 / 3);
  EXPECT_EQ(refused[ErrorCode::record_too_large], 128 / 3);
  EXPECT_EQ(beside, true);
  EXPECT_TRUE(world.run(of(acme), add_file("a", "file.set"))) << "there is room again";
}

TEST_F(Handler, WhatCommandsInFlightChangeIsBoundedWhateverTheirOwnSize) {
  ASSERT_TRUE(world.run(platform(), DeclareProduct{"git", std::string(merging_manifest)}));
  auto set = add_file("a", "file.set");
  set.events.front().data = R"({"y":")" + std::string(1'000'000, 'y') + R"("})";
  ASSERT_TRUE(world.run(of(acme), set));
  auto merges = add_file("a", "file.changed");
  merges.events.front().data = R"({"x":1})";
  merges.events.resize(40, merges.events.front());
  std::vector<ReplyPtr> replies;
  for (int i = 0; i < 6; ++i) replies.push_back(world.send(of(acme), merges));
  world.settle();
  for (int i = 0; i < 6; ++i) EXPECT_EQ(replies[i]->ok(), i < 3) << i;
  EXPECT_EQ(replies[3]->code(), ErrorCode::overloaded);
  world.log().refuse_next(disk_full);
  EXPECT_FALSE(world.run(of(acme), merges));
  EXPECT_TRUE(world.run(of(acme), merges)) << "what failed makes room too";
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(world.run(of(acme), merges));
}

// ---- order ----

TEST_F(Handler, CommandsThatWaitForAClaimRunInTheirOrder) {
  std::vector<ReplyPtr> replies;
  for (int i = 0; i < 5; ++i) {
    replies.push_back(world.send(of(acme), CreateProject{"same", {}}));
    EXPECT_FALSE(replies.back()->here());
  }
  world.settle();
  for (int i = 0; i < 5; ++i) {
    const auto row = projections::decode_row<projections::Project>(replies[i]->outcome().row);
    EXPECT_EQ(row.state.slug, i == 0 ? "same" : "same-" + std::to_string(i + 1));
  }
}

TEST_F(Handler, AThousandProjectsOfOneNameFindTheirSlugsFast) {
  std::set<std::string> slugs;
  for (int i = 0; i < 1000; ++i) {
    auto outcome = world.send(of(acme), CreateProject{"same", {}});
    if (i % 100 == 99) world.settle();
  }
  auto page = world.reader(acme).list(world.topic("projects"), "project", true, {.limit = 2000});
  for (const auto& row : page.rows) {
    slugs.insert(projections::decode_row<projections::Project>(row.bytes).state.slug);
  }
  EXPECT_EQ(slugs.size(), 1000u);
}

TEST_F(Handler, ARefusedClaimRefusesWhoWaitedForItAndTheNextTriesAgain) {
  auto one = world.send(of(acme), CreateProject{"a", {}});
  world.log().refuse_next(disk_full);
  world.settle();
  EXPECT_EQ(one->code(), ErrorCode::disk_full);
  EXPECT_TRUE(world.run(of(acme), CreateProject{"a", {}}));
}

TEST_F(Handler, AnAnswerOfOnePartitionDoesNotWaitForAnother) {
  declare_git();
  ASSERT_TRUE(world.run(of(acme), CreateProject{"first", {}}));
  ASSERT_TRUE(world.run(of(acme), add_file("a")));
  auto waits = world.send(of(acme), CreateProject{"a", {}});
  auto refused = world.send(of(acme), add_file("a", "file.unheard"));
  EXPECT_TRUE(refused->here());
  EXPECT_FALSE(waits->here());
  world.settle();
}

// ---- idempotency over restarts ----

TEST_F(Handler, ARepetitionAfterACrashFindsTheFirstAnswerWhateverRowsSurvived) {
  declare_git();
  for (std::uint64_t kept = 0; kept < 6; ++kept) {
    const auto key = "k" + std::to_string(kept);
    auto command = add_file("a" + key);
    command.events.push_back({"file", "b" + key, "file.added", "{}", {}});
    auto first = world.run(with_key(of(acme), key), command);
    ASSERT_TRUE(first);
    world.crash(kept);
    auto again = world.run(with_key(of(acme), key), command);
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->replayed);
    EXPECT_EQ(again->position, first->position);
    EXPECT_EQ(again->recorded, first->recorded);
    EXPECT_EQ(again->subject, first->subject);
    EXPECT_EQ(again->row, first->row);
    ASSERT_EQ(again->events.size(), 2u);
    EXPECT_EQ(again->events[1].id, first->events[1].id);
    EXPECT_EQ(again->events[1].entity, first->events[1].entity);
  }
}

TEST_F(Handler, WhatACrashTookBeforeItWasDurableIsDoneAnewUnderTheSameKey) {
  ASSERT_TRUE(world.run(of(acme), CreateProject{"first", {}}));
  world.send(with_key(of(acme), "k"), CreateProject{"a", "a"});
  world.crash();
  auto again = world.run(with_key(of(acme), "k"), CreateProject{"a", "a"});
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->replayed);
}

TEST_F(Handler, AReplayOfADeletionHasNoRow) {
  auto created = world.run(of(acme), CreateProject{"a", "a"});
  auto deleted = world.run(with_key(of(acme), "k"), DeleteProject{created->subject.id});
  auto again = world.run(with_key(of(acme), "k"), DeleteProject{created->subject.id});
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->replayed);
  EXPECT_TRUE(again->row.empty());
}

TEST_F(Handler, ARepetitionBehindAFailureFailsLikeItsFirst) {
  ASSERT_TRUE(world.run(of(acme), CreateProject{"first", {}}));
  auto first = world.send(with_key(of(acme), "k"), CreateProject{"a", "a"});
  auto again = world.send(with_key(of(acme), "k"), CreateProject{"a", "a"});
  world.log().refuse_next(disk_full);
  world.settle();
  EXPECT_EQ(first->code(), ErrorCode::disk_full);
  EXPECT_EQ(again->code(), ErrorCode::disk_full);
  auto third = world.run(with_key(of(acme), "k"), CreateProject{"a", "a"});
  ASSERT_TRUE(third);
  EXPECT_FALSE(third->replayed) << "nothing was remembered of what was not written";
}

// ---- what stops writing ----

TEST_F(Handler, RowsThatCannotBeWrittenLeaveTheOutcomeToTheNextStart) {
  ASSERT_TRUE(world.run(of(acme), CreateProject{"first", {}}));
  auto reply = world.send(with_key(of(acme), "k"), CreateProject{"a", "a"});
  world.rows().break_with({ErrorCode::internal, "broken", {}, {}});
  world.settle();
  EXPECT_EQ(reply->code(), ErrorCode::outcome_unknown);
  EXPECT_EQ(world.run(of(acme), CreateProject{"b", "b"}).error().code, ErrorCode::internal);
  world.crash();
  auto again = world.run(with_key(of(acme), "k"), CreateProject{"a", "a"});
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->replayed);
}

TEST_F(Handler, AFullDiskUnderTheRowsStopsWritesUntilThereIsSpaceAndLosesNothing) {
  ASSERT_TRUE(world.run(of(acme), CreateProject{"first", {}}));
  auto first = world.send(with_key(of(acme), "a"), CreateProject{"a", "a"});
  world.rows().break_with(disk_full);
  auto second = world.send(with_key(of(acme), "b"), CreateProject{"b", "b"});
  world.settle();
  EXPECT_EQ(first->code(), ErrorCode::outcome_unknown);
  EXPECT_EQ(second->code(), ErrorCode::disk_full) << "known before anything was appended";
  EXPECT_EQ(world.run(of(acme), CreateProject{"c", "c"}).error().code, ErrorCode::disk_full);
  world.core().tick();
  EXPECT_EQ(world.run(of(acme), CreateProject{"c", "c"}).error().code, ErrorCode::disk_full);
  world.rows().mend();
  EXPECT_EQ(world.run(of(acme), CreateProject{"c", "c"}).error().code, ErrorCode::disk_full);
  world.core().tick();
  auto again = world.run(with_key(of(acme), "a"), CreateProject{"a", "a"});
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(world.run(of(acme), CreateProject{"c", "a"}).error().code, ErrorCode::slug_taken);
  ASSERT_TRUE(world.run(of(acme), CreateProject{"c", "c"}));
  const auto hash = world.hash();
  world.rebuild();
  EXPECT_EQ(world.hash(), hash);
}

/// A topic counts once it is in the log, whatever the rows do: else its number is given twice.
TEST_F(Handler, ATopicAddedWhileTheRowsStandStillKeepsItsNumber) {
  ASSERT_TRUE(world.run(platform(), DeclareProduct{"first", std::string(git_manifest)}));
  auto git = world.send(platform(), DeclareProduct{"git", std::string(git_manifest)});
  world.rows().break_with(disk_full);
  world.settle();
  EXPECT_FALSE(git->ok());
  world.rows().mend();
  world.core().tick();
  ASSERT_TRUE(world.run(platform(), DeclareProduct{"hg", std::string(git_manifest)}));
  ASSERT_TRUE(world.run(platform(), DeclareProduct{"git", std::string(git_manifest)}));
  EXPECT_NE(world.topic("git"), world.topic("hg"));
  const auto hash = world.hash();
  world.rebuild();
  EXPECT_EQ(world.hash(), hash);
  EXPECT_NE(world.topic("git"), world.topic("hg"));
}

TEST_F(Handler, WhatSyncsWhileTheRowsGoOnIsAppliedOnce) {
  ASSERT_TRUE(world.run(of(acme), CreateProject{"first", {}}));
  const auto other = elsewhere();
  ASSERT_TRUE(world.run(of(other), CreateProject{"first", {}}));
  auto one = world.send(of(acme), CreateProject{"a", "a"});
  auto two = world.send(of(acme), CreateProject{"b", "b"});
  auto beside = world.send(of(other), CreateProject{"c", "c"});
  world.rows().break_with(disk_full);
  world.log().pump();  // durable; the handler has not heard of it yet
  world.rows().mend();
  world.core().tick();
  world.settle();
  EXPECT_TRUE(one->ok() && two->ok() && beside->ok());
  const auto hash = world.hash();
  world.rebuild();
  EXPECT_EQ(world.hash(), hash);
}

TEST_F(Handler, AFrozenProductRefusesItsOrganizationOnly) {
  declare_git();
  ASSERT_TRUE(world.run(of(acme), add_file("a")));
  const auto log = world.core().topics().log_of(world.topic("git"), acme);
  auto restarted = world.restart([&] {
    // A record that a newer version decided: its version follows nothing that this one knows.
    const auto state = world.storage().state(log);
    const schemas::EventDraft draft{.id = schemas::EventId(Uuid{{9}}),
                                    .type = "file.added",
                                    .kind = "file",
                                    .entity = {{}, "a"},
                                    .version = Version{7},
                                    .occurred = state.recorded,
                                    .data = schemas::Json{"{}"}};
    auto built = schemas::build_batch({.organization = acme,
                                       .recorded = state.recorded,
                                       .command = schemas::CommandId(Uuid{{9}})},
                                      {&draft, 1});
    world.storage().add({log,
                         state.next_offset,
                         {.length = static_cast<std::uint32_t>(built.bytes.size()),
                          .kind = eventstore::RecordKind::events,
                          .epoch = state.epoch,
                          .sequence = state.sequence,
                          .chain = eventstore::next_chain(state.chain, built.bytes)},
                         eventstore::Payload::copy(built.bytes)});
  });
  ASSERT_TRUE(restarted) << restarted.error().detail;
  auto refused = world.run(of(acme), add_file("b"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::projection_frozen);
  EXPECT_NE(refused.error().detail.find("evt_"), std::string::npos);
  EXPECT_TRUE(world.run(of(acme, Space::test), add_file("b")));
  EXPECT_TRUE(world.run(of(OrganizationId(Uuid{{2}})), add_file("b")));
  EXPECT_TRUE(world.run(of(acme), CreateProject{"b", {}})) << "another product";
}

// ---- failures of one partition seen from another ----

TEST_F(Handler, ATypeThatHasEventsIsKnownEvenWhenItsFirstWriterFailed) {
  declare_git();
  const auto other = elsewhere();
  ASSERT_TRUE(world.run(of(acme), add_file("x", "file.deleted")));
  ASSERT_TRUE(world.run(of(other), add_file("x", "file.deleted")));
  // acme's second record is submitted after its first has failed in the log, but before the core
  // has heard of that; the other organization's first one stands in another partition and is
  // written.
  world.send(of(acme), add_file("a", "file.deleted"));
  world.log().refuse_next(disk_full);
  auto& commands = world.core().commands();
  commands.submit(of(acme), AppendEvents{.product = "none", .events = {}, .conditions = {}},
                  [&](auto) { world.log().pump(); });
  std::optional<bool> failed;
  std::optional<bool> written;
  commands.submit(of(acme), add_file("b"), [&](auto result) { failed = !result; });
  commands.submit(of(other), add_file("b"), [&](auto result) { written = result.has_value(); });
  world.settle();
  ASSERT_EQ(failed, true);
  ASSERT_EQ(written, true);
  auto declared = world.run(platform(), DeclareProduct{"git", std::string(smaller_manifest)});
  ASSERT_FALSE(declared) << "file.added has an event";
  EXPECT_EQ(declared.error().code, ErrorCode::in_use);
  auto before = world.hash();
  world.rebuild();
  EXPECT_EQ(world.hash(), before);
}

}  // namespace
}  // namespace manager
