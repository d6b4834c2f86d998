#include "manager/decide.h"

/// Pipelines: made, changed, stopped and gone on with.
namespace manager {

using projections::Endpoint;
using projections::Pipeline;

namespace {

Result<projections::Row<Pipeline>> visible_pipeline(const Context& context, const Uuid& id) {
  auto row = context.view.get<Pipeline>(context.topic, {id, {}});
  if (!row || !may_see_of(context, row->state.project)) {
    return fail(ErrorCode::not_found, "there is no pipeline with this id");
  }
  auto matched = check_if_match(context, row->head.version);
  if (!matched) return std::unexpected(std::move(matched).error());
  return std::move(*row);
}

/// What it refers to is there, and goes together: an endpoint of a project is sent what is of that.
Result<void> check_references(const Context& context, const std::optional<Uuid>& project,
                              const std::optional<Uuid>& endpoint, Decision::LookedAt& looked_at) {
  if (auto checked = check_project(context, project, looked_at); !checked) return checked;
  if (!endpoint) return {};
  const auto row = context.view.get<Endpoint>(context.topic, {*endpoint, {}});
  if (!row || !may_see_of(context, row->state.project)) {
    return schemas::invalid_field("/sink/endpoint_id", "there is no endpoint with this id");
  }
  if (row->state.project && row->state.project != project) {
    return schemas::invalid_field("/project_id", "must be the project of the endpoint");
  }
  return {};
}

/// Without its endpoint, or where that is another project's now, it would be paused again.
Result<void> check_endpoint(const Context& context, const Pipeline& pipeline) {
  if (!pipeline.endpoint) return {};
  const auto row = context.view.get<Endpoint>(context.topic, {*pipeline.endpoint, {}});
  if (!row) {
    return wrong_state("its endpoint was deleted; make another pipeline", to_text(pipeline.status));
  }
  const auto& project = row->state.project;
  if (!project || project == pipeline.project) return {};
  return wrong_state("its endpoint was moved to another project; move one of them",
                     to_text(pipeline.status));
}

}  // namespace

Result<Decision> decide(const Context& context, const CreatePipeline& command) {
  Decision::LookedAt looked_at{context.topic, context.organization};
  auto checked = check_references(context, command.project, command.endpoint, looked_at);
  if (!checked) return std::unexpected(std::move(checked).error());
  auto room = check_room(context, Pipeline::kind, pipelines_max, "pipelines");
  if (!room) return std::unexpected(std::move(room).error());
  auto decision = one_event(context, {context.new_id(), {}}, Version{},
                            schemas::PipelineCreated{.project = command.project,
                                                     .endpoint = command.endpoint,
                                                     .config = command.config,
                                                     .start = command.start,
                                                     .paused = command.paused});
  if (command.project) decision.looked_at.push_back(looked_at);
  return decision;
}

Result<Decision> decide(const Context& context, const ChangePipeline& command) {
  auto row = visible_pipeline(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  if (row->head.version != command.based_on) return moved_on(command.based_on, row->head.version);
  Decision::LookedAt looked_at{context.topic, context.organization};
  auto checked = check_references(context, command.project, row->state.endpoint, looked_at);
  if (!checked) return std::unexpected(std::move(checked).error());
  const bool same = row->state.config == command.config && row->state.project == command.project;
  if (same) return nothing(Pipeline::kind, {command.id, {}});
  auto decision = one_event(context, {command.id, {}}, row->head.version,
                            schemas::PipelineChanged{command.project, command.config});
  if (command.project) decision.looked_at.push_back(looked_at);
  return decision;
}

Result<Decision> decide(const Context& context, const PausePipeline& command) {
  auto row = visible_pipeline(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  if (row->state.status == Pipeline::Status::paused) {
    return nothing(Pipeline::kind, {command.id, {}});
  }
  return one_event(context, {command.id, {}}, row->head.version,
                   schemas::PipelinePaused{row->state.project, command.reason});
}

Result<Decision> decide(const Context& context, const ResumePipeline& command) {
  auto row = visible_pipeline(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  const bool active = row->state.status == Pipeline::Status::active;
  if (active && !command.start) return nothing(Pipeline::kind, {command.id, {}});
  if (auto there = check_endpoint(context, row->state); !there) {
    return std::unexpected(std::move(there).error());
  }
  std::optional<std::string_view> start;
  if (command.start) start = *command.start;
  return one_event(context, {command.id, {}}, row->head.version,
                   schemas::PipelineResumed{row->state.project, start});
}

Result<Decision> decide(const Context& context, const DeletePipeline& command) {
  auto row = visible_pipeline(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  return one_event(context, {command.id, {}}, row->head.version,
                   schemas::PipelineDeleted{row->state.project});
}

}  // namespace manager
