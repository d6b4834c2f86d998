#pragma once

#include <array>

#include "api/resources/operation.h"
#include "api/resources/parse.h"

/// Deliveries: what became of sending events to endpoints.
namespace api::resources {

Answer list_deliveries(Ask& ask);
Answer get_delivery(Ask& ask);
Answer resend_delivery(Ask& ask);
Answer resend_deliveries(Ask& ask);

inline constexpr std::array<std::string_view, 5> delivery_states{"pending", "succeeded", "failing",
                                                                 "exhausted", "skipped"};
inline constexpr std::array<Field, 12> attempt_fields{
    Field{.name = "attempt", .type = Type::integer, .need = Need::required},
    Field{.name = "started_at", .type = Type::time, .need = Need::required},
    Field{.name = "status", .type = Type::integer, .need = Need::required, .nullable = true},
    Field{.name = "state", .need = Need::required, .choices = delivery_states},
    Field{.name = "error", .need = Need::required, .nullable = true},
    Field{.name = "body",
          .need = Need::required,
          .nullable = true,
          .description = "the first 4 KiB of the answer's"},
    Field{.name = "resolve_us", .type = Type::integer, .need = Need::required},
    Field{.name = "connect_us", .type = Type::integer, .need = Need::required},
    Field{.name = "tls_us", .type = Type::integer, .need = Need::required},
    Field{.name = "answer_us", .type = Type::integer, .need = Need::required},
    Field{.name = "next_at", .type = Type::time, .need = Need::required, .nullable = true},
    Field{.name = "event_id", .need = Need::required}};
inline constexpr std::array<Field, 17> delivery_fields{
    Field{.name = "id", .need = Need::required},
    Field{.name = "endpoint_id",
          .need = Need::required,
          .nullable = true,
          .description = "of what goes to a product or through a pipeline there is none"},
    Field{.name = "replay_id",
          .need = Need::required,
          .nullable = true,
          .description = "that sends it again"},
    Field{.name = "pipeline_id",
          .need = Need::required,
          .nullable = true,
          .description = "that makes of it what is sent"},
    Field{.name = "definition_version",
          .type = Type::integer,
          .need = Need::required,
          .nullable = true,
          .description = "of the pipeline"},
    Field{.name = "event_id", .need = Need::required},
    Field{.name = "event_type", .need = Need::required},
    Field{.name = "product", .need = Need::required},
    Field{.name = "state", .need = Need::required, .choices = delivery_states},
    Field{.name = "attempts_made", .type = Type::integer, .need = Need::required},
    Field{.name = "status", .type = Type::integer, .need = Need::required, .nullable = true},
    Field{.name = "error", .need = Need::required, .nullable = true},
    Field{.name = "next_at", .type = Type::time, .need = Need::required, .nullable = true},
    Field{.name = "attempts",
          .type = Type::object,
          .many = Many::list,
          .fields = attempt_fields,
          .description = "the last hundred; of one delivery only"},
    Field{.name = "created_at", .type = Type::time, .need = Need::required},
    Field{.name = "updated_at", .type = Type::time, .need = Need::required},
    Field{.name = "version", .type = Type::integer, .need = Need::required}};
inline constexpr Shape delivery_shape{"Delivery", delivery_fields};

inline constexpr std::array<std::string_view, 3> resendable_states{"exhausted", "failing",
                                                                   "skipped"};
inline constexpr std::array<Field, 3> resend_fields{
    Field{.name = "endpoint_id", .nullable = true, .description = "whose deliveries, or:"},
    Field{.name = "pipeline_id", .nullable = true},
    Field{.name = "state", .need = Need::required, .choices = resendable_states}};
inline constexpr std::array<Field, 2> resent_fields{
    Field{.name = "resent", .type = Type::integer, .need = Need::required},
    Field{.name = "more",
          .type = Type::boolean,
          .need = Need::required,
          .description = "there are more than one request asks for: ask again"}};
inline constexpr Shape resent_shape{"Resent", resent_fields};

}  // namespace api::resources
