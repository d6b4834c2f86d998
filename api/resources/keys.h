#pragma once

#include <array>

#include "api/resources/operation.h"
#include "api/resources/organizations.h"

/// Keys belong to one organization and one of its spaces. A platform key that names no space finds
/// those of both.
namespace api::resources {

Answer create_key(Ask& ask);
Answer list_keys(Ask& ask);
Answer get_key(Ask& ask);
Answer rotate_key(Ask& ask);
Answer revoke_key(Ask& ask);
Answer whoami(Ask& ask);

/// The key that the path names, there now in one of the spaces that the caller may look into.
struct FoundKey {
  schemas::Uuid id;
  schemas::Space space;
  projections::Key state;
};
Result<FoundKey> key_in_path(const Ask& ask);

inline constexpr std::array<std::string_view, 2> space_choices{"live", "test"};
inline constexpr std::array<std::string_view, 2> key_states{"active", "revoked"};
inline constexpr std::size_t permissions_max = 100;
inline constexpr std::size_t key_projects_max = 1000;
inline constexpr std::int64_t overlap_max_seconds = 30 * 24 * 60 * 60;

inline constexpr std::array<Field, 5> create_key_fields{
    name_field, Field{.name = "space", .choices = space_choices},
    Field{.name = "permissions",
          .need = Need::required,
          .many = Many::list,
          .min = 1,
          .items_max = permissions_max,
          .example = R"(["projects:read"])"},
    Field{.name = "projects",
          .many = Many::list,
          .nullable = true,
          .min = 1,
          .items_max = key_projects_max,
          .description = "the only projects that the key sees"},
    Field{.name = "expires_at", .type = Type::time, .nullable = true}};

inline constexpr std::array<Field, 1> rotate_key_fields{
    Field{.name = "overlap_seconds",
          .type = Type::integer,
          .min = 0,
          .max = overlap_max_seconds,
          .description = "how long the secrets before this one go on working"}};

inline constexpr std::array<Field, 13> key_fields{
    Field{.name = "id", .need = Need::required},
    Field{.name = "name", .need = Need::required},
    Field{.name = "key",
          .need = Need::required,
          .nullable = true,
          .description = "shown once, by create and rotate"},
    Field{.name = "hint", .need = Need::required, .nullable = true},
    Field{.name = "organization_id", .need = Need::required},
    Field{.name = "space", .need = Need::required, .choices = space_choices},
    Field{.name = "permissions", .need = Need::required, .many = Many::list},
    Field{.name = "projects", .need = Need::required, .many = Many::list, .nullable = true},
    Field{.name = "expires_at", .type = Type::time, .need = Need::required, .nullable = true},
    Field{.name = "state", .need = Need::required, .choices = key_states},
    Field{.name = "created_at", .type = Type::time, .need = Need::required},
    Field{.name = "updated_at", .type = Type::time, .need = Need::required},
    Field{.name = "version", .type = Type::integer, .need = Need::required}};
inline constexpr Shape key_shape{"Key", key_fields};

inline constexpr std::array<std::string_view, 1> caller_kinds{"key"};
inline constexpr std::array<Field, 7> whoami_fields{
    Field{.name = "kind", .need = Need::required, .choices = caller_kinds},
    Field{.name = "id", .need = Need::required},
    Field{.name = "organization_id", .need = Need::required},
    Field{.name = "space", .need = Need::required, .choices = space_choices},
    Field{.name = "permissions", .need = Need::required, .many = Many::list},
    Field{.name = "projects", .need = Need::required, .many = Many::list, .nullable = true},
    Field{.name = "expires_at", .type = Type::time, .need = Need::required, .nullable = true}};
inline constexpr Shape whoami_shape{"Caller", whoami_fields};

}  // namespace api::resources
