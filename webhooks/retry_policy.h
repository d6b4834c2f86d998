#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "schemas/ids.h"
#include "schemas/json.h"
#include "schemas/result.h"

/// When a delivery is tried again, and when no more: pure arithmetic. Time and randomness are
/// arguments; nothing here waits, sends or remembers.
namespace webhooks {

/// A delay for each retry; there is one attempt more than delays.
struct ListedDelays {
  std::vector<std::chrono::milliseconds> delays;
  friend bool operator==(const ListedDelays&, const ListedDelays&) = default;
};

/// base, base × factor, base × factor², … and never above the largest.
struct GrowingDelays {
  std::chrono::milliseconds base{};
  double factor = 1;
  std::chrono::milliseconds delay_max{};
  unsigned attempts_max = 1;
  friend bool operator==(const GrowingDelays&, const GrowingDelays&) = default;
};

using Schedule = std::variant<ListedDelays, GrowingDelays>;

struct RetryRules {
  Schedule schedule;
  /// Each delay is spread evenly over delay × (1 ± jitter).
  double jitter = 0.2;
  /// Of one attempt, until its answer is there.
  std::chrono::milliseconds timeout = std::chrono::seconds(15);
  /// From the first attempt to the last that may begin. Not from the event: one that waited while
  /// its endpoint was paused, or is replayed a year later, gets its retries too.
  std::chrono::milliseconds age_max = std::chrono::days(3);
  /// With which a delivery ends at once; sorted.
  std::vector<unsigned> final_statuses;
  friend bool operator==(const RetryRules&, const RetryRules&) = default;
};

/// What holds for events of some types instead.
struct RetryOverride {
  std::string pattern;  // of event types
  /// The members that it names, in the order of to_json. All others are the policy's.
  std::vector<std::string_view> named;
  RetryRules rules;  // all of them
  friend bool operator==(const RetryOverride&, const RetryOverride&) = default;
};

struct RetryPolicy {
  std::string name;
  RetryRules rules;
  std::vector<RetryOverride> by_type;  // sorted by pattern
  friend bool operator==(const RetryPolicy&, const RetryPolicy&) = default;
};

/// The body of a request. Delays are rounded to milliseconds. An override replaces the members that
/// it names; where it names one form of schedule and the policy has the other, it names all of it.
/// The error has a fault for each wrong member.
schemas::Result<RetryPolicy> parse_retry_policy(schemas::json::Value body);

/// All members, of overrides those that they name; parse_retry_policy reads the same policy again.
std::string to_json(const RetryPolicy& policy);

/// 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h: the example of Standard Webhooks, ten
/// attempts in about 75.6 h. They may take four days, because jitter can make 90.7 h of them and
/// three days would cut the last.
const RetryPolicy& default_retry_policy();

/// Of the longest pattern that fits the type, where one that is exact is longer than any other;
/// else the policy's own.
const RetryRules& rules_for(const RetryPolicy& policy, std::string_view event_type);

unsigned attempts_max(const Schedule& schedule);
/// After that attempt (from 1) failed, without jitter. There must be one more.
std::chrono::milliseconds delay_after(const Schedule& schedule, unsigned attempt);

struct Attempt {
  std::string_view event_type;
  unsigned number = 1;     // from 1
  schemas::Time first_at;  // when the delivery's first attempt began
  schemas::Time ended_at;  // when this one did: now
};

struct AttemptResult {
  std::optional<unsigned> status;               // none: no answer, or not in time
  std::optional<std::string_view> retry_after;  // the header, as it came
};

struct Succeeded {};
struct RetryAt {
  schemas::Time time;
};
struct Exhausted {
  enum class Reason : std::uint8_t { attempts, age, status };
  Reason reason;
  std::string detail;  // for whoever reads the delivery
};

struct Verdict {
  std::variant<Succeeded, RetryAt, Exhausted> delivery;
  bool disable_endpoint = false;  // 410: the receiver is gone and wants no more
  /// The endpoint was sent more than it takes: 429 and 503 say so. No answer counts too, for
  /// whoever is down or late is not helped by more; other failures are the message's.
  bool slow_down = false;
};

/// What follows from an attempt. Success is 2xx and nothing else: redirects are not followed, so
/// they are failures. In this order a failed delivery ends: by 410 or a final status, when there
/// were as many attempts as there may be, and when the next would begin later than `age_max` after
/// the first.
///
/// A valid `Retry-After` of any failure is obeyed exactly, whether the schedule is earlier or later
/// and without jitter; only a moment that is over, or less than a second ahead, becomes a second
/// from now, so that nobody is hammered who says 0 or whose clock is behind. One that is no
/// `Retry-After` is ignored. `random` is even in [0, 1].
Verdict judge(const RetryPolicy& policy, const Attempt& attempt, const AttemptResult& result,
              double random);

}  // namespace webhooks
