// Goal: of the store on disk: what survives a kill is a prefix of the writes, each whole; a disk
// that fails is told, not hidden, and what remedies it goes on. Method: a child process that is
// killed, runs out of space or may not write on; a damaged file.
#include <algorithm>
#include <fstream>
#include <random>
#include <signal.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "projections/read_store.h"
#include "tests/projections/child/numbered_writes.h"
#include "tests/support/temporary_directory.h"

namespace projections {
namespace {

using schemas::ErrorCode;

std::unique_ptr<ReadStore> open(const std::filesystem::path& directory) {
  auto store = open_rocks_store(directory);
  if (!store) throw std::runtime_error(store.error().detail);
  return std::move(*store);
}

TEST(RocksStore, ASnapshotKeepsTheDirectoryTaken) {
  TemporaryDirectory directory;
  auto store = open(directory.path());
  ASSERT_TRUE(store->write({{"a", "1"}}));
  auto snapshot = store->snapshot();
  store.reset();
  EXPECT_EQ(snapshot->get("a"), "1");
  auto second = open_rocks_store(directory.path());
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().detail.find(directory.path().string()), std::string::npos);
  snapshot.reset();
  EXPECT_EQ(open(directory.path())->get("a"), "1");
}

TEST(RocksStore, DestroyingLeavesNothing) {
  TemporaryDirectory directory;
  auto rows = directory.path() / "rows" / "1";
  ASSERT_TRUE(open(rows)->write({{"a", "1"}}));
  ASSERT_TRUE(destroy_rocks_store(rows));
  EXPECT_FALSE(std::filesystem::exists(rows));
  EXPECT_EQ(open(rows)->get("a"), std::nullopt);
}

TEST(RocksStore, ADamagedFileIsAnErrorAndNotAnAbsentRow) {
  TemporaryDirectory directory;
  ASSERT_TRUE(open(directory.path())->write({{"a", std::string(1000, 'x')}}));
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    if (entry.path().extension() != ".sst") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(10);
    file.put('!');
  }
  auto store = open(directory.path());
  EXPECT_THROW(store->get("a"), StoreFailure);
  EXPECT_EQ(store->broken()->code, ErrorCode::internal);
  EXPECT_EQ(store->write({{"b", "1"}}).error().code, ErrorCode::internal);
  const auto any = [](auto, auto) { return true; };
  EXPECT_THROW(store->scan("a", "z", any), StoreFailure);
}

// ---- in a process of its own (child/rocks_store_child.cpp) ----

pid_t start_child(const char* what, const std::filesystem::path& directory) {
  auto child = fork();
  if (child == 0) {
    execl(ROCKS_STORE_CHILD, "rocks_store_child", what, directory.c_str(), nullptr);
    _exit(127);
  }
  return child;
}

int wait_for(pid_t child) {
  int status = 0;
  ENSURE(waitpid(child, &status, 0) == child);
  return status;
}

/// Until something was flushed: how long that takes is the machine's affair.
void wait_for_flush(const std::filesystem::path& directory) {
  const auto flushed = [](const auto& entry) { return entry.path().extension() == ".sst"; };
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (std::ranges::none_of(std::filesystem::directory_iterator(directory), flushed)) {
    ASSERT_LT(std::chrono::steady_clock::now(), end);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

/// Ends well, or says that this machine does not allow it.
void run_child(const char* what) {
  TemporaryDirectory directory;
  const auto status = wait_for(start_child(what, directory.path()));
  ASSERT_TRUE(WIFEXITED(status)) << status;
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "mounting is not allowed here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(RocksStore, AfterAKillRowsAndPositionsAgreeAndAreAPrefix) {
  TemporaryDirectory directory;
  std::mt19937 random(std::random_device{}());
  std::uint64_t last = 0;
  for (int cycle = 0; cycle < 6; ++cycle) {
    auto child = start_child("writes-until-killed", directory.path());
    wait_for_flush(directory.path());
    std::this_thread::sleep_for(std::chrono::milliseconds(300 + random() % 300));
    kill(child, SIGKILL);
    ASSERT_TRUE(WIFSIGNALED(wait_for(child)));
    auto store = open(directory.path());
    auto position = position_in(*store);
    EXPECT_GE(position, last);
    for (std::uint64_t row = 0; row < row_count; ++row) {
      auto number = number_at(row, position);
      auto value = store->get(row_key(row));
      if (number == 0) continue;
      ASSERT_TRUE(value);
      EXPECT_EQ(std::stoull(*value), number) << "row " << row << " at position " << position;
    }
    last = position;
  }
  EXPECT_GT(last, 0) << "nothing was ever flushed: the test shows nothing";
}

TEST(RocksStore, WithoutSpaceItSaysSoAndGoesOnWhenThereIsSome) {
  run_child("runs-out-of-space");
}

TEST(RocksStore, StartedWithoutSpaceItHoldsWhatIsFoldedAndGoesOnWhenThereIsSome) {
  run_child("starts-on-a-full-disk");
}

TEST(RocksStore, WhenWritingFailsItSaysSoAndGoesOnAfterReopening) {
  run_child("cannot-write-to-its-files");
}

}  // namespace
}  // namespace projections
