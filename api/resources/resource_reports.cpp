#include "api/resources/resource_reports.h"

#include "api/resources/answers.h"
#include "api/resources/lists.h"
#include "api/resources/pool.h"
#include "api/resources/projects.h"
#include "api/resources/reading.h"
#include "api/resources/resource_fields.h"
#include "projections/costs.h"
#include "projections/resource_rows.h"
#include "schemas/json_writer.h"
#include "schemas/time.h"

namespace api::resources {
namespace {

using manager::Reported;
using projections::FoundRow;
using projections::HealthReport;
using projections::Resource;
using schemas::Entity;
using schemas::Health;
using schemas::ProjectId;
using schemas::ResourceId;
using schemas::Uuid;
using schemas::json::Writer;

constexpr std::chrono::days cost_stretch_max{366};

Result<manager::ReportResource> parse_report(const Uuid& id, Value body) {
  ObjectReader reader(body);
  manager::ReportResource command{.id = id};
  command.state = reader.choice<Reported>("state", {{"active", Reported::active},
                                                    {"failed", Reported::failed},
                                                    {"deprovisioned", Reported::deprovisioned}});
  command.observed =
      schemas::Version{static_cast<std::uint64_t>(reader.integer("observed_version", {.min = 1}))};
  command.detail = read_detail(reader, "detail");
  command.outputs = read_free_object(reader, "outputs");
  auto read = reader.finish();
  if (!read) return std::unexpected(std::move(read).error());
  return command;
}

Result<manager::ReportHealth> parse_health(const Uuid& id, Value body) {
  ObjectReader reader(body);
  manager::ReportHealth command{.id = id};
  command.health = reader.choice<Health>("health", {{"healthy", Health::healthy},
                                                    {"degraded", Health::degraded},
                                                    {"unhealthy", Health::unhealthy}});
  command.detail = read_detail(reader, "detail");
  auto read = reader.finish();
  if (!read) return std::unexpected(std::move(read).error());
  return command;
}

Result<manager::RecordCost> parse_cost(const Uuid& id, Value body) {
  ObjectReader reader(body);
  manager::RecordCost command{.id = id};
  command.amount = read_amount(reader, AmountRule::any);
  command.currency = read_currency(reader);
  command.from = reader.time("from");
  command.to = reader.time("to");
  command.note = read_detail(reader, "note");
  if (command.to < command.from) reader.wrong("to", "must not be before `from`");
  if (command.to - command.from > cost_stretch_max) {
    reader.wrong("to", "may be a year behind `from` at most; record a longer time in pieces");
  }
  auto read = reader.finish();
  if (!read) return std::unexpected(std::move(read).error());
  return command;
}

/// A resource that is gone, as it was at its end.
std::string gone_json(const Ask& ask, const Entity& entity) {
  const auto place = ask.resources();
  const projections::Reader reader(ask.services.rows, place.organization, place.space);
  const auto last =
      reader.events_of(place.topic, Resource::kind, entity,
                       {.behind = {}, .direction = projections::Direction::descending, .limit = 1});
  if (last.empty()) return "{}";
  const auto end = static_cast<std::int64_t>(last.front().offset);
  const auto before = reader.find_as_of(place.topic, Resource::kind, entity, end - 1);
  if (!before) return "{}";
  auto row = projections::decode_row<Resource>(*before);
  row.head.version = last.front().version;
  row.head.deleted = true;
  row.state.units = row.state.requested_units = 0;
  std::string json;
  render_resource(json, place.organization, {entity, projections::encode_row(row.head, row.state)});
  return json;
}

/// Runs what somebody says of a resource and answers what it is afterwards.
Answer say(Ask& ask, manager::Command command) {
  auto outcome = co_await write(ask, ask.here(), std::move(command));
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  if (outcome->row.empty()) {
    co_return http::json_response(200, gone_json(ask, outcome->subject));
  }
  std::string json;
  render_resource(json, ask.caller().organization, {outcome->subject, outcome->row});
  co_return changed(*outcome, std::move(json));
}

void render_health(std::string& out, const FoundRow& found) {
  const auto row = projections::decode_row<HealthReport>(found.bytes);
  const auto& detail = row.state.detail;
  Writer(out)
      .begin_object()
      .member("health", projections::to_text(row.state.health))
      .member("detail", detail.empty() ? std::nullopt : std::optional<std::string_view>(detail))
      .member("reported_at", row.head.created_at)
      .member("version", to_number(row.state.version))
      .end_object();
}

// ---- costs ----

/// The moment up to which what runs is counted: that which the answer reflects.
schemas::Time moment_of(const Ask& ask, const Reading& reading) {
  const auto asked = ask.request.parameter("as_of");
  if (asked) {
    if (const auto time = schemas::parse_time(*asked)) return *time;
    return reading.reader().recorded_at(reading.place().topic, *reading.as_of());
  }
  const auto log = ask.services.topics.log_of(reading.place().topic, reading.place().organization);
  return std::max(ask.services.clock.wall(), ask.services.progress.applied(log).recorded);
}

void write_sums(Writer& writer, const projections::CostSums& sums, std::string_view name,
                const std::string& value) {
  for (const auto& [currency, sum] : sums) {
    writer.begin_object();
    if (!name.empty()) writer.member(name, value);
    writer.member("currency", currency).member("amount", sum.rounded().text()).end_object();
  }
}

std::string costs_json(const projections::CostsAsked& asked, const projections::MonthCosts& costs) {
  std::string json;
  Writer writer(json);
  writer.begin_object()
      .member("project_id", to_text(ProjectId(asked.project)))
      .member("month", schemas::to_text(asked.month))
      .member("until", asked.until)
      .name("total")
      .begin_array();
  write_sums(writer, costs.total, {}, {});
  writer.end_array().name("by_kind").begin_array();
  for (const auto& [kind, sums] : costs.by_kind) write_sums(writer, sums, "kind", kind);
  writer.end_array().name("by_resource").begin_array();
  for (const auto& [resource, sums] : costs.by_resource) {
    write_sums(writer, sums, "resource_id", to_text(ResourceId(resource)));
  }
  writer.end_array().end_object();
  return json;
}

}  // namespace

// POST /v2/resources/{resource_id}/reports
Answer report_resource(Ask& ask) {
  auto id = resource_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto command = parse_report(*id, ask.body());
  if (!command) co_return std::unexpected(std::move(command).error());
  co_return co_await say(ask, std::move(*command));
}

// POST /v2/resources/{resource_id}/health
Answer report_health(Ask& ask) {
  auto id = resource_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto command = parse_health(*id, ask.body());
  if (!command) co_return std::unexpected(std::move(command).error());
  co_return co_await say(ask, std::move(*command));
}

// GET /v2/resources/{resource_id}/health
Answer list_health(Ask& ask) {
  auto id = resource_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  ListSpec spec{.kind = HealthReport::kind,
                .below = projections::health_of(*id),
                .keep = {},
                .render = render_health};
  spec.admit = [&ask, id = *id](Reading& reading) -> Result<void> {
    const auto row = reading.find(Resource::kind, {id, {}});
    const bool seen =
        row && ask.caller().sees_project(projections::decode_row<Resource>(*row).state.project);
    if (!seen) return no_resource();
    return {};
  };
  co_return co_await list_answer(ask, ask.resources(), std::move(spec));
}

// POST /v2/resources/{resource_id}/costs
Answer record_cost(Ask& ask) {
  auto id = resource_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto command = parse_cost(*id, ask.body());
  if (!command) co_return std::unexpected(std::move(command).error());
  co_return co_await say(ask, std::move(*command));
}

// GET /v2/projects/{project_id}/costs
Answer get_costs(Ask& ask) {
  auto project = project_in_path(ask);
  if (!project) co_return std::unexpected(std::move(project).error());
  const auto asked = ask.request.parameter("month");
  const auto month = asked ? schemas::parse_month(*asked) : std::nullopt;
  if (asked && !month) co_return edge::wrong_parameter("month", "must be a month such as 2026-11");
  auto reading = co_await open_reading(ask, ask.resources(), View::snapshot);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  // What a deleted project has cost is still owed.
  const auto known =
      reading->reader().existence(ask.projects().topic, projections::Project::kind, {*project, {}});
  if (known.version == schemas::Version{}) co_return edge::not_found("project with this id");
  const auto until = moment_of(ask, *reading);
  const projections::CostsAsked costs{.topic = reading->place().topic,
                                      .project = *project,
                                      .month = month.value_or(schemas::month_of(until)),
                                      .until = until,
                                      .as_of = reading->as_of()};
  auto read = [&]() -> Result<std::string> {
    const auto found = projections::costs_of(reading->reader(), costs);
    if (!found) {
      return schemas::fail(schemas::ErrorCode::internal, "the sum of the costs has no room");
    }
    return costs_json(costs, *found);
  };
  auto json = co_await answer_on(ask.services.scans, read);
  if (!json) co_return std::unexpected(std::move(json).error());
  co_return http::json_response(200, std::move(*json));
}

}  // namespace api::resources
