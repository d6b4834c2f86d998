// Any life at all (tests/simulation/life.h): the input is a schedule of commands, commits, faults,
// power cuts and restarts, so the fuzzer looks for those that reach new code in the journal, the
// command handler, decide and fold. A broken promise is a crash. What it finds is told by the
// message; `simulate` has the same lives by seed.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

#include <spdlog/spdlog.h>

#include "tests/simulation/determinism.h"
#include "tests/simulation/life.h"

namespace {

constexpr std::size_t steps_max = 100;

simulation::Schedule read_schedule(std::span<const std::uint8_t> input) {
  using Kind = simulation::Step::Kind;
  constexpr std::size_t kinds = static_cast<std::size_t>(Kind::rebuild) + 1;
  simulation::Schedule schedule{};
  constexpr std::size_t step_size = 1 + sizeof(simulation::Step::dice);
  while (input.size() >= step_size && schedule.steps.size() < steps_max) {
    auto& step = schedule.steps.emplace_back(static_cast<Kind>(input[0] % kinds), 0);
    std::memcpy(&step.dice, input.data() + 1, sizeof step.dice);
    input = input.subspan(step_size);
  }
  return schedule;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  spdlog::set_level(spdlog::level::off);
  const auto schedule = read_schedule({data, size});
  simulation::begin_again(schedule.seed);
  try {
    simulation::Life(schedule.seed).run(schedule);
  } catch (const simulation::Broken& broken) {
    for (const auto& step : schedule.steps) {
      std::fprintf(stderr, "%s\n", to_text(step).c_str());
    }
    std::fprintf(stderr, "BROKEN: %s\n", broken.what());
    std::abort();
  }
  return 0;
}
