// Goal: when a receiver comes back after an hour, what waited does not fall upon it: it is sent no
// more at once, and no faster, than went well before. Method: an endpoint of Pace and the usual
// retry policy, and a receiver with a capacity, in made-up time; hours take a moment.

#include <algorithm>
#include <deque>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "webhooks/pace.h"
#include "webhooks/retry_policy.h"

namespace webhooks {
namespace {

using schemas::Time;
using std::chrono::milliseconds;
using namespace std::chrono_literals;

struct Rates {
  std::map<std::int64_t, int> by_second;  // sends begun
  std::map<std::int64_t, unsigned> at_once_by_second;

  int most(std::int64_t from, std::int64_t to) const {
    int most = 0;
    for (auto at = by_second.lower_bound(from); at != by_second.end() && at->first < to; ++at) {
      most = std::max(most, at->second);
    }
    return most;
  }
  unsigned most_at_once(std::int64_t from, std::int64_t to) const {
    unsigned most = 0;
    const auto& all = at_once_by_second;
    for (auto at = all.lower_bound(from); at != all.end() && at->first < to; ++at) {
      most = std::max(most, at->second);
    }
    return most;
  }
};

/// One endpoint and its receiver. As the outlet has it: retries have every other turn.
class Endpoint {
 public:
  struct Receiver {
    unsigned capacity;
    milliseconds takes;
    Time down_from;
    Time down_until;
  };
  Endpoint(Receiver receiver, int events_per_second)
      : receiver_(receiver), every_(1'000'000 / events_per_second) {}

  void run(milliseconds time) {
    const auto end = begin + time;
    while (now_ < end) {
      arrive();
      finish();
      while (!pace_.full() && send()) {
      }
      now_ += 1ms;
    }
  }

  const Rates& rates() const { return rates_; }
  std::size_t waiting() const { return fresh_ + retries_.size(); }

  static constexpr Time begin{1'800'000'000'000ms};

 private:
  struct Delivery {
    unsigned attempt = 1;
    Time first_at;
  };
  struct InFlight {
    Time ends;
    Delivery delivery;
    Pace::Send send;
    unsigned status;
  };

  void arrive() {
    owed_us_ += 1'000;
    for (; owed_us_ >= every_; owed_us_ -= every_) ++fresh_;
  }

  bool send() {
    const bool due = !retries_.empty() && retries_.begin()->first <= now_;
    if (!due && fresh_ == 0) return false;
    turn_ = !turn_;
    Delivery delivery{.first_at = now_};
    if (due && (turn_ || fresh_ == 0)) {
      delivery = retries_.begin()->second;
      retries_.erase(retries_.begin());
    } else {
      --fresh_;
    }
    const bool down = now_ >= receiver_.down_from && now_ < receiver_.down_until;
    const unsigned status = down ? 503 : on_way_.size() >= receiver_.capacity ? 429 : 200;
    on_way_.push_back({now_ + receiver_.takes, delivery, pace_.begin(), status});
    const auto second = std::chrono::duration_cast<std::chrono::seconds>(now_ - begin).count();
    ++rates_.by_second[second];
    auto& at_once = rates_.at_once_by_second[second];
    at_once = std::max(at_once, pace_.in_flight());
    return true;
  }

  void finish() {
    while (!on_way_.empty() && on_way_.front().ends <= now_) {
      auto [ends, delivery, sent, status] = on_way_.front();
      on_way_.pop_front();
      const double random = std::uniform_real_distribution<double>(0, 1)(random_);
      const auto verdict = judge(default_retry_policy(),
                                 {.event_type = "a.b",
                                  .number = delivery.attempt,
                                  .first_at = delivery.first_at,
                                  .ended_at = now_},
                                 {.status = status, .retry_after = {}}, random);
      auto outcome = delivery.attempt == 1 ? Pace::Outcome::good : Pace::Outcome::good_retry;
      if (const auto* retry = std::get_if<RetryAt>(&verdict.delivery)) {
        ++delivery.attempt;
        retries_.emplace(retry->time, delivery);
        outcome = Pace::Outcome::failed;
      }
      if (verdict.slow_down) outcome = Pace::Outcome::too_much;
      pace_.end(sent, outcome);
    }
  }

  const Receiver receiver_;
  const std::int64_t every_;  // microseconds
  std::int64_t owed_us_ = 0;
  Time now_ = begin;
  Pace pace_{100};
  std::size_t fresh_ = 0;
  std::multimap<Time, Delivery> retries_;
  std::deque<InFlight> on_way_;
  bool turn_ = false;
  Rates rates_;
  std::mt19937 random_{1};
};

constexpr std::int64_t hour = 3'600;
constexpr std::int64_t down = 600;
constexpr std::int64_t up = down + hour;

TEST(Outage, AfterAnHourNothingIsSentAboveWhatWentWellBefore) {
  Endpoint endpoint({.capacity = 10,
                     .takes = 20ms,
                     .down_from = Endpoint::begin + std::chrono::seconds(down),
                     .down_until = Endpoint::begin + std::chrono::seconds(up)},
                    300);
  endpoint.run(std::chrono::seconds(up + 600));
  const auto& rates = endpoint.rates();
  const auto before = rates.most_at_once(0, down);
  const auto rate_before = static_cast<int>(before) * 50;  // so many, each taking 20 ms
  EXPECT_GE(rates.most(0, down), 300);
  EXPECT_EQ(rates.most_at_once(down + 5, up), 1u) << "asks whether it is back, no more";
  EXPECT_GT(endpoint.waiting(), 500'000u);
  EXPECT_LE(rates.most_at_once(up, up + 1), before);
  EXPECT_LE(rates.most(up, up + 1), rate_before);
  EXPECT_GE(rates.most(up, up + 1), 200) << "it is soon where it was";
  // What the receiver takes besides is found little by little.
  EXPECT_LE(rates.most_at_once(up, up + 600), 11u);
  EXPECT_GT(rates.most(up + 60, up + 600), rate_before);
}

}  // namespace
}  // namespace webhooks
