// Goal: rows behave the same on disk and in memory, and the one in memory forgets in a crash what
// the one on disk would. Method: one vocabulary over both stores, and random operations against
// std::map.
#include "projections/read_store.h"

#include <algorithm>
#include <random>
#include <thread>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "projections/memory_store.h"
#include "tests/support/temporary_directory.h"

namespace projections {
namespace {

using schemas::ErrorCode;
using Rows = std::vector<std::pair<std::string, std::string>>;

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

TEST_P(Stores, SwapPlacesWithAnother) {
  TemporaryDirectory place;
  std::unique_ptr<ReadStore> other;
  if (GetParam() == Kind::memory) {
    other = std::make_unique<MemoryStore>();
  } else {
    other = open(place.path());
  }
  ASSERT_TRUE(write({{"a", "old"}, {"b", "old"}}));
  ASSERT_TRUE(other->write({{"a", "new"}}));
  store().swap_with(*other);
  EXPECT_EQ(get("a"), "new");
  EXPECT_EQ(get("b"), std::nullopt);
  EXPECT_EQ(other->get("a"), "old");
  ASSERT_TRUE(write({{"c", "new"}}));
  EXPECT_EQ(other->get("c"), std::nullopt);
  ASSERT_TRUE(flush());
  EXPECT_FALSE(other->is_watched());
  auto snapshot = store().snapshot();
  EXPECT_TRUE(store().is_watched());
  snapshot.reset();
  EXPECT_FALSE(store().is_watched());
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

TEST(MemoryStore, WhenBrokenItRefusesUntilThereIsSpaceAgain) {
  const auto nothing = [] { return schemas::Result<void>(); };
  MemoryStore store;
  ASSERT_TRUE(store.write({{"a", "1"}}));
  ASSERT_TRUE(store.flush());
  ASSERT_TRUE(store.write({{"b", "1"}}));
  store.break_with({ErrorCode::disk_full, "no space", {}, {}});
  EXPECT_EQ(store.resume(nothing).error().code, ErrorCode::disk_full);
  store.mend();
  EXPECT_EQ(store.write({{"a", "2"}}).error().code, ErrorCode::disk_full);
  auto snapshot = store.snapshot();
  EXPECT_EQ(store.resume(nothing).error().code, ErrorCode::disk_full)
      << "a snapshot keeps the files open";
  snapshot.reset();
  EXPECT_TRUE(store.resume(nothing));
  EXPECT_EQ(store.get("a"), "1");
  EXPECT_EQ(store.get("b"), std::nullopt) << "not flushed";
  EXPECT_TRUE(store.write({{"a", "2"}}));
}

TEST(MemoryStore, WhatIsHeldOnAFullDiskIsSeenAndNeverDurable) {
  MemoryStore store;
  ASSERT_TRUE(store.write({{"a", "1"}}));
  ASSERT_TRUE(store.flush());
  ASSERT_TRUE(store.write({{"b", "1"}}));
  store.break_with({ErrorCode::disk_full, "no space", {}, {}});
  ASSERT_TRUE(store.hold([&] {
    EXPECT_EQ(store.get("b"), std::nullopt) << "not flushed";
    auto written = store.write({{"a", "held"}});
    store.flush_soon();
    return written ? store.write({{"c", "held"}}) : written;
  }));
  EXPECT_EQ(store.get("a"), "held");
  EXPECT_EQ(store.get("c"), "held");
  EXPECT_EQ(store.write({{"a", "2"}}).error().code, ErrorCode::disk_full);
  store.mend();
  ASSERT_TRUE(store.resume([&] {
    EXPECT_EQ(store.get("a"), "1");
    return store.write({{"a", "folded"}});
  }));
  EXPECT_EQ(store.get("a"), "folded");
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

/// Who reads sees the rows before or the ones behind, whole; a snapshot stays what it is.
TEST(RocksStore, IsSwappedUnderReaders) {
  TemporaryDirectory one;
  TemporaryDirectory two;
  auto store = open(one.path());
  auto other = open(two.path());
  for (auto* rows : {store.get(), other.get()}) {
    const std::string value = rows == store.get() ? "one" : "two";
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(rows->write({{fmt::format("k{:03}", i), value}}));
  }
  std::atomic<bool> ends = false;
  std::atomic<int> mixed = 0;
  const auto read = [&] {
    while (!ends) {
      const auto snapshot = store->snapshot();
      const auto first = *snapshot->get("k000");
      for (int i = 0; i < 100; ++i) mixed += *snapshot->get(fmt::format("k{:03}", i)) != first;
      std::string seen;
      store->scan("k", "l", [&](auto, auto value) {
        if (seen.empty()) seen = value;
        mixed += value != seen;
        return true;
      });
      mixed += store->broken().has_value();
    }
  };
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) readers.emplace_back(read);
  for (int i = 0; i < 200; ++i) {
    store->swap_with(*other);
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  ends = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(mixed, 0);
}

}  // namespace
}  // namespace projections
