// Goal: the next segment is prepared in step with the writer, and a full disk is asked again when
// the writer needs the file, not at every commit. Method: both drives on a FaultDisk, whose calls
// are counted.
#include "eventstore/journal_space.h"

#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "tests/support/fault_file.h"

namespace eventstore::journal {
namespace {

using namespace std::chrono_literals;

class SpaceAheadTest : public testing::Test {
 protected:
  static constexpr std::uint64_t size = 64 * 1024;

  SpaceAhead::Options options(SpaceAhead::Drive drive) {
    return {.path = "/next", .segment_size_max = size, .piece_size = 4096, .drive = drive};
  }
  /// Until the thread made so many calls, or did not for ten seconds.
  bool wait_for_calls(std::size_t count) {
    for (int i = 0; i < 10'000 && disk.calls() < count; ++i) std::this_thread::sleep_for(1ms);
    return disk.calls() >= count;
  }

  FaultDisk disk;
};

TEST_F(SpaceAheadTest, follows_the_writer_twice_as_fast) {
  SpaceAhead space(disk, options(SpaceAhead::Drive::thread), size);
  space.used(size / 4);
  ASSERT_TRUE(wait_for_calls(1 + 2 * size / 2 / 4096));  // create, then write and sync a piece
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(disk.contents("/next").size(), size / 2);
  space.used(size / 2);
  ASSERT_TRUE(wait_for_calls(1 + 2 * size / 4096));
  EXPECT_EQ(disk.contents("/next").size(), size);
}

TEST_F(SpaceAheadTest, a_full_disk_is_not_asked_again_at_every_commit) {
  disk.set_capacity(0);
  SpaceAhead space(disk, options(SpaceAhead::Drive::thread), size);
  space.used(size / 2);
  ASSERT_TRUE(wait_for_calls(2));  // create and write
  std::this_thread::sleep_for(20ms);
  const auto calls = disk.calls();
  for (std::uint64_t used = size / 2; used <= size; used += 1024) {
    space.used(used);
    std::this_thread::sleep_for(1ms);
  }
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(disk.calls(), calls);
  EXPECT_FALSE(space.take(size));
  EXPECT_GT(disk.calls(), calls);
  disk.set_capacity(~std::uint64_t{0});
  EXPECT_TRUE(space.take(size));
}

TEST_F(SpaceAheadTest, a_piece_that_failed_is_written_again_as_a_whole) {
  for (std::size_t call = 1; call < 12; ++call) {
    disk.start_over(static_cast<std::uint32_t>(call));
    SpaceAhead space(disk, options(SpaceAhead::Drive::inside_take), size);
    disk.fail_call(call, schemas::ErrorCode::internal);
    auto taken = space.take(2 * size);
    if (!taken) taken = space.take(2 * size);
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->size_bytes, 2 * size);
    EXPECT_EQ(*taken->file->size(), 2 * size);
  }
}

}  // namespace
}  // namespace eventstore::journal
