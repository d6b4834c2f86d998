// Goal: whatever fails whenever, Tidemark keeps its promises (life.h lists them). Method: thousands
// of random lives of the whole write path in simulated worlds, each made from a seed alone. A seed
// that fails is lived again with fewer and fewer steps, and what is left is printed.
//
//     simulate --seeds 20000 [--from 0] [--jobs 2]    lives them all; exit code 1 when one fails
//     simulate --seeds 20000 --brief                  the same, and what fails is not shrunk
//     simulate --seed 4711                            lives one, and tells all that happens
//     simulate --twice 50                             lives each twice: the same must happen

#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include "schemas/crypto.h"
#include "tests/simulation/children.h"
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

int live_all(std::uint32_t from, std::uint32_t count, std::uint32_t jobs, bool shrinks) {
  const auto failed = run_in_children(jobs, from, from + count,
                                      [](std::uint32_t seed) { live(make_schedule(seed)); });
  if (failed) {
    fmt::print("FAILED seed {}: {}\n", failed->number, failed->fault);
    if (shrinks) std::ignore = live_one(failed->number);
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

/// `--name number` or, of a switch, `--name` alone.
using Arguments = std::map<std::string_view, std::uint32_t>;

std::optional<Arguments> read_arguments(std::span<char*> texts) {
  Arguments arguments;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string_view name = texts[i];
    constexpr std::string_view numbers[] = {"--seeds", "--from", "--jobs", "--seed", "--twice"};
    if (name == "--brief") {
      arguments[name] = 1;
    } else if (std::ranges::find(numbers, name) != std::end(numbers) && ++i < texts.size()) {
      const std::string_view text = texts[i];
      auto [end, error] = std::from_chars(text.begin(), text.end(), arguments[name]);
      if (error != std::errc{} || end != text.end()) return std::nullopt;
    } else {
      return std::nullopt;
    }
  }
  return arguments;
}

int run(Arguments arguments) {
  if (arguments.contains("--seed")) return live_one(arguments["--seed"]);
  if (arguments.contains("--twice")) return live_twice(arguments["--twice"]);
  arguments.try_emplace("--seeds", 20'000);
  arguments.try_emplace("--jobs", 2);
  return live_all(arguments["--from"], arguments["--seeds"],
                  std::clamp(arguments["--jobs"], 1u, 64u), !arguments.contains("--brief"));
}

}  // namespace
}  // namespace simulation

int main(int argc, char** argv) {
  spdlog::set_level(spdlog::level::off);
  const auto arguments = simulation::read_arguments(std::span(argv, argv + argc).subspan(1));
  if (arguments) return simulation::run(*arguments);
  fmt::print(
      stderr,
      "usage: simulate [--seeds N] [--from N] [--jobs N] [--brief] | --seed N | --twice N\n");
  return 2;
}
