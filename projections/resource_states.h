#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/decimal.h"
#include "schemas/events.h"
#include "schemas/ids.h"

/// The states of product `resources`: kinds, quotas, resources, and what is folded beside them
/// (resource_rows.h).
namespace projections {

using schemas::Time;
using schemas::Uuid;

/// What a unit costs. The amount is a decimal number that fits `unit_cost_max`.
struct UnitCost {
  std::string amount;
  std::string currency;
  schemas::Per per = schemas::Per::hour;
  static void members(auto& self, auto& visit) {
    visit(self.amount);
    visit(self.currency);
    visit(self.per);
  }
  friend bool operator==(const UnitCost&, const UnitCost&) = default;
};
std::optional<UnitCost> to_owned(const std::optional<schemas::UnitCost>& cost);
std::optional<schemas::UnitCost> to_view(const std::optional<UnitCost>& cost);
std::string_view to_text(schemas::Per per);
/// So many units, at such a price, for a month fit Int128 with room to spare.
inline constexpr std::uint64_t units_max = 1'000'000'000;
inline constexpr schemas::Decimal unit_cost_max{schemas::Int128{1'000'000} * schemas::Decimal::one,
                                                0};

struct ResourceKind {
  static constexpr std::string_view kind = "resource_kind";
  bool external = false;  // a provisioner makes them
  std::optional<UnitCost> unit_cost;
  static void members(auto& self, auto& visit) {
    visit(self.external);
    visit(self.unit_cost);
  }
};

struct Quota {
  static constexpr std::string_view kind = "quota";
  std::uint64_t count = 0;
  std::uint64_t units = 0;
  static void members(auto& self, auto& visit) {
    visit(self.count);
    visit(self.units);
  }
};

struct Resource {
  static constexpr std::string_view kind = "resource";
  enum class Status : std::uint8_t { provisioning, active, scaling, failed, deprovisioning };
  Uuid project;
  std::string environment;
  std::string resource_kind;
  std::string name;
  Status status = Status::provisioning;
  schemas::Health health = schemas::Health::unknown;
  std::uint64_t units = 0;  // in force
  std::uint64_t requested_units = 0;
  std::string spec;     // JSON
  std::string outputs;  // JSON
  std::string health_detail;
  std::string detail;  // of the last report
  bool external = false;
  std::optional<UnitCost> unit_cost;            // of the units in force
  std::optional<UnitCost> requested_unit_cost;  // of those asked for
  schemas::Version changed{};                   // by the last event that a provisioner must know of
  schemas::Version observed{};                  // by the last report
  static void members(auto& self, auto& visit) {
    visit(self.project);
    visit(self.environment);
    visit(self.resource_kind);
    visit(self.name);
    visit(self.status);
    visit(self.health);
    visit(self.units);
    visit(self.requested_units);
    visit(self.spec);
    visit(self.outputs);
    visit(self.health_detail);
    visit(self.detail);
    visit(self.external);
    visit(self.unit_cost);
    visit(self.requested_unit_cost);
    visit(self.changed);
    visit(self.observed);
  }
  /// What a quota counts.
  std::uint64_t counted_units() const { return std::max(units, requested_units); }
  /// Whoever has a failed thing, or one that is being taken away, does not pay for it.
  bool is_metered() const {
    return (status == Status::active || status == Status::scaling) && unit_cost && units > 0;
  }
};
std::string_view to_text(Resource::Status status);
std::string_view to_text(schemas::Health health);

/// What there is of a kind; entity: the kind.
struct QuotaUsage {
  static constexpr std::string_view kind = "quota_usage";
  std::uint64_t count = 0;
  std::uint64_t units = 0;
  static void members(auto& self, auto& visit) {
    visit(self.count);
    visit(self.units);
  }
};

/// A project's resources; entity: the project and the resource's id below it.
struct ResourceOfProject {
  static constexpr std::string_view kind = "resource_of_project";
  std::string environment;
  static void members(auto& self, auto& visit) { visit(self.environment); }
};

/// One entry of a resource's history of health; entity: the resource and a number below it, newest
/// first.
struct HealthReport {
  static constexpr std::string_view kind = "resource_health";
  schemas::Health health = schemas::Health::unknown;
  std::string detail;
  schemas::Version version{};  // of the resource
  static void members(auto& self, auto& visit) {
    visit(self.health);
    visit(self.detail);
    visit(self.version);
  }
};

/// What runs and costs; entity: as ResourceOfProject's.
struct Meter {
  static constexpr std::string_view kind = "resource_meter";
  std::string resource_kind;
  std::uint64_t units = 0;
  UnitCost unit_cost;
  Time since;
  static void members(auto& self, auto& visit) {
    visit(self.resource_kind);
    visit(self.units);
    visit(self.unit_cost);
    visit(self.since);
  }
};

/// What a resource has cost in a month; entity: the project, and month and resource below it.
struct ResourceCosts {
  static constexpr std::string_view kind = "resource_costs";
  struct Sum {
    std::string currency;
    schemas::Int128 reported = 0;  // billionths
    std::uint8_t digits = 0;       // of what was reported, behind the point
    schemas::Int128 metered = 0;   // billionths per day, times milliseconds: see costs.h
    static void members(auto& self, auto& visit) {
      visit(self.currency);
      visit(self.reported);
      visit(self.digits);
      visit(self.metered);
    }
  };
  std::string resource_kind;
  std::vector<Sum> sums;  // by currency
  static void members(auto& self, auto& visit) {
    visit(self.resource_kind);
    visit(self.sums);
  }
};

}  // namespace projections
