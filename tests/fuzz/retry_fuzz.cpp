// Any bytes as a Retry-After and as a retry policy: nothing may crash, a policy that is accepted is
// read again from its own text, and what it says of any answer is not before now.

#include "webhooks/retry_policy.h"

namespace {

using namespace webhooks;

const schemas::Time now{std::chrono::milliseconds(1'795'330'800'000)};

void check_verdicts(const RetryPolicy& policy, std::string_view header) {
  for (const unsigned attempt : {1u, 2u, 51u}) {
    for (const double random : {0.0, 1.0}) {
      const auto verdict = judge(policy, {"project.created", attempt, now, now},
                                 {.status = 503, .retry_after = header}, random);
      const auto* retry = std::get_if<RetryAt>(&verdict.delivery);
      const auto& rules = rules_for(policy, "project.created");
      if (retry) ENSURE(retry->time >= now && retry->time <= now + rules.age_max);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_verdicts(default_retry_policy(), text);
  const auto document = schemas::json::parse(text);
  if (!document) return 0;
  const auto policy = parse_retry_policy(document->root());
  if (!policy) return 0;
  check_verdicts(*policy, "soon");
  const auto again = schemas::json::parse(to_json(*policy));
  ENSURE(again && parse_retry_policy(again->root()) == *policy);
  return 0;
}
