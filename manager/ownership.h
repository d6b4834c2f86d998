#pragma once

#include <cstdint>

#include "schemas/ids.h"

namespace manager {

/// Which partitions this process should write, where several could. Advice: whoever is wrong about
/// it loses a claim (eventstore/claims.h), nothing else. Core thread.
class Ownership {
 public:
  enum class Standing : std::uint8_t {
    ours,
    wait,    // ours soon: the process that has it lets go of it
    others,  // commands belong elsewhere, and what is owned is to be let go
  };
  virtual ~Ownership() = default;
  virtual Standing of(schemas::LogId log) const = 0;
};

}  // namespace manager
