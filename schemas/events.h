#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "schemas/ids.h"

/// What happened: one struct per event type, the same for writing and for reading. All texts are
/// views: into the caller's memory when an event is drafted, into the record's bytes when it is
/// read, so that folds read in place. They live as long as those bytes.
namespace schemas {

/// What a declared event does to its entity's state: replace it, merge into it (RFC 7396), remove
/// it.
enum class Fold : std::uint8_t { replace = 0, merge = 1, remove = 2 };

/// How much of an entity's history rows keep: versions, and seconds since a version was the newest.
/// 0: all.
struct Bounds {
  std::uint32_t versions = 0;
  std::uint32_t seconds = 0;
  friend bool operator==(const Bounds&, const Bounds&) = default;
};

/// A declared product's data as JSON text. Fold and bounds stand in the event, so that a partition
/// is folded from its own records alone.
struct Json {
  std::string_view text;
  Fold fold = Fold::replace;
  Bounds keep = {};
};

struct OrganizationCreated {
  std::string_view name;
  std::string_view slug;
};
/// Absent members did not change.
struct OrganizationChanged {
  std::optional<std::string_view> name;
  std::optional<std::string_view> slug;
};
struct OrganizationSuspended {};
struct OrganizationResumed {};

/// One secret of a key. Only its SHA-256 is kept; `hint` are the characters that may be shown.
struct Credential {
  std::string_view digest;
  std::string_view hint;
};
struct KeyCreated {
  std::string_view name;
  std::vector<std::string_view> permissions;
  std::optional<std::vector<std::string_view>> projects;  // absent: all
  std::optional<Time> expires;
  Credential credential;
  bool platform = false;
};
/// The credentials before it work until `old_expires`.
struct KeyRotated {
  Credential credential;
  Time old_expires;
};
struct KeyRevoked {};

struct ProductDeclared {
  std::string_view manifest;
};

struct ProjectCreated {
  std::string_view name;
  std::string_view slug;
};
struct ProjectChanged {
  std::optional<std::string_view> name;
  std::optional<std::string_view> slug;
};
struct ProjectArchived {};
struct ProjectRestored {};
struct ProjectDeleted {};

// Things of a project: entities that have its id and a name below it (projections/project_parts.h).
struct EnvironmentCreated {};
struct EnvironmentDeleted {};
/// What a member may do; a higher one may all that a lower one may.
enum class Role : std::uint8_t { viewer = 0, member = 1, admin = 2, owner = 3 };
struct MemberAdded {
  Role role = Role::viewer;
};
struct MemberRoleChanged {
  Role role = Role::viewer;
};
struct MemberRemoved {};
/// `patch` is the JSON text of an RFC 7396 merge patch.
struct SettingsChanged {
  std::string_view patch;
};
/// `value` is sealed (eventstore/sealing.h).
struct SecretSet {
  std::string_view value;
};
/// Somebody was shown the value that was set at `version` of the secret.
struct SecretRevealed {
  Version version{};
};
struct SecretDeleted {};

/// What one unit costs for as long as it is in force: an exact decimal number.
enum class Per : std::uint8_t { hour = 0, day = 1 };
struct UnitCost {
  std::string_view amount;
  std::string_view currency;
  Per per = Per::hour;
};
/// `external`: a provisioner outside makes the resources of the kind; else they are there at once.
struct ResourceKindChanged {
  bool external = false;
  std::optional<UnitCost> unit_cost;
};
struct QuotaChanged {
  std::uint64_t count = 0;
  std::uint64_t units = 0;
};

/// Who provisions and what a unit costs are pinned by the events that ask for units, so that a
/// partition is folded from its own records alone. Every event of a resource names its project.
struct ResourceRequested {
  Uuid project;
  std::string_view environment;
  std::string_view kind;
  std::string_view name;
  std::uint64_t units = 0;
  std::string_view spec;  // JSON
  bool external = false;
  std::optional<UnitCost> unit_cost;
};
/// `observed`: the version that the provisioner had looked at; 0 when there is none.
struct ResourceActivated {
  Uuid project;
  Version observed{};
  std::optional<std::string_view> outputs;  // JSON; absent: as they were
  std::optional<std::string_view> detail;
};
struct ResourceScaleRequested {
  Uuid project;
  std::uint64_t units = 0;
  std::optional<UnitCost> unit_cost;
};
struct ResourceScaled {
  Uuid project;
  Version observed{};
  std::optional<std::string_view> outputs;
  std::optional<std::string_view> detail;
};
struct ResourceConfigured {
  Uuid project;
  std::string_view spec;  // all of it
};
struct ResourceFailed {
  Uuid project;
  Version observed{};
  std::optional<std::string_view> detail;
};
enum class Health : std::uint8_t { unknown = 0, healthy = 1, degraded = 2, unhealthy = 3 };
struct ResourceHealthChanged {
  Uuid project;
  Health health = Health::unknown;
  std::optional<std::string_view> detail;
};
struct ResourceCostRecorded {
  Uuid project;
  std::string_view amount;
  std::string_view currency;
  Time from;
  Time to;
  std::optional<std::string_view> note;
};
struct ResourceDeprovisionRequested {
  Uuid project;
};
struct ResourceDeprovisioned {
  Uuid project;
  Version observed{};
  std::optional<std::string_view> detail;
};

/// An endpoint's events name its project; empty: the whole organization. `config` is JSON
/// (webhooks/endpoint.h), `secret` and `headers` are sealed, `start` is a mark.
struct EndpointCreated {
  std::optional<Uuid> project;
  std::string_view config;
  std::string_view secret;
  std::optional<std::string_view> headers;
  std::string_view start;
};
struct EndpointChanged {
  std::optional<Uuid> project;
  std::string_view config;
  std::optional<std::string_view> headers;  // absent: as they were
};
/// The secrets before it sign too until `old_expires`.
struct EndpointSecretRotated {
  std::optional<Uuid> project;
  std::string_view secret;
  Time old_expires;
};
/// The cursor stays where it is.
struct EndpointPaused {
  std::optional<Uuid> project;
  std::string_view reason;
};
struct EndpointResumed {
  std::optional<Uuid> project;
  std::optional<std::string_view> start;  // absent: where it stood
};
struct EndpointDisabled {
  std::optional<Uuid> project;
  std::string_view reason;
};
/// Is delivered to this endpoint whatever it asked for.
struct EndpointTested {
  std::optional<Uuid> project;
};
struct EndpointDeleted {
  std::optional<Uuid> project;
};
/// `config` is JSON (webhooks/retry_policy.h).
struct RetryPolicyCreated {
  std::string_view config;
};
struct RetryPolicyChanged {
  std::string_view config;
};
struct RetryPolicyDeleted {};

/// Which event goes to which endpoint, and where the event stands. What shares a lane of an
/// endpoint is delivered one after the other.
struct DeliveredEvent {
  Uuid endpoint;
  Uuid event;
  std::string_view type;
  TopicId topic{};
  Offset offset = 0;
  std::uint32_t index = 0;
  std::uint64_t lane = 0;
  std::optional<Uuid> replay = {};        // that sends it again
  std::optional<Uuid> pipeline = {};      // that made of it what is sent
  Version version{};                      // of the pipeline
  std::vector<std::uint64_t> found = {};  // versions of the rows it was enriched with; 0: none
};
enum class DeliveryState : std::uint8_t { pending, succeeded, failing, exhausted, skipped };
struct DeliveryAttempted {
  DeliveredEvent of;
  std::uint32_t attempt = 0;  // from 1, since it was first or last asked for
  Time started;
  std::uint16_t status = 0;  // 0: no answer
  std::optional<std::string_view> error;
  std::optional<std::string_view> body;  // the beginning of the answer's
  std::uint32_t resolve_us = 0;
  std::uint32_t connect_us = 0;
  std::uint32_t tls_us = 0;
  std::uint32_t answer_us = 0;  // from the request's first byte to the whole answer
  DeliveryState state = DeliveryState::succeeded;
  Time next;  // of a failing one: when it is tried again
};
/// Waits behind an earlier one of its lane.
struct DeliveryHeld {
  DeliveredEvent of;
};
/// Somebody wants it sent once more.
struct DeliveryRequested {};
struct DeliverySkipped {
  std::string_view reason;
};
/// Everything before the mark was delivered to the endpoint, or has an event that says what became
/// of it. `generation` counts how often the endpoint was set to another start. From the mark on
/// `version` of a pipeline is in effect.
struct DeliveryCursorMoved {
  std::string_view mark;
  std::uint32_t generation = 0;
  Version version{};
};

/// It ended so long ago that nothing is known of it any more, but for what is counted.
struct DeliveryForgotten {};

/// A replay's events name the project of the endpoint, or that it was asked for. `config` is JSON
/// (webhooks/replay.h); `from` and `to` are marks.
struct ReplayRequested {
  std::optional<Uuid> project;
  std::optional<Uuid> endpoint;  // absent: it goes to a product
  std::string_view config;
  std::string_view from;
  std::string_view to;
  std::optional<Uuid> pipeline = {};  // through this one
};
struct ReplayPaused {
  std::optional<Uuid> project;
  std::string_view reason;
};
struct ReplayResumed {
  std::optional<Uuid> project;
};
struct ReplayCancelled {
  std::optional<Uuid> project;
  std::string_view reason;
};
/// What became of its deliveries.
struct ReplayCompleted {
  std::optional<Uuid> project;
  std::uint64_t succeeded = 0;
  std::uint64_t exhausted = 0;
  std::uint64_t skipped = 0;
};

/// `config` is JSON (webhooks/pipeline.h); `endpoint` is that of its sink, which stays the same;
/// `start` is a mark.
struct PipelineCreated {
  std::optional<Uuid> project;
  std::optional<Uuid> endpoint;
  std::string_view config;
  std::string_view start;
  bool paused = false;
};
struct PipelineChanged {
  std::optional<Uuid> project;
  std::string_view config;
};
struct PipelinePaused {
  std::optional<Uuid> project;
  std::string_view reason;
};
/// `start` is another place to go on from.
struct PipelineResumed {
  std::optional<Uuid> project;
  std::optional<std::string_view> start;
};
struct PipelineDeleted {
  std::optional<Uuid> project;
};

/// Written by a newer version of the program: it verifies, but no fold can apply it.
struct UnknownEvent {};

using EventData = std::variant<
    UnknownEvent, Json, OrganizationCreated, OrganizationChanged, OrganizationSuspended,
    OrganizationResumed, KeyCreated, KeyRotated, KeyRevoked, ProductDeclared, ProjectCreated,
    ProjectChanged, ProjectArchived, ProjectRestored, ProjectDeleted, EnvironmentCreated,
    EnvironmentDeleted, MemberAdded, MemberRoleChanged, MemberRemoved, SettingsChanged, SecretSet,
    SecretRevealed, SecretDeleted, ResourceKindChanged, QuotaChanged, ResourceRequested,
    ResourceActivated, ResourceScaleRequested, ResourceScaled, ResourceConfigured, ResourceFailed,
    ResourceHealthChanged, ResourceCostRecorded, ResourceDeprovisionRequested,
    ResourceDeprovisioned, EndpointCreated, EndpointChanged, EndpointSecretRotated, EndpointPaused,
    EndpointResumed, EndpointDisabled, EndpointTested, EndpointDeleted, RetryPolicyCreated,
    RetryPolicyChanged, RetryPolicyDeleted, DeliveryAttempted, DeliveryHeld, DeliveryRequested,
    DeliverySkipped, DeliveryCursorMoved, ReplayRequested, ReplayPaused, ReplayResumed,
    ReplayCancelled, ReplayCompleted, PipelineCreated, PipelineChanged, PipelinePaused,
    PipelineResumed, PipelineDeleted, DeliveryForgotten>;

/// The name that the outside sees, such as `project.created`. Not for Json, whose type is declared.
std::string_view type_of(const EventData& data);
/// The kind of entity that a built-in event belongs to, such as `project`.
std::string_view kind_of(const EventData& data);

/// The project that an event belongs to by its data, if it says so.
std::optional<Uuid> project_in(const EventData& data);

/// The text a subject, a path or an answer shows: `proj_…`, or a declared entity's name.
std::string entity_text(std::string_view kind, const Entity& entity);
/// The prefix of a built-in kind's ids; empty for kinds that are named by text.
std::string_view id_prefix(std::string_view kind);

}  // namespace schemas
