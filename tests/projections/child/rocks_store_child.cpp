// What rocks_store_test needs a process of its own for: one that is killed, one whose disk is full,
// and one that may not make its files longer. Ends with 0 when all was as it should be; says what
// was not.
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <random>
#include <sched.h>
#include <stop_token>
#include <sys/mount.h>
#include <sys/resource.h>
#include <thread>

#include <fmt/core.h>

#include "projections/read_store.h"
#include "tests/projections/child/numbered_writes.h"

namespace projections {
namespace {

using schemas::ErrorCode;
using Directory = std::filesystem::path;

constexpr int skipped = 77;

[[noreturn]] void writes_until_killed(const Directory& directory) {
  auto store = *open_rocks_store(directory);
  auto number = position_in(*store);
  // Flushes at any moment, not only between two writes.
  const std::jthread flusher([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      ENSURE(store->flush());
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  });
  while (true) ENSURE(store->write(numbered_write(++number)));
}

std::string noise(std::mt19937_64& random) {
  std::string bytes(1 << 20, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

/// Fills `directory` until a flush fails with `expected`.
std::unique_ptr<ReadStore> broken_store(const Directory& directory, ErrorCode expected) {
  std::mt19937_64 random(1);
  auto store = *open_rocks_store(directory);
  ENSURE(store->write({{"a", "before"}, {"position", "1"}}));
  ENSURE(store->flush());
  for (int i = 0; i < 12; ++i) ENSURE(store->write({{row_key(i), noise(random)}}));
  ENSURE(store->write({{"a", "tail"}, {"position", "2"}}));
  auto flushed = store->flush();
  ENSURE(!flushed);
  ENSURE(flushed.error().code == expected);
  ENSURE(store->broken()->code == expected);
  return store;
}

schemas::Result<void> nothing() {
  return {};
}

/// What is refused is refused until somebody does something; what was written can still be read.
void expect_refusal(ReadStore& store, ErrorCode expected) {
  ENSURE(store.write({{"a", "late"}}).error().code == expected);
  ENSURE(store.resume(nothing).error().code == expected);
  ENSURE(store.broken()->code == expected);
  ENSURE(store.get("a") == "tail");
}

void mount_disk(const Directory& directory, unsigned long flags, const char* options) {
  ENSURE(mount("tmpfs", directory.c_str(), "tmpfs", flags, options) == 0);
}

/// With space again it goes on from what was flushed.
int runs_out_of_space(const Directory& directory) {
  if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return skipped;
  ENSURE(mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
  mount_disk(directory, 0, "size=6m");
  auto store = broken_store(directory, ErrorCode::disk_full);
  expect_refusal(*store, ErrorCode::disk_full);
  mount_disk(directory, MS_REMOUNT, "size=256m");
  ENSURE(store->write({{"a", "late"}}).error().code == ErrorCode::disk_full);
  auto snapshot = store->snapshot();
  ENSURE(store->resume(nothing).error().code == ErrorCode::disk_full);
  ENSURE(snapshot->get("a") == "tail");
  snapshot.reset();
  // What is folded again is there before anyone else reads.
  std::jthread reader;
  const auto refold = [&]() -> schemas::Result<void> {
    ENSURE(store->get("a") == "before");
    ENSURE(store->get("position") == "1");
    reader = std::jthread([&] { ENSURE(store->get("a") == "refolded"); });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return store->write({{"a", "refolded"}});
  };
  ENSURE(store->resume(refold));
  reader.join();
  ENSURE(!store->broken());
  ENSURE(store->write({{"a", "again"}}));
  ENSURE(store->flush());
  return 0;
}

/// Takes every page that is left.
void fill(const Directory& directory) {
  std::ofstream filler(directory / "filler", std::ios::app);
  const std::string page(4096, 'f');
  while (filler << page << std::flush) {
  }
}

/// One row replaced, one erased, one new: on top of what broken_store flushed.
schemas::Result<void> fold_tail(ReadStore& store) {
  ENSURE(store.get("a") == "before");
  if (auto done = store.write({{"a", "tail"}, {"b", "1"}, {"position", std::nullopt}}); !done) {
    return done;
  }
  return store.write({{"b", "2"}});
}

void expect_tail(const RowReader& rows) {
  ENSURE(rows.get("a") == "tail");
  ENSURE(rows.get("b") == "2");
  ENSURE(!rows.get("position"));
  std::string keys;
  const auto note = [&](auto key, auto) {
    keys += key;
    return true;
  };
  rows.scan("a", "q", note);
  rows.scan_back("a", "q", note);
  ENSURE(keys == "abba");
}

void expect_held(ReadStore& store) {
  expect_tail(store);
  expect_tail(*store.snapshot());
  expect_refusal(store, ErrorCode::disk_full);
  ENSURE(store.flush().error().code == ErrorCode::disk_full);
}

/// Started and killed on a full disk it has what was folded, in memory; with space it goes on.
int starts_on_a_full_disk(const Directory& directory) {
  if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return skipped;
  ENSURE(mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
  mount_disk(directory, 0, "size=6m");
  const auto rows = directory / "rows";
  auto store = broken_store(rows, ErrorCode::disk_full);
  const auto fold = [&] { return fold_tail(*store); };
  ENSURE(store->hold(fold));
  expect_held(*store);
  for (int start = 0; start < 3; ++start) {
    store.reset();
    fill(directory);
    store = *open_rocks_store(rows, {.held_bytes_max = 100});
    ENSURE(store->broken()->code == ErrorCode::disk_full);
    ENSURE(store->hold(fold));
    expect_held(*store);
    const auto too_much = [&] { return store->write({{"much", std::string(100, 'm')}}); };
    const auto refused = store->hold(too_much);
    ENSURE(!refused && refused.error().code == ErrorCode::disk_full);
    ENSURE(store->hold(fold));
  }
  ENSURE(open_rocks_store(directory / "new").error().code == ErrorCode::disk_full);
  std::filesystem::remove(directory / "filler");
  mount_disk(directory, MS_REMOUNT, "size=256m");
  // The disk is full again before all is folded: as before.
  int folded = 0;
  const auto fails_first = [&]() -> schemas::Result<void> {
    if (++folded > 1) return fold();
    return schemas::fail(ErrorCode::disk_full, "no space");
  };
  ENSURE(!store->resume(fails_first));
  expect_tail(*store);
  ENSURE(store->broken()->code == ErrorCode::disk_full);
  ENSURE(store->resume(fold));
  ENSURE(!store->broken());
  ENSURE(store->write({{"z", "3"}}));
  ENSURE(store->flush());
  store.reset();
  store = *open_rocks_store(rows);
  expect_tail(*store);
  ENSURE(store->get("z") == "3");
  return 0;
}

/// Any other failure is final; opening again finds what was flushed and goes on.
int cannot_write_to_its_files(const Directory& directory) {
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  ENSURE(getrlimit(RLIMIT_FSIZE, &limit) == 0);
  auto small = limit;
  small.rlim_cur = 6 << 20;
  ENSURE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  auto store = broken_store(directory, ErrorCode::internal);
  ENSURE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  expect_refusal(*store, ErrorCode::internal);
  store.reset();
  store = *open_rocks_store(directory);
  ENSURE(!store->broken());
  ENSURE(store->get("a") == "before");
  ENSURE(store->get("position") == "1");
  ENSURE(store->write({{"a", "again"}}));
  ENSURE(store->flush());
  return 0;
}

}  // namespace
}  // namespace projections

int main(int count, char** arguments) {
  using namespace projections;
  if (count != 3) return 2;
  const std::string_view what = arguments[1];
  const Directory directory = arguments[2];
  if (what == "writes-until-killed") writes_until_killed(directory);
  if (what == "runs-out-of-space") return runs_out_of_space(directory);
  if (what == "starts-on-a-full-disk") return starts_on_a_full_disk(directory);
  if (what == "cannot-write-to-its-files") return cannot_write_to_its_files(directory);
  return 2;
}
