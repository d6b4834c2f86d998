#include "projections/resource_rows.h"

#include <algorithm>

#include <fmt/format.h>

#include "projections/costs.h"
#include "projections/delivery_rows.h"
#include "projections/evolve.h"
#include "projections/reader.h"
#include "schemas/months.h"

namespace projections {

using schemas::Int128;
using schemas::Result;

namespace {

std::string text_of(const Uuid& resource) {
  return to_text(schemas::ResourceId(resource));
}

/// Rows of one kind beside the resource's: read before, written after the event.
template <typename State>
class SideRow {
 public:
  SideRow(const ResourceChange& change, Entity entity)
      : change_(change),
        scope_{change.organization, change.space, change.topic, State::kind},
        entity_(std::move(entity)) {}

  std::optional<Row<State>> read() const {
    const auto bytes = change_.rows.get(row_key(scope_, entity_));
    return bytes ? std::optional(decode_row<State>(*bytes)) : std::nullopt;
  }
  void put(const State& state) {
    const auto known = read();
    auto row = encode_row(head(known ? known->head.created_at : change_.recorded), state);
    change_.changes[history()] = row;
    change_.changes[row_key(scope_, entity_)] = std::move(row);
  }
  void erase() {
    auto gone = head(change_.recorded);
    gone.deleted = true;
    change_.changes[history()] = encode_head(gone);
    change_.changes[row_key(scope_, entity_)] = std::nullopt;
  }

 private:
  RowHead head(Time created) const {
    return {.version = change_.version,
            .created_at = created,
            .updated_at = change_.recorded,
            .offset = change_.offset};
  }
  std::string history() const {
    return history_key(scope_, entity_, change_.offset, change_.index);
  }

  const ResourceChange& change_;
  KindScope scope_;
  Entity entity_;
};

std::unexpected<schemas::Error> no_room() {
  return fail(schemas::ErrorCode::projection_frozen, "the costs of the month have no room for it");
}

void fold_usage(const ResourceChange& change) {
  const auto counted = [](const std::optional<Resource>& state) {
    return state ? QuotaUsage{1, state->counted_units()} : QuotaUsage{};
  };
  const auto before = counted(change.before);
  const auto after = counted(change.after);
  if (before.count == after.count && before.units == after.units) return;
  const auto& known = change.after ? *change.after : *change.before;
  SideRow<QuotaUsage> row(change, {{}, known.resource_kind});
  const auto used = row.read();
  auto usage = used ? used->state : QuotaUsage{};
  usage.count += after.count - before.count;
  usage.units += after.units - before.units;
  row.put(usage);
}

void fold_of_project(const ResourceChange& change) {
  if (change.before.has_value() == change.after.has_value()) return;
  const auto& known = change.after ? *change.after : *change.before;
  SideRow<ResourceOfProject> row(change,
                                 resource_of_project_entity(known.project, change.resource));
  change.after ? row.put({known.environment}) : row.erase();
}

void fold_health(const ResourceChange& change) {
  const auto* changed = std::get_if<schemas::ResourceHealthChanged>(&change.data);
  if (changed == nullptr) return;
  auto entity = health_of(change.resource);
  entity.name += fmt::format("{:016x}", ~to_number(change.version));
  SideRow<HealthReport>(change, std::move(entity))
      .put({changed->health, std::string(changed->detail.value_or("")), change.version});
}

/// Adds to what the resource has cost in one month.
template <typename Add>
Result<void> add_costs(const ResourceChange& change, schemas::Month month,
                       std::string_view currency, const Add& add) {
  const auto& known = change.before ? *change.before : *change.after;
  auto entity = costs_of_month(known.project, schemas::to_text(month));
  entity.name += text_of(change.resource);
  SideRow<ResourceCosts> row(change, std::move(entity));
  const auto before = row.read();
  auto costs = before ? before->state : ResourceCosts{known.resource_kind, {}};
  auto sum = std::ranges::lower_bound(costs.sums, currency, {}, &ResourceCosts::Sum::currency);
  if (sum == costs.sums.end() || sum->currency != currency) {
    sum = costs.sums.insert(sum, ResourceCosts::Sum{.currency = std::string(currency)});
  }
  if (!add(*sum)) return no_room();
  row.put(costs);
  return {};
}

bool add_to(Int128& sum, std::optional<Int128> more) {
  const auto after = more ? schemas::checked_add(sum, *more) : std::nullopt;
  if (after) sum = *after;
  return after.has_value();
}

/// What ran until now is closed, what runs from now on is begun.
Result<void> fold_meter(const ResourceChange& change) {
  const bool ran = change.before && change.before->is_metered();
  const bool runs = change.after && change.after->is_metered();
  const bool goes_on = ran && runs && change.before->units == change.after->units &&
                       change.before->unit_cost == change.after->unit_cost;
  if (goes_on || (!ran && !runs)) return {};
  const auto& known = change.after ? *change.after : *change.before;
  SideRow<Meter> row(change, resource_of_project_entity(known.project, change.resource));
  if (ran) {
    const auto meter = row.read();
    if (!meter) return fail(schemas::ErrorCode::projection_frozen, "its meter is missing");
    Result<void> added;
    schemas::each_month(meter->state.since, change.recorded, [&](auto month, auto time) {
      if (!added) return;
      const auto& [kind, units, cost, since] = meter->state;
      added = add_costs(change, month, cost.currency, [&](ResourceCosts::Sum& sum) {
        return add_to(sum.metered, metered(cost, units, time));
      });
    });
    if (!added) return added;
  }
  if (runs) {
    row.put({known.resource_kind, known.units, *known.unit_cost, change.recorded});
  } else {
    row.erase();
  }
  return {};
}

/// Each month's share by its time, and the rest to the last.
Result<void> fold_reported_cost(const ResourceChange& change) {
  const auto* recorded = std::get_if<schemas::ResourceCostRecorded>(&change.data);
  if (recorded == nullptr) return {};
  const auto amount = schemas::Decimal::parse(recorded->amount);
  if (!amount || recorded->to < recorded->from) return cannot_apply(change.data);
  const auto whole = recorded->to - recorded->from;
  const auto last = schemas::month_of(
      whole.count() > 0 ? recorded->to - std::chrono::milliseconds(1) : recorded->from);
  auto left = amount->billionths();
  Result<void> added;
  schemas::each_month(recorded->from, recorded->to, [&](auto month, auto time) {
    if (!added) return;
    const auto share = month == last
                           ? std::optional(left)
                           : schemas::checked_multiply(amount->billionths(), time.count());
    if (!share) {
      added = no_room();
      return;
    }
    const auto billionths = month == last ? left : schemas::divide_half_up(*share, whole.count());
    left -= billionths;
    added = add_costs(change, month, recorded->currency, [&](ResourceCosts::Sum& sum) {
      sum.digits = std::max(sum.digits, amount->digits());
      return add_to(sum.reported, billionths);
    });
  });
  return added;
}

}  // namespace

Entity resources_of(const Uuid& project) {
  return {project, "res"};
}
bool folded_beside(std::string_view kind) {
  return kind == QuotaUsage::kind || kind == ResourceOfProject::kind ||
         kind == HealthReport::kind || kind == Meter::kind || kind == ResourceCosts::kind ||
         kind == delivery_of_kind;
}

Entity resource_of_project_entity(const Uuid& project, const Uuid& resource) {
  return {project, text_of(resource)};
}
Entity costs_of_month(const Uuid& project, std::string_view month) {
  return {project, std::string(month) + "/"};
}
Entity health_of(const Uuid& resource) {
  return {resource, "health/"};
}
Uuid resource_in(const Entity& entity) {
  const auto slash = entity.name.rfind('/');
  const auto text =
      std::string_view(entity.name).substr(slash == std::string::npos ? 0 : slash + 1);
  const auto id = schemas::parse_id<schemas::ResourceTag>(text);
  ENSURE(id.has_value());
  return id->uuid();
}

Result<void> fold_resource_rows(const ResourceChange& change) {
  fold_usage(change);
  fold_of_project(change);
  fold_health(change);
  auto metered = fold_meter(change);
  return metered ? fold_reported_cost(change) : metered;
}

}  // namespace projections
