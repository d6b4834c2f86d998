#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

#include "schemas/ids.h"

/// How much one endpoint is sent at a time. No clock and no queue of their own: the deliverer asks
/// before it sends, and tells what came back. One thread.
namespace webhooks {

/// How many attempts may be in flight: as many as the endpoint has shown to take.
///
///     limit  64 ┤            ╭╮
///            63 ┤ - - - - - -││- - - - ╭──     above what went well: +1 for each 64 windows
///            32 ┤      ╭─────╯│   ╭────╯       +1 for each whole window that went well
///             4 ┤ ─────╯      ╰───╯ refused    × ½ at a refusal, once per window
///
/// A window is as many sends as the limit. Only a window in which the limit was reached says that
/// the endpoint takes so much, so that a quiet endpoint's limit stays where it is. Only first
/// attempts count as well gone: a retry that succeeds had its turn before, and counting it makes
/// the limit grow while everything is refused once. So after an outage, however long, the limit is
/// not above what went well before it, and is soon there again but not soon above.
class Pace {
 public:
  enum class Outcome : std::uint8_t {
    good,        // a first attempt that succeeded
    good_retry,  // a later one
    failed,      // says nothing about how much the endpoint takes
    too_much,    // Verdict::slow_down
  };
  /// Which send an outcome is of.
  enum class Send : std::uint64_t {};

  explicit Pace(unsigned in_flight_max);

  bool full() const { return in_flight_ >= limit_; }
  unsigned in_flight() const { return in_flight_; }
  unsigned limit() const { return limit_; }

  /// Must not be full.
  Send begin();
  /// Once for each send, in any order.
  void end(Send send, Outcome outcome);

  /// The endpoint was changed. What is in flight above the new limit ends by itself.
  void set_in_flight_max(unsigned in_flight_max);

 private:
  void grow();
  void shrink();
  void begin_window();

  unsigned in_flight_max_;
  unsigned limit_;
  unsigned in_flight_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t shrunk_at_ = 0;  // sends before it were under the larger limit
  unsigned good_ = 0;            // in this window
  bool reached_ = false;         // the limit, in this window
  /// What went well before the last refusals; of a new endpoint nothing is known.
  unsigned known_good_ = std::numeric_limits<unsigned>::max();
  unsigned above_ = 0;      // windows that went well there or above
  bool went_well_ = false;  // a window, since the last refusal
};

/// A rate that is never exceeded: over any span at most `burst()` sends and the rate's share of the
/// span. Counted in whole nanoseconds per send (rounded up), so that it does not drift.
class RateCap {
 public:
  static constexpr double per_second_min = 0.001;

  explicit RateCap(double per_second);

  /// What may go at once after a rest: a tenth of a second's share, at least one.
  std::int64_t burst() const { return burst_; }

  /// When the next may go: `now`, or the first moment after it that is not too soon.
  schemas::Time next(schemas::Time now) const;
  /// One goes. Must not be before next(now).
  void take(schemas::Time now);

 private:
  using Nanoseconds = std::chrono::sys_time<std::chrono::nanoseconds>;

  Nanoseconds spent_until(schemas::Time now) const;

  std::chrono::nanoseconds interval_;
  std::int64_t burst_;
  /// Up to when the rate is used up by what went.
  Nanoseconds spent_until_ = Nanoseconds::min();
};

}  // namespace webhooks
