#pragma once

#include <array>

#include "api/resources/parameters.h"

/// What became of a project, and of everything below it, between two moments.
namespace api::resources {

Answer diff_project(Ask& ask);

/// An answer holds no more changes than this, and says when there are more.
inline constexpr std::size_t changes_max = 1'000;

inline constexpr auto diff_parameters =
    joined(read_parameters,
           std::array{Field{.name = "from",
                            .description =
                                "a mark or a time: what was accepted up to there is before; the "
                                "beginning when left out"},
                      Field{.name = "to", .description = "a mark or a time, now when left out"}});

inline constexpr std::array<std::string_view, 3> change_choices{"created", "changed", "deleted"};
inline constexpr std::array<Field, 5> change_fields{
    Field{.name = "kind", .need = Need::required}, Field{.name = "subject", .need = Need::required},
    Field{.name = "change", .need = Need::required, .choices = change_choices},
    Field{.name = "from", .type = Type::object, .need = Need::required, .nullable = true},
    Field{.name = "to", .type = Type::object, .need = Need::required, .nullable = true}};
inline constexpr std::array<Field, 4> diff_fields{
    Field{.name = "from", .need = Need::required, .description = "the mark of that moment"},
    Field{.name = "to", .need = Need::required},
    Field{.name = "changes",
          .type = Type::object,
          .need = Need::required,
          .many = Many::list,
          .fields = change_fields},
    Field{.name = "truncated",
          .type = Type::boolean,
          .need = Need::required,
          .description = "there are more changes; ask for a shorter span"}};
inline constexpr Shape diff_shape{"ProjectDiff", diff_fields};

}  // namespace api::resources
