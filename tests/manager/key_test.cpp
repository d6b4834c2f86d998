// Goal: the rules of API keys: what a key may grant, how it is rotated and revoked. Method: given
// commands, when a command, then outcome or error, in a World without disk.

#include <gtest/gtest.h>

#include "tests/support/world.h"

namespace manager {
namespace {

using projections::Access;
using projections::Key;
using schemas::OrganizationId;
using namespace std::chrono_literals;

const OrganizationId acme(Uuid{{1}});
const std::string first(32, '1');
const std::string second(32, '2');
const std::string third(32, '3');

class Keys : public testing::Test {
 protected:
  CreateKey wish(std::vector<std::string> permissions = {"projects:read"}) {
    return {.name = "ci",
            .permissions = std::move(permissions),
            .projects = {},
            .expires = {},
            .digest = first,
            .hint = "le_live_1"};
  }
  Uuid create() { return world.run(of(acme), wish())->subject.id; }
  CommandContext made_by(Access maker) {
    auto context = of(acme);
    context.rights = std::make_shared<const Access>(std::move(maker));
    return context;
  }
  /// The pointer of the refusal, or none.
  std::string refusal(const Access& maker, const CreateKey& key) {
    auto outcome = world.run(made_by(maker), key);
    if (outcome) return "none";
    EXPECT_EQ(outcome.error().code, ErrorCode::invalid_request);
    return outcome.error().fields.front().where;
  }
  std::optional<Access> access(std::string_view digest) {
    auto row = world.rows().get(projections::access_key(digest));
    if (!row) return std::nullopt;
    Access found;
    projections::Decoder{*row}(found);
    return found;
  }
  Key state(const Result<Outcome>& outcome) {
    return projections::decode_row<Key>(outcome->row).state;
  }
  Time now() { return world.clock().wall(); }
  World world;
};

TEST_F(Keys, ACreatedKeyOpensWhatItNames) {
  auto outcome = world.run(of(acme, Space::test), wish({"projects:*", "events:read"}));
  ASSERT_TRUE(outcome);
  EXPECT_EQ(state(outcome).status, Key::Status::active);
  auto opened = access(first);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->organization, acme.uuid());
  EXPECT_EQ(opened->space, Space::test);
  EXPECT_EQ(opened->key, outcome->subject.id);
  EXPECT_FALSE(opened->platform);
}

TEST_F(Keys, NothingIsOpenedBeforeTheKeyIsDurable) {
  create();
  auto another = wish();
  another.digest = second;
  auto reply = world.send(of(acme), another);
  EXPECT_FALSE(access(second));
  world.settle();
  EXPECT_TRUE(reply->ok());
  EXPECT_TRUE(access(second));
}

// ---- what a key may grant ----

TEST_F(Keys, AKeyGrantsNoMoreThanItsMakersPermissions) {
  const Access maker{.permissions = {"projects:*", "events:read"}};
  EXPECT_EQ(refusal(maker, wish({"projects:write", "events:read"})), "none");
  EXPECT_EQ(refusal(maker, wish({"projects:read", "events:*"})), "/permissions/1");
  EXPECT_EQ(refusal(maker, wish({"*"})), "/permissions/0");
  EXPECT_EQ(refusal({.permissions = {"*"}}, wish({"*"})), "none");
}

TEST_F(Keys, AKeyGrantsNoMoreThanItsMakersProjects) {
  const Access maker{.permissions = {"*"},
                     .projects = std::vector<std::string>{"proj_a", "proj_b"}};
  auto key = wish();
  EXPECT_EQ(refusal(maker, key), "/projects") << "all projects are more";
  key.projects = {"proj_a", "proj_c"};
  EXPECT_EQ(refusal(maker, key), "/projects");
  key.projects = {"proj_b"};
  EXPECT_EQ(refusal(maker, key), "none");
  EXPECT_EQ(refusal({.permissions = {"*"}}, key), "none");
}

TEST_F(Keys, AKeyLivesNoLongerThanItsMaker) {
  const Access maker{.permissions = {"*"}, .expires = now() + 24h};
  auto key = wish();
  EXPECT_EQ(refusal(maker, key), "/expires_at") << "for ever is longer";
  key.expires = now() + 24h + 1ms;
  EXPECT_EQ(refusal(maker, key), "/expires_at");
  key.expires = now() + 24h;
  EXPECT_EQ(refusal(maker, key), "none");
}

TEST_F(Keys, AnExpiryInThePastIsRefused) {
  auto key = wish();
  key.expires = now();
  EXPECT_EQ(world.run(of(acme), key).error().fields.front().where, "/expires_at");
  key.expires = now() + 1ms;
  EXPECT_TRUE(world.run(of(acme), key));
}

// ---- rotation ----

TEST_F(Keys, ARotatedKeyHasBothSecretsUntilTheOverlapEnds) {
  const auto id = create();
  auto rotated = world.run(of(acme), RotateKey{id, second, "le_live_2", 1h});
  ASSERT_TRUE(rotated);
  EXPECT_EQ(to_number(rotated->events.front().version), 2u);
  EXPECT_EQ(access(first)->expires, now() + 1h);
  EXPECT_FALSE(access(second)->expires);
  EXPECT_EQ(access(second)->key, id);
  EXPECT_EQ(state(rotated).credentials.back().hint, "le_live_2");
}

TEST_F(Keys, WithoutOverlapTheOldSecretEndsAtOnce) {
  const auto id = create();
  ASSERT_TRUE(world.run(of(acme), RotateKey{id, second, "h", 0s}));
  EXPECT_EQ(access(first)->expires, now());
}

TEST_F(Keys, TwoRotationsInFlightKeepTheirOrder) {
  const auto id = create();
  auto one = world.send(of(acme), RotateKey{id, second, "h", 1h});
  auto two = world.send(of(acme), RotateKey{id, third, "h", 2h});
  world.settle();
  ASSERT_TRUE(one->ok() && two->ok());
  EXPECT_FALSE(access(first)) << "only the newest and the one before it open anything";
  EXPECT_EQ(access(second)->expires, now() + 2h);
  EXPECT_FALSE(access(third)->expires);
}

TEST_F(Keys, ARefusedRotationLeavesTheOldSecretAlone) {
  const auto id = create();
  world.log().refuse_next({ErrorCode::disk_full, "no space", {}, {}});
  EXPECT_FALSE(world.run(of(acme), RotateKey{id, second, "h", 0s}));
  EXPECT_FALSE(access(first)->expires);
  EXPECT_FALSE(access(second));
}

// ---- revocation ----

TEST_F(Keys, ARevokedKeyOpensNothingAndStaysListed) {
  const auto id = create();
  ASSERT_TRUE(world.run(of(acme), RotateKey{id, second, "h", 1h}));
  auto revoked = world.run(of(acme), RevokeKey{id});
  ASSERT_TRUE(revoked);
  EXPECT_EQ(state(revoked).status, Key::Status::revoked);
  EXPECT_FALSE(access(first));
  EXPECT_FALSE(access(second));
  EXPECT_EQ(world.reader(acme).list(world.topic("identity"), Key::kind, true, {}).rows.size(), 1u);
}

TEST_F(Keys, ARevokedKeyCanNeitherBeRotatedNorRevokedAgain) {
  const auto id = create();
  auto revoked = world.send(of(acme), RevokeKey{id});
  auto rotated = world.send(of(acme), RotateKey{id, second, "h", 1h});
  world.settle();
  ASSERT_TRUE(revoked->ok());
  EXPECT_EQ(rotated->code(), ErrorCode::invalid_transition) << "also while it is in flight";
  EXPECT_EQ(world.run(of(acme), RevokeKey{id}).error().code, ErrorCode::invalid_transition);
  EXPECT_FALSE(access(second));
}

TEST_F(Keys, KeysAreOfOneOrganizationAndSpace) {
  const auto id = create();
  for (const auto& context : {of(OrganizationId(Uuid{{2}})), of(acme, Space::test)}) {
    EXPECT_EQ(world.run(context, RevokeKey{id}).error().code, ErrorCode::not_found);
    EXPECT_EQ(world.run(context, RotateKey{id, second, "h", 0s}).error().code,
              ErrorCode::not_found);
  }
}

TEST_F(Keys, AccessIsTheSameAfterACrashAndARebuild) {
  const auto id = create();
  ASSERT_TRUE(world.run(of(acme), RotateKey{id, second, "h", 1h}));
  const auto hash = world.hash();
  world.crash();
  EXPECT_EQ(world.hash(), hash);
  world.rebuild();
  EXPECT_EQ(world.hash(), hash);
  EXPECT_EQ(access(first)->expires, now() + 1h);
}

}  // namespace
}  // namespace manager
