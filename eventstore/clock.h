#pragma once

#include <chrono>

#include "schemas/ids.h"

/// The seam to time. Everything below `manager` asks a Clock, so that a test can stop time, let it
/// pass, or make the wall clock jump against the monotonic one.
namespace eventstore {

using MonotonicTime = std::chrono::steady_clock::time_point;

class Clock {
 public:
  virtual ~Clock() = default;
  /// Never falls, means nothing outside this process.
  virtual MonotonicTime monotonic() const = 0;
  /// What people call the time; may jump.
  virtual schemas::Time wall() const = 0;
};

/// The operating system's clocks. Any thread; lives for ever.
const Clock& system_clock();

}  // namespace eventstore
