// Goal: of the store on disk: what survives a kill is a prefix of the writes, each whole; a disk
// that fails is told, not hidden, and opening again goes on. Method: this program started again as
// a child that is killed, runs out of space or may not write on; a damaged file.
#include <cstdlib>
#include <fstream>
#include <random>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "projections/read_store.h"
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

// ---- children ----

constexpr auto directory_variable = "READ_STORE_TEST_DIRECTORY";

/// Starts this program again with one (disabled) test, which finds `directory` in its environment.
pid_t start_child(const std::string& test, const std::filesystem::path& directory) {
  auto filter = "--gtest_filter=" + test;
  setenv(directory_variable, directory.c_str(), 1);
  auto child = fork();
  if (child == 0) {
    execl("/proc/self/exe", "child", filter.c_str(), "--gtest_also_run_disabled_tests",
          "--gtest_brief=1", nullptr);
    _exit(127);
  }
  return child;
}

int wait_for(pid_t child) {
  int status = 0;
  ENSURE(waitpid(child, &status, 0) == child);
  return status;
}

std::filesystem::path child_directory() {
  const char* directory = std::getenv(directory_variable);
  if (directory == nullptr) throw std::runtime_error("only for a child of another test");
  return directory;
}

/// Write n replaces ten of a hundred rows, and the position, by n.
constexpr std::uint64_t row_count = 100;
constexpr std::uint64_t rows_per_write = 10;
std::string row_key(std::uint64_t row) {
  return fmt::format("row/{:03}", row);
}

WriteSet numbered_write(std::uint64_t number) {
  static const std::string padding(2000, 'p');
  WriteSet changes{{"a position", std::to_string(number)}, {"z position", std::to_string(number)}};
  for (std::uint64_t i = 0; i < rows_per_write; ++i) {
    changes[row_key((number * rows_per_write + i) % row_count)] =
        std::to_string(number) + ' ' + padding;
  }
  return changes;
}

/// The number that numbered_write left in `row` when `position` was the last.
std::uint64_t number_at(std::uint64_t row, std::uint64_t position) {
  constexpr auto cycle = row_count / rows_per_write;
  auto wanted = row / rows_per_write;
  auto back = (position % cycle + cycle - wanted) % cycle;
  return position >= back ? position - back : 0;
}

std::uint64_t position_in(const ReadStore& store) {
  auto position = store.get("a position");
  EXPECT_EQ(position, store.get("z position"));
  return position ? std::stoull(*position) : 0;
}

TEST(RocksStoreChild, DISABLED_WritesUntilKilled) {
  auto store = open(child_directory());
  auto number = position_in(*store);
  // Flushes at any moment, not only between two writes.
  const std::jthread flusher([&](std::stop_token stop) {
    while (!stop.stop_requested()) {
      EXPECT_TRUE(store->flush());
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  });
  while (true) ASSERT_TRUE(store->write(numbered_write(++number)));
}

TEST(RocksStore, AfterAKillRowsAndPositionsAgreeAndAreAPrefix) {
  TemporaryDirectory directory;
  std::mt19937 random(std::random_device{}());
  std::uint64_t last = 0;
  for (int cycle = 0; cycle < 6; ++cycle) {
    auto child = start_child("RocksStoreChild.DISABLED_WritesUntilKilled", directory.path());
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

/// Fills `directory` until a flush fails with `expected`, calls `remedy`, and goes on.
template <typename Remedy>
void expect_recovery(const std::filesystem::path& directory, ErrorCode expected, Remedy remedy) {
  std::mt19937_64 random(1);
  auto noise = [&] {
    std::string bytes(1 << 20, '\0');
    for (auto& byte : bytes) byte = static_cast<char>(random());
    return bytes;
  };
  auto store = open(directory);
  ASSERT_TRUE(store->write({{"a", "before"}, {"position", "1"}}));
  ASSERT_TRUE(store->flush());
  for (int i = 0; i < 12; ++i) ASSERT_TRUE(store->write({{row_key(i), noise()}}));
  ASSERT_TRUE(store->write({{"a", "tail"}, {"position", "2"}}));
  auto flushed = store->flush();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().code, expected) << flushed.error().detail;
  ASSERT_TRUE(store->broken());
  EXPECT_EQ(store->broken()->code, expected) << store->broken()->detail;
  remedy();
  EXPECT_EQ(store->write({{"a", "late"}}).error().code, expected);
  EXPECT_EQ(store->get("a"), "tail");
  store.reset();
  store = open(directory);
  EXPECT_EQ(store->broken(), std::nullopt);
  EXPECT_EQ(store->get("a"), "before");
  EXPECT_EQ(store->get("position"), "1");
  EXPECT_TRUE(store->write({{"a", "again"}}));
  EXPECT_TRUE(store->flush());
}

TEST(RocksStoreChild, DISABLED_RunsOutOfSpace) {
  auto directory = child_directory();
  if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
    GTEST_SKIP() << "mounting is not allowed here";
  }
  ASSERT_EQ(mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  ASSERT_EQ(mount("tmpfs", directory.c_str(), "tmpfs", 0, "size=6m"), 0);
  expect_recovery(directory, ErrorCode::disk_full, [&] {
    ASSERT_EQ(mount("tmpfs", directory.c_str(), "tmpfs", MS_REMOUNT, "size=64m"), 0);
  });
  umount(directory.c_str());
}

TEST(RocksStore, WithoutSpaceItSaysSoAndGoesOnAfterReopening) {
  TemporaryDirectory directory;
  auto child = start_child("RocksStoreChild.DISABLED_RunsOutOfSpace", directory.path());
  EXPECT_EQ(wait_for(child), 0);
}

TEST(RocksStoreChild, DISABLED_CannotWriteToItsFiles) {
  signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  auto small = limit;
  small.rlim_cur = 6 << 20;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_recovery(child_directory(), ErrorCode::internal,
                  [&] { ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0); });
}

TEST(RocksStore, WhenWritingFailsItSaysSoAndGoesOnAfterReopening) {
  TemporaryDirectory directory;
  auto child = start_child("RocksStoreChild.DISABLED_CannotWriteToItsFiles", directory.path());
  EXPECT_EQ(wait_for(child), 0);
}

}  // namespace
}  // namespace projections
