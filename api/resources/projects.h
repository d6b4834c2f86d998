#pragma once

#include <array>

#include "api/resources/operation.h"
#include "api/resources/organizations.h"
#include "projections/reader.h"

namespace api::resources {

Answer create_project(Ask& ask);
Answer list_projects(Ask& ask);
Answer get_project(Ask& ask);
Answer change_project(Ask& ask);
Answer delete_project(Ask& ask);
Answer archive_project(Ask& ask);
Answer restore_project(Ask& ask);

void render_project(std::string& out, schemas::OrganizationId organization,
                    const projections::FoundRow& found);

/// The project in the path, if the caller may know of it.
Result<schemas::Uuid> project_in_path(const Ask& ask);

inline constexpr std::array<std::string_view, 2> project_states{"active", "archived"};

inline constexpr std::array<Field, 8> project_fields{
    Field{.name = "id", .need = Need::required},
    Field{.name = "organization_id", .need = Need::required},
    Field{.name = "name", .need = Need::required},
    Field{.name = "slug", .need = Need::required},
    Field{.name = "state", .need = Need::required, .choices = project_states},
    Field{.name = "created_at", .type = Type::time, .need = Need::required},
    Field{.name = "updated_at", .type = Type::time, .need = Need::required},
    Field{.name = "version", .type = Type::integer, .need = Need::required}};
inline constexpr Shape project_shape{"Project", project_fields};

inline constexpr Field created_slug_field{.name = "slug",
                                          .nullable = true,
                                          .min = 1,
                                          .max = slug_max,
                                          .pattern = slug_pattern,
                                          .description = "made from the name when left out"};
inline constexpr std::array<Field, 2> create_project_fields{name_field, created_slug_field};

}  // namespace api::resources
