// What does a filter cost? Conditions in CEL over an event that has been read, one core. Google
// Benchmark's flags apply:
//
//     filter_bench --benchmark_repetitions=5

#include <benchmark/benchmark.h>

#include "schemas/cel/filter.h"
#include "schemas/json.h"

namespace {

constexpr std::string_view event_text = R"({
  "specversion":"1.0","id":"evt_01kb2j7q3xe4vt3w9p0zj6m8na","source":"/products/git",
  "type":"file.modified","subject":"src/core/engine/scheduler.cpp","time":"2026-11-21T07:00:00.123Z",
  "datacontenttype":"application/json","organization":"org_01kb2j7q3xe4vt3w9p0zj6m8nb",
  "space":"live","kind":"file","entityversion":7,"recordedtime":"2026-11-21T07:00:00.125Z",
  "actor":"key_01kb2j7q3xe4vt3w9p0zj6m8nc","correlationid":"req_01kb2j7q3xe4vt3w9p0zj6m8nd",
  "data":{"path":"src/core/engine/scheduler.cpp","size":18233,"author":"ada@example.com",
          "added":12,"removed":3,"labels":["core","hot","reviewed"]}})";

void compare(benchmark::State& state, const char* source) {
  const auto document = schemas::json::parse(event_text);
  const auto filter = schemas::cel::Filter::compile(source);
  schemas::cel::Memory memory(schemas::cel::filter_limits);
  bool matches = false;
  for (auto _ : state) {
    matches = filter->matches(document->root(), memory);
    benchmark::DoNotOptimize(matches);
  }
  if (!matches) state.SkipWithError("is meant to match");
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

BENCHMARK_CAPTURE(compare, one_comparison, "event.data.size > 100");
BENCHMARK_CAPTURE(compare, simple,
                  "event.type == 'file.modified' && event.data.path.startsWith('src/')");
BENCHMARK_CAPTURE(compare, list, "event.data.labels.exists(l, l == 'reviewed')");
BENCHMARK_CAPTURE(compare, pattern, "event.data.author.matches('@example[.]com$')");
BENCHMARK_CAPTURE(compare, time,
                  "timestamp(event.time) > timestamp('2026-01-01T00:00:00Z') - duration('24h')");

void read_event(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(schemas::json::parse(event_text));
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(read_event);

void compile(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(schemas::cel::Filter::compile(
        "event.type == 'file.modified' && event.data.path.startsWith('src/')"));
  }
}
BENCHMARK(compile);

}  // namespace

BENCHMARK_MAIN();
