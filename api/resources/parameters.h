#pragma once

#include <array>
#include <string_view>

#include "api/resources/ask.h"
#include "api/resources/fields.h"
#include "schemas/ids.h"

/// Parameters behind the question mark: what the routes have in common, and their checks.
namespace api::resources {

/// Every parameter is one that the operation knows, given as often as it may be, and of the form
/// that its field says; else invalid_parameter names it. Open operations take anything: probes and
/// caches add parameters of their own.
Result<void> check_parameters(const Ask& ask);

/// What to say of a filter that no index serves.
std::string no_index_detail(std::string_view pointer);

/// The mark that stands in a parameter or header. What does not even look like one is an
/// invalid_parameter that says `expected`; a foreign_mark names the place too.
Result<std::vector<schemas::MarkedPosition>> parse_mark(
    const Ask& ask, schemas::FieldError::In in, std::string_view name, std::string_view text,
    std::string_view expected = "must be a mark");

/// Decodes the marks that a read came with: the header Tidemark and ?at_least=.
Result<void> read_marks(Ask& ask);

/// Whole numbers were checked by check_parameters.
std::size_t number_parameter(const Ask& ask, std::string_view name, std::size_t usual);

inline constexpr std::array<std::string_view, 1> stale_choices{"allow"};
inline constexpr std::array<std::string_view, 2> order_choices{"asc", "desc"};

inline constexpr std::array<Field, 2> read_parameters{
    Field{.name = "at_least",
          .many = Many::list,
          .pattern = R"(^tm1_[\w-]+$)",
          .description = "a mark that the answer reflects at least, like the header Tidemark"},
    Field{.name = "stale",
          .choices = stale_choices,
          .description = "answers at once, with what is folded by now"}};

inline constexpr std::array<Field, 4> entity_parameters = joined(
    read_parameters,
    std::array{
        Field{.name = "as_of",
              .pattern = R"(^(tm1_[\w-]+|\d{4}-\d\d-\d\d[Tt].+)$)",
              .description = "a mark or a time: the state as it was then"},
        Field{.name = "fields",
              .description = "members that the answer shall have, with commas between them"}});

inline constexpr std::array<std::string_view, 1> include_choices{"project"};
inline constexpr std::array<Field, 1> include_parameter{
    Field{.name = "include",
          .choices = include_choices,
          .description = "each thing with its project, as that is now, in `project`; needs "
                         "projects:read"}};
inline constexpr Field included_project_field{.name = "project",
                                              .type = Type::object,
                                              .nullable = true,
                                              .description = "with ?include=project only"};

inline constexpr std::array<Field, 3> page_parameters{
    Field{.name = "limit",
          .type = Type::integer,
          .min = 1,
          .max = 1000,
          .description = "how many at most, 50 when left out"},
    Field{.name = "cursor",
          .pattern = R"(^cur1_[\w-]+$)",
          .description = "next_cursor of the page before"},
    Field{.name = "order", .choices = order_choices}};

inline constexpr std::array<Field, 2> created_parameters{
    Field{.name = "created_after", .type = Type::time, .description = "inclusive"},
    Field{.name = "created_before", .type = Type::time, .description = "exclusive"}};

inline constexpr auto list_parameters =
    joined(entity_parameters, joined(page_parameters, created_parameters));

inline constexpr Field project_filter{
    .name = "project_id", .many = Many::list, .id = schemas::ProjectTag::prefix};
inline constexpr Field endpoint_filter{
    .name = "endpoint_id", .many = Many::list, .id = schemas::EndpointTag::prefix};
inline constexpr Field pipeline_filter{
    .name = "pipeline_id", .many = Many::list, .id = schemas::PipelineTag::prefix};

inline constexpr auto entity_events_parameters =
    joined(joined(entity_parameters, page_parameters),
           std::array{Field{.name = "after_version",
                            .type = Type::integer,
                            .min = 0,
                            .description = "only events that made a later version"}});

}  // namespace api::resources
