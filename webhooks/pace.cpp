#include "webhooks/pace.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "schemas/result.h"

namespace webhooks {
namespace {

using std::chrono::nanoseconds;

constexpr unsigned limit_begin = 4;
constexpr unsigned windows_above = 64;

}  // namespace

Pace::Pace(unsigned in_flight_max)
    : in_flight_max_(std::max(in_flight_max, 1u)), limit_(std::min(limit_begin, in_flight_max_)) {}

Pace::Send Pace::begin() {
  ENSURE(!full());
  ++in_flight_;
  reached_ = reached_ || full();
  return Send{sent_++};
}

void Pace::end(Send send, Outcome outcome) {
  ENSURE(in_flight_ > 0 && std::to_underlying(send) < sent_);
  --in_flight_;
  // What was sent under a larger limit tells nothing of this one, and was halved for already.
  if (std::to_underlying(send) < shrunk_at_) return;
  if (outcome == Outcome::too_much) shrink();
  if (outcome == Outcome::good && ++good_ >= limit_) grow();
}

void Pace::set_in_flight_max(unsigned in_flight_max) {
  in_flight_max_ = std::max(in_flight_max, 1u);
  limit_ = std::min(limit_, in_flight_max_);
  begin_window();
}

void Pace::grow() {
  went_well_ = true;
  const bool is_known = limit_ < known_good_;
  if (reached_ && (is_known || ++above_ >= windows_above)) {
    limit_ = std::min(limit_ + 1, in_flight_max_);
    above_ = 0;
  }
  begin_window();
}

void Pace::shrink() {
  // Of refusals one behind the other, the first says what was too much.
  if (std::exchange(went_well_, false)) known_good_ = std::max(limit_ - 1, 1u);
  above_ = 0;
  limit_ = std::max(limit_ / 2, 1u);
  shrunk_at_ = sent_;
  begin_window();
}

void Pace::begin_window() {
  good_ = 0;
  reached_ = full();
}

RateCap::RateCap(double per_second)
    : interval_(std::llround(std::ceil(1e9 / per_second))),
      burst_(std::max(std::int64_t{1}, static_cast<std::int64_t>(per_second / 10))) {
  ENSURE(per_second >= per_second_min);
}

schemas::Time RateCap::next(schemas::Time now) const {
  const Nanoseconds soonest = spent_until(now) - (burst_ - 1) * interval_;
  return std::max(now, std::chrono::ceil<schemas::Time::duration>(soonest));
}

void RateCap::take(schemas::Time now) {
  ENSURE(next(now) == now);
  spent_until_ = spent_until(now) + interval_;
}

/// A clock that was set back must not stop an endpoint for as long: no more than the burst can be
/// used up ahead.
RateCap::Nanoseconds RateCap::spent_until(schemas::Time now) const {
  const Nanoseconds from = now;
  return std::clamp(spent_until_, from, from + burst_ * interval_);
}

}  // namespace webhooks
