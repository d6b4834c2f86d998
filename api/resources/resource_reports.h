#pragma once

#include <array>

#include "api/resources/operation.h"
#include "api/resources/resource_kinds.h"
#include "api/resources/resources.h"

/// What provisioners say of resources: what became of them, how they are, what they cost; and what
/// all of a project's cost in a month.
namespace api::resources {

Answer report_resource(Ask& ask);
Answer report_health(Ask& ask);
Answer list_health(Ask& ask);
Answer record_cost(Ask& ask);
Answer get_costs(Ask& ask);

inline constexpr std::size_t detail_max = 1000;
inline constexpr Field detail_field{.name = "detail", .nullable = true, .max = detail_max};
inline constexpr std::array<std::string_view, 3> report_choices{"active", "failed",
                                                                "deprovisioned"};
inline constexpr std::array<Field, 4> report_fields{
    Field{.name = "state", .need = Need::required, .choices = report_choices},
    Field{.name = "observed_version",
          .type = Type::integer,
          .need = Need::required,
          .min = 1,
          .description = "of the resource that was looked at"},
    detail_field,
    Field{.name = "outputs",
          .type = Type::object,
          .nullable = true,
          .description = "an object, at most 64 KiB; left out: as before"}};

inline constexpr std::array<std::string_view, 3> health_choices{"healthy", "degraded", "unhealthy"};
inline constexpr std::array<Field, 2> report_health_fields{
    Field{.name = "health", .need = Need::required, .choices = health_choices}, detail_field};
inline constexpr std::array<Field, 4> health_entry_fields{
    Field{.name = "health", .need = Need::required, .choices = health_choices},
    Field{.name = "detail", .need = Need::required, .nullable = true},
    Field{.name = "reported_at", .type = Type::time, .need = Need::required},
    Field{.name = "version",
          .type = Type::integer,
          .need = Need::required,
          .description = "of the resource"}};
inline constexpr Shape health_entry_shape{"HealthEntry", health_entry_fields};

inline constexpr std::array<Field, 5> record_cost_fields{
    amount_field, currency_field, Field{.name = "from", .type = Type::time, .need = Need::required},
    Field{.name = "to",
          .type = Type::time,
          .need = Need::required,
          .description = "at most a year behind `from`; a month's end within splits the amount"},
    Field{.name = "note", .nullable = true, .max = detail_max}};

inline constexpr Field shown_amount_field{.name = "amount", .need = Need::required};
inline constexpr Field shown_currency_field{.name = "currency", .need = Need::required};
inline constexpr std::array<Field, 2> cost_fields{shown_currency_field, shown_amount_field};
inline constexpr std::array<Field, 3> kind_cost_fields{
    Field{.name = "kind", .need = Need::required}, shown_currency_field, shown_amount_field};
inline constexpr std::array<Field, 3> resource_cost_fields{
    Field{.name = "resource_id", .need = Need::required}, shown_currency_field, shown_amount_field};
inline constexpr std::array<Field, 6> costs_fields{
    Field{.name = "project_id", .need = Need::required},
    Field{.name = "month", .need = Need::required},
    Field{.name = "until",
          .type = Type::time,
          .need = Need::required,
          .description = "what runs is counted up to here"},
    Field{.name = "total",
          .type = Type::object,
          .need = Need::required,
          .many = Many::list,
          .fields = cost_fields},
    Field{.name = "by_kind",
          .type = Type::object,
          .need = Need::required,
          .many = Many::list,
          .fields = kind_cost_fields},
    Field{.name = "by_resource",
          .type = Type::object,
          .need = Need::required,
          .many = Many::list,
          .fields = resource_cost_fields}};
inline constexpr Shape costs_shape{"Costs", costs_fields};
inline constexpr std::array<Field, 1> month_parameter{
    Field{.name = "month",
          .pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$",
          .description = "such as 2026-11, in UTC; this month when left out"}};

}  // namespace api::resources
