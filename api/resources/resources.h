#pragma once

#include <array>

#include "api/resources/ask.h"
#include "api/resources/operation.h"
#include "api/resources/organizations.h"
#include "api/resources/resource_kinds.h"
#include "projections/reader.h"

/// Resources: what projects have that somebody makes, scales and takes away. One that is
/// deprovisioned is deleted: it leaves the lists, and its events and `?as_of=` still answer.
namespace api::resources {

Answer create_resource(Ask& ask);
Answer list_resources(Ask& ask);
Answer get_resource(Ask& ask);
Answer change_resource(Ask& ask);
Answer scale_resource(Ask& ask);
Answer delete_resource(Ask& ask);

/// The id in the path, if it could be a resource's.
Result<schemas::Uuid> resource_in_path(const Ask& ask);
/// Whether the caller may know of a resource, there or deleted.
bool sees_resource(const Ask& ask, const projections::Reader& reader, TopicId topic,
                   const schemas::Uuid& id);
std::unexpected<schemas::Error> no_resource();
void render_resource(std::string& out, OrganizationId organization,
                     const projections::FoundRow& found);

inline constexpr std::array<std::string_view, 5> resource_states{
    "provisioning", "active", "scaling", "failed", "deprovisioning"};
inline constexpr std::array<std::string_view, 6> shown_resource_states{
    "provisioning", "active", "scaling", "failed", "deprovisioning", "deprovisioned"};
inline constexpr std::array<std::string_view, 4> shown_health_choices{"unknown", "healthy",
                                                                      "degraded", "unhealthy"};
inline constexpr std::array<Field, 18> resource_fields{
    Field{.name = "id", .need = Need::required},
    Field{.name = "organization_id", .need = Need::required},
    Field{.name = "project_id", .need = Need::required},
    Field{.name = "environment", .need = Need::required},
    Field{.name = "kind", .need = Need::required},
    Field{.name = "name", .need = Need::required},
    Field{.name = "state", .need = Need::required, .choices = shown_resource_states},
    Field{.name = "health", .need = Need::required, .choices = shown_health_choices},
    Field{.name = "units",
          .type = Type::integer,
          .need = Need::required,
          .description = "those in force"},
    Field{.name = "requested_units", .type = Type::integer, .need = Need::required},
    Field{.name = "unit_cost",
          .type = Type::object,
          .need = Need::required,
          .nullable = true,
          .fields = unit_cost_fields,
          .description = "as when the units were asked for"},
    Field{.name = "spec", .type = Type::object, .need = Need::required},
    Field{.name = "outputs",
          .type = Type::object,
          .need = Need::required,
          .description = "what the provisioner says of it"},
    Field{.name = "detail",
          .need = Need::required,
          .nullable = true,
          .description = "of the last report"},
    Field{.name = "health_detail", .need = Need::required, .nullable = true},
    Field{.name = "created_at", .type = Type::time, .need = Need::required},
    Field{.name = "updated_at", .type = Type::time, .need = Need::required},
    Field{.name = "version", .type = Type::integer, .need = Need::required}};
inline constexpr Shape resource_shape{"Resource", resource_fields};

inline constexpr Field units_field{
    .name = "units", .type = Type::integer, .need = Need::required, .min = 1, .max = 1'000'000'000};
inline constexpr Field spec_field{
    .name = "spec", .type = Type::object, .description = "an object, at most 64 KiB"};
inline constexpr std::array<Field, 6> create_resource_fields{
    Field{.name = "project_id", .need = Need::required},
    Field{.name = "environment",
          .need = Need::required,
          .min = 1,
          .max = slug_max,
          .pattern = slug_pattern},
    Field{
        .name = "kind", .need = Need::required, .min = 1, .max = slug_max, .pattern = slug_pattern},
    name_field,
    units_field,
    spec_field};
inline constexpr std::array<Field, 1> scale_resource_fields{units_field};
inline constexpr std::array<Field, 1> change_resource_fields{spec_field};

}  // namespace api::resources
