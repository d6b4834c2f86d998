#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "projections/reader.h"
#include "schemas/decimal.h"
#include "schemas/months.h"

/// What resources cost: exact until an answer is given, and rounded once there.
///
/// What is reported counts as it was written; one that stretches over several months is split by
/// time, to the billionth, and the last month takes the rest. What is metered is price × units ×
/// time. Time is in milliseconds and prices are in billionths, so price × units × time is a whole
/// number of (billionths per day) × milliseconds, which is what rows keep. An answer divides the
/// sum by a day's milliseconds and rounds it half up to the billionth: a total is the rounded sum,
/// not the sum of what was rounded.
namespace projections {

inline constexpr schemas::Int128 day_milliseconds = 86'400'000;

/// In (billionths per day) × milliseconds; empty when it has no room.
std::optional<schemas::Int128> metered(const UnitCost& cost, std::uint64_t units,
                                       std::chrono::milliseconds time);

/// A sum of reported and metered costs of one currency.
class CostSum {
 public:
  /// False: no room.
  bool add(const ResourceCosts::Sum& sum);
  bool add_metered(schemas::Int128 numerator);
  schemas::Decimal rounded() const;

 private:
  schemas::Int128 billionths_ = 0;
  schemas::Int128 rest_ = 0;  // (billionths per day) × milliseconds, beside the whole billionths
  std::uint8_t digits_ = 0;
};

/// Sums by currency.
using CostSums = std::map<std::string, CostSum, std::less<>>;

struct MonthCosts {
  CostSums total;
  std::map<std::string, CostSums, std::less<>> by_kind;
  std::map<Uuid, CostSums> by_resource;
};

struct CostsAsked {
  TopicId topic;
  Uuid project;
  schemas::Month month;
  Time until;                         // what runs is counted up to here
  std::optional<std::int64_t> as_of;  // inclusive offset
};
/// Empty when a sum has no room.
std::optional<MonthCosts> costs_of(const Reader& reader, const CostsAsked& asked);

}  // namespace projections
