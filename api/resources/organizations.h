#pragma once

#include <array>
#include <string>

#include "api/resources/operation.h"
#include "api/resources/parse.h"
#include "projections/reader.h"

/// Organizations are entities of the platform; an organization's own key sees its own one only.
namespace api::resources {

Answer create_organization(Ask& ask);
Answer list_organizations(Ask& ask);
Answer get_organization(Ask& ask);
Answer change_organization(Ask& ask);
Answer suspend_organization(Ask& ask);
Answer resume_organization(Ask& ask);

/// The organization in the path, if the caller may know of it. The platform itself is no entity.
Result<schemas::Uuid> organization_in_path(const Ask& ask);

inline constexpr std::array<std::string_view, 2> organization_states{"active", "suspended"};

inline constexpr std::array<Field, 7> organization_fields{
    Field{.name = "id", .need = Need::required},
    Field{.name = "name", .need = Need::required},
    Field{.name = "slug", .need = Need::required},
    Field{.name = "state", .need = Need::required, .choices = organization_states},
    Field{.name = "created_at", .type = Type::time, .need = Need::required},
    Field{.name = "updated_at", .type = Type::time, .need = Need::required},
    Field{.name = "version", .type = Type::integer, .need = Need::required}};
inline constexpr Shape organization_shape{"Organization", organization_fields};

inline constexpr Field name_field{
    .name = "name", .need = Need::required, .min = 1, .max = name_max};
inline constexpr Field slug_field{
    .name = "slug", .min = 1, .max = slug_max, .pattern = slug_pattern};
inline constexpr std::array<Field, 2> create_organization_fields{name_field,
                                                                 Field{.name = "slug",
                                                                       .need = Need::required,
                                                                       .min = 1,
                                                                       .max = slug_max,
                                                                       .pattern = slug_pattern}};
inline constexpr std::array<Field, 2> name_and_slug_fields{
    Field{.name = "name", .min = 1, .max = name_max}, slug_field};

}  // namespace api::resources
