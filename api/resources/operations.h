#pragma once

#include <array>

#include "api/resources/operation.h"

/// What operators and their tools ask.
namespace api {
struct Services;
}

namespace api::resources {

constexpr std::string_view status_path = "/v2/status";

class Metrics;

Answer healthz(Ask& ask);
Answer readyz(Ask& ask);
Answer metrics(Ask& ask);
Answer problem_page(Ask& ask);
Answer status(Ask& ask);

/// Gauges of what the services know at any time: log ends, lag, streams. Before the server starts.
void watch_services(Metrics& metrics, const Services& services);

inline constexpr std::array<std::string_view, 1> ok_choices{"ok"};
inline constexpr std::array<Field, 1> health_fields{
    Field{.name = "status", .need = Need::required, .choices = ok_choices}};
inline constexpr Shape health_shape{"Health", health_fields};

inline constexpr std::array<Field, 4> frozen_fields{
    Field{.name = "organization_id", .need = Need::required},
    Field{.name = "space", .need = Need::required},
    Field{.name = "product", .need = Need::required},
    Field{.name = "reason", .need = Need::required}};
inline constexpr std::array<Field, 4> readiness_fields{
    Field{.name = "ready", .type = Type::boolean, .need = Need::required},
    Field{.name = "reasons", .need = Need::required, .many = Many::list},
    Field{.name = "frozen",
          .type = Type::object,
          .need = Need::required,
          .many = Many::list,
          .fields = frozen_fields},
    Field{.name = "degraded",
          .need = Need::required,
          .many = Many::list,
          .description = "what does not work while everything else does"}};
inline constexpr Shape readiness_shape{"Readiness", readiness_fields};

inline constexpr std::array<Field, 7> partition_fields{
    Field{.name = "partition", .type = Type::integer, .need = Need::required},
    Field{.name = "log_end", .type = Type::integer, .need = Need::required},
    Field{.name = "applied_end", .type = Type::integer, .need = Need::required},
    Field{.name = "lag", .type = Type::integer, .need = Need::required},
    Field{.name = "recorded_time", .type = Type::time, .need = Need::required, .nullable = true},
    Field{.name = "epoch",
          .need = Need::required,
          .nullable = true,
          .description = "offset and nonce of the claim that counts"},
    Field{.name = "owner",
          .need = Need::required,
          .nullable = true,
          .description = "the process that writes it, where several share the log"}};
inline constexpr std::array<Field, 4> product_status_fields{
    Field{.name = "name", .need = Need::required},
    Field{.name = "log_end", .type = Type::integer, .need = Need::required},
    Field{.name = "lag", .type = Type::integer, .need = Need::required},
    Field{.name = "partitions",
          .type = Type::object,
          .need = Need::required,
          .many = Many::list,
          .fields = partition_fields}};
inline constexpr std::array<Field, 5> process_fields{
    Field{.name = "name", .need = Need::required}, Field{.name = "address", .need = Need::required},
    Field{.name = "roles", .need = Need::required}, Field{.name = "state", .need = Need::required},
    Field{.name = "owned", .type = Type::integer, .need = Need::required}};
inline constexpr std::array<Field, 3> void_fields{
    Field{.name = "void-claim", .type = Type::integer, .need = Need::required},
    Field{.name = "void-epoch", .type = Type::integer, .need = Need::required},
    Field{.name = "void-sequence", .type = Type::integer, .need = Need::required}};
inline constexpr std::array<Field, 5> build_fields{
    Field{.name = "version", .type = Type::integer, .need = Need::required},
    Field{.name = "state",
          .need = Need::required,
          .description = "building, or interrupted when nobody has told of it for ten seconds"},
    Field{.name = "records", .type = Type::integer, .need = Need::required},
    Field{.name = "records_total", .type = Type::integer, .need = Need::required},
    Field{.name = "events_per_second", .type = Type::integer, .need = Need::required}};
inline constexpr std::array<Field, 3> projections_fields{
    Field{.name = "version", .type = Type::integer, .need = Need::required},
    Field{.name = "generation",
          .type = Type::integer,
          .need = Need::required,
          .description = "goes up when rows that were made beside these take over"},
    Field{.name = "builds",
          .type = Type::object,
          .need = Need::required,
          .many = Many::list,
          .fields = build_fields,
          .description = "rows that are being made beside those that serve"}};
inline constexpr std::array<Field, 9> status_fields{
    Field{.name = "version", .need = Need::required},
    Field{.name = "log_id", .need = Need::required},
    Field{.name = "partition_count", .type = Type::integer, .need = Need::required},
    Field{.name = "read_only", .need = Need::required, .nullable = true},
    Field{.name = "products",
          .type = Type::object,
          .need = Need::required,
          .many = Many::list,
          .fields = product_status_fields},
    Field{.name = "processes",
          .type = Type::object,
          .need = Need::required,
          .many = Many::list,
          .fields = process_fields,
          .description = "those that share the log; empty where it is embedded"},
    Field{.name = "projections",
          .type = Type::object,
          .need = Need::required,
          .fields = projections_fields,
          .description = "the rows of this process"},
    Field{.name = "void_records",
          .type = Type::object,
          .need = Need::required,
          .fields = void_fields,
          .description = "records that never counted, seen by this process since its start"},
    Field{.name = "streams", .type = Type::integer, .need = Need::required}};
inline constexpr Shape status_shape{"Status", status_fields};

}  // namespace api::resources
