#pragma once

#include <array>

#include "api/resources/operation.h"
#include "projections/reader.h"

/// Secrets of a project or of one of its environments. Values come in clear and are sealed before
/// anything else is done with them; they are shown by reveal only, which is always an event.
namespace api::resources {

Answer list_secrets(Ask& ask);
Answer get_secret(Ask& ask);
Answer put_secret(Ask& ask);
Answer delete_secret(Ask& ask);
Answer reveal_secret(Ask& ask);

void render_secret(std::string& out, const projections::FoundRow& found);

inline constexpr std::size_t secret_bytes_max = std::size_t{64} << 10;
inline constexpr std::size_t secret_name_max = 128;
inline constexpr std::string_view secret_name_pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$";

inline constexpr Field secret_value_version_field{
    .name = "value_version",
    .type = Type::integer,
    .need = Need::required,
    .description = "the secret's version at which its value was set"};
inline constexpr std::array<Field, 7> secret_fields{
    Field{.name = "project_id", .need = Need::required},
    Field{.name = "environment", .need = Need::required, .nullable = true},
    Field{.name = "name", .need = Need::required},
    secret_value_version_field,
    Field{.name = "created_at", .type = Type::time, .need = Need::required},
    Field{.name = "updated_at", .type = Type::time, .need = Need::required},
    Field{.name = "version", .type = Type::integer, .need = Need::required}};
inline constexpr Shape secret_shape{"Secret", secret_fields};

inline constexpr std::array<Field, 1> put_secret_fields{
    Field{.name = "value",
          .need = Need::required,
          .min = 1,
          .max = static_cast<std::int64_t>(secret_bytes_max),
          .description = "at most 64 KiB of UTF-8"}};
inline constexpr std::array<Field, 1> reveal_secret_fields{
    Field{.name = "version",
          .type = Type::integer,
          .nullable = true,
          .min = 1,
          .description = "the value that was set at this version, instead of the current one"}};
inline constexpr std::array<Field, 3> revealed_fields{
    Field{.name = "name", .need = Need::required},
    Field{.name = "value",
          .need = Need::required,
          .nullable = true,
          .description = "null in an answer that is repeated for its Idempotency-Key"},
    Field{.name = "version",
          .type = Type::integer,
          .need = Need::required,
          .description = "at which this value was set"}};
inline constexpr Shape revealed_shape{"RevealedSecret", revealed_fields};

}  // namespace api::resources
