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
