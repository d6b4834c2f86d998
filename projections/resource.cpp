#include "projections/evolve.h"

namespace projections {

using schemas::Health;
using Status = Resource::Status;

std::string_view to_text(schemas::Per per) {
  return per == schemas::Per::day ? "day" : "hour";
}

std::optional<UnitCost> to_owned(const std::optional<schemas::UnitCost>& cost) {
  if (!cost) return std::nullopt;
  return UnitCost{std::string(cost->amount), std::string(cost->currency), cost->per};
}
std::optional<schemas::UnitCost> to_view(const std::optional<UnitCost>& cost) {
  if (!cost) return std::nullopt;
  return schemas::UnitCost{cost->amount, cost->currency, cost->per};
}

std::string_view to_text(Status status) {
  switch (status) {
    case Status::provisioning:
      return "provisioning";
    case Status::active:
      return "active";
    case Status::scaling:
      return "scaling";
    case Status::failed:
      return "failed";
    case Status::deprovisioning:
      return "deprovisioning";
  }
  return "";
}

std::string_view to_text(Health health) {
  switch (health) {
    case Health::unknown:
      return "unknown";
    case Health::healthy:
      return "healthy";
    case Health::degraded:
      return "degraded";
    case Health::unhealthy:
      return "unhealthy";
  }
  return "";
}

namespace {

/// A price that no meter could count, or of a newer version of the program.
bool is_countable(const std::optional<schemas::UnitCost>& cost) {
  if (!cost) return true;
  const auto amount = schemas::Decimal::parse(cost->amount);
  return amount && amount->billionths() >= 0 &&
         amount->billionths() <= unit_cost_max.billionths() && cost->per <= schemas::Per::day;
}

Resource requested(const schemas::ResourceRequested& asked) {
  return {.project = asked.project,
          .environment = std::string(asked.environment),
          .resource_kind = std::string(asked.kind),
          .name = std::string(asked.name),
          .requested_units = asked.units,
          .spec = std::string(asked.spec),
          .outputs = "{}",
          .health_detail = {},
          .detail = {},
          .external = asked.external,
          .unit_cost = {},
          .requested_unit_cost = to_owned(asked.unit_cost)};
}

/// What the provisioner said last stands until it says something else.
template <typename Report>
void take_report(Resource& state, const Report& report) {
  state.observed = report.observed;
  state.detail = report.detail.value_or("");
  if constexpr (requires { report.outputs; }) {
    if (report.outputs) state.outputs = *report.outputs;
  }
}

/// The units asked for, at the price they were asked for at.
void put_in_force(Resource& state) {
  state.status = Status::active;
  state.units = state.requested_units;
  state.unit_cost = state.requested_unit_cost;
}

bool is_one_of(Status status, std::initializer_list<Status> these) {
  return std::ranges::find(these, status) != these.end();
}

/// What a provisioner's report comes to; false: not in this state.
bool apply_report(Resource& state, const EventData& data) {
  const auto status = state.status;
  if (const auto* activated = std::get_if<schemas::ResourceActivated>(&data)) {
    if (status != Status::provisioning) return false;
    put_in_force(state);
    take_report(state, *activated);
    return true;
  }
  if (const auto* scaled = std::get_if<schemas::ResourceScaled>(&data)) {
    if (status != Status::scaling) return false;
    put_in_force(state);
    take_report(state, *scaled);
    return true;
  }
  if (const auto* failed = std::get_if<schemas::ResourceFailed>(&data)) {
    if (!is_one_of(status, {Status::provisioning, Status::scaling})) return false;
    state.status = Status::failed;
    take_report(state, *failed);
    return true;
  }
  return false;
}

/// What somebody asks of a resource; false: not in this state.
bool apply_wish(Resource& state, const EventData& data) {
  if (const auto* scale = std::get_if<schemas::ResourceScaleRequested>(&data)) {
    if (state.status != Status::active || scale->units > units_max) return false;
    state.status = Status::scaling;
    state.requested_units = scale->units;
    state.requested_unit_cost = to_owned(scale->unit_cost);
    return is_countable(scale->unit_cost);
  }
  if (const auto* configured = std::get_if<schemas::ResourceConfigured>(&data)) {
    state.spec = configured->spec;
    return state.status != Status::deprovisioning;
  }
  if (std::holds_alternative<schemas::ResourceDeprovisionRequested>(data)) {
    if (state.status == Status::deprovisioning) return false;
    state.status = Status::deprovisioning;
    return true;
  }
  return false;
}

}  // namespace

Result<std::optional<ResourceKind>> evolve(std::optional<ResourceKind>, const EventData& data,
                                           const Moment&) {
  const auto* changed = std::get_if<schemas::ResourceKindChanged>(&data);
  if (changed == nullptr || !is_countable(changed->unit_cost)) return cannot_apply(data);
  return ResourceKind{.external = changed->external, .unit_cost = to_owned(changed->unit_cost)};
}

Result<std::optional<Quota>> evolve(std::optional<Quota>, const EventData& data, const Moment&) {
  const auto* changed = std::get_if<schemas::QuotaChanged>(&data);
  if (changed == nullptr) return cannot_apply(data);
  return Quota{.count = changed->count, .units = changed->units};
}

Result<std::optional<Resource>> evolve(std::optional<Resource> state, const EventData& data,
                                       const Moment& moment) {
  if (const auto* asked = std::get_if<schemas::ResourceRequested>(&data); asked && !state) {
    if (!is_countable(asked->unit_cost) || asked->units > units_max) return cannot_apply(data);
    auto made = requested(*asked);
    made.changed = moment.version;
    return made;
  }
  if (!state) return cannot_apply(data);
  if (std::holds_alternative<schemas::ResourceCostRecorded>(data)) return state;
  if (const auto* changed = std::get_if<schemas::ResourceHealthChanged>(&data)) {
    if (changed->health > Health::unhealthy) return cannot_apply(data);
    state->health = changed->health;
    state->health_detail = changed->detail.value_or("");
    return state;
  }
  if (std::holds_alternative<schemas::ResourceDeprovisioned>(data)) {
    if (state->status != Status::deprovisioning) return cannot_apply(data);
    return std::optional<Resource>();
  }
  if (!apply_report(*state, data) && !apply_wish(*state, data)) return cannot_apply(data);
  state->changed = moment.version;
  return state;
}

}  // namespace projections
