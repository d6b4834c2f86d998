#pragma once

#include <array>
#include <string>

#include "api/resources/ask.h"
#include "api/resources/operation.h"
#include "api/resources/parameters.h"
#include "projections/states.h"

/// Declared products: manifests, which are the platform's, and the rows of their kinds, which are
/// each organization's own.
namespace api::resources {

Answer declare_product(Ask& ask);
Answer list_products(Ask& ask);
Answer get_product(Ask& ask);
Answer get_row(Ask& ask);

/// Of a declared product; empty: there is none of this name.
std::optional<schemas::TopicId> declared_topic(const Services& services, std::string_view name);

/// Where the rows of the product in the path lie for this caller; not_found when it is not declared
/// or not for a key that is restricted to projects.
Result<Place> product_in_path(const Ask& ask);
/// The same for keys that are restricted to projects too: the caller of this looks after them.
Result<Place> declared_product(const Ask& ask);

/// The entity that the path names, of right form; whether it is there is another question.
struct DeclaredEntity {
  Place place;
  std::string kind;
  std::string name;
};
Result<DeclaredEntity> declared_entity_in_path(const Ask& ask);
Answer answer_row(Ask& ask, DeclaredEntity of);
/// What to say when there is no such entity of the product in the path: its kind may be missing.
std::unexpected<schemas::Error> missing_entity(const Ask& ask, std::string_view kind);

inline constexpr std::array<std::string_view, 3> fold_choices{"replace", "merge", "delete"};
inline constexpr std::array<Field, 2> event_type_fields{
    Field{.name = "fold", .need = Need::required, .choices = fold_choices},
    Field{.name = "schema",
          .type = Type::any,
          .nullable = true,
          .description = "JSON Schema 2020-12 of the events' data, one document of at most 64 KiB; "
                         "what is not supported is refused",
          .example = R"({"type":"object","required":["size"]})"}};
inline constexpr std::array<Field, 8> kind_fields{
    Field{.name = "events", .type = Type::map, .need = Need::required, .fields = event_type_fields},
    Field{.name = "indexes",
          .many = Many::list,
          .nullable = true,
          .items_max = 16,
          .description = "JSON pointers into the state; lists are filtered by them: ?/commit=9f3a. "
                         "Rows are found by texts, numbers and booleans there",
          .example = R"(["/commit"])"},
    Field{.name = "unique",
          .type = Type::any,
          .nullable = true,
          .description = "JSON pointers, or arrays of up to four: no two entities that are there "
                         "have the same there; only while the kind has no events",
          .example = R"(["/email",["/host","/port"]])"},
    Field{.name = "sealed",
          .many = Many::list,
          .nullable = true,
          .items_max = 16,
          .description =
              "JSON pointers into the events' data: what stands there is encrypted before it "
              "is written, opened in answers, and replaced as a whole by a merge. It may "
              "be in indexes and unique rules, from before the kind's first event",
          .example = R"(["/email"])"},
    Field{.name = "keep_versions",
          .type = Type::integer,
          .nullable = true,
          .min = 1,
          .max = 1'000'000,
          .description =
              "how many versions of an entity its history keeps, beside what was the newest in "
              "the last 15 minutes; older states are folded from its events when they are "
              "asked for, lists of then are refused"},
    Field{.name = "keep_age",
          .nullable = true,
          .pattern = "^[1-9][0-9]{0,3}[smhd]$",
          .description = "how long its history keeps a version after it was the newest: a number "
                         "and s, m, h or d; looked at when the entity's next event comes",
          .example = R"("90d")"},
    Field{.name = "project",
          .nullable = true,
          .max = 250,
          .description = "a JSON pointer to the id of the project that an entity belongs to",
          .example = R"("/project_id")"},
    Field{.name = "aliases",
          .type = Type::map,
          .nullable = true,
          .description = "other names under which writers may send a type: \"old\":\"new\" writes "
                         "what comes as old as new, whether or not old is declared too",
          .example = R"({"file.created":"file.added"})"}};
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

inline constexpr std::array<Field, 6> row_fields{
    Field{.name = "entity", .need = Need::required},
    Field{.name = "state", .type = Type::any, .need = Need::required},
    Field{.name = "version", .type = Type::integer, .need = Need::required},
    Field{.name = "created_at", .type = Type::time, .need = Need::required},
    Field{.name = "updated_at", .type = Type::time, .need = Need::required},
    included_project_field};
inline constexpr Shape row_shape{"Row", row_fields};

}  // namespace api::resources
