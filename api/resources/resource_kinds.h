#pragma once

#include <array>

#include "api/resources/operation.h"
#include "api/resources/parse.h"

/// Kinds of resources, which are the platform's, and how much of each an organization may have.
namespace api::resources {

Answer put_resource_kind(Ask& ask);
Answer list_resource_kinds(Ask& ask);
Answer get_resource_kind(Ask& ask);
Answer put_quota(Ask& ask);
Answer list_quotas(Ask& ask);
Answer get_quota(Ask& ask);

inline constexpr std::array<std::string_view, 2> provisioner_choices{"none", "external"};
inline constexpr std::array<std::string_view, 2> per_choices{"hour", "day"};
inline constexpr Field amount_field{
    .name = "amount",
    .need = Need::required,
    .min = 1,
    .max = 26,
    .description = "a decimal number, at most 9 digits behind the point",
    .example = R"("12.34")"};
inline constexpr Field currency_field{.name = "currency",
                                      .need = Need::required,
                                      .min = 3,
                                      .max = 3,
                                      .pattern = "^[A-Z]{3}$",
                                      .example = R"("EUR")"};
inline constexpr std::array<Field, 3> unit_cost_fields{
    amount_field, currency_field,
    Field{.name = "per", .need = Need::required, .choices = per_choices}};
inline constexpr std::array<Field, 2> put_resource_kind_fields{
    Field{.name = "provisioner", .need = Need::required, .choices = provisioner_choices},
    Field{.name = "unit_cost",
          .type = Type::object,
          .nullable = true,
          .fields = unit_cost_fields,
          .description = "of what is asked for from now on"}};
inline constexpr std::array<Field, 6> resource_kind_fields{
    Field{.name = "kind", .need = Need::required},
    Field{.name = "provisioner", .need = Need::required, .choices = provisioner_choices},
    Field{.name = "unit_cost",
          .type = Type::object,
          .need = Need::required,
          .nullable = true,
          .fields = unit_cost_fields},
    Field{.name = "created_at", .type = Type::time, .need = Need::required},
    Field{.name = "updated_at", .type = Type::time, .need = Need::required},
    Field{.name = "version", .type = Type::integer, .need = Need::required}};
inline constexpr Shape resource_kind_shape{"ResourceKind", resource_kind_fields};

inline constexpr std::int64_t quota_max = 1'000'000'000'000'000;
inline constexpr std::array<Field, 2> put_quota_fields{
    Field{
        .name = "count", .type = Type::integer, .need = Need::required, .min = 0, .max = quota_max},
    Field{.name = "units",
          .type = Type::integer,
          .need = Need::required,
          .min = 0,
          .max = quota_max}};
inline constexpr std::array<Field, 8> quota_fields{
    Field{.name = "kind", .need = Need::required},
    Field{.name = "count", .type = Type::integer, .need = Need::required},
    Field{.name = "units", .type = Type::integer, .need = Need::required},
    Field{.name = "used_count", .type = Type::integer, .need = Need::required},
    Field{.name = "used_units",
          .type = Type::integer,
          .need = Need::required,
          .description = "of each resource the larger of units in force and asked for"},
    Field{.name = "created_at", .type = Type::time, .need = Need::required},
    Field{.name = "updated_at", .type = Type::time, .need = Need::required},
    Field{.name = "version", .type = Type::integer, .need = Need::required}};
inline constexpr Shape quota_shape{"Quota", quota_fields};

}  // namespace api::resources
