#pragma once

#include <array>

#include "api/resources/operation.h"
#include "api/resources/organizations.h"
#include "api/resources/parameters.h"
#include "projections/reader.h"

/// What belongs to a project: environments, members, settings. Entities of their own; a project
/// that is not there, or that the caller may not see, has none of them.
namespace api::resources {

Answer create_environment(Ask& ask);
Answer list_environments(Ask& ask);
Answer get_environment(Ask& ask);
Answer delete_environment(Ask& ask);
Answer list_members(Ask& ask);
Answer get_member(Ask& ask);
Answer put_member(Ask& ask);
Answer remove_member(Ask& ask);
Answer get_settings(Ask& ask);
Answer change_settings(Ask& ask);

void render_environment(std::string& out, const projections::FoundRow& found);
void render_member(std::string& out, const projections::FoundRow& found);

inline constexpr std::array<Field, 6> environment_fields{
    Field{.name = "project_id", .need = Need::required},
    Field{.name = "name", .need = Need::required},
    Field{.name = "created_at", .type = Type::time, .need = Need::required},
    Field{.name = "updated_at", .type = Type::time, .need = Need::required},
    Field{.name = "version", .type = Type::integer, .need = Need::required},
    included_project_field};
inline constexpr Shape environment_shape{"Environment", environment_fields};
inline constexpr std::array<Field, 1> create_environment_fields{Field{
    .name = "name", .need = Need::required, .min = 1, .max = slug_max, .pattern = slug_pattern}};

inline constexpr std::array<std::string_view, 4> role_choices{"owner", "admin", "member", "viewer"};
inline constexpr Field role_field{.name = "role", .need = Need::required, .choices = role_choices};
inline constexpr std::array<Field, 8> member_fields{
    Field{.name = "project_id", .need = Need::required},
    Field{.name = "user_id", .need = Need::required},
    role_field,
    Field{.name = "permissions", .need = Need::required, .many = Many::list},
    Field{.name = "created_at", .type = Type::time, .need = Need::required},
    Field{.name = "updated_at", .type = Type::time, .need = Need::required},
    Field{.name = "version", .type = Type::integer, .need = Need::required},
    included_project_field};
inline constexpr Shape member_shape{"Member", member_fields};
inline constexpr std::array<Field, 1> put_member_fields{role_field};

/// Settings are an object of the caller's own.
inline constexpr Shape settings_shape{"Settings", {}};
inline constexpr std::array<std::string_view, 2> effective_choices{"true", "false"};
inline constexpr std::array<Field, 1> effective_parameter{
    Field{.name = "effective",
          .choices = effective_choices,
          .description = "merged over the project's own settings"}};

}  // namespace api::resources
