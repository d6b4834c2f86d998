#include <fmt/core.h>

#include "manager/decide.h"
#include "projections/delivery_rows.h"

/// Replays: asked for, stopped and gone on with, and what the deliverer says of their end.
namespace manager {

using projections::Endpoint;
using projections::Replay;

namespace {

/// A caller who is restricted to projects knows of replays to their endpoints only.
bool may_see_replay(const Context& context, const Replay& replay) {
  if (context.rights == nullptr || !context.rights->projects) return true;
  if (replay.pipeline) {
    const auto pipeline =
        context.view.get<projections::Pipeline>(context.topic, {*replay.pipeline, {}});
    return pipeline && may_see_of(context, pipeline->state.project) &&
           may_see_of(context, replay.project);
  }
  if (!replay.endpoint || !may_see_of(context, replay.project)) return false;
  const auto endpoint = context.view.get<Endpoint>(context.topic, {*replay.endpoint, {}});
  return endpoint && may_see_of(context, endpoint->state.project);
}

Result<projections::Row<Replay>> visible_replay(const Context& context, const Uuid& id) {
  auto row = context.view.get<Replay>(context.topic, {id, {}});
  if (!row || !may_see_replay(context, row->state)) {
    return fail(ErrorCode::not_found, "there is no replay with this id");
  }
  auto matched = check_if_match(context, row->head.version);
  if (!matched) return std::unexpected(std::move(matched).error());
  return std::move(*row);
}

std::unexpected<schemas::Error> has_ended(const Replay& replay) {
  return wrong_state(fmt::format("the replay is {}; ask for another one", to_text(replay.status)),
                     to_text(replay.status));
}

Result<void> check_open(const Context& context) {
  const auto open = context.view.list(
      context.topic, projections::open_replay_kind, true,
      {.after = {}, .limit = open_replays_max, .as_of = {}, .below = {}, .filter = {}});
  if (open.rows.size() < open_replays_max) return {};
  return fail(ErrorCode::over_quota,
              fmt::format("{} replays have not ended, and no more may be; wait for one, or cancel "
                          "one that is not needed",
                          open_replays_max));
}

}  // namespace

Result<Decision> decide(const Context& context, const RequestReplay& command) {
  Decision::LookedAt looked_at{context.topic, context.organization};
  auto checked = check_project(context, command.project, looked_at);
  if (!checked) return std::unexpected(std::move(checked).error());
  if (command.endpoint) {
    const auto endpoint = context.view.get<Endpoint>(context.topic, {*command.endpoint, {}});
    if (!endpoint || !may_see_of(context, endpoint->state.project)) {
      return schemas::invalid_field("/sink/endpoint_id", "there is no endpoint with this id");
    }
    // It may have been moved to another project since it was looked at.
    if (endpoint->state.project && endpoint->state.project != command.project) {
      return schemas::invalid_field("/project_id", "must be the project of the endpoint");
    }
  }
  if (command.pipeline) {
    const auto pipeline =
        context.view.get<projections::Pipeline>(context.topic, {*command.pipeline, {}});
    if (!pipeline || !may_see_of(context, pipeline->state.project)) {
      return schemas::invalid_field("/sink/pipeline_id", "there is no pipeline with this id");
    }
    if (pipeline->state.project && pipeline->state.project != command.project) {
      return schemas::invalid_field("/project_id", "must be the project of the pipeline");
    }
  }
  if (auto room = check_open(context); !room) return std::unexpected(std::move(room).error());
  auto decision = one_event(context, {command.id, {}}, Version{},
                            schemas::ReplayRequested{.project = command.project,
                                                     .endpoint = command.endpoint,
                                                     .config = command.config,
                                                     .from = command.from,
                                                     .to = command.to,
                                                     .pipeline = command.pipeline});
  if (command.project) decision.looked_at.push_back(looked_at);
  return decision;
}

Result<Decision> decide(const Context& context, const PauseReplay& command) {
  auto row = visible_replay(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  if (row->state.ended()) return has_ended(row->state);
  if (row->state.status == Replay::Status::paused) return nothing(Replay::kind, {command.id, {}});
  return one_event(context, {command.id, {}}, row->head.version,
                   schemas::ReplayPaused{row->state.project, command.reason});
}

Result<Decision> decide(const Context& context, const ResumeReplay& command) {
  auto row = visible_replay(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  if (row->state.ended()) return has_ended(row->state);
  if (row->state.status == Replay::Status::running) return nothing(Replay::kind, {command.id, {}});
  return one_event(context, {command.id, {}}, row->head.version,
                   schemas::ReplayResumed{row->state.project});
}

Result<Decision> decide(const Context& context, const CancelReplay& command) {
  auto row = visible_replay(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  if (row->state.status == Replay::Status::cancelled) {
    return nothing(Replay::kind, {command.id, {}});
  }
  if (row->state.ended()) return has_ended(row->state);
  return one_event(context, {command.id, {}}, row->head.version,
                   schemas::ReplayCancelled{row->state.project, command.reason});
}

/// Somebody may have stopped it meanwhile: then it is for them to go on with it.
Result<Decision> decide(const Context& context, const CompleteReplay& command) {
  auto row = visible_replay(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  if (row->state.status != Replay::Status::running) return nothing(Replay::kind, {command.id, {}});
  return one_event(context, {command.id, {}}, row->head.version,
                   schemas::ReplayCompleted{.project = row->state.project,
                                            .succeeded = command.succeeded,
                                            .exhausted = command.exhausted,
                                            .skipped = command.skipped});
}

}  // namespace manager
