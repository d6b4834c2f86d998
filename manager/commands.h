#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "manager/webhook_commands.h"
#include "projections/states.h"
#include "schemas/batch.h"
#include "schemas/events.h"
#include "schemas/ids.h"
#include "schemas/result.h"

/// What can be asked of the managers, and what they answer. Commands are imperative, values,
/// already checked for form (lengths, alphabets) by whoever parsed them; rules about state are
/// decide's.
namespace manager {

using schemas::Entity;
using schemas::Space;
using schemas::Time;
using schemas::Uuid;
using schemas::Version;

struct CreateOrganization {
  std::string name;
  std::string slug;
};
struct ChangeOrganization {
  Uuid id;
  std::optional<std::string> name;
  std::optional<std::string> slug;
};
struct SuspendOrganization {
  Uuid id;
};
struct ResumeOrganization {
  Uuid id;
};

/// `digest` is the SHA-256 of the key's text, which only the caller has seen.
struct CreateKey {
  std::string name;
  std::vector<std::string> permissions;
  std::optional<std::vector<std::string>> projects;
  std::optional<Time> expires;
  std::string digest;
  std::string hint;
  bool platform = false;  // the first key of a log only
};
struct RotateKey {
  Uuid id;
  std::string digest;
  std::string hint;
  std::chrono::seconds overlap;
};
struct RevokeKey {
  Uuid id;
};

/// `manifest` is the JSON text of the whole request.
struct DeclareProduct {
  std::string name;
  std::string manifest;
};

struct CreateProject {
  std::string name;
  std::optional<std::string> slug;  // absent: made from the name
};
struct ChangeProject {
  Uuid id;
  std::optional<std::string> name;
  std::optional<std::string> slug;
};
struct ArchiveProject {
  Uuid id;
};
struct RestoreProject {
  Uuid id;
};
struct DeleteProject {
  Uuid id;
};

struct CreateEnvironment {
  Uuid project;
  std::string name;
};
struct DeleteEnvironment {
  Uuid project;
  std::string name;
};
/// Adds somebody, or gives them another role.
struct PutMember {
  Uuid project;
  std::string user;
  schemas::Role role = schemas::Role::viewer;
};
struct RemoveMember {
  Uuid project;
  std::string user;
};
/// `patch` is the JSON text of an RFC 7396 merge patch, an object.
struct ChangeSettings {
  Uuid project;
  std::optional<std::string> environment;  // absent: the project's own
  std::string patch;
};

/// Sets or replaces; `value` is sealed for this very secret (eventstore/sealing.h).
struct PutSecret {
  Uuid project;
  std::optional<std::string> environment;  // absent: the project's own
  std::string name;
  std::string value;
};
/// Writes down that a value is shown: the one that was set at `version`, or the current one.
struct RevealSecret {
  Uuid project;
  std::optional<std::string> environment;
  std::string name;
  std::optional<Version> version;
};
struct DeleteSecret {
  Uuid project;
  std::optional<std::string> environment;
  std::string name;
};
/// Sets what a kind of resources is; the platform's.
struct PutResourceKind {
  std::string name;
  bool external = false;
  std::optional<projections::UnitCost> unit_cost;
};
struct PutQuota {
  std::string kind;
  std::uint64_t count = 0;
  std::uint64_t units = 0;
};
struct CreateResource {
  Uuid project;
  std::string environment;
  std::string kind;
  std::string name;
  std::uint64_t units = 0;
  std::string spec;  // JSON
};
struct ScaleResource {
  Uuid id;
  std::uint64_t units = 0;
};
/// `patch` is the JSON text of an RFC 7396 merge patch, an object.
struct ConfigureResource {
  Uuid id;
  std::string patch;
};
struct DeleteResource {
  Uuid id;
};
/// What a provisioner says of a resource, having looked at version `observed` of it.
enum class Reported : std::uint8_t { active, failed, deprovisioned };
struct ReportResource {
  Uuid id;
  Reported state = Reported::active;
  Version observed{};
  std::optional<std::string> detail;
  std::optional<std::string> outputs;  // JSON, an object
};
struct ReportHealth {
  Uuid id;
  schemas::Health health = schemas::Health::unknown;
  std::optional<std::string> detail;
};
/// `amount` is a decimal number.
struct RecordCost {
  Uuid id;
  std::string amount;
  std::string currency;
  Time from;
  Time to;
  std::optional<std::string> note;
};
/// The program's own: what the resource belonged to is gone.
struct DeprovisionResource {
  Uuid id;
};

/// What a writer expects of an entity. A number means exactly that version, there or deleted.
struct Expected {
  enum class Case : std::uint8_t { any, exists, absent, no_stream, deleted, exactly };
  Case is = Case::any;
  Version version{};
};
std::string to_text(const Expected& expected);

/// Events of a declared product: all or nothing, one record.
struct AppendEvents {
  struct Event {
    std::string kind;
    std::string entity;
    std::string type;
    std::string data;  // JSON text, as it is written
    std::optional<Time> occurred;
    /// Where `data` has sealed values: the same with those in clear, for the type's schema to
    /// check. Never written.
    std::optional<std::string> clear = {};
  };
  struct Condition {
    std::string kind;
    std::string entity;
    Expected expected;
  };
  std::string product;
  std::vector<Event> events;
  std::vector<Condition> conditions;
};

using Command = std::variant<
    CreateOrganization, ChangeOrganization, SuspendOrganization, ResumeOrganization, CreateKey,
    RotateKey, RevokeKey, DeclareProduct, CreateProject, ChangeProject, ArchiveProject,
    RestoreProject, DeleteProject, AppendEvents, CreateEnvironment, DeleteEnvironment, PutMember,
    RemoveMember, ChangeSettings, PutSecret, RevealSecret, DeleteSecret, PutResourceKind, PutQuota,
    CreateResource, ScaleResource, ConfigureResource, DeleteResource, ReportResource, ReportHealth,
    RecordCost, DeprovisionResource, CreateEndpoint, ChangeEndpoint, RotateEndpointSecret,
    PauseEndpoint, ResumeEndpoint, TestEndpoint, DeleteEndpoint, CreateRetryPolicy,
    ChangeRetryPolicy, DeleteRetryPolicy, RecordDeliveries, ResendDeliveries, SkipDeliveries,
    RequestReplay, PauseReplay, ResumeReplay, CancelReplay, CompleteReplay, CreatePipeline,
    ChangePipeline, PausePipeline, ResumePipeline, DeletePipeline, ForgetDeliveries>;

/// Which product's manager takes the command.
std::string_view product_of(const Command& command);
/// What it holds in memory, roughly.
std::size_t bytes_of(const Command& command);

/// Commands of one client that must run in order and stop at the first refusal (bulk lines). What
/// stands behind one that was refused is not tried; what stands before it is, even where it comes
/// to its turn later. One thread submits; any may refuse.
class Sequence {
 public:
  using Number = std::uint64_t;  // in the order of being submitted
  Number next() { return submitted_++; }
  void refuse(Number number) {
    auto first = first_refused_.load();
    while (number < first && !first_refused_.compare_exchange_weak(first, number)) {
    }
  }
  bool refuses(Number number) const { return number > first_refused_; }
  /// All of them go to whom the first one went to, or their order would be lost.
  bool goes_to(const void* who) {
    if (submitted_ == 0) who_ = who;
    return who_ == who;
  }

 private:
  Number submitted_ = 0;
  const void* who_ = nullptr;
  std::atomic<Number> first_refused_ = std::numeric_limits<Number>::max();
};

/// Who asks, where, and how often: everything about a command that is not the command.
struct CommandContext {
  schemas::OrganizationId organization;
  Space space = Space::live;
  schemas::Actor actor;
  /// The caller's rights: what a key may grant at most.
  std::shared_ptr<const projections::Access> rights;
  std::string correlation;
  std::string traceparent;
  std::optional<schemas::IdempotencyProof> idempotency;
  std::optional<Version> if_match;  // of AppendEvents: of the first event's entity
  std::shared_ptr<Sequence> sequence;
  std::optional<Uuid> replay = {};  // that asks
  std::uint8_t hops = 0;            // of the events that come of it: pipelines they went through
  std::optional<schemas::EventId> causation = {};  // the event that they come of
};

struct WrittenEvent {
  schemas::EventId id;
  std::string kind;
  Entity entity;
  Version version;
};

/// A durable outcome, as the first caller and every repetition of the same idempotency key see it.
struct Outcome {
  /// Of the record; of an unchanged entity, the state that was looked at.
  schemas::Position position;
  Time recorded;
  bool replayed = false;
  /// Nothing had to change: no record, 200.
  bool unchanged = false;
  std::vector<WrittenEvent> events;
  /// The entity that the command was about, and its row afterwards (empty when it was deleted).
  Entity subject;
  std::string row;
};

}  // namespace manager
