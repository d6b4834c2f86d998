#include "webhooks/retry_policy.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "schemas/json_reader.h"
#include "schemas/json_writer.h"
#include "schemas/planted.h"
#include "schemas/type_pattern.h"
#include "webhooks/retry_after.h"

namespace webhooks {
namespace {

using schemas::Time;
using schemas::json::NumberRule;
using schemas::json::ObjectReader;
using schemas::json::Value;
using schemas::json::Writer;
using std::chrono::milliseconds;
using namespace std::chrono_literals;

constexpr std::size_t name_characters_max = 200;
constexpr std::size_t delays_max = 50;
constexpr std::size_t final_statuses_max = 100;
constexpr std::size_t overrides_max = 50;
constexpr double month_seconds = 30 * 86'400;
constexpr NumberRule delay_rule{.min = 0, .max = month_seconds};
constexpr milliseconds retry_after_min = 1s;

constexpr std::string_view delays_name = "delays_seconds";
constexpr std::array<std::string_view, 4> growing_names{"base_seconds", "factor",
                                                        "max_delay_seconds", "max_attempts"};
constexpr std::array<std::string_view, 9> rule_names{
    delays_name, growing_names[0],  growing_names[1],  growing_names[2], growing_names[3],
    "jitter",    "timeout_seconds", "max_age_seconds", "final_statuses"};

bool is_success(unsigned status) {
  const bool redirects_too = schemas::planted(schemas::Fault::count_redirects_as_success);
  return status >= 200 && status <= (redirects_too ? 399 : 299);
}

milliseconds of_seconds(double seconds) {
  return milliseconds(std::llround(seconds * 1000));
}

milliseconds read_delay(ObjectReader& reader, std::string_view name,
                        std::optional<milliseconds> inherited) {
  const auto seconds = inherited ? reader.optional_number(name, delay_rule)
                                 : std::optional(reader.number(name, delay_rule));
  return seconds ? of_seconds(*seconds) : *inherited;
}

ListedDelays read_listed(ObjectReader& reader) {
  ListedDelays listed;
  for (const double seconds : reader.numbers(delays_name, delays_max, delay_rule)) {
    listed.delays.push_back(of_seconds(seconds));
  }
  return listed;
}

/// `inherited` is what holds for members that are not there; without it all must be.
GrowingDelays read_growing(ObjectReader& reader, const GrowingDelays* inherited) {
  using Delay = std::optional<milliseconds>;
  constexpr NumberRule factor_rule{.min = 1, .max = 100};
  constexpr schemas::json::IntegerRule attempts_rule{.min = 1, .max = 50};
  GrowingDelays growing = inherited ? *inherited : GrowingDelays();
  growing.base = read_delay(reader, "base_seconds", inherited ? Delay(growing.base) : Delay());
  growing.delay_max =
      read_delay(reader, "max_delay_seconds", inherited ? Delay(growing.delay_max) : Delay());
  if (!inherited || reader.has("factor")) growing.factor = reader.number("factor", factor_rule);
  if (!inherited || reader.has("max_attempts")) {
    growing.attempts_max = static_cast<unsigned>(reader.integer("max_attempts", attempts_rule));
  }
  return growing;
}

Schedule read_schedule(ObjectReader& reader, const Schedule* inherited) {
  const bool listed = reader.has(delays_name);
  std::vector<std::string_view> growing;
  for (const std::string_view name : growing_names) {
    if (reader.has(name)) growing.push_back(name);
  }
  if (listed && !growing.empty()) {
    reader.wrong(growing.front(),
                 "does not go together with delays_seconds: give the delays, or base_seconds, "
                 "factor, max_delay_seconds and max_attempts");
    return {};
  }
  if (listed) return read_listed(reader);
  if (!growing.empty()) {
    return read_growing(reader, inherited ? std::get_if<GrowingDelays>(inherited) : nullptr);
  }
  if (inherited) return *inherited;
  reader.wrong(delays_name,
               "is missing: give the delays, or base_seconds, factor, max_delay_seconds and "
               "max_attempts");
  return {};
}

std::vector<unsigned> read_final_statuses(ObjectReader& reader, std::vector<unsigned> otherwise) {
  const auto read =
      reader.optional_integers("final_statuses", final_statuses_max, {.min = 100, .max = 599});
  if (!read) return otherwise;
  std::vector<unsigned> statuses;
  for (std::size_t i = 0; i < read->size(); ++i) {
    statuses.push_back(static_cast<unsigned>((*read)[i]));
    if (is_success(statuses.back())) {
      reader.wrong("final_statuses", i, "is a success, which ends a delivery anyway");
    }
  }
  std::ranges::sort(statuses);
  const auto repeated = std::ranges::unique(statuses);
  statuses.erase(repeated.begin(), repeated.end());
  return statuses;
}

/// `rules` are what holds for members that are not there.
RetryRules read_rules(ObjectReader& reader, RetryRules rules, const Schedule* inherited) {
  rules.schedule = read_schedule(reader, inherited);
  if (const auto jitter = reader.optional_number("jitter", {.min = 0, .max = 1})) {
    rules.jitter = *jitter;
  }
  if (const auto timeout = reader.optional_number("timeout_seconds", {.min = 1, .max = 60})) {
    rules.timeout = of_seconds(*timeout);
  }
  const NumberRule age_rule{.min = 1, .max = month_seconds};
  if (const auto age = reader.optional_number("max_age_seconds", age_rule)) {
    rules.age_max = of_seconds(*age);
  }
  rules.final_statuses = read_final_statuses(reader, std::move(rules.final_statuses));
  return rules;
}

std::vector<RetryOverride> read_overrides(ObjectReader& reader, Value by_type,
                                          const RetryRules& rules) {
  std::vector<RetryOverride> overrides;
  for (const auto [pattern, value] : by_type.members()) {
    reader.object(pattern, [&](ObjectReader& inner) {
      RetryOverride made{.pattern = std::string(pattern), .named = {}, .rules = {}};
      std::ranges::copy_if(rule_names, std::back_inserter(made.named),
                           [&](std::string_view name) { return inner.has(name); });
      made.rules = read_rules(inner, rules, &rules.schedule);
      overrides.push_back(std::move(made));
    });
    if (!schemas::is_type_pattern(pattern)) {
      reader.wrong(pattern, std::string(schemas::type_pattern_form));
    }
  }
  std::ranges::sort(overrides, {}, &RetryOverride::pattern);
  return overrides;
}

/// Whole seconds as an integer.
void write_seconds(Writer& writer, milliseconds time) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  if (whole == time) {
    writer.value(std::int64_t{whole.count()});
  } else {
    writer.value(static_cast<double>(time.count()) / 1000);
  }
}

using Wanted = std::function<bool(std::string_view name)>;

void write_schedule(Writer& writer, const ListedDelays& listed, const Wanted& wanted) {
  if (!wanted(delays_name)) return;
  writer.name(delays_name).begin_array();
  for (const milliseconds delay : listed.delays) write_seconds(writer, delay);
  writer.end_array();
}

void write_schedule(Writer& writer, const GrowingDelays& growing, const Wanted& wanted) {
  if (wanted("base_seconds")) write_seconds(writer.name("base_seconds"), growing.base);
  if (wanted("factor")) writer.member("factor", growing.factor);
  if (wanted("max_delay_seconds")) {
    write_seconds(writer.name("max_delay_seconds"), growing.delay_max);
  }
  if (wanted("max_attempts")) writer.member("max_attempts", growing.attempts_max);
}

void write_rules(Writer& writer, const RetryRules& rules, const Wanted& wanted) {
  std::visit([&](const auto& schedule) { write_schedule(writer, schedule, wanted); },
             rules.schedule);
  if (wanted("jitter")) writer.member("jitter", rules.jitter);
  if (wanted("timeout_seconds")) write_seconds(writer.name("timeout_seconds"), rules.timeout);
  if (wanted("max_age_seconds")) write_seconds(writer.name("max_age_seconds"), rules.age_max);
  if (!wanted("final_statuses")) return;
  writer.name("final_statuses").begin_array();
  for (const unsigned status : rules.final_statuses) writer.value(status);
  writer.end_array();
}

bool is_exact(std::string_view pattern) {
  return !pattern.ends_with('*');
}

Exhausted ended_by(unsigned status) {
  return {Exhausted::Reason::status, status == 410
                                         ? std::string("the receiver answered 410: it is gone")
                                         : fmt::format("the receiver answered {}", status)};
}

/// When the next attempt is due.
Time next_attempt(const RetryRules& rules, const Attempt& attempt, const AttemptResult& result,
                  double random) {
  const Time now = attempt.ended_at;
  if (result.retry_after && !schemas::planted(schemas::Fault::ignore_retry_after)) {
    const auto asked = parse_retry_after(*result.retry_after, now);
    if (asked) return std::max(*asked, now + retry_after_min);
  }
  const auto delay = delay_after(rules.schedule, attempt.number);
  const double spread = 1 + rules.jitter * (2 * random - 1);
  return now + milliseconds(std::llround(static_cast<double>(delay.count()) * spread));
}

}  // namespace

schemas::Result<RetryPolicy> parse_retry_policy(Value body) {
  ObjectReader reader(body);
  if (!body.is_object()) return std::unexpected(reader.finish().error());
  RetryPolicy policy;
  policy.name = reader.text("name", {.characters_max = name_characters_max});
  policy.rules = read_rules(reader, {}, nullptr);
  reader.optional_object("by_type", [&](ObjectReader& by_type) {
    const Value overrides = *body.find("by_type");
    if (overrides.is_object() && overrides.size() > overrides_max) {
      reader.wrong("by_type", fmt::format("must have at most {} members", overrides_max));
    }
    policy.by_type = read_overrides(by_type, overrides, policy.rules);
  });
  if (auto read = reader.finish(); !read) return std::unexpected(std::move(read).error());
  return policy;
}

std::string to_json(const RetryPolicy& policy) {
  std::string json;
  Writer writer(json);
  writer.begin_object().member("name", policy.name);
  write_rules(writer, policy.rules, [](std::string_view) { return true; });
  writer.name("by_type").begin_object();
  for (const RetryOverride& one : policy.by_type) {
    writer.name(one.pattern).begin_object();
    write_rules(writer, one.rules, [&](std::string_view name) {
      return std::ranges::find(one.named, name) != one.named.end();
    });
    writer.end_object();
  }
  writer.end_object().end_object();
  return json;
}

const RetryPolicy& default_retry_policy() {
  static const RetryPolicy policy{
      .name = "default",
      .rules = {.schedule = ListedDelays{{5s, 5min, 30min, 2h, 5h, 10h, 14h, 20h, 24h}},
                .age_max = std::chrono::days(4),
                .final_statuses = {}},
      .by_type = {}};
  return policy;
}

const RetryRules& rules_for(const RetryPolicy& policy, std::string_view event_type) {
  const RetryOverride* best = nullptr;
  for (const RetryOverride& one : policy.by_type) {
    if (!schemas::type_fits(one.pattern, event_type)) continue;
    if (is_exact(one.pattern)) return one.rules;
    if (best == nullptr || one.pattern.size() > best->pattern.size()) best = &one;
  }
  return best ? best->rules : policy.rules;
}

unsigned attempts_max(const Schedule& schedule) {
  if (const auto* listed = std::get_if<ListedDelays>(&schedule)) {
    return static_cast<unsigned>(listed->delays.size()) + 1;
  }
  return std::get<GrowingDelays>(schedule).attempts_max;
}

milliseconds delay_after(const Schedule& schedule, unsigned attempt) {
  ENSURE(attempt >= 1 && attempt < attempts_max(schedule));
  if (const auto* listed = std::get_if<ListedDelays>(&schedule)) return listed->delays[attempt - 1];
  const auto& growing = std::get<GrowingDelays>(schedule);
  const double grown =
      static_cast<double>(growing.base.count()) * std::pow(growing.factor, attempt - 1);
  const auto delay_max = static_cast<double>(growing.delay_max.count());
  return milliseconds(std::llround(std::min(grown, delay_max)));
}

Verdict judge(const RetryPolicy& policy, const Attempt& attempt, const AttemptResult& result,
              double random) {
  const auto status = result.status;
  if (status && is_success(*status)) return {.delivery = Succeeded()};
  const RetryRules& rules = rules_for(policy, attempt.event_type);
  const bool gone = status == 410u;
  Verdict verdict{.delivery = Succeeded(),
                  .disable_endpoint = gone,
                  .slow_down = !status || *status == 429 || *status == 503};
  const auto attempts = attempts_max(rules.schedule);
  if (gone || (status && std::ranges::binary_search(rules.final_statuses, *status))) {
    verdict.delivery = ended_by(*status);
  } else if (attempt.number >= attempts) {
    verdict.delivery = Exhausted{Exhausted::Reason::attempts,
                                 fmt::format("{} of {} attempts failed", attempt.number, attempts)};
  } else if (const Time next = next_attempt(rules, attempt, result, random);
             next > attempt.first_at + rules.age_max) {
    verdict.delivery =
        Exhausted{Exhausted::Reason::age,
                  fmt::format("the next attempt would begin more than {} s after the first",
                              static_cast<double>(rules.age_max.count()) / 1000)};
  } else {
    verdict.delivery = RetryAt{next};
  }
  return verdict;
}

}  // namespace webhooks
