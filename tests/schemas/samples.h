#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "schemas/batch.h"
#include "schemas/controls.h"

/// One batch per event type and some more, with every field set to something of its own; golden
/// files hold exactly these, so a sample never changes: add another.
namespace schemas {

struct SampleBatch {
  std::string name;
  BatchHead head;
  std::vector<EventDraft> events;
};

inline Uuid id_of(std::uint8_t seed) {
  Uuid id;
  for (std::size_t i = 0; i < id.bytes.size(); ++i) {
    id.bytes[i] = static_cast<std::uint8_t>(seed * 16 + i);
  }
  return id;
}

inline BatchHead plain_head() {
  return {.organization = OrganizationId(id_of(1)),
          .recorded = Time{std::chrono::milliseconds{1'790'000'000'123}},
          .command = CommandId(id_of(2)),
          .references = {}};
}

inline BatchHead full_head() {
  return {.organization = OrganizationId(id_of(3)),
          .space = Space::test,
          .actor = {ActorKind::key, id_of(4)},
          .correlation = "req_0123456789",
          .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
          .recorded = Time{std::chrono::milliseconds{1'790'000'000'456}},
          .command = CommandId(id_of(5)),
          .idempotency = IdempotencyProof{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
                                          {16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}},
          .references = {{{TopicId{1}, 63}, 17}, {{TopicId{9}, 0}, UINT64_MAX}},
          .hops = 3};
}

/// A built-in event of an entity with an id, a declared one of an entity with a name.
inline EventDraft sample_event(EventData data) {
  const bool declared = std::holds_alternative<Json>(data);
  return {.id = EventId(id_of(6)),
          .type = declared ? "file.added" : type_of(data),
          .kind = declared ? "file" : kind_of(data),
          .entity = declared ? Entity{{}, "db/builder.cc"} : Entity{id_of(7), {}},
          .version = Version{42},
          .occurred = Time{std::chrono::milliseconds{1'780'000'000'789}},
          .schema = declared ? 7u : 0u,
          .data = std::move(data)};
}

using SampleEvents = std::vector<std::pair<std::string, EventData>>;

inline SampleEvents sample_resource_events() {
  const Time later{std::chrono::milliseconds{1'800'000'000'000}};
  return {
      {"resource-kind-changed", ResourceKindChanged{true, UnitCost{"0.02", "EUR", Per::day}}},
      {"resource-kind-changed-free", ResourceKindChanged{}},
      {"quota-changed", QuotaChanged{10, 64}},
      {"resource-requested", ResourceRequested{.project = id_of(9),
                                               .environment = "production",
                                               .kind = "postgres",
                                               .name = "main",
                                               .units = 4,
                                               .spec = R"({"size":"small"})",
                                               .external = true,
                                               .unit_cost = UnitCost{"0.02", "EUR", Per::hour}}},
      {"resource-activated", ResourceActivated{id_of(9), Version{1}, R"({"host":"a"})", "made"}},
      {"resource-scale-requested",
       ResourceScaleRequested{id_of(9), 8, UnitCost{"0.03", "EUR", Per::hour}}},
      {"resource-scaled", ResourceScaled{id_of(9), Version{3}, std::nullopt, "bigger"}},
      {"resource-configured", ResourceConfigured{id_of(9), R"({"size":"large"})"}},
      {"resource-failed", ResourceFailed{id_of(9), Version{5}, "no room"}},
      {"resource-health-changed", ResourceHealthChanged{id_of(9), Health::degraded, "slow"}},
      {"resource-cost-recorded", ResourceCostRecorded{id_of(9), "12.3400", "EUR", later,
                                                      later + std::chrono::hours(1), "backup"}},
      {"resource-deprovision-requested", ResourceDeprovisionRequested{id_of(9)}},
      {"resource-deprovisioned", ResourceDeprovisioned{id_of(9), Version{7}, "gone"}},
  };
}

inline SampleEvents sample_pipeline_events() {
  const DeliveredEvent made{.endpoint = id_of(10),
                            .event = id_of(11),
                            .type = "project.created",
                            .topic = TopicId{2},
                            .offset = 12,
                            .index = 3,
                            .lane = 0xfedc'ba98'7654'3210,
                            .replay = {},
                            .pipeline = id_of(14),
                            .version = Version{3},
                            .found = {7, 0}};
  return {
      {"delivery-held-made", DeliveryHeld{made}},
      {"delivery-cursor-moved-version", DeliveryCursorMoved{"tm1_there", 4, Version{3}}},
      {"replay-requested-through", ReplayRequested{.project = {},
                                                   .endpoint = {},
                                                   .config = "{}",
                                                   .from = "tm1_from",
                                                   .to = "tm1_to",
                                                   .pipeline = id_of(14)}},
      {"pipeline-created", PipelineCreated{.project = id_of(9),
                                           .endpoint = id_of(10),
                                           .config = R"({"name":"p"})",
                                           .start = "tm1_start",
                                           .paused = true}},
      {"pipeline-changed", PipelineChanged{id_of(9), R"({"name":"q"})"}},
      {"pipeline-paused", PipelinePaused{id_of(9), "asked"}},
      {"pipeline-resumed", PipelineResumed{std::nullopt, "tm1_now"}},
      {"pipeline-deleted", PipelineDeleted{id_of(9)}},
  };
}

inline SampleEvents sample_webhook_events() {
  const Time later{std::chrono::milliseconds{1'800'000'000'000}};
  const DeliveredEvent of{.endpoint = id_of(10),
                          .event = id_of(11),
                          .type = "project.created",
                          .topic = TopicId{2},
                          .offset = 12,
                          .index = 3,
                          .lane = 0xfedc'ba98'7654'3210};
  auto replayed = of;
  replayed.replay = id_of(12);
  return {
      {"endpoint-created", EndpointCreated{.project = id_of(9),
                                           .config = R"({"url":"https://example.com/"})",
                                           .secret = std::string_view("\x01\x00sealed", 8),
                                           .headers = std::string_view("\x01\x00headers", 9),
                                           .start = "tm1_start"}},
      {"endpoint-created-plain", EndpointCreated{.project = std::nullopt,
                                                 .config = "{}",
                                                 .secret = std::string_view("\x01\x00sealed", 8),
                                                 .headers = std::nullopt,
                                                 .start = "tm1_start"}},
      {"endpoint-changed", EndpointChanged{id_of(9), "{}", "sealed"}},
      {"endpoint-secret-rotated", EndpointSecretRotated{id_of(9), "sealed", later}},
      {"endpoint-paused", EndpointPaused{id_of(9), "asked"}},
      {"endpoint-resumed", EndpointResumed{std::nullopt, "tm1_now"}},
      {"endpoint-disabled", EndpointDisabled{id_of(9), "gone"}},
      {"endpoint-tested", EndpointTested{id_of(9)}},
      {"endpoint-deleted", EndpointDeleted{id_of(9)}},
      {"retry-policy-created", RetryPolicyCreated{R"({"name":"patient"})"}},
      {"retry-policy-changed", RetryPolicyChanged{R"({"name":"hasty"})"}},
      {"retry-policy-deleted", RetryPolicyDeleted{}},
      {"delivery-attempted", DeliveryAttempted{.of = of,
                                               .attempt = 2,
                                               .started = later,
                                               .status = 503,
                                               .error = "no",
                                               .body = "busy",
                                               .resolve_us = 1,
                                               .connect_us = 20,
                                               .tls_us = 300,
                                               .answer_us = 4000,
                                               .state = DeliveryState::failing,
                                               .next = later + std::chrono::minutes(5)}},
      {"delivery-held", DeliveryHeld{of}},
      {"delivery-requested", DeliveryRequested{}},
      {"delivery-skipped", DeliverySkipped{"on request"}},
      {"delivery-cursor-moved", DeliveryCursorMoved{"tm1_there", 4}},
      {"delivery-forgotten", DeliveryForgotten{}},
      {"delivery-held-replayed", DeliveryHeld{replayed}},
      {"replay-requested", ReplayRequested{.project = id_of(9),
                                           .endpoint = id_of(10),
                                           .config = R"({"types":["*"]})",
                                           .from = "tm1_from",
                                           .to = "tm1_to"}},
      {"replay-paused", ReplayPaused{id_of(9), "asked"}},
      {"replay-resumed", ReplayResumed{std::nullopt}},
      {"replay-cancelled", ReplayCancelled{id_of(9), "asked"}},
      {"replay-completed", ReplayCompleted{id_of(9), 1'000, 3, 1}},
  };
}

inline std::vector<SampleBatch> sample_batches() {
  const std::string_view digest = "0123456789abcdef0123456789abcdef";
  const Time later{std::chrono::milliseconds{1'800'000'000'000}};
  SampleEvents events{
      {"json-replace", Json{R"({"size":1,"mode":"100644"})", Fold::replace}},
      {"json-merge", Json{R"({"size":null})", Fold::merge}},
      {"json-remove", Json{"{}", Fold::remove}},
      {"json-bounded", Json{R"({"size":1})", Fold::replace, {10, 7'776'000}}},
      {"organization-created", OrganizationCreated{"Acme", "acme"}},
      {"organization-changed", OrganizationChanged{"Acme GmbH", std::nullopt}},
      {"organization-changed-slug", OrganizationChanged{std::nullopt, "acme-gmbh"}},
      {"organization-suspended", OrganizationSuspended{}},
      {"organization-resumed", OrganizationResumed{}},
      {"key-created", KeyCreated{.name = "ci",
                                 .permissions = {"projects:*", "events:read"},
                                 .projects = std::vector<std::string_view>{"proj_1", "proj_2"},
                                 .expires = later,
                                 .credential = {digest, "le_live_abcd"},
                                 .platform = false}},
      {"key-created-platform", KeyCreated{.name = "platform",
                                          .permissions = {"*"},
                                          .credential = {digest, "le_live_efgh"},
                                          .platform = true}},
      {"key-rotated", KeyRotated{{digest, "le_live_ijkl"}, later}},
      {"key-revoked", KeyRevoked{}},
      {"product-declared", ProductDeclared{R"({"kinds":{"file":{"events":{}}}})"}},
      {"project-created", ProjectCreated{"Web shop", "web-shop"}},
      {"project-changed", ProjectChanged{"Web store", "web-store"}},
      {"project-archived", ProjectArchived{}},
      {"project-restored", ProjectRestored{}},
      {"project-deleted", ProjectDeleted{}},
      {"environment-created", EnvironmentCreated{}},
      {"environment-deleted", EnvironmentDeleted{}},
      {"member-added", MemberAdded{Role::owner}},
      {"member-role-changed", MemberRoleChanged{Role::viewer}},
      {"member-removed", MemberRemoved{}},
      {"settings-changed", SettingsChanged{R"({"theme":"dark","beta":null})"}},
      {"secret-set", SecretSet{std::string_view("\x01\x00sealed", 8)}},
      {"secret-revealed", SecretRevealed{Version{3}}},
      {"secret-deleted", SecretDeleted{}},
  };
  std::ranges::move(sample_resource_events(), std::back_inserter(events));
  std::ranges::move(sample_webhook_events(), std::back_inserter(events));
  std::ranges::move(sample_pipeline_events(), std::back_inserter(events));
  std::vector<SampleBatch> samples;
  for (const auto& [name, data] : events) {
    samples.push_back({name, plain_head(), {sample_event(data)}});
  }
  auto several = std::vector{sample_event(Json{R"({"a":1})"}), sample_event(Json{R"({"b":2})"}),
                             sample_event(ProjectDeleted{})};
  several[2].entity.name = "secrets/DB_PASSWORD";
  auto replayed = full_head();
  replayed.replay = id_of(13);
  samples.push_back({"replayed-head", replayed, {sample_event(Json{R"({"a":1})"})}});
  samples.push_back({"full-head", full_head(), std::move(several)});
  return samples;
}

inline std::vector<std::pair<std::string, Control>> sample_controls() {
  return {{"claim", Claim{0x0123456789abcdef, "host:4711"}},
          {"log-identity", LogIdentity{id_of(8), 64, 1}},
          {"topic-added", TopicAdded{TopicId{6}, "git"}},
          {"moved", Moved{"kafka://broker:9092"}},
          {"clock-accepted", ClockAccepted{Time{std::chrono::milliseconds{1'790'000'000'000}}}}};
}

}  // namespace schemas
