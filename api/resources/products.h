#pragma once

#include <array>
#include <string>

#include "api/resources/ask.h"
#include "api/resources/operation.h"
#include "projections/states.h"

/// Declared products: manifests, which are the platform's, and the rows of their kinds, which are
/// each organization's own.
namespace api::resources {

Answer declare_product(Ask& ask);
Answer list_products(Ask& ask);
Answer get_product(Ask& ask);
Answer list_rows(Ask& ask);
Answer get_row(Ask& ask);

/// Where the rows of the product in the path lie for this caller; not_found when it is not declared
/// or not for a key that is restricted to projects.
Result<Place> product_in_path(const Ask& ask);

/// The entity that the path names, of right form; whether it is there is another question.
struct DeclaredEntity {
  Place place;
  std::string kind;
  std::string name;
};
Result<DeclaredEntity> declared_entity_in_path(const Ask& ask);
/// What to say when there is no such entity of the product in the path: its kind may be missing.
std::unexpected<schemas::Error> missing_entity(const Ask& ask, std::string_view kind);

inline constexpr std::array<std::string_view, 3> fold_choices{"replace", "merge", "delete"};
inline constexpr std::array<Field, 1> event_type_fields{
    Field{.name = "fold", .need = Need::required, .choices = fold_choices}};
inline constexpr std::array<Field, 1> kind_fields{Field{
    .name = "events", .type = Type::map, .need = Need::required, .fields = event_type_fields}};
inline constexpr std::array<Field, 2> manifest_fields{
    Field{.name = "description", .nullable = true, .max = 1000},
    Field{.name = "kinds",
          .type = Type::map,
          .need = Need::required,
          .fields = kind_fields,
          .example = R"({"file":{"events":{"file.added":{"fold":"replace"}}}})"}};

inline constexpr std::array<Field, 6> product_fields{
    Field{.name = "name", .need = Need::required},
    Field{.name = "version", .type = Type::integer, .need = Need::required},
    Field{.name = "description", .need = Need::required, .nullable = true},
    Field{.name = "kinds", .type = Type::map, .need = Need::required, .fields = kind_fields},
    Field{.name = "created_at", .type = Type::time, .need = Need::required},
    Field{.name = "updated_at", .type = Type::time, .need = Need::required}};
inline constexpr Shape product_shape{"Product", product_fields};

inline constexpr std::array<Field, 5> row_fields{
    Field{.name = "entity", .need = Need::required},
    Field{.name = "state", .type = Type::any, .need = Need::required},
    Field{.name = "version", .type = Type::integer, .need = Need::required},
    Field{.name = "created_at", .type = Type::time, .need = Need::required},
    Field{.name = "updated_at", .type = Type::time, .need = Need::required}};
inline constexpr Shape row_shape{"Row", row_fields};

}  // namespace api::resources
