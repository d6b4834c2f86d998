#pragma once

#include <array>

#include "api/resources/ask.h"
#include "api/resources/operation.h"

/// What a changed manifest would make of an organization's rows, before it is declared.
namespace api::resources {

Answer dry_run_product(Ask& ask);

inline constexpr std::array<Field, 9> dry_run_kind_fields{
    Field{.name = "kind", .need = Need::required},
    Field{.name = "events", .type = Type::integer, .need = Need::required},
    Field{.name = "rows",
          .type = Type::integer,
          .need = Need::required,
          .description = "that are there now"},
    Field{.name = "added", .type = Type::integer, .need = Need::required},
    Field{.name = "removed", .type = Type::integer, .need = Need::required},
    Field{.name = "changed", .type = Type::integer, .need = Need::required},
    Field{.name = "not_applied",
          .type = Type::integer,
          .need = Need::required,
          .description = "events whose type the manifest does not declare"},
    Field{.name = "schema_violations",
          .type = Type::integer,
          .need = Need::required,
          .description = "events that their type's schema would have refused"},
    Field{.name = "unique_violations",
          .type = Type::integer,
          .need = Need::required,
          .description = "rows whose unique values another row has"}};
inline constexpr std::array<Field, 4> difference_fields{
    Field{.name = "kind", .need = Need::required}, Field{.name = "entity", .need = Need::required},
    Field{.name = "before", .type = Type::any, .need = Need::required, .nullable = true},
    Field{.name = "after", .type = Type::any, .need = Need::required, .nullable = true}};
inline constexpr std::array<Field, 4> dry_run_problem_fields{
    Field{.name = "kind", .need = Need::required}, Field{.name = "entity", .need = Need::required},
    Field{.name = "version", .type = Type::integer, .need = Need::required},
    Field{.name = "detail", .need = Need::required}};
inline constexpr std::array<Field, 4> dry_run_fields{
    Field{.name = "kinds",
          .type = Type::object,
          .need = Need::required,
          .many = Many::list,
          .fields = dry_run_kind_fields},
    Field{.name = "differences",
          .type = Type::object,
          .need = Need::required,
          .many = Many::list,
          .fields = difference_fields,
          .description = "the first 20 rows that would be others"},
    Field{.name = "problems",
          .type = Type::object,
          .need = Need::required,
          .many = Many::list,
          .fields = dry_run_problem_fields,
          .description = "the first 20 events that would not fit"},
    Field{.name = "truncated",
          .type = Type::boolean,
          .need = Need::required,
          .description =
              "there was more than could be looked at: the answer is of the first part of "
              "the history"}};
inline constexpr Shape dry_run_shape{"DryRun", dry_run_fields};

}  // namespace api::resources
