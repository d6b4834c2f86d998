#pragma once

#include <array>

#include "api/resources/operation.h"
#include "api/resources/parameters.h"
#include "api/resources/parse.h"
#include "projections/states.h"
#include "webhooks/endpoint.h"
#include "webhooks/replay.h"

/// Replays: events of the past once more, to an endpoint or a declared product.
namespace api::resources {

Answer request_replay(Ask& ask);
Answer replay_to_endpoint(Ask& ask);
Answer list_replays(Ask& ask);
Answer get_replay(Ask& ask);
Answer pause_replay(Ask& ask);
Answer resume_replay(Ask& ask);
Answer cancel_replay(Ask& ask);

/// Whether the caller may know of it: of one to an endpoint that it knows of.
bool sees_replay(const Ask& ask, const projections::Replay& replay);
bool sees_replay(const Ask& ask, const schemas::Uuid& id);
/// The replay that the path names; whether it is there is another question.
Result<schemas::Uuid> replay_in_path(const Ask& ask);

inline constexpr std::array<std::string_view, 4> replay_states{"running", "paused", "cancelled",
                                                               "completed"};
inline constexpr auto replay_list_parameters =
    joined(list_parameters,
           std::array{Field{.name = "state", .many = Many::list, .choices = replay_states},
                      project_filter, endpoint_filter, pipeline_filter});
inline constexpr std::array<std::string_view, 1> only_choices{"failed"};
inline constexpr std::array<std::string_view, 2> definition_choices{"pinned", "current"};
inline constexpr std::array<Field, 7> replay_range_fields{
    Field{.name = "from",
          .need = Need::required,
          .description = "where it begins, inclusive: beginning, a mark or a time",
          .example = R"("beginning")"},
    Field{.name = "to",
          .nullable = true,
          .description = "where it ends, exclusive: now (when left out), a mark or a time"},
    Field{.name = "filter",
          .nullable = true,
          .min = 1,
          .description = "a condition in CEL over the event"},
    Field{
        .name = "only",
        .nullable = true,
        .choices = only_choices,
        .description = "failed: only events whose own delivery to the endpoint is exhausted, or:"},
    Field{.name = "of", .nullable = true, .description = "that of this replay"},
    Field{.name = "rate_per_second",
          .type = Type::integer,
          .nullable = true,
          .min = 1,
          .max = webhooks::rate_max,
          .description = "the endpoint's when left out; beside what it is sent anyway"},
    Field{.name = "dry_run",
          .type = Type::boolean,
          .nullable = true,
          .description = "only counts the events"}};
inline constexpr std::array<Field, 3> replay_sink_fields{
    Field{.name = "endpoint_id", .nullable = true, .description = "events are sent there, or:"},
    Field{.name = "pipeline_id",
          .nullable = true,
          .description = "events go through it, each as it was where the event stands, or:"},
    Field{.name = "product",
          .nullable = true,
          .description = "events are written to this declared product"}};
inline constexpr auto request_replay_fields = joined(
    std::array{
        Field{.name = "sink",
              .type = Type::object,
              .need = Need::required,
              .fields = replay_sink_fields,
              .description = "where the events go"},
        Field{.name = "types",
              .many = Many::list,
              .nullable = true,
              .min = 1,
              .max = 101,
              .items_max = webhooks::types_max,
              .description =
                  "exact types, or beginnings with * behind; when left out all, or what the "
                  "endpoint wants, with its filter",
              .example = R"(["project.*"])"},
        Field{.name = "products",
              .many = Many::list,
              .nullable = true,
              .items_max = webhooks::replayed_products_max,
              .description = "only events of these; of all when left out, into a product "
                             "of all other declared ones"},
        Field{.name = "project_id",
              .nullable = true,
              .description = "only events of this project; the endpoint's when left out"},
        Field{.name = "definition",
              .nullable = true,
              .choices = definition_choices,
              .description = "through a pipeline: as it was where each event stands (pinned, "
                             "when left out), or all as it is now (current)"}},
    replay_range_fields);

inline constexpr std::array<Field, 8> replay_progress_fields{
    Field{.name = "fraction",
          .type = Type::any,
          .need = Need::required,
          .nullable = true,
          .description = "of the range, by the time when its events were accepted"},
    Field{.name = "remaining_seconds",
          .type = Type::integer,
          .need = Need::required,
          .nullable = true},
    Field{.name = "position",
          .need = Need::required,
          .description = "a mark: everything before it is done with"},
    Field{.name = "pending", .type = Type::integer, .need = Need::required},
    Field{.name = "failing", .type = Type::integer, .need = Need::required},
    Field{.name = "succeeded", .type = Type::integer, .need = Need::required},
    Field{.name = "exhausted", .type = Type::integer, .need = Need::required},
    Field{.name = "skipped", .type = Type::integer, .need = Need::required}};
inline constexpr std::array<Field, 20> replay_fields{
    Field{.name = "id", .need = Need::required},
    Field{.name = "organization_id", .need = Need::required},
    Field{.name = "project_id", .need = Need::required, .nullable = true},
    Field{
        .name = "sink", .type = Type::object, .need = Need::required, .fields = replay_sink_fields},
    Field{.name = "types", .need = Need::required, .many = Many::list},
    Field{.name = "products", .need = Need::required, .many = Many::list, .nullable = true},
    Field{.name = "filter", .need = Need::required, .nullable = true},
    Field{.name = "endpoint_filter",
          .need = Need::required,
          .nullable = true,
          .description = "of the endpoint, as it was when it was asked to replay"},
    Field{.name = "only", .need = Need::required, .nullable = true, .choices = only_choices},
    Field{.name = "of", .need = Need::required, .nullable = true},
    Field{
        .name = "rate_per_second", .type = Type::integer, .need = Need::required, .nullable = true},
    Field{.name = "definition_version",
          .type = Type::integer,
          .need = Need::required,
          .nullable = true,
          .description = "of the pipeline; null: for each event that where it stands"},
    Field{.name = "from", .need = Need::required},
    Field{.name = "to", .need = Need::required},
    Field{.name = "state", .need = Need::required, .choices = replay_states},
    Field{.name = "reason",
          .need = Need::required,
          .nullable = true,
          .description = "why it is paused, cancelled or waits"},
    Field{.name = "progress",
          .type = Type::object,
          .need = Need::required,
          .nullable = true,
          .fields = replay_progress_fields,
          .description = "of one replay only, as it is now"},
    Field{.name = "created_at", .type = Type::time, .need = Need::required},
    Field{.name = "updated_at", .type = Type::time, .need = Need::required},
    Field{.name = "version", .type = Type::integer, .need = Need::required}};
inline constexpr Shape replay_shape{"Replay", replay_fields};
inline constexpr std::array<Field, 3> replay_count_fields{
    Field{.name = "events", .type = Type::integer, .need = Need::required},
    Field{.name = "types",
          .type = Type::any,
          .need = Need::required,
          .description = "how many of each type"},
    Field{.name = "complete",
          .type = Type::boolean,
          .need = Need::required,
          .description = "false: there was time to count some only"}};
inline constexpr Shape replay_count_shape{"ReplayCount", replay_count_fields};

}  // namespace api::resources
