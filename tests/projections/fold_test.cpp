// Goal: what one record does to rows, key by key: the entity, its history, its unique values, its
// credentials, its place, its first answer; and nothing at all when one of its events cannot be
// applied. Method: records by hand onto a memory store.

#include "projections/fold.h"

#include <gtest/gtest.h>

#include "projections/reader.h"
#include "tests/support/history.h"

namespace projections {
namespace {

using schemas::Fold;
using schemas::Result;
using schemas::Time;
using schemas::Uuid;

const OrganizationId acme(Uuid{{1}});
constexpr LogId log{TopicId{6}, 0};
const Uuid one{{1, 1}};
const Uuid two{{2, 2}};

class Folding : public testing::Test {
 protected:
  Result<std::size_t> take(const std::vector<Happened>& events,
                           std::optional<schemas::IdempotencyProof> idempotency = {},
                           const FoldLimits& limits = {}) {
    const auto offset =
        history.add({.log = log, .organization = acme, .idempotency = idempotency}, events);
    const auto record = *history.storage().at(*history.storage().find(log, offset));
    changes.clear();
    auto done = fold(rows, {log, offset, schemas::BatchView::trusted(record.payload.bytes())},
                     changes, limits);
    if (done) EXPECT_TRUE(rows.write(changes));
    last = offset;
    return done;
  }
  Reader reader() { return {rows, acme, Space::live}; }
  std::string json(std::string name) {
    auto row = reader().get<Declared>(log.topic, {{}, std::move(name)}, "file");
    return row ? row->state.json : "none";
  }
  std::optional<std::string> holder(std::string_view slug) {
    return reader().unique(log.topic, "project", "slug", slug);
  }
  std::optional<Access> access(std::string_view digest) {
    auto row = rows.get(access_key(digest));
    if (!row) return std::nullopt;
    Access found;
    Decoder{*row}(found);
    return found;
  }
  History history;
  MemoryStore rows;
  WriteSet changes;
  Offset last = 0;
};

TEST_F(Folding, FoldsReplaceMergeAndRemove) {
  ASSERT_TRUE(take({file("a", 1, R"({"x":1,"y":{"z":2}})")}));
  ASSERT_TRUE(take({file("a", 2, R"({"x":null,"y":{"w":3}})", Fold::merge)}));
  EXPECT_EQ(json("a"), R"({"y":{"z":2,"w":3}})");
  ASSERT_TRUE(take({file("a", 3, R"([1])", Fold::replace)}));
  EXPECT_EQ(json("a"), "[1]");
  ASSERT_TRUE(take({file("a", 4, "{}", Fold::remove)}));
  EXPECT_EQ(json("a"), "none");
  ASSERT_TRUE(take({file("a", 5, R"({"x":null,"n":1})", Fold::merge)}));
  EXPECT_EQ(json("a"), R"({"n":1})") << "a merge into nothing drops nulls (RFC 7396)";
}

TEST_F(Folding, SeveralEventsOfOneEntityInOneRecordFoldOnTopOfEachOther) {
  ASSERT_TRUE(
      take({file("a", 1, R"({"x":1})"), file("b", 1, "{}"), file("a", 2, R"({"y":2})", Fold::merge),
            file("a", 3, "{}", Fold::remove), file("a", 4, R"({"z":3})", Fold::merge)}));
  EXPECT_EQ(json("a"), R"({"z":3})");
  auto places = reader().events_of(log.topic, "file", {{}, "a"}, {.behind = {}});
  ASSERT_EQ(places.size(), 4u);
  EXPECT_EQ(places[0].index, 0u);
  EXPECT_EQ(places[1].index, 2u);
  EXPECT_EQ(places[3].index, 4u);
  // A record is one moment: as of it, all of its events happened.
  auto then = reader().find_as_of(log.topic, "file", {{}, "a"}, static_cast<std::int64_t>(last));
  ASSERT_TRUE(then);
  EXPECT_EQ(decode_row<Declared>(*then).state.json, R"({"z":3})");
  EXPECT_EQ(to_number(decode_head(*then, nullptr).version), 4u);
}

TEST_F(Folding, AVersionThatDoesNotFollowCannotBeApplied) {
  for (std::uint64_t version : {0u, 2u, 3u}) EXPECT_FALSE(take({file("a", version, "{}")}));
  ASSERT_TRUE(take({file("a", 1, "{}")}));
  for (std::uint64_t version : {0u, 1u, 3u}) EXPECT_FALSE(take({file("a", version, "{}")}));
  ASSERT_TRUE(take({file("a", 2, "{}", Fold::remove)}));
  EXPECT_FALSE(take({file("a", 1, "{}")})) << "versions go on after a delete";
  EXPECT_TRUE(take({file("a", 3, "{}")}));
}

TEST_F(Folding, ARecordWithOneBadEventChangesNothingAndNamesIt) {
  ASSERT_TRUE(take({file("a", 1, "{}")}));
  auto done = take({file("b", 1, "{}"), file("a", 2, R"({"x":1})"), unknown("file", {{}, "c"}, 1)});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, schemas::ErrorCode::projection_frozen);
  EXPECT_NE(done.error().detail.find("future.happened"), std::string::npos);
  EXPECT_TRUE(changes.empty());
}

TEST_F(Folding, EventsThatDoNotFitTheStateCannotBeApplied) {
  EXPECT_FALSE(take({project(one, 1, schemas::ProjectArchived{})}));
  EXPECT_FALSE(take({project(one, 1, schemas::ProjectDeleted{})}));
  ASSERT_TRUE(take({project(one, 1, schemas::ProjectCreated{"n", "s"})}));
  EXPECT_FALSE(take({project(one, 2, schemas::ProjectCreated{"n", "s2"})}));
  EXPECT_FALSE(take({project(one, 2, schemas::KeyRevoked{})}));
  EXPECT_FALSE(take({file("a", 1, "no json", Fold::merge)}));
  EXPECT_FALSE(take({{"comet", {one, {}}, 1, schemas::ProjectDeleted{}}})) << "an unknown kind";
}

TEST_F(Folding, ASlugHasOneHolderAndIsFreeAfterAChangeOrADelete) {
  ASSERT_TRUE(take({project(one, 1, schemas::ProjectCreated{"n", "first"})}));
  EXPECT_EQ(holder("first"), entity_key({one, {}}));
  ASSERT_TRUE(take({project(one, 2, schemas::ProjectChanged{{}, "second"})}));
  EXPECT_FALSE(holder("first"));
  EXPECT_EQ(holder("second"), entity_key({one, {}}));
  ASSERT_TRUE(take({project(one, 3, schemas::ProjectChanged{"renamed", {}})}));
  EXPECT_EQ(holder("second"), entity_key({one, {}}));
  ASSERT_TRUE(take({project(one, 4, schemas::ProjectDeleted{}),
                    project(two, 1, schemas::ProjectCreated{"n", "second"})}));
  EXPECT_EQ(holder("second"), entity_key({two, {}}));
}

TEST_F(Folding, ASwapWithinOneRecordLeavesEachSlugItsHolder) {
  ASSERT_TRUE(take({project(one, 1, schemas::ProjectCreated{"n", "a"}),
                    project(two, 1, schemas::ProjectCreated{"n", "b"})}));
  ASSERT_TRUE(take({project(one, 2, schemas::ProjectChanged{{}, "c"}),
                    project(two, 2, schemas::ProjectChanged{{}, "a"}),
                    project(one, 3, schemas::ProjectChanged{{}, "b"})}));
  EXPECT_EQ(holder("a"), entity_key({two, {}}));
  EXPECT_EQ(holder("b"), entity_key({one, {}}));
  EXPECT_FALSE(holder("c"));
}

TEST_F(Folding, CreatedAtIsOfTheEntitysPresentLife) {
  ASSERT_TRUE(take({file("a", 1, "{}")}));
  auto first = reader().get<Declared>(log.topic, {{}, "a"}, "file")->head;
  ASSERT_TRUE(take({file("a", 2, "{}")}));
  auto changed = reader().get<Declared>(log.topic, {{}, "a"}, "file")->head;
  EXPECT_EQ(changed.created_at, first.created_at);
  EXPECT_GT(changed.updated_at, first.updated_at);
  ASSERT_TRUE(take({file("a", 3, "{}", Fold::remove)}));
  ASSERT_TRUE(take({file("a", 4, "{}")}));
  auto again = reader().get<Declared>(log.topic, {{}, "a"}, "file")->head;
  EXPECT_GT(again.created_at, changed.updated_at);
  EXPECT_FALSE(rows.get(deleted_key({acme, Space::live, log.topic, "file"}, {{}, "a"})));
}

// ---- limits of deciding ----

TEST_F(Folding, ADeclaredStateBeyondItsLimitIsRefusedHoweverItCameAbout) {
  const FoldLimits limits{.state_bytes = 12};
  ASSERT_TRUE(take({file("a", 1, R"({"x":"1234"})")}, {}, limits)) << "just as large as allowed";
  auto larger = take({file("b", 1, "{}"), file("a", 2, R"({"y":1})", Fold::merge)}, {}, limits);
  ASSERT_FALSE(larger);
  EXPECT_EQ(larger.error().code, schemas::ErrorCode::record_too_large);
  EXPECT_NE(larger.error().detail.find("event 1 (file 'a')"), std::string::npos);
  EXPECT_NE(larger.error().detail.find("12: spread it"), std::string::npos);
  EXPECT_TRUE(changes.empty());
}

TEST_F(Folding, ARecordThatWouldKeepTooMuchHistoryIsRefusedAtTheEventThatGoesTooFar) {
  const auto state = R"({"x":")" + std::string(1000, 'x') + R"("})";
  std::vector<Happened> merges{file("a", 1, state)};
  for (std::uint64_t version = 2; version <= 100; ++version) {
    merges.push_back(file("a", version, R"({"y":1})", Fold::merge));
  }
  auto refused = take(merges, {}, {.changed_bytes = 20'000});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, schemas::ErrorCode::record_too_large);
  EXPECT_NE(refused.error().detail.find("event 18 "), std::string::npos) << refused.error().detail;
  auto folded = take(merges);
  ASSERT_TRUE(folded) << "what is in the log has no limits";
  EXPECT_GT(*folded, 100'000u);
}

// ---- keys ----

Happened key_event(std::uint64_t version, EventData data) {
  return {"key", {one, {}}, version, std::move(data)};
}
schemas::KeyCreated key_created(std::string_view digest) {
  return {.name = "ci", .permissions = {"projects:*"}, .credential = {digest, "hint"}};
}
const std::string digest_a(32, 'a');
const std::string digest_b(32, 'b');

TEST_F(Folding, ACredentialOpensItsKeyUntilItIsRevoked) {
  ASSERT_TRUE(take({key_event(1, key_created(digest_a))}));
  ASSERT_TRUE(access(digest_a));
  EXPECT_EQ(access(digest_a)->organization, acme.uuid());
  EXPECT_EQ(access(digest_a)->key, one);
  EXPECT_EQ(access(digest_a)->permissions, std::vector<std::string>{"projects:*"});
  EXPECT_FALSE(access(digest_a)->expires);
  ASSERT_TRUE(take({key_event(2, schemas::KeyRevoked{})}));
  EXPECT_FALSE(access(digest_a));
  EXPECT_TRUE(reader().get<Key>(log.topic, {one, {}})) << "it stays listed";
}

TEST_F(Folding, ARotatedCredentialWorksUntilTheOverlapEnds) {
  const Time later{std::chrono::milliseconds{2'000'000}};
  ASSERT_TRUE(take({key_event(1, key_created(digest_a))}));
  ASSERT_TRUE(take({key_event(2, schemas::KeyRotated{{digest_b, "h"}, later})}));
  EXPECT_EQ(access(digest_a)->expires, later);
  EXPECT_FALSE(access(digest_b)->expires);
  ASSERT_TRUE(take({key_event(3, schemas::KeyRevoked{})}));
  for (const auto& digest : {digest_a, digest_b}) EXPECT_FALSE(access(digest));
}

TEST_F(Folding, ARotationDuringAnOverlapEndsTheOlderSecretAtOnce) {
  ASSERT_TRUE(take({key_event(1, key_created(digest_a))}));
  ASSERT_TRUE(take({key_event(2, schemas::KeyRotated{{digest_b, "h"}, Time::max()})}));
  for (std::uint64_t version = 3; version <= 20; ++version) {
    const auto newest = std::string(32, static_cast<char>('c' + version));
    ASSERT_TRUE(take({key_event(version, schemas::KeyRotated{{newest, "h"}, Time::max()})}));
    EXPECT_EQ(reader().get<Key>(log.topic, {one, {}})->state.credentials.size(), 2u);
    EXPECT_TRUE(access(newest));
  }
  for (const auto& digest : {digest_a, digest_b}) EXPECT_FALSE(access(digest));
  EXPECT_TRUE(access(std::string(32, static_cast<char>('c' + 19)))) << "the one before works on";
}

TEST_F(Folding, AKeysOwnExpiryBoundsItsCredentials) {
  auto created = key_created(digest_a);
  created.expires = Time{std::chrono::milliseconds{5'000}};
  ASSERT_TRUE(take({key_event(1, created)}));
  ASSERT_TRUE(take({key_event(2, schemas::KeyRotated{{digest_b, "h"}, Time::max()})}));
  EXPECT_EQ(access(digest_a)->expires, created.expires);
  EXPECT_EQ(access(digest_b)->expires, created.expires);
}

// ---- beside the entities ----

TEST_F(Folding, AnIdempotencyKeyLeavesItsFirstAnswer) {
  const schemas::IdempotencyProof proof{{1}, {2}};
  ASSERT_TRUE(take({file("a", 1, "{}")}, proof));
  auto answer = find_first_answer(rows, acme, Space::live, log.topic, proof.key);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->offset, last);
  EXPECT_EQ(answer->request, proof.request);
  EXPECT_FALSE(find_first_answer(rows, acme, Space::test, log.topic, proof.key));
  EXPECT_FALSE(find_first_answer(rows, acme, Space::live, TopicId{7}, proof.key));
  EXPECT_FALSE(find_first_answer(rows, acme, Space::live, log.topic, {9}));
}

TEST_F(Folding, EveryRecordLeavesItsPlaceAndEveryDeclaredTypeItsUse) {
  ASSERT_TRUE(take({file("a", 1, "{}"), file("b", 1, "{}")}));
  EXPECT_TRUE(rows.get(record_key(acme, Space::live, log.topic, last)));
  EXPECT_TRUE(rows.get(used_type_key(log.topic, "file", "file.happened")));
  EXPECT_FALSE(rows.get(used_type_key(log.topic, "file", "file.never")));
}

}  // namespace
}  // namespace projections
