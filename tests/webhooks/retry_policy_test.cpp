// Goal: what an answer means for a delivery and its endpoint is what the policy and the receiver
// said. Method: one table of status, header and policy, all judged at the same moment; requests
// with everything that can be wrong with them; and random policies and answers, of which every
// verdict must keep the promises of the header.

#include "webhooks/retry_policy.h"

#include <map>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "schemas/time.h"

namespace webhooks {
namespace {

using schemas::Time;
using std::chrono::milliseconds;
using namespace std::chrono_literals;

// Sun, 22 Nov 2026 07:00:00 GMT
const Time now = *schemas::parse_time("2026-11-22T07:00:00Z");

schemas::Result<RetryPolicy> parse(std::string_view text) {
  const auto document = schemas::json::parse(text);
  if (!document) return std::unexpected(document.error());
  return parse_retry_policy(document->root());
}

RetryPolicy policy_of(std::string_view text) {
  auto policy = parse(text);
  if (policy) return *std::move(policy);
  ADD_FAILURE() << text << ": " << policy.error().fields.at(0).detail;
  return default_retry_policy();
}

/// `ok`, `+5s` from now, `over: why`; and what follows for the endpoint.
std::string told(const Verdict& verdict) {
  std::string text = "ok";
  if (const auto* retry = std::get_if<RetryAt>(&verdict.delivery)) {
    text = fmt::format("+{}s", static_cast<double>((retry->time - now).count()) / 1000);
  }
  if (const auto* over = std::get_if<Exhausted>(&verdict.delivery)) {
    constexpr std::string_view reasons[] = {"attempts", "age", "status"};
    text = fmt::format("over: {}", reasons[static_cast<int>(over->reason)]);
  }
  if (verdict.disable_endpoint) text += " disable";
  if (verdict.slow_down) text += " slow";
  return text;
}

const std::map<std::string_view, RetryPolicy>& policies() {
  static const std::map<std::string_view, RetryPolicy> all = [] {
    std::map<std::string_view, RetryPolicy> made;
    for (
        const std::string_view text : {
            R"({"name":"patient","delays_seconds":[5,300,1800],"jitter":0})",
            R"({"name":"growing","base_seconds":5,"factor":5,"max_delay_seconds":72000,
                 "max_attempts":10,"jitter":0,"max_age_seconds":2592000})",
            R"({"name":"spread","delays_seconds":[100,0.5]})",
            R"({"name":"wide","delays_seconds":[100],"jitter":1})",
            R"({"name":"once","base_seconds":1,"factor":1,"max_delay_seconds":1,"max_attempts":1})",
            R"({"name":"strict","delays_seconds":[5,300],"jitter":0,"max_age_seconds":600,
                 "final_statuses":[400,302,503]})",
            R"({"name":"typed","delays_seconds":[5,300],"jitter":0,"by_type":{
                 "*":{"delays_seconds":[1]},
                 "project.*":{"delays_seconds":[2,2]},
                 "project.created":{"delays_seconds":[3]},
                 "project.created*":{"delays_seconds":[4]},
                 "key.*":{"final_statuses":[500]},
                 "key.made":{"base_seconds":7,"factor":1,"max_delay_seconds":7,"max_attempts":2},
                 "key.gone":{}}})",
        }) {
      auto policy = policy_of(text);
      made.emplace(std::string_view(text).substr(9, text.find('"', 9) - 9), std::move(policy));
    }
    made.emplace("default", default_retry_policy());
    return made;
  }();
  return all;
}

constexpr unsigned none = 0;  // no answer
constexpr const char* no_header = nullptr;

struct Row {
  unsigned status;
  const char* retry_after;
  std::string_view policy;
  unsigned attempt;
  std::string_view expected;
  std::chrono::seconds since_first = 0s;
  double random = 0.5;
  std::string_view type = "organization.created";
};

std::string judged(const Row& row) {
  const Attempt attempt{.event_type = row.type,
                        .number = row.attempt,
                        .first_at = now - row.since_first,
                        .ended_at = now};
  AttemptResult result;
  if (row.status != none) result.status = row.status;
  if (row.retry_after != no_header) result.retry_after = row.retry_after;
  return told(judge(policies().at(row.policy), attempt, result, row.random));
}

void expect(std::span<const Row> rows) {
  for (const Row& row : rows) {
    EXPECT_EQ(judged(row), row.expected)
        << row.status << " Retry-After: " << (row.retry_after ? row.retry_after : "-") << " by "
        << row.policy << ", attempt " << row.attempt << " of " << row.type << ", random "
        << row.random << ", " << row.since_first.count() << " s after the first";
  }
}

// status, Retry-After, policy, attempt, expected, [since the first, random, type]
constexpr Row statuses[] = {
    {200, no_header, "patient", 1, "ok"},
    {204, no_header, "patient", 4, "ok"},
    {299, "100", "patient", 1, "ok"},
    {200, no_header, "strict", 9, "ok", 90'000s},
    {100, no_header, "patient", 1, "+5s"},
    {199, no_header, "patient", 1, "+5s"},
    {300, no_header, "patient", 1, "+5s"},
    {301, no_header, "patient", 1, "+5s"},
    {304, no_header, "patient", 1, "+5s"},
    {308, no_header, "patient", 1, "+5s"},
    {400, no_header, "patient", 1, "+5s"},
    {401, no_header, "patient", 1, "+5s"},
    {404, no_header, "patient", 1, "+5s"},
    {409, no_header, "patient", 1, "+5s"},
    {410, no_header, "patient", 1, "over: status disable"},
    {410, "60", "patient", 1, "over: status disable"},
    {410, no_header, "patient", 9, "over: status disable"},
    {429, no_header, "patient", 1, "+5s slow"},
    {500, no_header, "patient", 1, "+5s"},
    {502, no_header, "patient", 1, "+5s"},
    {503, no_header, "patient", 1, "+5s slow"},
    {504, no_header, "patient", 1, "+5s"},
    {599, no_header, "patient", 1, "+5s"},
    {none, no_header, "patient", 1, "+5s slow"},
    {400, no_header, "strict", 1, "over: status"},
    {302, "60", "strict", 1, "over: status"},
    {503, "60", "strict", 1, "over: status slow"},
    {401, no_header, "strict", 1, "+5s"},
    {410, no_header, "strict", 1, "over: status disable"},
};

constexpr Row schedules[] = {
    {500, no_header, "patient", 2, "+300s"},
    {500, no_header, "patient", 3, "+1800s"},
    {500, no_header, "patient", 4, "over: attempts"},
    {429, "60", "patient", 4, "over: attempts slow"},
    {none, no_header, "patient", 9, "over: attempts slow"},
    {500, no_header, "once", 1, "over: attempts"},
    {500, no_header, "growing", 1, "+5s"},
    {500, no_header, "growing", 2, "+25s"},
    {500, no_header, "growing", 3, "+125s"},
    {500, no_header, "growing", 6, "+15625s"},
    {500, no_header, "growing", 7, "+72000s"},
    {500, no_header, "growing", 9, "+72000s"},
    {500, no_header, "growing", 10, "over: attempts"},
    {500, no_header, "spread", 1, "+80s", 0s, 0.0},
    {500, no_header, "spread", 1, "+90s", 0s, 0.25},
    {500, no_header, "spread", 1, "+100s", 0s, 0.5},
    {500, no_header, "spread", 1, "+120s", 0s, 1.0},
    {500, no_header, "spread", 2, "+0.4s", 0s, 0.0},
    {500, no_header, "wide", 1, "+0s", 0s, 0.0},
    {500, no_header, "wide", 1, "+200s", 0s, 1.0},
    {500, no_header, "default", 1, "+5s"},
    {500, no_header, "default", 9, "+86400s"},
    {500, no_header, "default", 9, "+103680s", 240'000s, 1.0},
    {500, no_header, "default", 10, "over: attempts"},
};

constexpr Row retry_after[] = {
    {429, "60", "patient", 1, "+60s slow"},
    {429, "60", "patient", 3, "+60s slow"},
    {503, "60", "growing", 9, "+60s slow"},
    {500, "7", "spread", 1, "+7s", 0s, 0.0},
    {500, "7", "spread", 1, "+7s", 0s, 1.0},
    {301, "60", "patient", 1, "+60s"},
    {404, " 60\t", "patient", 1, "+60s"},
    {429, "0", "patient", 1, "+1s slow"},
    {429, "1", "patient", 1, "+1s slow"},
    {429, "000060", "patient", 1, "+60s slow"},
    {503, "Sun, 22 Nov 2026 07:10:00 GMT", "patient", 1, "+600s slow"},
    {503, "Sunday, 22-Nov-26 07:10:00 GMT", "patient", 1, "+600s slow"},
    {503, "Sun Nov 22 07:10:00 2026", "patient", 1, "+600s slow"},
    {503, "Sun, 22 Nov 2026 07:00:00 GMT", "patient", 1, "+1s slow"},
    {503, "Sun, 22 Nov 2026 06:00:00 GMT", "patient", 3, "+1s slow"},
    {503, "Sun, 06 Nov 1994 08:49:37 GMT", "patient", 3, "+1s slow"},
    {429, "", "patient", 1, "+5s slow"},
    {429, "-1", "patient", 1, "+5s slow"},
    {429, "1.5", "patient", 1, "+5s slow"},
    {429, "60s", "patient", 1, "+5s slow"},
    {429, "soon", "patient", 1, "+5s slow"},
    {429, "2026-11-22T07:10:00Z", "patient", 1, "+5s slow"},
    {429, "259200", "patient", 1, "+259200s slow"},
    {429, "259201", "patient", 1, "over: age slow"},
    {429, "99999999999999999999999", "patient", 1, "over: age slow"},
    {503, "Fri, 31 Dec 9999 23:59:59 GMT", "growing", 1, "over: age slow"},
};

constexpr Row ages[] = {
    {500, no_header, "strict", 2, "+300s", 300s},
    {500, no_header, "strict", 2, "over: age", 301s},
    {500, "299", "strict", 2, "+299s", 301s},
    {503, "60", "patient", 2, "over: age slow", 259'200s},
    {500, no_header, "patient", 1, "+5s", 259'195s},
    {500, no_header, "patient", 1, "over: age", 259'196s},
};

constexpr Row types[] = {
    {500, no_header, "typed", 1, "+1s", 0s, 0.5, "organization.created"},
    {500, no_header, "typed", 2, "over: attempts", 0s, 0.5, "organization.created"},
    {500, no_header, "typed", 2, "+2s", 0s, 0.5, "project.deleted"},
    {500, no_header, "typed", 1, "+3s", 0s, 0.5, "project.created"},
    {500, no_header, "typed", 1, "+4s", 0s, 0.5, "project.created_again"},
    {500, no_header, "typed", 1, "over: status", 0s, 0.5, "key.revoked"},
    {501, no_header, "typed", 1, "+5s", 0s, 0.5, "key.revoked"},
    {500, no_header, "typed", 1, "+7s", 0s, 0.5, "key.made"},
    {500, no_header, "typed", 1, "+5s", 0s, 0.5, "key.gone"},
};

static_assert(std::size(statuses) + std::size(schedules) + std::size(retry_after) +
                  std::size(ages) + std::size(types) >=
              60);

TEST(RetryPolicy, ReadsTheStatus) {
  expect(statuses);
}
TEST(RetryPolicy, FollowsTheSchedule) {
  expect(schedules);
}
TEST(RetryPolicy, ObeysRetryAfterExactly) {
  expect(retry_after);
}
TEST(RetryPolicy, EndsAtTheLargestAge) {
  expect(ages);
}
TEST(RetryPolicy, TakesTheLongestPatternThatFits) {
  expect(types);
}

TEST(RetryPolicy, SaysWhyADeliveryEnded) {
  const auto detail = [](unsigned status, unsigned attempt, std::chrono::seconds since_first) {
    const auto verdict = judge(
        policies().at("strict"),
        {.event_type = "a", .number = attempt, .first_at = now - since_first, .ended_at = now},
        {.status = status, .retry_after = {}}, 0.5);
    return std::get<Exhausted>(verdict.delivery).detail;
  };
  EXPECT_EQ(detail(400, 1, 0s), "the receiver answered 400");
  EXPECT_EQ(detail(410, 1, 0s), "the receiver answered 410: it is gone");
  EXPECT_EQ(detail(500, 3, 0s), "3 of 3 attempts failed");
  EXPECT_EQ(detail(500, 1, 600s), "the next attempt would begin more than 600 s after the first");
}

TEST(RetryPolicy, TheDefaultNeverLosesAnAttemptToItsAge) {
  const auto& policy = default_retry_policy();
  ASSERT_EQ(attempts_max(policy.rules.schedule), 10u);
  Time first = now - 1000h;
  Time at = first;
  for (unsigned number = 1; number < 10; ++number) {
    at += policy.rules.timeout;  // each attempt takes as long as it may, each delay too
    const auto verdict = judge(policy, {"a", number, first, at}, {500, std::nullopt}, 1.0);
    ASSERT_TRUE(std::holds_alternative<RetryAt>(verdict.delivery)) << number;
    at = std::get<RetryAt>(verdict.delivery).time;
  }
  EXPECT_EQ(parse(to_json(policy)), policy);
}

TEST(RetryPolicy, IsWrittenWithAllItsMembersAndReadAgain) {
  EXPECT_EQ(to_json(policy_of(R"({"name":"patient","delays_seconds":[5,300,0.25]})")),
            R"({"name":"patient","delays_seconds":[5,300,0.25],"jitter":0.2,"timeout_seconds":15,)"
            R"("max_age_seconds":259200,"final_statuses":[],"by_type":{}})");
  EXPECT_EQ(
      to_json(policy_of(R"({"by_type":{"b.*":{"jitter":0,"final_statuses":[404,400,404]},"a":{},
          "*":{"max_attempts":2,"factor":null}},"max_attempts":10,"factor":1.5,"name":"g",
          "base_seconds":5,"max_delay_seconds":72000,"timeout_seconds":1.5})")),
      R"({"name":"g","base_seconds":5,"factor":1.5,"max_delay_seconds":72000,"max_attempts":10,)"
      R"("jitter":0.2,"timeout_seconds":1.5,"max_age_seconds":259200,"final_statuses":[],)"
      R"("by_type":{"*":{"max_attempts":2},"a":{},"b.*":{"jitter":0.0,"final_statuses":[400,404]}}})");
  for (const auto& [name, policy] : policies()) {
    const auto again = parse(to_json(policy));
    ASSERT_TRUE(again) << name << again.error().fields.at(0).detail;
    EXPECT_EQ(*again, policy) << name;
  }
}

TEST(RetryPolicy, AnOverrideKeepsWhatItDoesNotName) {
  const auto policy = policy_of(R"({"name":"g","base_seconds":5,"factor":2,"max_delay_seconds":60,
      "max_attempts":10,"jitter":0.5,"by_type":{"a":{"factor":3,"timeout_seconds":2}}})");
  const auto& rules = rules_for(policy, "a");
  EXPECT_EQ(rules.schedule, Schedule(GrowingDelays{5s, 3, 60s, 10}));
  EXPECT_EQ(rules.jitter, 0.5);
  EXPECT_EQ(rules.timeout, 2s);
  EXPECT_EQ(rules_for(policy, "b"), policy.rules);
}

/// Each fault as `pointer: detail`, on its own line.
std::string faults(std::string_view text) {
  const auto policy = parse(text);
  if (policy) return "none";
  EXPECT_EQ(policy.error().code, schemas::ErrorCode::invalid_request);
  std::string told;
  for (const auto& field : policy.error().fields) {
    if (!told.empty()) told += '\n';
    told += field.where + ": " + field.detail;
  }
  return told;
}

struct Wrong {
  std::string_view body;
  std::string_view expected;
};

constexpr Wrong wrong_bodies[] = {
    {R"([])", ": must be an object"},
    {R"({})",
     "/name: is missing\n/delays_seconds: is missing: give the delays, or base_seconds, factor, "
     "max_delay_seconds and max_attempts"},
    {R"({"name":"","delays_seconds":[1]})", "/name: must not be empty"},
    {R"({"name":"n","delays_seconds":[]})", "/delays_seconds: must not be empty"},
    {R"({"name":"n","delays_seconds":5})", "/delays_seconds: must be an array of numbers"},
    {R"({"name":"n","delays_seconds":[1,"2",-1,2592001]})",
     "/delays_seconds/1: must be a number\n/delays_seconds/2: must be from 0 to 2592000\n"
     "/delays_seconds/3: must be from 0 to 2592000"},
    {R"({"name":"n","delays_seconds":[1],"factor":2})",
     "/factor: does not go together with delays_seconds: give the delays, or base_seconds, factor, "
     "max_delay_seconds and max_attempts"},
    {R"({"name":"n","delays_seconds":[1],"max_attempts":2,"base_seconds":1})",
     "/base_seconds: does not go together with delays_seconds: give the delays, or base_seconds, "
     "factor, max_delay_seconds and max_attempts"},
    {R"({"name":"n","base_seconds":1})",
     "/max_delay_seconds: is missing\n/factor: is missing\n/max_attempts: is missing"},
    {R"({"name":"n","base_seconds":-1,"factor":0.5,"max_delay_seconds":2592001,"max_attempts":51})",
     "/base_seconds: must be from 0 to 2592000\n/max_delay_seconds: must be from 0 to 2592000\n"
     "/factor: must be from 1 to 100\n/max_attempts: must be from 1 to 50"},
    {R"({"name":"n","base_seconds":1,"factor":101,"max_delay_seconds":1,"max_attempts":1.5})",
     "/factor: must be from 1 to 100\n/max_attempts: must be an integer"},
    {R"({"name":"n","delays_seconds":[1],"jitter":1.1,"timeout_seconds":61,"max_age_seconds":0.5})",
     "/jitter: must be from 0 to 1\n/timeout_seconds: must be from 1 to 60\n"
     "/max_age_seconds: must be from 1 to 2592000"},
    {R"({"name":"n","delays_seconds":[1],"jitter":"0","timeout_seconds":0,"retries":3})",
     "/jitter: must be a number\n/timeout_seconds: must be from 1 to 60\n/retries: unknown member"},
    {R"({"name":"n","delays_seconds":[1],"final_statuses":[99,600,"400",204]})",
     "/final_statuses/0: must be from 100 to 599\n/final_statuses/1: must be from 100 to 599\n"
     "/final_statuses/2: must be an integer\n"
     "/final_statuses/3: is a success, which ends a delivery anyway"},
    {R"({"name":"n","delays_seconds":[1],"final_statuses":400})",
     "/final_statuses: must be an array of integers"},
    {R"({"name":"n","delays_seconds":[1],"by_type":[]})", "/by_type: must be an object"},
    {R"({"name":"n","delays_seconds":[1],"by_type":{"a/*":{},"a b":{},"*.b":{}}})",
     "/by_type/a~1*: must be an event type, or its beginning with * behind it\n"
     "/by_type/a b: must be an event type, or its beginning with * behind it\n"
     "/by_type/*.b: must be an event type, or its beginning with * behind it"},
    {R"({"name":"n","delays_seconds":[1],"by_type":{"a":null,"b":3}})",
     "/by_type/a: must be an object\n/by_type/b: must be an object"},
    {R"({"name":"n","delays_seconds":[1],"by_type":{"a":{"name":"x","by_type":{},"jitter":2}}})",
     "/by_type/a/jitter: must be from 0 to 1\n/by_type/a/name: unknown member\n"
     "/by_type/a/by_type: unknown member"},
    {R"({"name":"n","delays_seconds":[1],"by_type":{"a":{"factor":2,"max_attempts":3}}})",
     "/by_type/a/base_seconds: is missing\n/by_type/a/max_delay_seconds: is missing"},
};

TEST(RetryPolicy, NamesEveryFault) {
  for (const Wrong& wrong : wrong_bodies) EXPECT_EQ(faults(wrong.body), wrong.expected);
}

TEST(RetryPolicy, HasItsBounds) {
  const auto with = [](std::string_view name, std::size_t delays, std::size_t overrides) {
    std::string text = fmt::format(R"({{"name":"{}","delays_seconds":[1)", name);
    for (std::size_t i = 1; i < delays; ++i) text += ",2592000";
    text += R"(],"by_type":{"a0":{})";
    for (std::size_t i = 1; i < overrides; ++i) text += fmt::format(R"(,"a{}":{{}})", i);
    return text + "}}";
  };
  EXPECT_EQ(faults(with(std::string(200, 'n'), 50, 50)), "none");
  EXPECT_EQ(faults(with(std::string(201, 'n'), 51, 51)),
            "/name: must have at most 200 characters\n"
            "/delays_seconds: must have at most 50 elements\n"
            "/by_type: must have at most 50 members");
}

/// What an answer may be: mostly failures, with and without something like a Retry-After.
AttemptResult some_result(std::mt19937& random, std::string& header) {
  constexpr std::array<std::optional<unsigned>, 8> results{std::nullopt, 200, 301, 400,
                                                           410,          429, 500, 503};
  AttemptResult result{.status = results[random() % results.size()], .retry_after = {}};
  const unsigned kind = random() % 4;
  if (kind == 0) header = std::to_string(random() % 1'000'000);
  if (kind == 1) header = "Mon, 23 Nov 2026 07:00:00 GMT";
  if (kind == 2) header = "no time";
  if (kind < 3) result.retry_after = header;
  return result;
}

TEST(RetryPolicy, NextIsNeverBeforeNowAndNeverBeyondTheAge) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> even(0, 1);
  for (int i = 0; i < 100'000; ++i) {
    auto policy =
        std::next(policies().begin(), static_cast<int>(random() % policies().size()))->second;
    policy.rules.jitter = even(random);
    const Attempt attempt{.event_type = "a",
                          .number = 1 + static_cast<unsigned>(random() % 12),
                          .first_at = now - milliseconds(random() % 400'000'000),
                          .ended_at = now};
    std::string header;
    const auto result = some_result(random, header);
    const auto verdict = judge(policy, attempt, result, even(random));
    const auto& rules = rules_for(policy, attempt.event_type);
    const bool success = result.status == 200u;
    EXPECT_EQ(std::holds_alternative<Succeeded>(verdict.delivery), success);
    EXPECT_EQ(verdict.disable_endpoint, result.status == 410u);
    const auto* retry = std::get_if<RetryAt>(&verdict.delivery);
    if (retry == nullptr) continue;
    EXPECT_GE(retry->time, now) << i;
    EXPECT_LE(retry->time, attempt.first_at + rules.age_max) << i;
    EXPECT_LT(attempt.number, attempts_max(rules.schedule)) << i;
  }
}

}  // namespace
}  // namespace webhooks
