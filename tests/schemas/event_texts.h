#pragma once

#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "schemas/batch.h"
#include "schemas/controls.h"

/// Batches and controls as text that shows every field, for comparing what was written with what
/// is read, and for touching everything that damaged bytes still let one read. A new event type
/// does not compile here until it is shown.
namespace schemas {

inline std::string hex(std::string_view bytes) {
  return fmt::format(
      "{:02x}", fmt::join(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                          reinterpret_cast<const std::uint8_t*>(bytes.data()) + bytes.size(), ""));
}
inline std::string hex(const Uuid& uuid) {
  return hex(uuid.view());
}
inline std::string number(Time time) {
  return std::to_string(time.time_since_epoch().count());
}
inline std::string shown(std::optional<std::string_view> text) {
  return text ? "'" + std::string(*text) + "'" : "none";
}
inline std::string shown(const std::vector<std::string_view>& texts) {
  return fmt::format("['{}']", fmt::join(texts, "','"));
}
inline std::string shown(const Credential& credential) {
  return hex(credential.digest) + "/" + std::string(credential.hint);
}

inline std::string shown(const std::optional<UnitCost>& cost) {
  if (!cost) return "free";
  return fmt::format("{} {} per {}", cost->amount, cost->currency, static_cast<int>(cost->per));
}

inline std::string shown(const std::optional<Uuid>& id) {
  return id ? hex(*id) : "none";
}
inline std::string shown(const DeliveredEvent& of) {
  return fmt::format("{} to {} '{}' at {}/{}/{} lane {} {}", hex(of.event), hex(of.endpoint),
                     of.type, static_cast<int>(of.topic), of.offset, of.index, of.lane,
                     shown(of.replay)) +
         (of.pipeline ? fmt::format(" made by {} version {} with {}", hex(*of.pipeline),
                                    to_number(of.version), fmt::join(of.found, ","))
                      : "");
}
inline std::string shown_sealed(std::optional<std::string_view> bytes) {
  return bytes ? hex(*bytes) : "none";
}

struct ShowData {
  std::string operator()(const UnknownEvent&) const { return "unknown"; }
  std::string operator()(const Json& d) const {
    auto text = fmt::format("json {} {}", d.text, static_cast<int>(d.fold));
    if (d.keep != Bounds{}) text += fmt::format(" keep {} {}", d.keep.versions, d.keep.seconds);
    return text;
  }
  std::string operator()(const OrganizationCreated& d) const {
    return fmt::format("organization created '{}' '{}'", d.name, d.slug);
  }
  std::string operator()(const OrganizationChanged& d) const {
    return fmt::format("organization changed {} {}", shown(d.name), shown(d.slug));
  }
  std::string operator()(const OrganizationSuspended&) const { return "organization suspended"; }
  std::string operator()(const OrganizationResumed&) const { return "organization resumed"; }
  std::string operator()(const KeyCreated& d) const {
    return fmt::format("key created '{}' {} {} {} {} {}", d.name, shown(d.permissions),
                       d.projects ? shown(*d.projects) : "all",
                       d.expires ? number(*d.expires) : "never", shown(d.credential), d.platform);
  }
  std::string operator()(const KeyRotated& d) const {
    return fmt::format("key rotated {} {}", shown(d.credential), number(d.old_expires));
  }
  std::string operator()(const KeyRevoked&) const { return "key revoked"; }
  std::string operator()(const ProductDeclared& d) const {
    return fmt::format("product declared {}", d.manifest);
  }
  std::string operator()(const ProjectCreated& d) const {
    return fmt::format("project created '{}' '{}'", d.name, d.slug);
  }
  std::string operator()(const ProjectChanged& d) const {
    return fmt::format("project changed {} {}", shown(d.name), shown(d.slug));
  }
  std::string operator()(const ProjectArchived&) const { return "project archived"; }
  std::string operator()(const ProjectRestored&) const { return "project restored"; }
  std::string operator()(const ProjectDeleted&) const { return "project deleted"; }
  std::string operator()(const EnvironmentCreated&) const { return "environment created"; }
  std::string operator()(const EnvironmentDeleted&) const { return "environment deleted"; }
  std::string operator()(const MemberAdded& d) const {
    return fmt::format("member added {}", static_cast<int>(d.role));
  }
  std::string operator()(const MemberRoleChanged& d) const {
    return fmt::format("member role changed {}", static_cast<int>(d.role));
  }
  std::string operator()(const MemberRemoved&) const { return "member removed"; }
  std::string operator()(const SettingsChanged& d) const {
    return fmt::format("settings changed {}", d.patch);
  }
  std::string operator()(const SecretSet& d) const {
    return fmt::format("secret set {}", hex(d.value));
  }
  std::string operator()(const SecretRevealed& d) const {
    return fmt::format("secret revealed {}", to_number(d.version));
  }
  std::string operator()(const SecretDeleted&) const { return "secret deleted"; }
  std::string operator()(const ResourceKindChanged& d) const {
    return fmt::format("resource kind changed {} {}", d.external, shown(d.unit_cost));
  }
  std::string operator()(const QuotaChanged& d) const {
    return fmt::format("quota changed {} {}", d.count, d.units);
  }
  std::string operator()(const ResourceRequested& d) const {
    return fmt::format("resource requested {} '{}' '{}' '{}' {} {} {} {}", hex(d.project),
                       d.environment, d.kind, d.name, d.units, d.spec, d.external,
                       shown(d.unit_cost));
  }
  std::string operator()(const ResourceActivated& d) const {
    return fmt::format("resource activated {} {} {} {}", hex(d.project), to_number(d.observed),
                       shown(d.outputs), shown(d.detail));
  }
  std::string operator()(const ResourceScaleRequested& d) const {
    return fmt::format("resource scale requested {} {} {}", hex(d.project), d.units,
                       shown(d.unit_cost));
  }
  std::string operator()(const ResourceScaled& d) const {
    return fmt::format("resource scaled {} {} {} {}", hex(d.project), to_number(d.observed),
                       shown(d.outputs), shown(d.detail));
  }
  std::string operator()(const ResourceConfigured& d) const {
    return fmt::format("resource configured {} {}", hex(d.project), d.spec);
  }
  std::string operator()(const ResourceFailed& d) const {
    return fmt::format("resource failed {} {} {}", hex(d.project), to_number(d.observed),
                       shown(d.detail));
  }
  std::string operator()(const ResourceHealthChanged& d) const {
    return fmt::format("resource health changed {} {} {}", hex(d.project),
                       static_cast<int>(d.health), shown(d.detail));
  }
  std::string operator()(const ResourceCostRecorded& d) const {
    return fmt::format("resource cost recorded {} '{}' '{}' {} to {} {}", hex(d.project), d.amount,
                       d.currency, number(d.from), number(d.to), shown(d.note));
  }
  std::string operator()(const ResourceDeprovisionRequested& d) const {
    return fmt::format("resource deprovision requested {}", hex(d.project));
  }
  std::string operator()(const EndpointCreated& d) const {
    return fmt::format("endpoint created {} {} {} {} {}", shown(d.project), d.config, hex(d.secret),
                       shown_sealed(d.headers), d.start);
  }
  std::string operator()(const EndpointChanged& d) const {
    return fmt::format("endpoint changed {} {} {}", shown(d.project), d.config,
                       shown_sealed(d.headers));
  }
  std::string operator()(const EndpointSecretRotated& d) const {
    return fmt::format("endpoint secret rotated {} {} {}", shown(d.project), hex(d.secret),
                       number(d.old_expires));
  }
  std::string operator()(const EndpointPaused& d) const {
    return fmt::format("endpoint paused {} '{}'", shown(d.project), d.reason);
  }
  std::string operator()(const EndpointResumed& d) const {
    return fmt::format("endpoint resumed {} {}", shown(d.project), shown(d.start));
  }
  std::string operator()(const EndpointDisabled& d) const {
    return fmt::format("endpoint disabled {} '{}'", shown(d.project), d.reason);
  }
  std::string operator()(const EndpointTested& d) const {
    return "endpoint tested " + shown(d.project);
  }
  std::string operator()(const EndpointDeleted& d) const {
    return "endpoint deleted " + shown(d.project);
  }
  std::string operator()(const RetryPolicyCreated& d) const {
    return fmt::format("retry policy created {}", d.config);
  }
  std::string operator()(const RetryPolicyChanged& d) const {
    return fmt::format("retry policy changed {}", d.config);
  }
  std::string operator()(const RetryPolicyDeleted&) const { return "retry policy deleted"; }
  std::string operator()(const DeliveryAttempted& d) const {
    return fmt::format("delivery attempted {} number {} at {} status {} {} {} {} {} {} {} {} {}",
                       shown(d.of), d.attempt, number(d.started), d.status, shown(d.error),
                       shown(d.body), d.resolve_us, d.connect_us, d.tls_us, d.answer_us,
                       static_cast<int>(d.state), number(d.next));
  }
  std::string operator()(const DeliveryHeld& d) const { return "delivery held " + shown(d.of); }
  std::string operator()(const DeliveryRequested&) const { return "delivery requested"; }
  std::string operator()(const DeliverySkipped& d) const {
    return fmt::format("delivery skipped '{}'", d.reason);
  }
  std::string operator()(const DeliveryForgotten&) const { return "delivery forgotten"; }
  std::string operator()(const DeliveryCursorMoved& d) const {
    return fmt::format("delivery cursor moved {} {}", d.mark, d.generation) +
           (d.version == Version{} ? "" : fmt::format(" version {}", to_number(d.version)));
  }
  std::string operator()(const PipelineCreated& d) const {
    return fmt::format("pipeline created {} {} {} {} paused {}", shown(d.project),
                       shown(d.endpoint), d.config, d.start, d.paused);
  }
  std::string operator()(const PipelineChanged& d) const {
    return fmt::format("pipeline changed {} {}", shown(d.project), d.config);
  }
  std::string operator()(const PipelinePaused& d) const {
    return fmt::format("pipeline paused {} '{}'", shown(d.project), d.reason);
  }
  std::string operator()(const PipelineResumed& d) const {
    return fmt::format("pipeline resumed {} {}", shown(d.project), shown(d.start));
  }
  std::string operator()(const PipelineDeleted& d) const {
    return "pipeline deleted " + shown(d.project);
  }
  std::string operator()(const ReplayRequested& d) const {
    return fmt::format("replay requested {} {} {} {} {}", shown(d.project), shown(d.endpoint),
                       d.config, d.from, d.to) +
           (d.pipeline ? " through " + hex(*d.pipeline) : "");
  }
  std::string operator()(const ReplayPaused& d) const {
    return fmt::format("replay paused {} '{}'", shown(d.project), d.reason);
  }
  std::string operator()(const ReplayResumed& d) const {
    return "replay resumed " + shown(d.project);
  }
  std::string operator()(const ReplayCancelled& d) const {
    return fmt::format("replay cancelled {} '{}'", shown(d.project), d.reason);
  }
  std::string operator()(const ReplayCompleted& d) const {
    return fmt::format("replay completed {} {} {} {}", shown(d.project), d.succeeded, d.exhausted,
                       d.skipped);
  }
  std::string operator()(const ResourceDeprovisioned& d) const {
    return fmt::format("resource deprovisioned {} {} {}", hex(d.project), to_number(d.observed),
                       shown(d.detail));
  }
};
inline std::string shown(const EventData& data) {
  return std::visit(ShowData{}, data);
}

inline std::string shown_event(const Uuid& id, std::string_view type, std::string_view kind,
                               const Entity& entity, Version version, Time occurred,
                               std::uint32_t schema, const EventData& data) {
  return fmt::format("{} {} {} {}/'{}' v{} at {} schema {}: {}", hex(id), type, kind,
                     hex(entity.id), entity.name, to_number(version), number(occurred), schema,
                     shown(data));
}
inline std::string shown(const EventDraft& e) {
  return shown_event(e.id.uuid(), e.type, e.kind, e.entity, e.version, e.occurred, e.schema,
                     e.data);
}
inline std::string shown(const EventView& e) {
  return shown_event(e.id().uuid(), e.type(), e.kind(), e.entity(), e.version(), e.occurred(),
                     e.schema(), e.data());
}

inline std::string shown(const std::optional<IdempotencyProof>& proof) {
  if (!proof) return "none";
  auto digest = [](const ShortDigest& d) {
    return hex({reinterpret_cast<const char*>(d.data()), d.size()});
  };
  return digest(proof->key) + "/" + digest(proof->request);
}
inline std::string shown_head(const Uuid& organization, Space space, const Actor& actor,
                              std::string_view correlation, std::string_view traceparent,
                              Time recorded, const Uuid& command,
                              const std::optional<IdempotencyProof>& proof, int hops,
                              const std::optional<Uuid>& replay) {
  return fmt::format("{} {} by {}/{} '{}' '{}' at {} command {} key {} hops {} replay {}",
                     hex(organization), static_cast<int>(space), static_cast<int>(actor.kind),
                     hex(actor.id), correlation, traceparent, number(recorded), hex(command),
                     shown(proof), hops, shown(replay));
}
inline std::string shown(const BatchHead& h) {
  return shown_head(h.organization.uuid(), h.space, h.actor, h.correlation, h.traceparent,
                    h.recorded, h.command.uuid(), h.idempotency, h.hops, h.replay);
}
inline std::string shown(const BatchHead& head, std::span<const EventDraft> events) {
  auto text = shown(head);
  for (const auto& event : events) {
    text += "\n" + shown(event);
    if (event.causation) text += " because of " + hex(event.causation->uuid());
  }
  return text;
}
inline std::string shown(const BatchView& b) {
  auto text =
      shown_head(b.organization().uuid(), b.space(), b.actor(), b.correlation(), b.traceparent(),
                 b.recorded(), b.command().uuid(), b.idempotency(), b.hops(), b.replay());
  for (std::uint32_t i = 0; i < b.event_count(); ++i) {
    text += "\n" + shown(b.event(i));
    if (auto causation = b.event(i).causation()) text += " because of " + hex(causation->uuid());
  }
  return text;
}

struct ShowControl {
  std::string operator()(const Claim& c) const {
    return fmt::format("claim {} '{}'", c.nonce, c.process);
  }
  std::string operator()(const LogIdentity& c) const {
    return fmt::format("identity {} {} {}", hex(c.id), c.partitions, c.format);
  }
  std::string operator()(const TopicAdded& c) const {
    return fmt::format("topic {} '{}'", static_cast<int>(c.topic), c.name);
  }
  std::string operator()(const Moved& c) const { return fmt::format("moved '{}'", c.to); }
  std::string operator()(const ClockAccepted& c) const {
    return fmt::format("clock {}", number(c.recorded));
  }
};
inline std::string shown(const Control& control) {
  return std::visit(ShowControl{}, control);
}

}  // namespace schemas
