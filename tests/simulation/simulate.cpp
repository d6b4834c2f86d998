// Goal: whatever fails whenever, Tidemark keeps its promises (life.h lists them). Method: thousands
// of random lives of the whole write path in simulated worlds, each made from a seed alone. A seed
// that fails is lived again with fewer and fewer steps, and what is left is printed.
//
//     simulate --seeds 20000 [--from 0] [--jobs 2]     lives them all; exit code 1 when one fails
//     simulate --seed 4711                             lives one, and tells all that happens
//     simulate --twice 50                              lives each twice: the same must happen

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include "schemas/crypto.h"
#include "tests/simulation/children.h"
#include "tests/simulation/determinism.h"
#include "tests/simulation/determinism.h"
#include "tests/simulation/life.h"

namespace simulation {
namespace {

void live(const Schedule& schedule, Life::Trace trace = {}) {
  begin_again(schedule.seed);
  Life(schedule.seed, std::move(trace)).run(schedule);
}

/// What is wrong with a schedule; empty when nothing is. In a child, which it may kill.
std::string fault_of(const Schedule& schedule) {
  return run_in_child([&] { live(schedule); });
}

/// Leaves out as much as can be left out with the schedule still failing, large pieces first
/// (Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002, without its
/// tests of single pieces).
Schedule shrink(Schedule failing) {
  for (std::size_t piece = failing.steps.size() / 2; piece > 0; piece /= 2) {
    for (std::size_t at = 0; at < failing.steps.size();) {
      auto fewer = failing;
      const auto end = std::min(at + piece, fewer.steps.size());
      fewer.steps.erase(fewer.steps.begin() + static_cast<long>(at),
                        fewer.steps.begin() + static_cast<long>(end));
      if (fault_of(fewer).empty()) {
        at += piece;
      } else {
        failing = std::move(fewer);
      }
    }
  }
  return failing;
}

void tell(const Schedule& schedule) {
  fmt::print("seed {}, {} steps\n", schedule.seed, schedule.steps.size());
  const auto fault = run_in_child([&] {
    live(schedule, [](const std::string& line) {
      fmt::print("{}\n", line);
      std::fflush(stdout);
    });
  });
  fmt::print("{}\n", fault.empty() ? "every promise was kept" : "BROKEN: " + fault);
}

int live_one(std::uint32_t seed) {
  const auto schedule = make_schedule(seed);
  if (fault_of(schedule).empty()) {
    tell(schedule);
    return 0;
  }
  const auto shrunk = shrink(schedule);
  fmt::print("shrunk from {} steps: ", schedule.steps.size());
  tell(shrunk);
  return 1;
}

int live_all(std::uint32_t from, std::uint32_t count, std::uint32_t jobs) {
  const auto failed = run_in_children(jobs, from, from + count,
                                      [](std::uint32_t seed) { live(make_schedule(seed)); });
  if (failed) {
    fmt::print("FAILED seed {}: {}\n", failed->number, failed->fault);
    std::ignore = live_one(failed->number);
    fmt::print("again: simulate --seed {}\n", failed->number);
    return 1;
  }
  fmt::print("{} lives from seed {}: every promise was kept\n", count, from);
  return 0;
}

int live_twice(std::uint32_t count) {
  const auto digest = [](std::uint32_t seed) {
    std::string all;
    live(make_schedule(seed), [&](const std::string& line) { all += line + "\n"; });
    return schemas::sha256(schemas::bytes_of(all));
  };
  for (std::uint32_t seed = 0; seed < count; ++seed) {
    if (digest(seed) == digest(seed)) continue;
    fmt::print("seed {} is lived in two ways\n", seed);
    return 1;
  }
  fmt::print("{} lives are the same each time\n", count);
  return 0;
}

}  // namespace
}  // namespace simulation

int main(int argc, char** argv) {
  CLI::App app("Random lives of the write path in simulated worlds");
  std::uint32_t seeds = 20'000;
  std::uint32_t from = 0;
  std::uint32_t jobs = 2;
  std::optional<std::uint32_t> seed;
  std::optional<std::uint32_t> twice;
  app.add_option("--seeds", seeds, "how many seeds to live");
  app.add_option("--from", from, "the first of them");
  app.add_option("--jobs", jobs, "processes")->check(CLI::Range(1, 64));
  app.add_option("--seed", seed, "live this one and tell what happens; shrinks it if it fails");
  app.add_option("--twice", twice, "live so many seeds twice and compare");
  CLI11_PARSE(app, argc, argv);
  spdlog::set_level(spdlog::level::off);
  if (seed) return simulation::live_one(*seed);
  if (twice) return simulation::live_twice(*twice);
  return simulation::live_all(from, seeds, jobs);
}
