#pragma once

#include <array>

#include "api/resources/operation.h"
#include "api/resources/parameters.h"
#include "api/resources/parse.h"
#include "api/resources/webhooks.h"
#include "projections/states.h"
#include "webhooks/pipeline.h"
#include "webhooks/replay.h"

/// Pipelines: what is made of events as they come, and where it goes.
namespace api::resources {

Answer create_pipeline(Ask& ask);
Answer list_pipelines(Ask& ask);
Answer get_pipeline(Ask& ask);
Answer change_pipeline(Ask& ask);
Answer delete_pipeline(Ask& ask);
Answer pause_pipeline(Ask& ask);
Answer resume_pipeline(Ask& ask);
Answer dry_run_pipeline(Ask& ask);  // pipeline_dry_run.cpp

/// Whether the caller may know of it.
bool sees_pipeline(const Ask& ask, const projections::Pipeline& pipeline);
/// The pipeline that the path names; whether it is there is another question.
Result<schemas::Uuid> pipeline_in_path(const Ask& ask);
std::unexpected<schemas::Error> no_pipeline();
struct PipelineNow {
  schemas::Version version;
  projections::Pipeline state;
};
/// As the rows have it, behind what the request came with, if the caller may see it.
awaitable<Result<PipelineNow>> pipeline_now(Ask& ask, const schemas::Uuid& id);

struct AskedPipeline {
  webhooks::PipelineConfig config;
  std::optional<schemas::Uuid> project;
};
/// The pipeline's members, patched; where it goes stays, and its project is the caller's to name.
awaitable<Result<AskedPipeline>> patched(const Ask& ask, const projections::Pipeline& now,
                                         schemas::json::Value patch);
/// Whoever has events made into something reads them and what they are enriched with, and may write
/// where that goes.
Result<void> may_run(const Ask& ask, const webhooks::PipelineConfig& config);
Result<void> may_run(const Ask& ask, const projections::Pipeline& pipeline);

inline constexpr std::array<std::string_view, 3> priorities{"normal", "high", "low"};
inline constexpr std::array<std::string_view, 2> pipeline_states{"active", "paused"};
inline constexpr auto pipeline_list_parameters =
    joined(list_parameters,
           std::array{Field{.name = "state", .many = Many::list, .choices = pipeline_states},
                      project_filter, endpoint_filter});
inline constexpr std::array<Field, 3> pipeline_source_fields{
    Field{.name = "types",
          .many = Many::list,
          .nullable = true,
          .min = 1,
          .max = 101,
          .items_max = webhooks::types_max,
          .description = "exact types, or beginnings with * behind; all when left out",
          .example = R"(["project.*"])"},
    Field{.name = "products",
          .many = Many::list,
          .nullable = true,
          .items_max = webhooks::replayed_products_max,
          .description = "only events of these; when left out of all but the sink's"},
    Field{.name = "filter",
          .nullable = true,
          .min = 1,
          .description = "a condition in CEL over the event; what it has no answer for is left"}};
inline constexpr std::array<Field, 4> enrichment_fields{
    Field{.name = "as",
          .need = Need::required,
          .max = 50,
          .description = "expressions say rows.<this>"},
    Field{.name = "product",
          .need = Need::required,
          .description = "a declared product, projects or resources"},
    Field{.name = "kind", .need = Need::required},
    Field{.name = "id",
          .need = Need::required,
          .description = "the entity, a text with expressions over the event",
          .example = R"("${event.data.project_id}")"}};
inline constexpr std::array<Field, 7> pipeline_sink_fields{
    Field{.name = "endpoint_id", .nullable = true, .description = "it is sent there, or:"},
    Field{.name = "product",
          .nullable = true,
          .description = "it is written to this declared product, or:"},
    Field{.name = "operation",
          .nullable = true,
          .description = "this operation (operationId) of projects or resources is asked, with the "
                         "map as its body",
          .example = R"("create_environment")"},
    Field{.name = "path",
          .type = Type::map,
          .nullable = true,
          .items_max = webhooks::path_texts_max,
          .description = "of an operation: what stands in its path, texts with expressions",
          .example = R"({"project_id": "${event.subject}"})"},
    Field{.name = "kind",
          .nullable = true,
          .min = 1,
          .description = "a text with expressions; the event's when left out"},
    Field{.name = "entity",
          .nullable = true,
          .min = 1,
          .description = "the same; the event's subject when left out"},
    Field{.name = "type",
          .nullable = true,
          .min = 1,
          .description = "the same; the event's when left out"}};
inline constexpr std::array<Field, 7> pipeline_config_fields{
    Field{.name = "source",
          .type = Type::object,
          .nullable = true,
          .fields = pipeline_source_fields,
          .description = "which events; all when left out"},
    Field{.name = "condition",
          .nullable = true,
          .min = 1,
          .description = "in CEL over the event; what it has no answer for is parked",
          .example = R"("event.data.size > 10")"},
    Field{.name = "enrich",
          .type = Type::object,
          .many = Many::list,
          .nullable = true,
          .items_max = webhooks::enrichments_max,
          .fields = enrichment_fields,
          .description = "rows as they were at the event"},
    Field{.name = "map",
          .type = Type::object,
          .nullable = true,
          .description = "what becomes its data: JSON with expressions in CEL in its texts, of at "
                         "most 64 KiB; the event's data when left out",
          .example = R"({"name": "${event.data.name}"})"},
    Field{.name = "priority", .nullable = true, .choices = priorities},
    Field{.name = "project_id", .nullable = true, .description = "only events of this project"},
    Field{.name = "sink",
          .type = Type::object,
          .need = Need::required,
          .fields = pipeline_sink_fields,
          .description = "where it goes"}};
inline constexpr auto create_pipeline_fields = joined(
    std::array{Field{.name = "name", .need = Need::required, .min = 1, .max = 100},
               Field{.name = "start",
                     .nullable = true,
                     .description = "now, beginning, a mark or a time: where it begins"},
               Field{.name = "paused",
                     .type = Type::boolean,
                     .nullable = true,
                     .description = "made so; resume it when a dry run shows what you want"}},
    pipeline_config_fields);
inline constexpr std::array<Field, 8> change_pipeline_fields{
    Field{.name = "name", .min = 1, .max = 100},
    pipeline_config_fields[0],
    pipeline_config_fields[1],
    pipeline_config_fields[2],
    pipeline_config_fields[3],
    pipeline_config_fields[4],
    pipeline_config_fields[5],
    Field{.name = "sink",
          .type = Type::object,
          .fields = pipeline_sink_fields,
          .description = "kind, entity, type and path; where it goes stays"}};
inline constexpr std::array<Field, 4> dry_run_pipeline_fields{
    Field{.name = "from",
          .nullable = true,
          .description = "where it begins, inclusive: beginning (when left out), a mark or a time"},
    Field{.name = "to",
          .nullable = true,
          .description = "where it ends, exclusive: now (when left out), a mark or a time"},
    Field{.name = "limit",
          .type = Type::integer,
          .nullable = true,
          .min = 1,
          .max = 1'000,
          .description = "of differences; 100 when left out"},
    Field{.name = "change",
          .type = Type::object,
          .nullable = true,
          .fields = change_pipeline_fields,
          .description = "as it would be after this merge patch, beside as it is"}};

inline constexpr std::array<Field, 17> pipeline_fields{
    Field{.name = "id", .need = Need::required},
    Field{.name = "organization_id", .need = Need::required},
    Field{.name = "project_id", .need = Need::required, .nullable = true},
    Field{.name = "name", .need = Need::required},
    Field{.name = "source",
          .type = Type::object,
          .need = Need::required,
          .fields = pipeline_source_fields},
    Field{.name = "condition", .need = Need::required, .nullable = true},
    Field{.name = "enrich",
          .type = Type::object,
          .need = Need::required,
          .many = Many::list,
          .nullable = true,
          .fields = enrichment_fields},
    Field{.name = "map", .type = Type::any, .need = Need::required, .nullable = true},
    Field{.name = "sink",
          .type = Type::object,
          .need = Need::required,
          .fields = pipeline_sink_fields},
    Field{.name = "priority", .need = Need::required, .choices = priorities},
    Field{.name = "definition_version",
          .type = Type::integer,
          .need = Need::required,
          .description = "the version in which it was last changed"},
    Field{.name = "state", .need = Need::required, .choices = pipeline_states},
    Field{.name = "reason",
          .need = Need::required,
          .nullable = true,
          .description = "why it is not active"},
    Field{.name = "deliveries", .type = Type::object, .fields = endpoint_health_fields},
    Field{.name = "created_at", .type = Type::time, .need = Need::required},
    Field{.name = "updated_at", .type = Type::time, .need = Need::required},
    Field{.name = "version", .type = Type::integer, .need = Need::required}};
inline constexpr Shape pipeline_shape{"Pipeline", pipeline_fields};

inline constexpr std::array<Field, 7> made_fields{
    Field{.name = "kind"},
    Field{.name = "entity"},
    Field{.name = "type"},
    Field{.name = "operation"},
    Field{.name = "path", .type = Type::map},
    Field{.name = "data", .type = Type::any},
    Field{.name = "error", .description = "why it would be parked; then nothing else is here"}};
inline constexpr std::array<Field, 5> pipeline_difference_fields{
    Field{.name = "event_id", .need = Need::required},
    Field{.name = "event_type", .need = Need::required},
    Field{.name = "mark", .need = Need::required},
    Field{.name = "before",
          .type = Type::object,
          .need = Need::required,
          .nullable = true,
          .fields = made_fields,
          .description = "what is made of it as it is; null: nothing, or nothing was asked about"},
    Field{.name = "after",
          .type = Type::object,
          .need = Need::required,
          .nullable = true,
          .fields = made_fields}};
inline constexpr std::array<Field, 6> pipeline_dry_run_answer_fields{
    Field{.name = "events",
          .type = Type::integer,
          .need = Need::required,
          .description = "that the source's types are for"},
    Field{.name = "taken", .type = Type::integer, .need = Need::required},
    Field{.name = "parked",
          .type = Type::integer,
          .need = Need::required,
          .description = "of those taken: that nothing can be made of"},
    Field{.name = "differences",
          .type = Type::object,
          .need = Need::required,
          .many = Many::list,
          .fields = pipeline_difference_fields},
    Field{.name = "complete",
          .type = Type::boolean,
          .need = Need::required,
          .description = "false: ask again from `next`"},
    Field{.name = "next", .need = Need::required, .nullable = true}};
inline constexpr Shape pipeline_dry_run_shape{"PipelineDryRun", pipeline_dry_run_answer_fields};

}  // namespace api::resources
