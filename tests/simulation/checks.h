#pragma once

#include <random>

#include "tests/simulation/ledger.h"
#include "tests/simulation/simulated_world.h"

/// What readers of a simulated world see, held against the model. Each throws Broken (life.h).
namespace simulation {

std::string_view name_of(Product product);

/// The rows as they are now: lists and single entities of every scope.
void check_rows(SimulatedWorld& world, const Ledger& ledger);

/// A random accepted place, as of which lists and single entities are read; and pages of a random
/// size, forth and back, that must make up the list.
void check_past_and_pages(SimulatedWorld& world, const Ledger& ledger, std::mt19937& random);

/// Every organization's history over both products, forth and back.
void check_timelines(SimulatedWorld& world, const Ledger& ledger);

}  // namespace simulation
