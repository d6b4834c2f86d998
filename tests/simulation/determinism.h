#pragma once

#include <cstdint>

namespace simulation {

/// From here on every random byte of this process follows from the seed: the program's source of
/// them, getrandom, is replaced in this program.
void begin_again(std::uint32_t seed);

}  // namespace simulation
