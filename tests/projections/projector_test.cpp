// Goal: rows and positions stay together, whatever crashes; a broken event stops its own product
// only; rows that are not of this log are found out. Method: logs written by hand, folded by one
// process after another, against the rows of one that folded everything at once.

#include "projections/projector.h"

#include <set>

#include <gtest/gtest.h>

#include "projections/fold.h"
#include "projections/reader.h"
#include "tests/support/history.h"

namespace projections {
namespace {

using schemas::ErrorCode;
using schemas::Uuid;

const OrganizationId acme(Uuid{{1}});
const OrganizationId other(Uuid{{2}});
constexpr TopicId git{6};
constexpr TopicId hg{7};
constexpr LogId log_a{git, 0};
constexpr LogId log_b{git, 1};
constexpr LogId log_c{hg, 0};

class Projection : public testing::Test {
 protected:
  bool there(OrganizationId organization, std::string name, TopicId topic = git) {
    return Reader(folded.rows(), organization, Space::live)
        .find(topic, "file", {{}, std::move(name)})
        .has_value();
  }
  std::string rebuilt_hash() {
    Folded fresh(history);
    EXPECT_TRUE(fresh.start());
    return fresh.hash();
  }
  History history;
  Folded folded{history};
};

// ---- rows that are not of this log ----

TEST_F(Projection, RowsBeyondTheLogsEndAreLost) {
  history.add({log_a, acme}, {file("a", 1, "{}")});
  history.add({log_a, acme}, {file("a", 2, "{}")});
  ASSERT_TRUE(folded.start());
  history.lose_tail(log_a, 2);
  auto started = folded.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::lost_mark);
}

TEST_F(Projection, RowsOfAPartitionThatTheLogNoLongerHasAreLost) {
  history.add({log_a, acme}, {file("a", 1, "{}")});
  history.add({log_b, other}, {file("a", 1, "{}")});
  ASSERT_TRUE(folded.start());
  history.lose_tail(log_b, 0);
  auto started = folded.start();
  ASSERT_FALSE(started) << "an event that is not in the log is shown";
  EXPECT_EQ(started.error().code, ErrorCode::lost_mark);
}

TEST_F(Projection, RowsOfALogThatWentAnotherWayAreLost) {
  history.add({log_a, acme}, {file("a", 1, "{}")});
  history.add({log_a, acme}, {file("a", 2, "{}")});
  ASSERT_TRUE(folded.start());
  history.lose_tail(log_a, 2);
  history.add({log_a, acme}, {file("a", 2, R"({"x":1})")});
  history.add({log_a, acme}, {file("a", 3, "{}")});
  EXPECT_FALSE(folded.start());
}

TEST_F(Projection, RowsBehindAClaimThatTheLogLostAreLost) {
  history.add({log_a, acme}, {file("a", 1, "{}")});
  history.claim(log_a, 2);
  ASSERT_TRUE(folded.start());
  history.lose_tail(log_a, 2);
  history.claim(log_a, 3);
  history.add({log_a, acme}, {file("a", 2, "{}")});
  auto started = folded.start();
  ASSERT_FALSE(started) << "every record of the log's own epoch would be skipped as void";
  EXPECT_EQ(started.error().code, ErrorCode::lost_mark);
}

TEST_F(Projection, RowsBehindANoopThatTheLogLostAreLost) {
  history.add({log_a, acme}, {file("a", 1, "{}")});
  history.noop(log_a);
  history.noop(log_a);
  ASSERT_TRUE(folded.start());
  history.lose_tail(log_a, 3);
  history.claim(log_a, 3);
  history.add({log_a, acme}, {file("a", 2, "{}")});
  EXPECT_FALSE(folded.start());
}

TEST_F(Projection, RowsOfAFirstClaimThatTheLogLostAreLost) {
  history.add({log_b, other}, {file("b", 1, "{}")});
  history.noop(log_a);
  ASSERT_TRUE(folded.start());
  history.lose_tail(log_a, 0);
  history.noop(log_a);  // claims anew, with the nonce of the first time
  history.lose_tail(log_a, 1);
  history.claim(log_a, 9);
  history.noop(log_a);
  EXPECT_FALSE(folded.start());
}

/// A log to which something happened since the rows were folded from it.
class ChangedLog final : public eventstore::Log {
 public:
  explicit ChangedLog(eventstore::Log& log) : log_(log) {}
  std::optional<eventstore::PartitionState> believes;  // after a loss was accepted
  std::optional<schemas::Error> damage;                // read_only
  std::set<Offset> unreadable;                         // one by one
  bool cursors_fail = false;

  schemas::Result<void> open_topic(const eventstore::Topic& t) override {
    return log_.open_topic(t);
  }
  void append(std::vector<eventstore::Append> records) override { log_.append(std::move(records)); }
  schemas::Result<std::unique_ptr<eventstore::Cursor>> read(
      std::vector<eventstore::ReadFrom> from) override {
    if (cursors_fail) return std::make_unique<FailingCursor>();
    return log_.read(std::move(from));
  }
  std::unique_ptr<eventstore::RecordReader> reader(LogId log) override {
    return std::make_unique<ChangedReader>(*this, log);
  }
  Offset durable_end(LogId log) const override { return log_.durable_end(log); }
  eventstore::PartitionState state(LogId log) const override {
    return believes.value_or(log_.state(log));
  }
  std::vector<LogId> partitions() const override { return log_.partitions(); }
  std::optional<schemas::Error> read_only() const override { return damage; }
  void close() override { log_.close(); }

 private:
  static schemas::Error bit_rot() { return {ErrorCode::read_only, "bit rot", {}, {}}; }
  struct FailingCursor final : eventstore::Cursor {
    schemas::Result<std::optional<eventstore::StoredRecord>> next() override {
      return schemas::fail(bit_rot());
    }
  };
  struct ChangedReader final : eventstore::RecordReader {
    ChangedReader(const ChangedLog& changed, LogId log)
        : changed(changed), inner(changed.log_.reader(log)) {}
    schemas::Result<eventstore::StoredRecord> read(Offset offset) override {
      if (changed.unreadable.contains(offset)) return schemas::fail(bit_rot());
      return inner->read(offset);
    }
    const ChangedLog& changed;
    std::unique_ptr<eventstore::RecordReader> inner;
  };
  eventstore::Log& log_;
};

TEST_F(Projection, RowsThatHoldWhatAnAcceptedLossTookAreLost) {
  history.add({log_a, acme}, {file("a", 1, "{}")});
  auto before_loss = history.storage().state(log_a);
  history.add({log_a, acme}, {file("a", 2, "{}")});
  history.add({log_a, acme}, {file("a", 3, "{}")});
  ASSERT_TRUE(folded.start());
  before_loss.lose();  // offset 2 is gone, 3 was decided on it
  before_loss.next_offset = 4;
  ChangedLog log(folded.log());
  log.believes = before_loss;
  Progress progress;
  auto caught_up = Projector(folded.rows(), progress).catch_up(log);
  ASSERT_FALSE(caught_up) << "the partition's next claim would look like a fork to these rows";
  EXPECT_EQ(caught_up.error().code, ErrorCode::lost_mark);
}

TEST_F(Projection, ALossAtTheVeryEndOfAPartitionIsNoReasonToDoubtRowsWithoutIt) {
  history.add({log_a, acme}, {file("a", 1, "{}")});
  ASSERT_TRUE(folded.start());
  auto state = history.storage().state(log_a);
  state.lose();
  ChangedLog log(folded.log());
  log.believes = state;
  Progress progress;
  EXPECT_TRUE(Projector(folded.rows(), progress).catch_up(log));
}

TEST_F(Projection, ADamagedLogIsNoReasonToDoubtRowsFromWhenItWasWhole) {
  history.add({log_a, acme}, {file("a", 1, "{}")});
  history.claim(log_a, 2);
  history.noop(log_a);
  ASSERT_TRUE(folded.start());
  const auto before = folded.hash();
  ChangedLog last_events(folded.log());
  last_events.unreadable = {1};
  ChangedLog what_is_behind(folded.log());
  what_is_behind.cursors_fail = true;
  for (auto* log : {&last_events, &what_is_behind}) {
    log->damage = {ErrorCode::read_only, "bit rot", {}, {}};
    Progress progress;
    auto caught_up = Projector(folded.rows(), progress).catch_up(*log);
    ASSERT_TRUE(caught_up) << caught_up.error().detail;
    EXPECT_EQ(folded.hash(), before);
    EXPECT_TRUE(there(acme, "a"));
    EXPECT_EQ(progress.applied_end(log_a), 4u);
    log->damage.reset();
    EXPECT_FALSE(Projector(folded.rows(), progress).catch_up(*log)) << "a disk that fails is told";
  }
}

/// Others write on while a process starts, and what they write is told to one that could not read
/// what stands before it.
TEST_F(Projection, WhatComesBeforeTheRowsHaveCaughtUpLeavesNoGap) {
  history.add({log_a, acme}, {file("a", 1, "{}")});
  ASSERT_TRUE(folded.start());
  history.add({log_a, acme}, {file("b", 1, "{}")});
  history.add({log_a, acme}, {file("c", 1, "{}")});
  Folded behind(history);
  ASSERT_TRUE(behind.start());
  auto last = behind.log().read_one(log_a, 3);
  ASSERT_TRUE(last) << last.error().detail;
  ChangedLog log(behind.log());
  log.cursors_fail = true;
  Progress progress;
  Projector starting(folded.rows(), progress);
  ASSERT_FALSE(starting.catch_up(log));
  EXPECT_TRUE(starting.apply({*last}));
  EXPECT_FALSE(there(acme, "c"));
  auto caught_up = Projector(folded.rows(), progress).catch_up(behind.log());
  ASSERT_TRUE(caught_up) << caught_up.error().detail;
  EXPECT_TRUE(there(acme, "b"));
  EXPECT_EQ(state_hash(folded.rows()), rebuilt_hash());
}

TEST_F(Projection, ClaimsNoopsAndVoidRecordsBehindTheLastEventsAreNoReasonToDoubt) {
  history.add({log_a, acme}, {file("a", 1, "{}")});
  history.zombie(log_a);
  history.noop(log_a);
  history.claim(log_a, 2);
  history.claim(log_a, 3);
  history.noop(log_a);
  ASSERT_TRUE(folded.start());
  history.add({log_a, acme}, {file("a", 2, "{}")});
  ASSERT_TRUE(folded.start());
  EXPECT_EQ(folded.hash(), rebuilt_hash());
  for (auto verdict : eventstore::void_verdicts) EXPECT_EQ(folded.projector().skipped(verdict), 0u);
}

// ---- exactly once ----

TEST_F(Projection, WhateverACrashKeepsTheRowsAreTheSameAfterTheNextStart) {
  for (std::uint64_t kept = 0; kept < 40; ++kept) {
    History long_history;
    Folded process(long_history);
    ASSERT_TRUE(process.start());
    auto& projector = process.projector();
    for (int i = 1; i <= 30; ++i) {
      // Live, as the core does it: one group, one write; some in one group with their claim.
      const auto from = long_history.storage().size();
      long_history.add({log_a, acme}, {file("a", i * 2 - 1, "{}"), file("a", i * 2, "{}")});
      if (i % 3 == 0) long_history.add({log_b, other}, {file("b", i / 3, R"({"n":1})")});
      if (i % 7 == 0) long_history.claim(log_a, 100 + i);
      std::vector<eventstore::StoredRecord> group;
      for (auto at = from; at < long_history.storage().size(); ++at) {
        group.push_back(*long_history.storage().at(at));
      }
      ASSERT_TRUE(projector.apply(group));
      if (i == 10) ASSERT_TRUE(process.rows().flush());
    }
    const auto live = process.hash();
    auto caught_up = process.start(kept);
    ASSERT_TRUE(caught_up) << caught_up.error().detail;
    EXPECT_EQ(process.hash(), live) << "kept " << kept;
    Folded fresh(long_history);
    ASSERT_TRUE(fresh.start());
    EXPECT_EQ(fresh.hash(), live);
  }
}

TEST_F(Projection, RecordsToldTwiceCountOnce) {
  history.add({log_a, acme}, {file("a", 1, "{}")});
  ASSERT_TRUE(folded.start());
  const auto before = folded.hash();
  ASSERT_TRUE(folded.projector().apply(
      {*history.storage().at(0), *history.storage().at(1), *history.storage().at(1)}));
  EXPECT_EQ(folded.hash(), before);
  EXPECT_TRUE(folded.projector().frozen().empty());
}

TEST_F(Projection, VoidRecordsAreSkippedAndCounted) {
  history.add({log_a, acme}, {file("a", 1, "{}")});
  history.zombie(log_a);
  history.zombie(log_a);
  history.add({log_a, acme}, {file("a", 2, "{}")});
  ASSERT_TRUE(folded.start());
  EXPECT_EQ(folded.projector().skipped(eventstore::Verdict::void_epoch), 2u);
  EXPECT_EQ(folded.progress().applied_end(log_a), 5u);
}

/// A broker's second copy stands at an offset of its own, but its sequence is not the next.
TEST_F(Projection, ADoubleWriteCountsOnce) {
  history.add({log_a, acme}, {file("a", 1, "{}")});
  ASSERT_TRUE(folded.start());
  const auto before = folded.hash();
  auto again = *history.storage().at(1);
  again.offset = 2;
  ASSERT_TRUE(folded.projector().apply({again}));
  EXPECT_EQ(folded.hash(), before);
  EXPECT_TRUE(folded.projector().frozen().empty());
  EXPECT_EQ(folded.projector().skipped(eventstore::Verdict::void_sequence), 1u);
}

TEST_F(Projection, AForkStopsTheFold) {
  history.add({log_a, acme}, {file("a", 1, "{}")});
  history.add({log_a, acme}, {file("a", 2, "{}")});
  ASSERT_TRUE(folded.start());
  auto forged = *history.storage().at(2);
  forged.offset = 3;
  forged.head.sequence = 2;
  forged.head.chain[0] ^= 1;
  auto applied = folded.projector().apply({forged});
  ASSERT_FALSE(applied);
  EXPECT_NE(applied.error().detail.find("fork"), std::string::npos);
  EXPECT_TRUE(there(acme, "a"));
}

// ---- how much one write holds ----

TEST_F(Projection, CatchingUpWritesAfterAFewMebibytesHoweverFewEventsTheyAre) {
  const auto large = "\"" + std::string(3 << 20, 'x') + "\"";
  for (int i = 1; i <= 9; ++i) {
    history.add({log_a, acme}, {file("a" + std::to_string(i), 1, large)});
  }
  std::vector<std::uint64_t> written;
  auto log = history.open();
  Progress progress;
  Projector projector(folded.rows(), progress);
  ASSERT_TRUE(projector.catch_up(*log, [&](const auto& done) { written.push_back(done.records); }));
  EXPECT_EQ(folded.rows().unflushed(), written.size());
  EXPECT_GE(written.size(), 5u) << "3 MiB of payload and 3 MiB of history each";
}

TEST_F(Projection, CatchingUpCountsTheHistoryThatASmallRecordLeaves) {
  history.add({log_a, acme}, {file("a", 1, "{\"x\":\"" + std::string(1 << 20, 'x') + "\"}")});
  for (std::uint64_t version = 2; version <= 70; ++version) {
    history.add({log_a, acme}, {file("a", version, R"({"y":1})", schemas::Fold::merge)});
  }
  ASSERT_TRUE(folded.start());
  EXPECT_TRUE(folded.projector().frozen().empty()) << "no limit of deciding binds what is there";
  EXPECT_GE(folded.rows().unflushed(), 8u);
}

// ---- forgetting first answers ----

TEST_F(Projection, AClockThatWasAYearAheadOnceMakesNoOtherLogForget) {
  constexpr std::int64_t now = 1'790'000'000'000;
  constexpr std::int64_t hour = 3'600'000;
  constexpr std::int64_t year = 8'766 * hour;
  const schemas::IdempotencyProof proof{{1}, {2}};
  auto remembered = [&](LogId log, OrganizationId organization) {
    return find_first_answer(folded.rows(), organization, Space::live, log.topic, proof.key)
        .has_value();
  };
  history.add({log_a, other, Space::live, now + year, proof}, {file("a", 1, "{}")});
  history.add({log_b, acme, Space::live, now, proof}, {file("a", 1, "{}")});
  ASSERT_TRUE(folded.start());
  history.add({log_b, acme, Space::live, now + hour}, {file("a", 2, "{}")});
  history.add({log_b, acme, Space::live, now + 24 * hour}, {file("a", 3, "{}")});
  ASSERT_TRUE(folded.start());
  EXPECT_TRUE(remembered(log_b, acme));
  EXPECT_EQ(folded.hash(), rebuilt_hash());
  const auto hash = folded.hash();
  history.add({log_b, acme, Space::live, now + 25 * hour}, {file("a", 4, "{}")});
  ASSERT_TRUE(folded.start());
  EXPECT_FALSE(remembered(log_b, acme)) << "its own day has passed";
  EXPECT_TRUE(remembered(log_a, other)) << "but not the other's";
  EXPECT_EQ(folded.hash(), rebuilt_hash());
  EXPECT_NE(folded.hash(), hash);
}

TEST_F(Projection, TheHashCountsAnAnswerUntilItsOwnLogHasGoneOnForADay) {
  constexpr std::int64_t now = 1'790'000'000'000;
  constexpr std::int64_t year = 8'766LL * 3'600'000;
  const schemas::IdempotencyProof proof{{1}, {2}};
  history.add({log_a, other, Space::live, now + year}, {file("a", 1, "{}")});
  history.add({log_b, acme, Space::live, now, proof}, {file("a", 1, "{}")});
  ASSERT_TRUE(folded.start());
  const auto with_answer = folded.hash();
  WriteSet erased;
  erased[idempotency_key(acme, Space::live, git, proof.key)] = std::nullopt;
  ASSERT_TRUE(folded.rows().write(erased));
  EXPECT_NE(folded.hash(), with_answer);
}

// ---- freezing and thawing ----

TEST_F(Projection, AnEventThatCannotBeAppliedFreezesItsOrganizationsProductOnly) {
  history.add({log_a, acme}, {file("before", 1, "{}")});
  const auto broken = history.add({log_a, acme}, {file("lost", 1, "{}"), unknown("file", {}, 1)});
  history.add({log_a, acme}, {file("after", 1, "{}")});
  history.add({log_a, other}, {file("o", 1, "{}")});
  history.add({log_a, acme, Space::test}, {file("t", 1, "{}")});
  history.add({log_c, acme}, {file("h", 1, "{}")});
  ASSERT_TRUE(folded.start());
  EXPECT_TRUE(there(acme, "before"));
  EXPECT_FALSE(there(acme, "lost")) << "a record is all or nothing";
  EXPECT_FALSE(there(acme, "after"));
  EXPECT_TRUE(there(other, "o"));
  EXPECT_TRUE(Reader(folded.rows(), acme, Space::test).find(git, "file", {{}, "t"}));
  EXPECT_TRUE(there(acme, "h", hg));
  ASSERT_EQ(folded.projector().frozen().size(), 1u);
  const auto& frozen = folded.projector().frozen().front();
  EXPECT_EQ(frozen.scope, (FrozenScope{acme, Space::live, git}));
  EXPECT_EQ(frozen.offset, broken);
  EXPECT_NE(frozen.reason.find("evt_"), std::string::npos) << frozen.reason;
  EXPECT_NE(frozen.reason.find("future.happened"), std::string::npos) << frozen.reason;
  EXPECT_TRUE(folded.progress().frozen({acme, Space::live, git}));
  EXPECT_FALSE(folded.progress().frozen({other, Space::live, git}));
}

TEST_F(Projection, WhatIsFrozenStaysSoOverARestartAndHashesLikeARebuild) {
  history.add({log_a, acme}, {file("a", 2, "{}")});  // its version does not follow
  history.add({log_a, acme}, {file("b", 1, "{}")});
  ASSERT_TRUE(folded.start());
  ASSERT_TRUE(folded.start(0));
  EXPECT_EQ(folded.projector().frozen().size(), 1u);
  history.add({log_a, acme}, {file("c", 1, "{}")});
  ASSERT_TRUE(folded.start());
  EXPECT_EQ(folded.projector().frozen().size(), 1u);
  EXPECT_FALSE(there(acme, "b"));
  EXPECT_EQ(folded.hash(), rebuilt_hash());
}

/// Rows as an older build would have left them: frozen at `offset`, every record from there on
/// noted only, everything else folded.
void freeze_by_hand(MemoryStore& rows, const FrozenScope& scope, std::uint16_t partition,
                    Offset offset) {
  WriteSet changes;
  std::string row;
  Encoder encoder(row);
  encoder(partition);
  encoder(offset);
  encoder(std::string("an older build could not"));
  changes[frozen_key(scope)] = row;
  ASSERT_TRUE(rows.write(changes));
}

class Thawing : public Projection {
 protected:
  /// Folds `later` records of acme while it is frozen, and some of others between them.
  void freeze_before(int later, std::string_view json = "{}") {
    history.add({log_a, acme}, {file("before", 1, "{}")});
    ASSERT_TRUE(folded.start());
    freeze_by_hand(folded.rows(), {acme, Space::live, git}, log_a.partition, 2);
    // The rows must know of the freeze before they meet what comes next: this row is the only
    // thing that thaw finds, so it stays frozen until a record is there that it cannot fold.
    std::vector<eventstore::StoredRecord> group;
    for (int i = 1; i <= later; ++i) history.add({log_a, acme}, {file("a", i, json)});
    history.add({log_a, other}, {file("o", 1, "{}")});
    WriteSet noted;
    for (auto at = std::size_t{2}; at < history.storage().size(); ++at) {
      auto record = *history.storage().at(at);
      FoldedRecord place{record.log, record.offset,
                         schemas::BatchView::trusted(record.payload.bytes())};
      if (place.batch.organization() == acme) {
        fold_place(place, noted);
      } else {
        ASSERT_TRUE(fold(folded.rows(), place, noted));
      }
    }
    Folded fresh(history);
    ASSERT_TRUE(fresh.start());
    noted[position_key(log_a)] = fresh.rows().get(position_key(log_a));
    ASSERT_TRUE(folded.rows().write(noted));
  }
};

TEST_F(Thawing, WhatWasNotedIsFoldedAFewMebibytesAtATime) {
  freeze_before(6, "\"" + std::string(3 << 20, 'x') + "\"");
  ASSERT_TRUE(folded.rows().flush());
  ASSERT_TRUE(folded.start());
  EXPECT_TRUE(folded.projector().frozen().empty());
  EXPECT_GE(folded.rows().unflushed(), 3u);
  EXPECT_EQ(folded.hash(), rebuilt_hash());
}

class ThawingMany : public Thawing, public testing::WithParamInterface<int> {};

TEST_P(ThawingMany, AFixedBuildFoldsWhatWasOnlyNotedAndIsLikeARebuild) {
  freeze_before(GetParam());
  ASSERT_FALSE(there(acme, "a"));
  auto started = folded.start();
  ASSERT_TRUE(started) << started.error().detail;
  EXPECT_TRUE(folded.projector().frozen().empty());
  EXPECT_TRUE(folded.progress().frozen().empty());
  EXPECT_FALSE(folded.rows().get(frozen_key({acme, Space::live, git})));
  EXPECT_EQ(folded.hash(), rebuilt_hash());
}

TEST_F(Thawing, ARecordThatCannotBeReadKeepsItsProductFrozenAndNothingElse) {
  freeze_before(3);
  ChangedLog log(folded.log());
  log.unreadable = {3};
  Progress progress;
  Projector projector(folded.rows(), progress);
  auto caught_up = projector.catch_up(log);
  ASSERT_TRUE(caught_up) << caught_up.error().detail;
  ASSERT_EQ(projector.frozen().size(), 1u);
  EXPECT_EQ(projector.frozen().front().offset, 3u);
  EXPECT_NE(projector.frozen().front().reason.find("offset 3 cannot be read: bit rot"),
            std::string::npos);
  EXPECT_TRUE(there(acme, "a")) << "what could be read is folded";
  ASSERT_TRUE(folded.start()) << "and all of it once it can be read again";
  EXPECT_TRUE(folded.projector().frozen().empty());
  EXPECT_EQ(folded.hash(), rebuilt_hash());
}

TEST_P(ThawingMany, ACrashWhileThawingIsThawedOnceMore) {
  for (std::uint64_t kept : {0u, 1u, 2u}) {
    History again;
    freeze_before(GetParam());
    ASSERT_TRUE(folded.rows().flush());
    ASSERT_TRUE(folded.start());
    auto started = folded.start(kept);
    ASSERT_TRUE(started) << started.error().detail;
    EXPECT_TRUE(folded.projector().frozen().empty());
    EXPECT_EQ(folded.hash(), rebuilt_hash());
    return;
  }
}

INSTANTIATE_TEST_SUITE_P(Records, ThawingMany, testing::Values(1, 2, 1999, 2000, 2001, 4000));

TEST_F(Projection, AThawThatMeetsAnotherBrokenEventStandsThere) {
  history.add({log_a, acme}, {file("before", 1, "{}")});
  ASSERT_TRUE(folded.start());
  history.add({log_a, acme}, {file("a", 1, "{}")});
  const auto broken = history.add({log_a, acme}, {unknown("file", {}, 1)});
  history.add({log_a, acme}, {file("a", 2, "{}")});
  ASSERT_TRUE(folded.start());
  EXPECT_EQ(folded.projector().frozen().front().offset, broken);
  // As if the first of them had been the one that an older build could not apply.
  freeze_by_hand(folded.rows(), {acme, Space::live, git}, log_a.partition, broken);
  ASSERT_TRUE(folded.start());
  ASSERT_EQ(folded.projector().frozen().size(), 1u);
  EXPECT_EQ(folded.projector().frozen().front().offset, broken);
  EXPECT_EQ(folded.progress().frozen().size(), 1u);
  EXPECT_EQ(folded.hash(), rebuilt_hash());
}

}  // namespace
}  // namespace projections
