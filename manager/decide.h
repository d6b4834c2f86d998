#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "manager/commands.h"
#include "manager/manifest.h"
#include "projections/reader.h"

/// The rules. Every decide is a pure function of what it is given: the view (rows under everything
/// decided but not yet applied), the command, and the context with its time and ids.
namespace manager {

using projections::Reader;
using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;
using schemas::TopicId;

/// Rows of other products and of the platform: durable ones only, corrected later by whoever
/// follows them (deprovisioning.h). A decision says in `looked_at` which of them it used.
struct References {
  Reader own;       // of this organization and space
  Reader platform;  // org_platform's
  TopicId projects;
  TopicId resources;
  TopicId webhooks;
};

struct Context {
  const Reader& view;
  schemas::OrganizationId organization;
  TopicId topic;
  Time now;
  /// Ids of this command's events and entities, made from `now` and random bytes.
  std::function<Uuid()> new_id;
  std::optional<Version> if_match;
  /// The maker's rights; null for the program itself.
  const projections::Access* rights = nullptr;
  const References* references = nullptr;
  /// The declared product that the command belongs to, at its newest version.
  const Manifest* manifest = nullptr;
  /// Whether a declared type has events already, in any organization.
  std::function<bool(std::string_view kind, std::string_view type)> type_in_use;
};

/// What a command comes to: events (none: nothing has to change) about one subject.
struct Decision {
  std::string kind;
  Entity subject;
  std::vector<schemas::EventDraft> events;
  /// Logs of other products or organizations whose rows decided.
  struct LookedAt {
    TopicId topic;
    schemas::OrganizationId organization;
  };
  std::vector<LookedAt> looked_at;
  /// Texts that the drafts point into and that no command holds.
  std::deque<std::string> texts;

  std::string_view keep(std::string text) { return texts.emplace_back(std::move(text)); }
};

Result<Decision> decide(const Context& context, const CreateOrganization& command);
Result<Decision> decide(const Context& context, const ChangeOrganization& command);
Result<Decision> decide(const Context& context, const SuspendOrganization& command);
Result<Decision> decide(const Context& context, const ResumeOrganization& command);
Result<Decision> decide(const Context& context, const CreateKey& command);
Result<Decision> decide(const Context& context, const RotateKey& command);
Result<Decision> decide(const Context& context, const RevokeKey& command);
Result<Decision> decide(const Context& context, const DeclareProduct& command);
Result<Decision> decide(const Context& context, const CreateProject& command);
Result<Decision> decide(const Context& context, const ChangeProject& command);
Result<Decision> decide(const Context& context, const ArchiveProject& command);
Result<Decision> decide(const Context& context, const RestoreProject& command);
Result<Decision> decide(const Context& context, const DeleteProject& command);
Result<Decision> decide(const Context& context, const CreateEnvironment& command);
Result<Decision> decide(const Context& context, const DeleteEnvironment& command);
Result<Decision> decide(const Context& context, const PutMember& command);
Result<Decision> decide(const Context& context, const RemoveMember& command);
Result<Decision> decide(const Context& context, const ChangeSettings& command);
Result<Decision> decide(const Context& context, const PutSecret& command);
Result<Decision> decide(const Context& context, const RevealSecret& command);
Result<Decision> decide(const Context& context, const DeleteSecret& command);
Result<Decision> decide(const Context& context, const PutResourceKind& command);
Result<Decision> decide(const Context& context, const PutQuota& command);
Result<Decision> decide(const Context& context, const CreateResource& command);
Result<Decision> decide(const Context& context, const ScaleResource& command);
Result<Decision> decide(const Context& context, const ConfigureResource& command);
Result<Decision> decide(const Context& context, const DeleteResource& command);
Result<Decision> decide(const Context& context, const ReportResource& command);
Result<Decision> decide(const Context& context, const ReportHealth& command);
Result<Decision> decide(const Context& context, const RecordCost& command);
Result<Decision> decide(const Context& context, const DeprovisionResource& command);
Result<Decision> decide(const Context& context, const CreateEndpoint& command);
Result<Decision> decide(const Context& context, const ChangeEndpoint& command);
Result<Decision> decide(const Context& context, const RotateEndpointSecret& command);
Result<Decision> decide(const Context& context, const PauseEndpoint& command);
Result<Decision> decide(const Context& context, const ResumeEndpoint& command);
Result<Decision> decide(const Context& context, const TestEndpoint& command);
Result<Decision> decide(const Context& context, const DeleteEndpoint& command);
Result<Decision> decide(const Context& context, const CreateRetryPolicy& command);
Result<Decision> decide(const Context& context, const ChangeRetryPolicy& command);
Result<Decision> decide(const Context& context, const DeleteRetryPolicy& command);
Result<Decision> decide(const Context& context, const RecordDeliveries& command);
Result<Decision> decide(const Context& context, const ResendDeliveries& command);
Result<Decision> decide(const Context& context, const SkipDeliveries& command);
Result<Decision> decide(const Context& context, const ForgetDeliveries& command);
Result<Decision> decide(const Context& context, const RequestReplay& command);
Result<Decision> decide(const Context& context, const PauseReplay& command);
Result<Decision> decide(const Context& context, const ResumeReplay& command);
Result<Decision> decide(const Context& context, const CancelReplay& command);
Result<Decision> decide(const Context& context, const CompleteReplay& command);
Result<Decision> decide(const Context& context, const CreatePipeline& command);
Result<Decision> decide(const Context& context, const ChangePipeline& command);
Result<Decision> decide(const Context& context, const PausePipeline& command);
Result<Decision> decide(const Context& context, const ResumePipeline& command);
Result<Decision> decide(const Context& context, const DeletePipeline& command);
Result<Decision> decide(const Context& context, const AppendEvents& command);

/// Of the settings of a project, or of one environment, as JSON text.
inline constexpr std::size_t settings_bytes_max = std::size_t{256} << 10;

/// Of one project, or of one environment: its deletion is one record.
inline constexpr std::size_t secrets_max = 1'000;

/// Of one organization and space.
inline constexpr std::size_t endpoints_max = 1'000;
inline constexpr std::size_t retry_policies_max = 100;
inline constexpr std::size_t open_replays_max = 100;
inline constexpr std::size_t pipelines_max = 1'000;

/// What a resource was asked to be, and what a provisioner made of it, as JSON text.
inline constexpr std::size_t spec_bytes_max = std::size_t{64} << 10;

// ---- what several kinds share ----

/// 412 when the caller named another version than the current one.
Result<void> check_if_match(const Context& context, Version current);
/// Whether one more of a kind may be made.
Result<void> check_room(const Context& context, std::string_view kind, std::size_t max,
                        std::string_view what);
/// What is changed is not what it was made from any more.
std::unexpected<schemas::Error> moved_on(Version based_on, Version current);
/// A decision with one event about an entity that stands at `current` (0: new).
Decision one_event(const Context& context, Entity subject, Version current,
                   schemas::EventData data);
/// A decision that nothing has to change.
Decision nothing(std::string_view kind, Entity subject);
/// The row of the entity, not_found, or precondition_failed.
template <typename State>
Result<projections::Row<State>> required(const Context& context, const Uuid& id) {
  auto row = context.view.get<State>(context.topic, Entity{id, {}});
  if (!row)
    return fail(ErrorCode::not_found, "there is no " + std::string(State::kind) + " with this id");
  auto matched = check_if_match(context, row->head.version);
  if (!matched) return std::unexpected(std::move(matched).error());
  return std::move(*row);
}

/// The resource, if it is there and the caller may know of it.
Result<projections::Row<projections::Resource>> visible_resource(const Context& context,
                                                                 const Uuid& id);
/// Whether the caller may know of this project.
bool may_see(const Context& context, const Uuid& project);
/// Whether the caller may know of what belongs to this project, or to none.
bool may_see_of(const Context& context, const std::optional<Uuid>& project);
/// The project that something of webhooks names is there, and for the caller to see.
Result<void> check_project(const Context& context, const std::optional<Uuid>& project,
                           Decision::LookedAt& looked_at);
/// invalid_transition, with the state that it is in.
std::unexpected<schemas::Error> wrong_state(std::string detail, std::string_view state);

/// `Web shop` becomes `web-shop`; never empty.
std::string slug_of(std::string_view name);
/// Why a slug that somebody else holds cannot be had.
std::unexpected<schemas::Error> slug_taken(std::string_view slug);

}  // namespace manager
