// Goal: rows behave the same on disk and in memory; what survives a crash is a prefix of the
// writes, each whole; a disk that fails is told, not hidden. Method: one vocabulary over both
// stores, random operations against std::map, and, for the store on disk, this program started
// again as a child that is killed or runs out of space.
#include "projections/read_store.h"

#include <algorithm>
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

#include "projections/memory_store.h"

namespace projections {
namespace {

using schemas::ErrorCode;
using Rows = std::vector<std::pair<std::string, std::string>>;

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    auto name = (std::filesystem::temp_directory_path() / "rows-XXXXXX").string();
    ENSURE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::unique_ptr<ReadStore> open(const std::filesystem::path& directory) {
  auto store = open_rocks_store(directory);
  if (!store) throw std::runtime_error(store.error().detail);
  return std::move(*store);
}

enum class Kind { memory, rocks };

class Stores : public testing::TestWithParam<Kind> {
 protected:
  Stores() { reopen(); }

  ReadStore& store() { return *store_; }
  bool write(const WriteSet& changes) { return store_->write(changes).has_value(); }
  bool flush() { return store_->flush().has_value(); }
  std::optional<std::string> get(std::string_view key) { return store_->get(key); }
  void reopen() {
    if (GetParam() == Kind::memory) {
      if (!store_) store_ = std::make_unique<MemoryStore>();
    } else {
      store_.reset();
      store_ = open(directory_.path());
    }
  }

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<ReadStore> store_;
};
INSTANTIATE_TEST_SUITE_P(Both, Stores, testing::Values(Kind::memory, Kind::rocks),
                         [](const auto& each) {
                           return each.param == Kind::memory ? "memory" : "rocks";
                         });

Rows scan(const RowReader& reader, std::string_view from, std::string_view to) {
  Rows rows;
  reader.scan(from, to, [&](auto key, auto value) {
    rows.emplace_back(key, value);
    return true;
  });
  return rows;
}
Rows scan_back(const RowReader& reader, std::string_view from, std::string_view to) {
  Rows rows;
  reader.scan_back(from, to, [&](auto key, auto value) {
    rows.emplace_back(key, value);
    return true;
  });
  return rows;
}

TEST_P(Stores, ARowIsWrittenReplacedAndErased) {
  EXPECT_EQ(get("a"), std::nullopt);
  EXPECT_TRUE(write({{"a", "1"}, {"b", ""}}));
  EXPECT_EQ(get("a"), "1");
  EXPECT_EQ(get("b"), "");
  EXPECT_TRUE(write({{"a", "2"}, {"b", std::nullopt}, {"never", std::nullopt}}));
  EXPECT_EQ(get("a"), "2");
  EXPECT_EQ(get("b"), std::nullopt);
  EXPECT_TRUE(write({}));
  EXPECT_EQ(store().broken(), std::nullopt);
}

TEST_P(Stores, KeysAndValuesAreAnyBytes) {
  std::string key("\0\xff\0", 3);
  std::string value("\xff\0\n", 3);
  EXPECT_TRUE(write({{key, value}}));
  EXPECT_EQ(get(key), value);
  EXPECT_EQ(get(std::string("\0\xff", 2)), std::nullopt);
  EXPECT_EQ(scan(store(), std::string("\0", 1), "\x01"), (Rows{{key, value}}));
}

TEST_P(Stores, ScansKeepTheirBoundsInBothDirections) {
  EXPECT_TRUE(write({{"a", "1"}, {"b", "2"}, {"b\xff", "3"}, {"c", "4"}}));
  EXPECT_EQ(scan(store(), "b", "c"), (Rows{{"b", "2"}, {"b\xff", "3"}}));
  EXPECT_EQ(scan_back(store(), "b", "c"), (Rows{{"b\xff", "3"}, {"b", "2"}}));
  EXPECT_EQ(scan(store(), "", "b"), (Rows{{"a", "1"}}));
  EXPECT_EQ(scan_back(store(), "", "b"), (Rows{{"a", "1"}}));
  EXPECT_EQ(scan_back(store(), "bb", "zz"), (Rows{{"c", "4"}, {"b\xff", "3"}}));
  EXPECT_EQ(scan(store(), "d", "e"), Rows{});
  EXPECT_EQ(scan(store(), "c", "b"), Rows{});
  EXPECT_EQ(scan_back(store(), "c", "b"), Rows{});
  EXPECT_EQ(scan(store(), "b", "b"), Rows{});
}

TEST_P(Stores, AScanStopsWhenTold) {
  EXPECT_TRUE(write({{"a", "1"}, {"b", "2"}, {"c", "3"}}));
  int visits = 0;
  auto second = [&](auto, auto) { return ++visits < 2; };
  store().scan("a", "z", second);
  EXPECT_EQ(visits, 2);
  visits = 0;
  store().scan_back("a", "z", second);
  EXPECT_EQ(visits, 2);
}

TEST_P(Stores, AScanSeesTheMomentAtWhichItBegan) {
  EXPECT_TRUE(write({{"a", "1"}, {"c", "3"}}));
  Rows rows;
  store().scan("a", "z", [&](auto key, auto value) {
    rows.emplace_back(key, value);
    EXPECT_TRUE(write({{"b", "2"}, {"c", std::nullopt}}));
    return true;
  });
  EXPECT_EQ(rows, (Rows{{"a", "1"}, {"c", "3"}}));
  EXPECT_EQ(scan(store(), "a", "z"), (Rows{{"a", "1"}, {"b", "2"}}));
}

TEST_P(Stores, ASnapshotDoesNotSeeLaterWrites) {
  EXPECT_TRUE(write({{"a", "1"}, {"b", "1"}}));
  auto before = store().snapshot();
  EXPECT_TRUE(write({{"a", "2"}, {"b", std::nullopt}, {"c", "2"}}));
  EXPECT_TRUE(flush());
  EXPECT_TRUE(write({{"a", "3"}}));
  EXPECT_EQ(before->get("a"), "1");
  EXPECT_EQ(before->get("c"), std::nullopt);
  EXPECT_EQ(scan(*before, "a", "z"), (Rows{{"a", "1"}, {"b", "1"}}));
  EXPECT_EQ(scan_back(*before, "a", "z"), (Rows{{"b", "1"}, {"a", "1"}}));
  EXPECT_EQ(scan(store(), "a", "z"), (Rows{{"a", "3"}, {"c", "2"}}));
}

TEST_P(Stores, WhatWasFlushedIsThereAfterReopening) {
  EXPECT_TRUE(write({{"a", "1"}}));
  EXPECT_TRUE(flush());
  EXPECT_TRUE(flush());  // nothing to do
  reopen();
  EXPECT_EQ(get("a"), "1");
}

TEST_P(Stores, SnapshotsServeOtherThreadsWhileOneWrites) {
  EXPECT_TRUE(write({{"a", "0"}, {"b", "0"}}));
  std::jthread reader([&](std::stop_token stop) {
    while (!stop.stop_requested()) {
      auto snapshot = store().snapshot();
      EXPECT_EQ(snapshot->get("a"), snapshot->get("b"));
    }
  });
  for (int i = 1; i <= 2000; ++i) {
    EXPECT_TRUE(write({{"a", std::to_string(i)}, {"b", std::to_string(i)}}));
    if (i % 500 == 0) store().flush_soon();
  }
}

TEST_P(Stores, RandomOperationsAgreeWithAMap) {
  auto seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  auto key = [&] { return fmt::format("{:02}", random() % 60); };
  std::map<std::string, std::string> model;
  auto modelled = [](const auto& rows, const std::string& from, const std::string& to) {
    return from < to ? Rows(rows.lower_bound(from), rows.lower_bound(to)) : Rows{};
  };
  auto snapshot = store().snapshot();
  auto snapshot_model = model;
  for (int step = 0; step < 2000; ++step) {
    WriteSet changes;
    for (auto n = random() % 4; n > 0; --n) {
      if (random() % 3 == 0) {
        changes[key()] = std::nullopt;
      } else {
        changes[key()] = std::to_string(step);
      }
    }
    ASSERT_TRUE(write(changes));
    for (const auto& [name, value] : changes) {
      if (value) model[name] = *value;
      if (!value) model.erase(name);
    }
    if (random() % 300 == 0) {
      ASSERT_TRUE(flush());
    }
    if (random() % 50 == 0) {
      snapshot = store().snapshot();
      snapshot_model = model;
    }
    auto from = key();
    auto to = key();
    auto expected = modelled(model, from, to);
    ASSERT_EQ(scan(store(), from, to), expected);
    ASSERT_EQ(scan(*snapshot, from, to), modelled(snapshot_model, from, to));
    std::ranges::reverse(expected);
    ASSERT_EQ(scan_back(store(), from, to), expected);
    ASSERT_EQ(get(from), model.contains(from) ? std::optional(model[from]) : std::nullopt);
  }
}

TEST(MemoryStore, ACrashForgetsWhatWasNotFlushed) {
  MemoryStore store;
  ASSERT_TRUE(store.write({{"a", "1"}, {"position", "1"}}));
  ASSERT_TRUE(store.flush());
  ASSERT_TRUE(store.write({{"a", "2"}, {"position", "2"}}));
  ASSERT_TRUE(store.write({{"a", std::nullopt}, {"b", "3"}, {"position", "3"}}));
  EXPECT_EQ(store.unflushed(), 2);
  store.crash();
  EXPECT_EQ(scan(store, "a", "z"), (Rows{{"a", "1"}, {"position", "1"}}));
  EXPECT_EQ(store.unflushed(), 0);
}

TEST(MemoryStore, ACrashMayKeepPartOfTheTail) {
  MemoryStore store;
  for (int i = 1; i <= 5; ++i) ASSERT_TRUE(store.write({{"position", std::to_string(i)}}));
  store.crash(3);
  EXPECT_EQ(store.get("position"), "3");
  store.crash();
  EXPECT_EQ(store.get("position"), "3");
}

TEST(MemoryStore, AFlushThatWasOnlyStartedMayBeLost) {
  MemoryStore store;
  ASSERT_TRUE(store.write({{"a", "1"}}));
  store.flush_soon();
  EXPECT_EQ(store.unflushed(), 1);
  ASSERT_TRUE(store.write({{"a", "2"}}));
  EXPECT_EQ(store.unflushed(), 1);
  store.crash();
  EXPECT_EQ(store.get("a"), "1");
}

TEST(MemoryStore, WhenBrokenItRefusesUntilItIsOpenedAgain) {
  MemoryStore store;
  ASSERT_TRUE(store.write({{"a", "1"}}));
  store.break_with({ErrorCode::disk_full, "no space", {}, {}});
  EXPECT_EQ(store.write({{"a", "2"}}).error().code, ErrorCode::disk_full);
  EXPECT_EQ(store.flush().error().code, ErrorCode::disk_full);
  EXPECT_EQ(store.broken()->code, ErrorCode::disk_full);
  EXPECT_EQ(store.get("a"), "1");
  store.crash();
  EXPECT_EQ(store.broken(), std::nullopt);
  EXPECT_TRUE(store.write({{"a", "2"}}));
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
  EXPECT_THROW(scan(*store, "a", "z"), StoreFailure);
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
  while (true) {
    ASSERT_TRUE(store->write(numbered_write(++number)));
    if (number % 300 == 0) store->flush_soon();
  }
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
