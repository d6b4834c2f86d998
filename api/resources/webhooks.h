#pragma once

#include <array>

#include "api/resources/operation.h"
#include "api/resources/parse.h"
#include "projections/reader.h"
#include "schemas/json_writer.h"
#include "webhooks/endpoint.h"

/// Endpoints: where an organization wants its events sent.
namespace api::resources {

Answer create_endpoint(Ask& ask);
Answer list_endpoints(Ask& ask);
Answer get_endpoint(Ask& ask);
Answer change_endpoint(Ask& ask);
Answer delete_endpoint(Ask& ask);
Answer pause_endpoint(Ask& ask);
Answer resume_endpoint(Ask& ask);
Answer test_endpoint(Ask& ask);
Answer rotate_endpoint_secret(Ask& ask);

/// The endpoint that the path names; whether it is there is another question.
Result<schemas::Uuid> endpoint_in_path(const Ask& ask);
std::unexpected<schemas::Error> no_endpoint();
/// Whoever has events sent, or takes them, reads them.
Result<void> may_read_events(const Ask& ask);
struct EndpointNow {
  schemas::Version version;
  projections::Endpoint state;
};
/// The endpoint as the rows have it, behind what the request came with, if the caller may see it.
awaitable<Result<EndpointNow>> endpoint_now(Ask& ask, const schemas::Uuid& id);
/// Whether the caller may know of an endpoint of this project.
bool sees_endpoint_of(const Ask& ask, const std::optional<schemas::Uuid>& project);

inline constexpr std::array<std::string_view, 3> delivery_orders{"entity", "none", "endpoint"};
inline constexpr std::array<std::string_view, 2> delivery_formats{"structured", "data"};
inline constexpr std::array<std::string_view, 2> signature_choices{"hmac", "ed25519"};
/// The mark at which deliveries begin: now, beginning, a mark or a time.
awaitable<Result<std::string>> start_mark(Ask& ask, std::string_view start);
/// How a channel's deliveries stand, as member `deliveries`. `start`: its place while it has no
/// cursor of this generation.
void write_health(schemas::json::Writer& writer, const projections::Reader& reader,
                  schemas::TopicId deliveries, const projections::Channel& channel,
                  std::uint32_t generation, const std::string& start);

inline constexpr std::array<std::string_view, 2> endpoint_kinds{"push", "pull"};
inline constexpr std::array<std::string_view, 3> endpoint_states{"active", "paused", "disabled"};
inline constexpr std::int64_t secret_overlap_max_seconds = 7 * 24 * 60 * 60;

inline constexpr Field url_field{.name = "url",
                                 .nullable = true,
                                 .min = 1,
                                 .max = 2048,
                                 .description = "where events are sent; not of kind pull",
                                 .example = R"("https://example.com/hook")"};
inline constexpr std::array<Field, 9> endpoint_config_fields{
    Field{.name = "types",
          .many = Many::list,
          .nullable = true,
          .min = 1,
          .max = 101,
          .items_max = webhooks::types_max,
          .description = "exact types, or beginnings with * behind; all when left out",
          .example = R"(["project.*"])"},
    Field{.name = "filter",
          .nullable = true,
          .min = 1,
          .description = "a condition in CEL over the event",
          .example = R"("event.type != 'project.deleted'")"},
    Field{.name = "order", .nullable = true, .choices = delivery_orders},
    Field{.name = "format", .nullable = true, .choices = delivery_formats},
    Field{.name = "retry_policy_id",
          .nullable = true,
          .description = "the usual one when left out: ten attempts in about three days"},
    Field{.name = "rate_per_second",
          .type = Type::integer,
          .nullable = true,
          .min = 1,
          .max = webhooks::rate_max},
    Field{.name = "max_in_flight",
          .type = Type::integer,
          .nullable = true,
          .min = 1,
          .max = webhooks::in_flight_max},
    Field{.name = "pause_after_seconds",
          .type = Type::integer,
          .nullable = true,
          .min = 1,
          .max = webhooks::pause_after_max_seconds,
          .description = "how long nothing may have succeeded before it is paused; 5 days"},
    Field{.name = "description", .nullable = true, .max = 500}};
inline constexpr std::array<Field, 2> endpoint_more_fields{
    Field{.name = "headers",
          .type = Type::map,
          .nullable = true,
          .items_max = 20,
          .description = "sent with every delivery; sealed, never shown"},
    Field{.name = "project_id", .nullable = true, .description = "only events of this project"}};
inline constexpr std::array<Field, 5> new_endpoint_fields{
    url_field, Field{.name = "signature", .nullable = true, .choices = signature_choices},
    Field{.name = "secret",
          .nullable = true,
          .description = "whsec_… (or whsk_… for Ed25519) to sign with; made when left out"},
    Field{.name = "start",
          .nullable = true,
          .description = "now, beginning, a mark or a time: where deliveries begin"},
    Field{.name = "kind",
          .nullable = true,
          .choices = endpoint_kinds,
          .description = "push, to the url; pull, for workers who lease and acknowledge"}};
inline constexpr auto create_endpoint_fields =
    joined(new_endpoint_fields, joined(endpoint_config_fields, endpoint_more_fields));
inline constexpr auto change_endpoint_fields =
    joined(std::array{Field{.name = "url", .min = 1, .max = 2048}},
           joined(endpoint_config_fields, endpoint_more_fields));
inline constexpr std::array<std::string_view, 1> skip_choices{"now"};
inline constexpr std::array<Field, 1> resume_endpoint_fields{
    Field{.name = "skip_to",
          .nullable = true,
          .choices = skip_choices,
          .description = "leaves out what came meanwhile"}};
inline constexpr std::array<Field, 2> rotate_secret_fields{
    Field{.name = "overlap_seconds",
          .type = Type::integer,
          .nullable = true,
          .min = 0,
          .max = secret_overlap_max_seconds,
          .description = "how long the secrets before it sign too; a day when left out"},
    Field{.name = "secret", .nullable = true}};

inline constexpr std::array<Field, 9> endpoint_health_fields{
    Field{.name = "pending", .type = Type::integer, .need = Need::required},
    Field{.name = "failing", .type = Type::integer, .need = Need::required},
    Field{.name = "exhausted", .type = Type::integer, .need = Need::required},
    Field{.name = "skipped", .type = Type::integer, .need = Need::required},
    Field{.name = "succeeded", .type = Type::integer, .need = Need::required},
    Field{.name = "failing_since", .type = Type::time, .need = Need::required, .nullable = true},
    Field{.name = "last_success_at", .type = Type::time, .need = Need::required, .nullable = true},
    Field{.name = "last_status", .type = Type::integer, .need = Need::required, .nullable = true},
    Field{.name = "cursor",
          .need = Need::required,
          .nullable = true,
          .description = "a mark: everything before it is done with"}};
inline constexpr std::array<Field, 23> endpoint_fields{
    Field{.name = "id", .need = Need::required},
    Field{.name = "organization_id", .need = Need::required},
    Field{.name = "project_id", .need = Need::required, .nullable = true},
    Field{.name = "kind", .need = Need::required, .choices = endpoint_kinds},
    Field{.name = "url", .need = Need::required, .nullable = true},
    Field{.name = "types", .need = Need::required, .many = Many::list},
    Field{.name = "filter", .need = Need::required, .nullable = true},
    Field{.name = "order", .need = Need::required, .choices = delivery_orders},
    Field{.name = "format", .need = Need::required, .choices = delivery_formats},
    Field{.name = "signature",
          .need = Need::required,
          .nullable = true,
          .choices = signature_choices},
    Field{.name = "retry_policy_id", .need = Need::required, .nullable = true},
    Field{
        .name = "rate_per_second", .type = Type::integer, .need = Need::required, .nullable = true},
    Field{.name = "max_in_flight", .type = Type::integer, .need = Need::required, .nullable = true},
    Field{.name = "pause_after_seconds",
          .type = Type::integer,
          .need = Need::required,
          .nullable = true},
    Field{.name = "description", .need = Need::required},
    Field{.name = "has_headers", .type = Type::boolean, .need = Need::required},
    Field{.name = "state", .need = Need::required, .choices = endpoint_states},
    Field{.name = "reason",
          .need = Need::required,
          .nullable = true,
          .description = "why it is not active"},
    Field{.name = "secret",
          .nullable = true,
          .description = "only in the answer to its making or rotation"},
    Field{.name = "deliveries", .type = Type::object, .fields = endpoint_health_fields},
    Field{.name = "created_at", .type = Type::time, .need = Need::required},
    Field{.name = "updated_at", .type = Type::time, .need = Need::required},
    Field{.name = "version", .type = Type::integer, .need = Need::required}};
inline constexpr Shape endpoint_shape{"Endpoint", endpoint_fields};
inline constexpr std::array<Field, 2> tested_fields{
    Field{.name = "event_id", .need = Need::required},
    Field{.name = "delivery_id", .need = Need::required}};
inline constexpr Shape tested_shape{"TestedEndpoint", tested_fields};

}  // namespace api::resources
