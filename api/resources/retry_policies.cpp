#include "api/resources/retry_policies.h"

#include "api/resources/answers.h"
#include "api/resources/lists.h"
#include "api/resources/reading.h"
#include "schemas/json_writer.h"
#include "webhooks/retry_policy.h"

namespace api::resources {
namespace {

using projections::FoundRow;
using projections::RetryPolicyState;
using schemas::Entity;
using schemas::RetryPolicyId;
using schemas::Uuid;
using schemas::json::Writer;

std::unexpected<schemas::Error> no_policy() {
  return edge::not_found("retry policy with this id");
}

Result<Uuid> policy_in_path(const Ask& ask) {
  auto id = schemas::parse_id<schemas::RetryPolicyTag>(ask.request.captured("retry_policy_id"));
  if (!id) return no_policy();
  return id->uuid();
}

void render_policy(std::string& out, const FoundRow& found) {
  const auto row = projections::decode_row<RetryPolicyState>(found.bytes);
  const auto config = schemas::json::parse(row.state.config);
  ENSURE(config.has_value());
  Writer writer(out);
  writer.begin_object().member("id", to_text(RetryPolicyId(found.entity.id)));
  for (const auto& [name, value] : config->root().members()) writer.member(name, value);
  write_times(writer, row.head).end_object();
}

std::string json_of(const manager::Outcome& outcome) {
  std::string json;
  render_policy(json, {outcome.subject, outcome.row});
  return json;
}

/// They are the whole organization's.
Result<void> may_write(const Ask& ask) {
  if (!ask.caller().restricted()) return {};
  return schemas::fail(schemas::ErrorCode::forbidden,
                       "a key that is restricted to projects may not change retry policies");
}

/// A patch over the policy as it stands; one that names a form of schedule takes away the other.
Result<std::string> patched(const RetryPolicyState& now, Value patch) {
  auto target = schemas::json::parse(now.config);
  if (!target) return std::unexpected(std::move(target).error());
  const bool lists = patch.find("delays_seconds").has_value();
  std::string without = "{";
  if (lists) {
    without += R"("base_seconds":null,"factor":null,"max_delay_seconds":null,"max_attempts":null})";
  } else if (patch.find("base_seconds")) {
    without += R"("delays_seconds":null})";
  } else {
    without += "}";
  }
  const auto removal = schemas::json::parse(without);
  ENSURE(removal.has_value());
  const auto base =
      schemas::json::parse(schemas::json::merge_patch(target->root(), removal->root()));
  ENSURE(base.has_value());
  const auto merged = schemas::json::parse(schemas::json::merge_patch(base->root(), patch));
  if (!merged) return std::unexpected(merged.error());
  auto policy = webhooks::parse_retry_policy(merged->root());
  if (!policy) return std::unexpected(std::move(policy).error());
  return to_json(*policy);
}

}  // namespace

// POST /v2/webhooks/retry-policies
Answer create_retry_policy(Ask& ask) {
  if (auto may = may_write(ask); !may) co_return std::unexpected(std::move(may).error());
  auto policy = webhooks::parse_retry_policy(ask.body());
  if (!policy) co_return std::unexpected(std::move(policy).error());
  auto outcome = co_await write(ask, ask.here(), manager::CreateRetryPolicy{to_json(*policy)});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return created(*outcome,
                    "/v2/webhooks/retry-policies/" + to_text(RetryPolicyId(outcome->subject.id)),
                    json_of(*outcome));
}

// GET /v2/webhooks/retry-policies
Answer list_retry_policies(Ask& ask) {
  return list_answer(ask, ask.webhooks(),
                     {.kind = RetryPolicyState::kind, .keep = {}, .render = render_policy});
}

// GET /v2/webhooks/retry-policies/{retry_policy_id}
Answer get_retry_policy(Ask& ask) {
  auto id = policy_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto reading = co_await open_reading(ask, ask.webhooks(), View::row);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  Entity entity{*id, {}};
  auto row = reading->find(RetryPolicyState::kind, entity);
  if (!row) co_return no_policy();
  const auto version = projections::decode_head(*row, nullptr).version;
  std::string json;
  render_policy(json, {std::move(entity), std::move(*row)});
  co_return entity_answer(ask, version, std::move(json));
}

// PATCH /v2/webhooks/retry-policies/{retry_policy_id}
Answer change_retry_policy(Ask& ask) {
  if (auto may = may_write(ask); !may) co_return std::unexpected(std::move(may).error());
  auto id = policy_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  constexpr int attempts_max = 5;
  for (int attempt = 1;; ++attempt) {
    auto reading = co_await open_reading(ask, ask.webhooks(), View::row);
    if (!reading) co_return std::unexpected(std::move(reading).error());
    const auto bytes = reading->find(RetryPolicyState::kind, {*id, {}});
    if (!bytes) co_return no_policy();
    const auto row = projections::decode_row<RetryPolicyState>(*bytes);
    auto config = patched(row.state, ask.body());
    if (!config) co_return std::unexpected(std::move(config).error());
    auto outcome = co_await write(
        ask, ask.here(), manager::ChangeRetryPolicy{*id, row.head.version, std::move(*config)});
    const bool moved_on = !outcome && outcome.error().code == schemas::ErrorCode::version_conflict;
    if (moved_on && attempt < attempts_max) continue;
    if (!outcome) co_return std::unexpected(std::move(outcome).error());
    co_return changed(*outcome, json_of(*outcome));
  }
}

// DELETE /v2/webhooks/retry-policies/{retry_policy_id}
Answer delete_retry_policy(Ask& ask) {
  if (auto may = may_write(ask); !may) co_return std::unexpected(std::move(may).error());
  auto id = policy_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto outcome = co_await write(ask, ask.here(), manager::DeleteRetryPolicy{*id});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return removed(*outcome);
}

}  // namespace api::resources
