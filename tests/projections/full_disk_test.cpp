// Goal: a start while the disk is full has every row, in memory, and goes on by itself when there
// is space. Method: histories, and a memory store that is broken before or while a process catches
// up.

#include <utility>

#include <gtest/gtest.h>

#include "tests/support/history.h"

namespace projections {
namespace {

using schemas::ErrorCode;
using schemas::TopicId;

constexpr LogId files{TopicId{7}, 0};
const OrganizationId acme(schemas::Uuid{{1}});
const schemas::Error disk_full{ErrorCode::disk_full, "no space", {}, {}};

class FullDisk : public testing::Test {
 protected:
  void write(std::uint64_t count) {
    std::vector<Happened> events;
    while (count-- > 0) events.push_back(file("f" + std::to_string(++written_), 1, "{}"));
    history.add({files, acme}, events);
  }
  std::string rebuilt_hash() {
    Folded fresh(history);
    EXPECT_TRUE(fresh.start());
    return fresh.hash();
  }
  /// Everything is there, nothing more is taken; with space the same, and durable.
  void expect_whole_now_and_later(Projector& projector, eventstore::Log& log) {
    EXPECT_EQ(rows.broken()->code, ErrorCode::disk_full);
    EXPECT_EQ(state_hash(rows), rebuilt_hash());
    EXPECT_EQ(rows.write({{"a", "1"}}).error().code, ErrorCode::disk_full);
    EXPECT_FALSE(projector.resume(log)) << "there is no space yet";
    rows.mend();
    ASSERT_TRUE(projector.resume(log));
    EXPECT_FALSE(rows.broken());
    EXPECT_EQ(state_hash(rows), rebuilt_hash());
    ASSERT_TRUE(rows.flush());
    rows.crash();
    EXPECT_EQ(state_hash(rows), rebuilt_hash());
  }

  History history;
  MemoryStore rows;

 private:
  int written_ = 0;
};

TEST_F(FullDisk, AStartWithoutSpaceFoldsInMemory) {
  write(3);
  auto log = history.open();
  Progress before;
  ASSERT_TRUE(Projector(rows, before).catch_up(*log));
  ASSERT_TRUE(rows.flush());
  write(2);
  log = history.open();
  rows.break_with(disk_full);
  Progress progress;
  Projector projector(rows, progress);
  auto done = projector.catch_up(*log);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->events, 2);
  EXPECT_EQ(progress.applied_end(files), log->durable_end(files));
  expect_whole_now_and_later(projector, *log);
}

TEST_F(FullDisk, ADiskThatFillsWhileCatchingUpIsTheSame) {
  for (int records = 0; records < 3; ++records) write(1'500);
  auto log = history.open();
  Progress progress;
  Projector projector(rows, progress);
  bool broke = false;
  const auto breaks_once = [&](const auto& done) {
    if (done.events > 0 && !std::exchange(broke, true)) rows.break_with(disk_full);
  };
  auto done = projector.catch_up(*log, breaks_once);
  ASSERT_TRUE(done);
  ASSERT_TRUE(broke);
  EXPECT_EQ(done->events, 4'500) << "from what was flushed, which is nothing";
  expect_whole_now_and_later(projector, *log);
}

TEST_F(FullDisk, AnyOtherFailureEndsTheStart) {
  write(3);
  auto log = history.open();
  rows.break_with({ErrorCode::internal, "broken", {}, {}});
  Progress progress;
  auto done = Projector(rows, progress).catch_up(*log);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::internal);
}

}  // namespace
}  // namespace projections
