#include "api/resources/routes.h"

#include "api/resources/events.h"
#include "api/resources/keys.h"
#include "api/resources/openapi.h"
#include "api/resources/operations.h"
#include "api/resources/organizations.h"
#include "api/resources/parameters.h"
#include "api/resources/product_events.h"
#include "api/resources/products.h"
#include "api/resources/project_parts.h"
#include "api/resources/projects.h"
#include "api/resources/stream.h"

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

constexpr auto product_parameters = joined(
    entity_parameters, std::array{Field{.name = "version", .type = Type::integer, .min = 1}});
constexpr auto environment_settings_parameters = joined(entity_parameters, effective_parameter);
constexpr auto row_list_parameters = joined(
    list_parameters,
    std::array{Field{.name = "entity", .description = "that one entity, as by its own path"}});

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
  {.method = Method::get, .pattern = "/v2/organizations/{organization_id}/events", .name = "list_organization_events",
   .summary = "Lists the events of an organization", .function = list_organization_events,
   .scope = Scope::own, .permission = "organization:read", .query = entity_events_parameters, .answer = &event_shape, .page = true},

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
  {.method = Method::get, .pattern = "/v2/auth/keys/{key_id}/events", .name = "list_key_events",
   .summary = "Lists the events of a key", .function = list_key_events,
   .permission = "keys:read", .query = entity_events_parameters, .answer = &event_shape, .page = true},
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
  {.method = Method::get, .pattern = "/v2/projects/{project_id}/events", .name = "list_project_events",
   .summary = "Lists the events of a project", .function = list_project_events,
   .permission = "projects:read", .product = "projects", .query = entity_events_parameters, .answer = &event_shape, .page = true},

  // ---- what belongs to a project ----
  {.method = Method::get, .pattern = "/v2/projects/{project_id}/environments", .name = "list_environments",
   .summary = "Lists a project's environments", .function = list_environments,
   .permission = "projects:read", .product = "projects", .query = list_parameters, .answer = &environment_shape, .page = true},
  {.method = Method::post, .pattern = "/v2/projects/{project_id}/environments", .name = "create_environment",
   .summary = "Creates an environment", .function = create_environment,
   .permission = "projects:write", .product = "projects",
   .body = Body::json, .members = create_environment_fields, .status = 201, .answer = &environment_shape},
  {.method = Method::get, .pattern = "/v2/projects/{project_id}/environments/{environment}", .name = "get_environment",
   .summary = "Reads an environment", .function = get_environment,
   .permission = "projects:read", .product = "projects", .query = entity_parameters, .answer = &environment_shape},
  {.method = Method::delete_, .pattern = "/v2/projects/{project_id}/environments/{environment}", .name = "delete_environment",
   .summary = "Deletes an environment and what is in it", .function = delete_environment,
   .permission = "projects:write", .product = "projects", .conditional = true, .status = 204},
  {.method = Method::get, .pattern = "/v2/projects/{project_id}/members", .name = "list_members",
   .summary = "Lists a project's members", .function = list_members,
   .permission = "members:read", .product = "projects", .query = list_parameters, .answer = &member_shape, .page = true},
  {.method = Method::get, .pattern = "/v2/projects/{project_id}/members/{user_id}", .name = "get_member",
   .summary = "Reads a member", .function = get_member,
   .permission = "members:read", .product = "projects", .query = entity_parameters, .answer = &member_shape},
  {.method = Method::put, .pattern = "/v2/projects/{project_id}/members/{user_id}", .name = "put_member",
   .summary = "Adds a member, or gives one another role", .function = put_member,
   .permission = "members:write", .sensitivity = Sensitivity::sensitive, .product = "projects",
   .body = Body::json, .members = put_member_fields, .conditional = true, .other_status = 201, .answer = &member_shape},
  {.method = Method::delete_, .pattern = "/v2/projects/{project_id}/members/{user_id}", .name = "remove_member",
   .summary = "Removes a member; the last owner stays", .function = remove_member,
   .permission = "members:write", .sensitivity = Sensitivity::sensitive, .product = "projects",
   .conditional = true, .status = 204},
  {.method = Method::get, .pattern = "/v2/projects/{project_id}/settings", .name = "get_settings",
   .summary = "Reads a project's settings", .function = get_settings,
   .permission = "settings:read", .product = "projects", .query = entity_parameters, .answer = &settings_shape},
  {.method = Method::patch, .pattern = "/v2/projects/{project_id}/settings", .name = "change_settings",
   .summary = "Changes a project's settings by a merge patch; at most 256 KiB", .function = change_settings,
   .permission = "settings:write", .product = "projects", .body = Body::merge_patch,
   .conditional = true, .answer = &settings_shape},
  {.method = Method::get, .pattern = "/v2/projects/{project_id}/environments/{environment}/settings",
   .name = "get_environment_settings", .summary = "Reads an environment's settings", .function = get_settings,
   .permission = "settings:read", .product = "projects", .query = environment_settings_parameters, .answer = &settings_shape},
  {.method = Method::patch, .pattern = "/v2/projects/{project_id}/environments/{environment}/settings",
   .name = "change_environment_settings", .summary = "Changes an environment's settings by a merge patch; at most 256 KiB",
   .function = change_settings, .permission = "settings:write", .product = "projects", .body = Body::merge_patch,
   .conditional = true, .answer = &settings_shape},

  // ---- declared products ----
  {.method = Method::put, .pattern = "/v2/products/{product}", .name = "declare_product",
   .summary = "Declares a product, or its next version", .function = declare_product,
   .scope = Scope::platform, .permission = "products:write", .sensitivity = Sensitivity::sensitive,
   .body = Body::json, .members = manifest_fields, .conditional = true, .other_status = 201, .answer = &product_shape},
  {.method = Method::get, .pattern = "/v2/products", .name = "list_products",
   .summary = "Lists declared products", .function = list_products,
   .scope = Scope::own, .permission = "products:read", .query = list_parameters, .answer = &product_shape, .page = true},
  {.method = Method::get, .pattern = "/v2/products/{product}", .name = "get_product",
   .summary = "Reads a manifest, the newest or an earlier version", .function = get_product,
   .scope = Scope::own, .permission = "products.{product}:read", .query = product_parameters, .answer = &product_shape},
  {.method = Method::get, .pattern = "/v2/products/{product}/events", .name = "list_product_events",
   .summary = "Lists the events of a product's manifest", .function = list_product_events,
   .scope = Scope::own, .permission = "products.{product}:read", .query = entity_events_parameters, .answer = &event_shape, .page = true},
  {.method = Method::post, .pattern = "/v2/products/{product}/events", .name = "append_events",
   .summary = "Appends a batch of events, all or nothing; as application/x-ndjson a batch a line", .function = append_events,
   .permission = "products.{product}:write", .product = "{product}",
   .body = Body::events, .lines = &bulk_lines, .members = append_events_fields, .status = 201, .answer = &written_shape},
  {.method = Method::get, .pattern = "/v2/products/{product}/{kind}", .name = "list_rows",
   .summary = "Lists the entities of a kind that are there", .function = list_rows,
   .permission = "products.{product}:read", .product = "{product}",
   .query = row_list_parameters, .answer = &row_shape, .page = true},
  {.method = Method::get, .pattern = "/v2/products/{product}/{kind}/{entity}", .name = "get_row",
   .summary = "Reads one entity", .function = get_row,
   .permission = "products.{product}:read", .product = "{product}", .query = entity_parameters, .answer = &row_shape},
  {.method = Method::post, .pattern = "/v2/products/{product}/{kind}/{entity}/events", .name = "append_entity_events",
   .summary = "Appends events about one entity", .function = append_entity_events,
   .permission = "products.{product}:write", .product = "{product}",
   .body = Body::events, .members = append_entity_events_fields, .conditional = true, .status = 201, .answer = &written_entity_shape},
  {.method = Method::get, .pattern = "/v2/products/{product}/{kind}/{entity}/events", .name = "list_entity_events",
   .summary = "Lists the events of an entity", .function = list_entity_events,
   .permission = "products.{product}:read", .product = "{product}", .query = entity_events_parameters, .answer = &event_shape, .page = true},

  // ---- events ----
  {.method = Method::get, .pattern = "/v2/events", .name = "list_events",
   .summary = "Lists the events of an organization", .function = list_events,
   .permission = "events:read", .query = event_list_parameters, .answer = &event_page_shape},
  {.method = Method::get, .pattern = "/v2/events/stream", .name = "stream_events",
   .summary = "Follows events as they happen, as Server-Sent Events", .function = stream_events,
   .permission = "events:read", .query = stream_parameters, .media = "text/event-stream"},

  // ---- operations ----
  {.method = Method::get, .pattern = "/healthz", .name = "healthz",
   .summary = "Says that the process runs", .function = healthz, .scope = Scope::open, .answer = &health_shape},
  {.method = Method::get, .pattern = "/readyz", .name = "readyz",
   .summary = "200 when ready, 503 with reasons until then", .function = readyz, .scope = Scope::open,
   .other_status = 503, .answer = &readiness_shape},
  {.method = Method::get, .pattern = "/metrics", .name = "metrics",
   .summary = "Metrics in Prometheus' text form", .function = metrics, .scope = Scope::open,
   .media = "text/plain"},
  {.method = Method::get, .pattern = "/openapi.json", .name = "openapi",
   .summary = "This description", .function = openapi, .scope = Scope::open, .media = "application/json"},
  {.method = Method::get, .pattern = "/docs", .name = "docs",
   .summary = "This description for people", .function = docs, .scope = Scope::open, .media = "text/html"},
  {.method = Method::get, .pattern = "/problems/{name}", .name = "problem_page",
   .summary = "What a type of problem means and what to do", .function = problem_page, .scope = Scope::open,
   .media = "text/html"},
  {.method = Method::get, .pattern = status_path, .name = "status",
   .summary = "Products, log ends, projections and their lag", .function = status,
   .scope = Scope::platform, .permission = "organization:read", .query = read_parameters, .answer = &status_shape},
};
// clang-format on

}  // namespace

std::span<const Operation> operations() {
  return table;
}

}  // namespace api::resources
