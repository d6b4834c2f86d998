#include "api/resources/routes.h"

#include "api/resources/keys.h"
#include "api/resources/operations.h"
#include "api/resources/organizations.h"
#include "api/resources/parameters.h"
#include "api/resources/projects.h"

namespace api::resources {
namespace {

using http::Method;

constexpr auto organization_list_parameters =
    joined(list_parameters,
           std::array{Field{.name = "state", .many = Many::list, .choices = organization_states},
                      Field{.name = "slug", .many = Many::list}});
constexpr auto project_list_parameters =
    joined(list_parameters,
           std::array{Field{.name = "state", .many = Many::list, .choices = project_states},
                      Field{.name = "slug", .many = Many::list}});
constexpr auto key_list_parameters =
    joined(list_parameters,
           std::array{Field{.name = "state", .many = Many::list, .choices = key_states},
                      Field{.name = "space", .many = Many::list, .choices = space_choices}});

// clang-format off
constexpr Operation table[] = {
  // ---- organizations ----
  {.method = Method::post, .pattern = "/v2/organizations", .name = "create_organization",
   .summary = "Creates an organization", .function = create_organization,
   .scope = Scope::platform, .permission = "organization:write", .sensitivity = Sensitivity::sensitive,
   .body = Body::json, .members = create_organization_fields, .status = 201, .answer = &organization_shape},
  {.method = Method::get, .pattern = "/v2/organizations", .name = "list_organizations",
   .summary = "Lists organizations; an organization's key sees its own", .function = list_organizations,
   .scope = Scope::own, .permission = "organization:read", .query = organization_list_parameters,
   .answer = &organization_shape, .page = true},
  {.method = Method::get, .pattern = "/v2/organizations/{organization_id}", .name = "get_organization",
   .summary = "Reads an organization", .function = get_organization,
   .scope = Scope::own, .permission = "organization:read", .query = entity_parameters, .answer = &organization_shape},
  {.method = Method::patch, .pattern = "/v2/organizations/{organization_id}", .name = "change_organization",
   .summary = "Changes name or slug", .function = change_organization,
   .scope = Scope::own, .permission = "organization:write", .body = Body::merge_patch,
   .members = name_and_slug_fields, .conditional = true, .answer = &organization_shape},
  {.method = Method::post, .pattern = "/v2/organizations/{organization_id}/suspend", .name = "suspend_organization",
   .summary = "Suspends an organization: its keys are refused", .function = suspend_organization,
   .scope = Scope::platform, .permission = "organization:write", .sensitivity = Sensitivity::sensitive,
   .conditional = true, .answer = &organization_shape},
  {.method = Method::post, .pattern = "/v2/organizations/{organization_id}/resume", .name = "resume_organization",
   .summary = "Lets a suspended organization's keys in again", .function = resume_organization,
   .scope = Scope::platform, .permission = "organization:write", .sensitivity = Sensitivity::sensitive,
   .conditional = true, .answer = &organization_shape},

  // ---- keys ----
  {.method = Method::post, .pattern = "/v2/auth/keys", .name = "create_key",
   .summary = "Creates a key; its text is shown this once", .function = create_key,
   .permission = "keys:write", .sensitivity = Sensitivity::sensitive,
   .body = Body::json, .members = create_key_fields, .status = 201, .answer = &key_shape},
  {.method = Method::get, .pattern = "/v2/auth/keys", .name = "list_keys",
   .summary = "Lists keys, revoked ones too", .function = list_keys,
   .permission = "keys:read", .query = key_list_parameters, .answer = &key_shape, .page = true},
  {.method = Method::get, .pattern = "/v2/auth/keys/{key_id}", .name = "get_key",
   .summary = "Reads a key", .function = get_key,
   .permission = "keys:read", .query = entity_parameters, .answer = &key_shape},
  {.method = Method::post, .pattern = "/v2/auth/keys/{key_id}/rotate", .name = "rotate_key",
   .summary = "Gives a key a new secret, shown this once", .function = rotate_key,
   .permission = "keys:write", .sensitivity = Sensitivity::sensitive,
   .body = Body::json, .members = rotate_key_fields, .conditional = true, .answer = &key_shape},
  {.method = Method::delete_, .pattern = "/v2/auth/keys/{key_id}", .name = "revoke_key",
   .summary = "Revokes a key, at once and for ever", .function = revoke_key,
   .permission = "keys:write", .sensitivity = Sensitivity::sensitive, .conditional = true, .status = 204},
  {.method = Method::get, .pattern = "/v2/auth/whoami", .name = "whoami",
   .summary = "Says who asks", .function = whoami,
   .scope = Scope::any_key, .query = read_parameters, .answer = &whoami_shape},

  // ---- projects ----
  {.method = Method::post, .pattern = "/v2/projects", .name = "create_project",
   .summary = "Creates a project", .function = create_project,
   .permission = "projects:write", .product = "projects",
   .body = Body::json, .members = create_project_fields, .status = 201, .answer = &project_shape},
  {.method = Method::get, .pattern = "/v2/projects", .name = "list_projects",
   .summary = "Lists projects", .function = list_projects,
   .permission = "projects:read", .product = "projects",
   .query = project_list_parameters, .answer = &project_shape, .page = true},
  {.method = Method::get, .pattern = "/v2/projects/{project_id}", .name = "get_project",
   .summary = "Reads a project", .function = get_project,
   .permission = "projects:read", .product = "projects", .query = entity_parameters, .answer = &project_shape},
  {.method = Method::patch, .pattern = "/v2/projects/{project_id}", .name = "change_project",
   .summary = "Changes name or slug", .function = change_project,
   .permission = "projects:write", .product = "projects", .body = Body::merge_patch,
   .members = name_and_slug_fields, .conditional = true, .answer = &project_shape},
  {.method = Method::delete_, .pattern = "/v2/projects/{project_id}", .name = "delete_project",
   .summary = "Deletes a project; its slug is free again", .function = delete_project,
   .permission = "projects:write", .product = "projects", .conditional = true, .status = 204},
  {.method = Method::post, .pattern = "/v2/projects/{project_id}/archive", .name = "archive_project",
   .summary = "Archives a project", .function = archive_project,
   .permission = "projects:write", .product = "projects", .conditional = true, .answer = &project_shape},
  {.method = Method::post, .pattern = "/v2/projects/{project_id}/restore", .name = "restore_project",
   .summary = "Restores an archived project", .function = restore_project,
   .permission = "projects:write", .product = "projects", .conditional = true, .answer = &project_shape},

  // ---- operations ----
  {.method = Method::get, .pattern = "/healthz", .name = "healthz",
   .summary = "Says that the process runs", .function = healthz, .scope = Scope::open, .answer = &health_shape},
  {.method = Method::get, .pattern = "/readyz", .name = "readyz",
   .summary = "200 when ready, 503 with reasons until then", .function = readyz, .scope = Scope::open,
   .answer = &readiness_shape},
  {.method = Method::get, .pattern = "/metrics", .name = "metrics",
   .summary = "Metrics in Prometheus' text form", .function = metrics, .scope = Scope::open,
   .media = "text/plain"},
  {.method = Method::get, .pattern = "/problems/{name}", .name = "problem_page",
   .summary = "What a type of problem means and what to do", .function = problem_page, .scope = Scope::open,
   .media = "text/html"},
  {.method = Method::get, .pattern = "/v2/status", .name = "status",
   .summary = "Products, log ends, projections and their lag", .function = status,
   .scope = Scope::platform, .permission = "organization:read", .query = read_parameters, .answer = &status_shape},
};
// clang-format on

}  // namespace

std::span<const Operation> operations() {
  return table;
}

}  // namespace api::resources
