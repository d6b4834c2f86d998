#include "projections/costs.h"

#include <algorithm>

#include "projections/resource_rows.h"

namespace projections {

using schemas::checked_add;
using schemas::checked_multiply;
using schemas::Int128;

std::optional<Int128> metered(const UnitCost& cost, std::uint64_t units,
                              std::chrono::milliseconds time) {
  const auto amount = schemas::Decimal::parse(cost.amount);
  if (!amount) return std::nullopt;
  const Int128 periods = cost.per == schemas::Per::day ? 1 : 24;
  auto product = checked_multiply(amount->billionths() * periods, units);
  return product ? checked_multiply(*product, time.count()) : std::nullopt;
}

bool CostSum::add_metered(Int128 numerator) {
  // Whole billionths apart, so that sums of many have room.
  const auto sum = checked_add(billionths_, numerator / day_milliseconds);
  if (!sum) return false;
  billionths_ = *sum;
  rest_ += numerator % day_milliseconds;
  return true;
}

bool CostSum::add(const ResourceCosts::Sum& sum) {
  const auto reported = checked_add(billionths_, sum.reported);
  if (!reported) return false;
  billionths_ = *reported;
  digits_ = std::max(digits_, sum.digits);
  return add_metered(sum.metered);
}

schemas::Decimal CostSum::rounded() const {
  return {billionths_ + schemas::divide_half_up(rest_, day_milliseconds), digits_};
}

namespace {

/// Everything that one entry counts for.
struct Sums {
  MonthCosts costs;

  template <typename Add>
  bool each(const std::string& kind, const Uuid& resource, const std::string& currency,
            const Add& add) {
    return add(costs.total[currency]) && add(costs.by_kind[kind][currency]) &&
           add(costs.by_resource[resource][currency]);
  }
};

std::vector<FoundRow> rows_below(const Reader& reader, const CostsAsked& asked,
                                 std::string_view kind, Entity parent) {
  return reader
      .list(asked.topic, kind, true,
            {.after = {},
             .limit = std::numeric_limits<std::size_t>::max(),
             .as_of = asked.as_of,
             .below = std::move(parent),
             .filter = {}})
      .rows;
}

}  // namespace

std::optional<MonthCosts> costs_of(const Reader& reader, const CostsAsked& asked) {
  Sums sums;
  bool room = true;
  const auto month = schemas::to_text(asked.month);
  for (const auto& found :
       rows_below(reader, asked, ResourceCosts::kind, costs_of_month(asked.project, month))) {
    const auto costs = decode_row<ResourceCosts>(found.bytes).state;
    for (const auto& sum : costs.sums) {
      room = room && sums.each(costs.resource_kind, resource_in(found.entity), sum.currency,
                               [&](CostSum& into) { return into.add(sum); });
    }
  }
  const auto month_ends = std::min(asked.until, schemas::end_of(asked.month));
  for (const auto& found : rows_below(reader, asked, Meter::kind, resources_of(asked.project))) {
    const auto meter = decode_row<Meter>(found.bytes).state;
    const auto from = std::max(meter.since, schemas::begin_of(asked.month));
    if (from >= month_ends) continue;
    const auto numerator = metered(meter.unit_cost, meter.units, month_ends - from);
    room = room && numerator &&
           sums.each(meter.resource_kind, resource_in(found.entity), meter.unit_cost.currency,
                     [&](CostSum& into) { return into.add_metered(*numerator); });
  }
  if (!room) return std::nullopt;
  return std::move(sums.costs);
}

}  // namespace projections
