#include <fmt/format.h>

#include "manager/decide.h"
#include "schemas/json_writer.h"

/// What provisioners say of resources. They report what is, so an archived or deleted project does
/// not silence them.
namespace manager {
namespace {

using projections::Resource;
using projections::Row;
using Status = Resource::Status;

std::string_view to_text(Reported reported) {
  switch (reported) {
    case Reported::active:
      return "active";
    case Reported::failed:
      return "failed";
    case Reported::deprovisioned:
      return "deprovisioned";
  }
  return "";
}

std::optional<std::string_view> view_of(const std::optional<std::string>& text) {
  return text ? std::optional<std::string_view>(*text) : std::nullopt;
}

/// A provisioner that was killed behind its report and says it again.
bool said_before(const Resource& state, const ReportResource& report) {
  if (state.observed != report.observed) return false;
  return (report.state == Reported::active && state.status == Status::active) ||
         (report.state == Reported::failed && state.status == Status::failed);
}

/// Whoever reports must have seen the last thing that was asked for or reported. Health and costs
/// make later versions too, but change nothing of what is to be done.
Result<void> check_observed(const Row<Resource>& row, const ReportResource& report) {
  const auto current = to_number(row.head.version);
  if (report.observed > row.head.version) {
    return schemas::invalid_field("/observed_version",
                                  fmt::format("is no version yet: the resource is at {}", current));
  }
  if (report.observed >= row.state.changed) return {};
  return fail(schemas::Error{
      ErrorCode::stale_report,
      fmt::format("the report is about version {}, and version {} asked for something else: look "
                  "at the resource again; the current version is {}",
                  to_number(report.observed), to_number(row.state.changed), current),
      {},
      {{"current_version", std::to_string(current)}}});
}

/// What the report comes to; empty: not from this state.
std::optional<schemas::EventData> event_of(const Resource& state, const ReportResource& report) {
  const auto detail = view_of(report.detail);
  const auto outputs = view_of(report.outputs);
  const auto& project = state.project;
  const auto status = state.status;
  if (report.state == Reported::active && status == Status::provisioning) {
    return schemas::ResourceActivated{project, report.observed, outputs, detail};
  }
  if (report.state == Reported::active && status == Status::scaling) {
    return schemas::ResourceScaled{project, report.observed, outputs, detail};
  }
  if (report.state == Reported::failed &&
      (status == Status::provisioning || status == Status::scaling)) {
    return schemas::ResourceFailed{project, report.observed, detail};
  }
  if (report.state == Reported::deprovisioned && status == Status::deprovisioning) {
    return schemas::ResourceDeprovisioned{project, report.observed, detail};
  }
  return std::nullopt;
}

}  // namespace

Result<Decision> decide(const Context& context, const ReportResource& command) {
  const Entity entity{command.id, {}};
  const auto row = visible_resource(context, command.id);
  if (!row) {
    const auto known = context.view.existence(context.topic, Resource::kind, entity);
    const bool was_there = !known.there && known.version != Version{};
    const bool repeats = command.state == Reported::deprovisioned && was_there;
    // Whose project it was is not known any more: a restricted key learns nothing.
    const bool restricted = context.rights != nullptr && context.rights->projects;
    if (!repeats || restricted) return std::unexpected(row.error());
    return nothing(Resource::kind, entity);
  }
  if (said_before(row->state, command)) return nothing(Resource::kind, entity);
  if (auto checked = check_observed(*row, command); !checked) {
    return std::unexpected(std::move(checked).error());
  }
  auto event = event_of(row->state, command);
  if (!event) {
    return fail(ErrorCode::invalid_transition,
                fmt::format("a resource that is {} does not become {} by a report",
                            to_text(row->state.status), to_text(command.state)));
  }
  return one_event(context, entity, row->head.version, std::move(*event));
}

Result<Decision> decide(const Context& context, const ReportHealth& command) {
  const Entity entity{command.id, {}};
  const auto row = visible_resource(context, command.id);
  if (!row) return std::unexpected(row.error());
  const auto& state = row->state;
  const bool same =
      state.health == command.health && state.health_detail == command.detail.value_or("");
  if (same) return nothing(Resource::kind, entity);
  return one_event(
      context, entity, row->head.version,
      schemas::ResourceHealthChanged{state.project, command.health, view_of(command.detail)});
}

Result<Decision> decide(const Context& context, const RecordCost& command) {
  const Entity entity{command.id, {}};
  const auto row = visible_resource(context, command.id);
  if (!row) return std::unexpected(row.error());
  return one_event(context, entity, row->head.version,
                   schemas::ResourceCostRecorded{.project = row->state.project,
                                                 .amount = command.amount,
                                                 .currency = command.currency,
                                                 .from = command.from,
                                                 .to = command.to,
                                                 .note = view_of(command.note)});
}

}  // namespace manager
