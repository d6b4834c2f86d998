#pragma once

#include <array>

#include "api/resources/operation.h"
#include "manager/commands.h"
#include "schemas/json_reader.h"

/// Events of declared products, as their writers send them: about one entity, in batches, in bulk.
namespace api::resources {

Answer append_entity_events(Ask& ask);
/// A batch; or, as application/x-ndjson, a batch a line (bulk_events.h).
Answer append_events(Ask& ask);

inline constexpr std::size_t batch_events_max = 10'000;

/// A batch read from `reader`, which the caller finishes.
manager::AppendEvents read_batch(schemas::json::ObjectReader& reader, std::string_view product);

inline constexpr Field data_field{.name = "data", .type = Type::object, .need = Need::required};
inline constexpr Field time_field{
    .name = "time", .type = Type::time, .nullable = true, .description = "when it happened"};
inline constexpr Field event_type_field{
    .name = "type", .need = Need::required, .min = 1, .max = 100, .example = R"("file.added")"};

inline constexpr std::array<std::string_view, 5> expected_choices{"any", "exists", "absent",
                                                                  "no_stream", "deleted"};
inline constexpr std::array<Field, 3> new_entity_event_fields{event_type_field, data_field,
                                                              time_field};
inline constexpr std::array<Field, 2> append_entity_events_fields{
    Field{.name = "expected_version",
          .type = Type::version,
          .choices = expected_choices,
          .description = "what the entity must be for this to be written"},
    Field{.name = "events",
          .type = Type::object,
          .need = Need::required,
          .many = Many::list,
          .items_max = batch_events_max,
          .fields = new_entity_event_fields}};

inline constexpr Field kind_name_field{
    .name = "kind", .need = Need::required, .min = 1, .max = 48, .example = R"("file")"};
inline constexpr Field entity_name_field{.name = "entity",
                                         .need = Need::required,
                                         .min = 1,
                                         .max = 512,
                                         .description = "at most 512 bytes of UTF-8"};
inline constexpr std::array<Field, 5> new_event_fields{kind_name_field, entity_name_field,
                                                       event_type_field, data_field, time_field};
inline constexpr std::array<Field, 3> condition_fields{kind_name_field, entity_name_field,
                                                       Field{.name = "version",
                                                             .type = Type::version,
                                                             .need = Need::required,
                                                             .choices = expected_choices}};
inline constexpr std::array<Field, 2> append_events_fields{Field{.name = "expected",
                                                                 .type = Type::object,
                                                                 .many = Many::list,
                                                                 .nullable = true,
                                                                 .items_max = batch_events_max,
                                                                 .fields = condition_fields},
                                                           Field{.name = "events",
                                                                 .type = Type::object,
                                                                 .need = Need::required,
                                                                 .many = Many::list,
                                                                 .items_max = batch_events_max,
                                                                 .fields = new_event_fields}};

inline constexpr std::array<Field, 4> written_event_fields{
    Field{.name = "id", .need = Need::required}, Field{.name = "kind", .need = Need::required},
    Field{.name = "entity", .need = Need::required},
    Field{.name = "version", .type = Type::integer, .need = Need::required}};
inline constexpr Field written_events_field{.name = "events",
                                            .type = Type::object,
                                            .need = Need::required,
                                            .many = Many::list,
                                            .fields = written_event_fields};
inline constexpr std::array<Field, 2> written_entity_fields{
    Field{.name = "version", .type = Type::integer, .need = Need::required}, written_events_field};
inline constexpr Shape written_entity_shape{"WrittenEntityEvents", written_entity_fields};
inline constexpr std::array<Field, 1> written_fields{written_events_field};
inline constexpr Shape written_shape{"WrittenEvents", written_fields};

inline constexpr auto bulk_line_fields =
    joined(append_events_fields, std::array{Field{.name = "idempotency_key",
                                                  .nullable = true,
                                                  .max = 255,
                                                  .description = "of this line; visible ASCII"}});
inline constexpr std::array<Field, 5> bulk_answer_fields{
    Field{.name = "line",
          .type = Type::integer,
          .need = Need::required,
          .description = "the number of the line in the body, from 1"},
    Field{.name = "mark", .description = "of the line's record, which is durable"},
    Field{.name = "events", .type = Type::integer, .description = "how many the line added"},
    Field{.name = "replayed",
          .type = Type::boolean,
          .description = "true when an earlier line with this idempotency key had added them"},
    Field{.name = "problem",
          .type = Type::object,
          .description = "instead of both: why the line was refused; no other line follows"}};
inline constexpr Shape bulk_answer_shape{"BulkAnswer", bulk_answer_fields};
inline constexpr Lines bulk_lines{bulk_line_fields, &bulk_answer_shape};

}  // namespace api::resources
