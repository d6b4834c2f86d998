#include "eventstore/clock.h"

#include <ctime>

#include "schemas/result.h"

namespace eventstore {

namespace {

class SystemClock final : public Clock {
 public:
  MonotonicTime monotonic() const override {
    // Goes on while the machine sleeps, as the wall clock does; steady_clock would stand still, and
    // waking up would look like a jump.
    timespec now{};
    ENSURE(::clock_gettime(CLOCK_BOOTTIME, &now) == 0);
    return MonotonicTime{std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec}};
  }
  schemas::Time wall() const override {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  }
};

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

}  // namespace eventstore
