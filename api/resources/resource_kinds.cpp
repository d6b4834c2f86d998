#include "api/resources/resource_kinds.h"

#include "api/resources/answers.h"
#include "api/resources/lists.h"
#include "api/resources/reading.h"
#include "api/resources/resource_event_json.h"
#include "api/resources/resource_fields.h"
#include "schemas/json_writer.h"

namespace api::resources {
namespace {

using projections::FoundRow;
using projections::Quota;
using projections::QuotaUsage;
using projections::ResourceKind;
using schemas::Entity;
using schemas::json::Writer;

/// The kind in the path, if it could be one's name.
Result<std::string> kind_in_path(const Ask& ask, std::string_view what) {
  const auto name = ask.request.captured("kind");
  if (!is_slug(name)) return edge::not_found(what);
  return std::string(name);
}

void render_kind(std::string& out, const FoundRow& found) {
  const auto row = projections::decode_row<ResourceKind>(found.bytes);
  Writer writer(out);
  writer.begin_object()
      .member("kind", found.entity.name)
      .member("provisioner", provisioner_text(row.state.external));
  write_unit_cost(writer, projections::to_view(row.state.unit_cost));
  write_times(writer, row.head).end_object();
}

void render_quota(std::string& out, const FoundRow& found, const QuotaUsage& used) {
  const auto row = projections::decode_row<Quota>(found.bytes);
  Writer writer(out);
  writer.begin_object()
      .member("kind", found.entity.name)
      .member("count", row.state.count)
      .member("units", row.state.units)
      .member("used_count", used.count)
      .member("used_units", used.units);
  write_times(writer, row.head).end_object();
}

/// What there is of a kind, at an offset or now.
QuotaUsage usage_of(const projections::Reader& reader, TopicId topic, const std::string& kind,
                    std::optional<std::int64_t> as_of) {
  const Entity entity{{}, kind};
  const auto row = as_of ? reader.find_as_of(topic, QuotaUsage::kind, entity, *as_of)
                         : reader.find(topic, QuotaUsage::kind, entity);
  return row ? projections::decode_row<QuotaUsage>(*row).state : QuotaUsage{};
}

Result<manager::PutResourceKind> parse_kind(std::string name, Value body) {
  ObjectReader reader(body);
  manager::PutResourceKind command{.name = std::move(name)};
  command.external = reader.choice<bool>("provisioner", {{"none", false}, {"external", true}});
  reader.optional_object("unit_cost", [&](ObjectReader& cost) {
    command.unit_cost = projections::UnitCost{
        .amount = read_amount(cost, AmountRule::unit_cost),
        .currency = read_currency(cost),
        .per = cost.choice<schemas::Per>(
            "per", {{"hour", schemas::Per::hour}, {"day", schemas::Per::day}})};
  });
  auto read = reader.finish();
  if (!read) return std::unexpected(std::move(read).error());
  return command;
}

Result<manager::PutQuota> parse_quota(std::string kind, Value body) {
  ObjectReader reader(body);
  manager::PutQuota command{.kind = std::move(kind)};
  const schemas::json::IntegerRule rule{.min = 0, .max = quota_max};
  command.count = static_cast<std::uint64_t>(reader.integer("count", rule));
  command.units = static_cast<std::uint64_t>(reader.integer("units", rule));
  auto read = reader.finish();
  if (!read) return std::unexpected(std::move(read).error());
  return command;
}

bool is_first(const manager::Outcome& outcome) {
  return !outcome.unchanged &&
         projections::decode_head(outcome.row, nullptr).version == schemas::Version{1};
}

}  // namespace

// PUT /v2/resource-kinds/{kind}
Answer put_resource_kind(Ask& ask) {
  auto name = kind_in_path(ask, "kind of resources of this name");
  if (!name) co_return std::unexpected(std::move(name).error());
  auto command = parse_kind(std::move(*name), ask.body());
  if (!command) co_return std::unexpected(std::move(command).error());
  auto outcome =
      co_await write(ask, {schemas::platform_organization, Space::live}, std::move(*command));
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  std::string json;
  render_kind(json, {outcome->subject, outcome->row});
  if (!is_first(*outcome)) co_return changed(*outcome, std::move(json));
  co_return created(*outcome, ask.request.path, std::move(json));
}

// GET /v2/resource-kinds
Answer list_resource_kinds(Ask& ask) {
  return list_answer(
      ask, ask.resource_kinds(),
      {.kind = ResourceKind::kind, .has_id = false, .keep = {}, .render = render_kind});
}

// GET /v2/resource-kinds/{kind}
Answer get_resource_kind(Ask& ask) {
  auto name = kind_in_path(ask, "kind of resources of this name");
  if (!name) co_return std::unexpected(std::move(name).error());
  auto reading = co_await open_reading(ask, ask.resource_kinds(), View::row);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  Entity entity{{}, std::move(*name)};
  auto row = reading->find(ResourceKind::kind, entity);
  if (!row) co_return edge::not_found("kind of resources of this name");
  const auto version = projections::decode_head(*row, nullptr).version;
  std::string json;
  render_kind(json, {std::move(entity), std::move(*row)});
  co_return entity_answer(ask, version, std::move(json));
}

// PUT /v2/quotas/{kind}
Answer put_quota(Ask& ask) {
  auto kind = kind_in_path(ask, "quota of this kind");
  if (!kind) co_return std::unexpected(std::move(kind).error());
  auto command = parse_quota(std::move(*kind), ask.body());
  if (!command) co_return std::unexpected(std::move(command).error());
  const auto place = ask.resources();
  auto outcome = co_await write(ask, {place.organization, place.space}, std::move(*command));
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  const projections::Reader reader(ask.services.rows, place.organization, place.space);
  const auto used = usage_of(reader, place.topic, outcome->subject.name, outcome->position.offset);
  std::string json;
  render_quota(json, {outcome->subject, outcome->row}, used);
  if (!is_first(*outcome)) co_return changed(*outcome, std::move(json));
  co_return created(*outcome, ask.request.path, std::move(json));
}

// GET /v2/quotas
Answer list_quotas(Ask& ask) {
  // Known once the list is let in.
  const Reading* reading = nullptr;
  ListSpec spec{.kind = Quota::kind, .has_id = false};
  spec.admit = [&reading](Reading& opened) -> Result<void> {
    reading = &opened;
    return {};
  };
  // A quota is of the whole organization.
  if (ask.caller().restricted()) spec.keep = [](const FoundRow&) { return false; };
  spec.render = [&reading](std::string& out, const FoundRow& found) {
    render_quota(
        out, found,
        usage_of(reading->reader(), reading->place().topic, found.entity.name, reading->as_of()));
  };
  co_return co_await list_answer(ask, ask.resources(), std::move(spec));
}

// GET /v2/quotas/{kind}
Answer get_quota(Ask& ask) {
  auto kind = kind_in_path(ask, "quota of this kind");
  if (!kind) co_return std::unexpected(std::move(kind).error());
  if (ask.caller().restricted()) co_return edge::not_found("quota of this kind");
  auto reading = co_await open_reading(ask, ask.resources(), View::snapshot);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  Entity entity{{}, std::move(*kind)};
  auto row = reading->find(Quota::kind, entity);
  if (!row) co_return edge::not_found("quota of this kind");
  const auto version = projections::decode_head(*row, nullptr).version;
  const auto used =
      usage_of(reading->reader(), reading->place().topic, entity.name, reading->as_of());
  std::string json;
  render_quota(json, {std::move(entity), std::move(*row)}, used);
  auto response = http::json_response(200, std::move(json));
  response.add_header("ETag", edge::etag(version));
  co_return response;
}

}  // namespace api::resources
