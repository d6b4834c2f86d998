// Question: how many rows a second can a projection write and read back?
// Setting: 24-byte keys (organization, table, id), 200-byte values that compress about twofold,
// random order over a million rows; a get before each put, as a fold does. Counted: rows put. The
// flushes that bound the tail of a restart (every 64,000 rows) are part of it.
#include <cstring>
#include <random>
#include <unistd.h>

#include <benchmark/benchmark.h>

#include "projections/read_store.h"

namespace {

constexpr std::uint64_t row_count = 1'000'000;
constexpr std::size_t value_bytes = 200;
constexpr std::uint64_t rows_per_flush = 64'000;

struct Folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("rows-bench-" + std::to_string(getpid()));
  Folder() { std::filesystem::remove_all(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
};

std::string key_of(std::uint64_t row) {
  std::string key(24, 'k');
  for (int i = 0; i < 8; ++i) key[16 + i] = static_cast<char>(row >> (56 - 8 * i));
  return key;
}

std::string value_of(std::mt19937_64& random) {
  std::string value(value_bytes, 'v');
  for (std::size_t at = 0; at < value_bytes / 2; at += sizeof(std::uint64_t)) {
    auto noise = random();
    std::memcpy(value.data() + at, &noise, sizeof noise);
  }
  return value;
}

void put(benchmark::State& state, bool get_first) {
  Folder folder;
  auto store = projections::open_rocks_store(folder.path);
  if (!store) return state.SkipWithError(store.error().detail.c_str());
  std::mt19937_64 random(1);
  auto batch_rows = static_cast<std::uint64_t>(state.range(0));
  std::uint64_t written = 0;
  for (auto _ : state) {
    projections::WriteSet changes;
    while (changes.size() < batch_rows) {
      auto key = key_of(random() % row_count);
      if (get_first) benchmark::DoNotOptimize((*store)->get(key));
      changes[std::move(key)] = value_of(random);
    }
    if (!(*store)->write(changes)) return state.SkipWithError("write failed");
    written += batch_rows;
    if (written % rows_per_flush < batch_rows) (*store)->flush_soon();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(written));
}

void puts(benchmark::State& state) {
  put(state, false);
}
void puts_after_get(benchmark::State& state) {
  put(state, true);
}

/// Random gets of a store of a million rows; argument: whether the row is there.
void gets(benchmark::State& state) {
  Folder folder;
  auto store = projections::open_rocks_store(folder.path);
  if (!store) return state.SkipWithError(store.error().detail.c_str());
  std::mt19937_64 random(1);
  for (std::uint64_t row = 0; row < row_count;) {
    projections::WriteSet changes;
    for (int i = 0; i < 1000; ++i) changes[key_of(2 * row++)] = value_of(random);
    if (!(*store)->write(changes)) return state.SkipWithError("write failed");
  }
  if (!(*store)->flush()) return state.SkipWithError("flush failed");
  auto absent = state.range(0) == 0 ? 1u : 0u;
  for (auto _ : state) {
    benchmark::DoNotOptimize((*store)->get(key_of(2 * (random() % row_count) + absent)));
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(puts)->ArgName("batch")->Arg(32)->Arg(200)->MinTime(4)->UseRealTime();
BENCHMARK(puts_after_get)->ArgName("batch")->Arg(32)->Arg(200)->MinTime(4)->UseRealTime();
BENCHMARK(gets)->ArgName("present")->Arg(1)->Arg(0)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
