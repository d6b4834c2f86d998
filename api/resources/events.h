#pragma once

#include <array>

#include "api/resources/feed.h"
#include "api/resources/operation.h"
#include "api/resources/parameters.h"

namespace api::resources {

Answer list_events(Ask& ask);
// The events of one entity each.
Answer list_organization_events(Ask& ask);
Answer list_key_events(Ask& ask);
Answer list_project_events(Ask& ask);
Answer list_environment_events(Ask& ask);
Answer list_member_events(Ask& ask);
Answer list_settings_events(Ask& ask);
Answer list_secret_events(Ask& ask);
Answer list_resource_events(Ask& ask);
Answer list_quota_events(Ask& ask);
Answer list_endpoint_events(Ask& ask);
Answer list_replay_events(Ask& ask);
Answer list_pipeline_events(Ask& ask);
Answer list_retry_policy_events(Ask& ask);
Answer list_resource_kind_events(Ask& ask);
Answer list_product_events(Ask& ask);
Answer list_entity_events(Ask& ask);

/// What the parameters of lists and streams of events say about which events are wanted.
Result<EventFilter> parse_event_filter(const Ask& ask);

/// Waits until the rows of everything that the filter follows are as far as the request asks, and
/// `after` besides: the positions of a mark, each checked.
awaitable<Result<void>> reach_followed(Ask& ask, const EventFilter& filter,
                                       const std::vector<MarkedPosition>& after);

inline constexpr Field type_parameter{
    .name = "type",
    .many = Many::list,
    .description = "an event type, or its beginning with * behind it: project.*"};

inline constexpr Field filter_parameter{
    .name = "filter",
    .description =
        "a condition in CEL over `event` as it is shown here, such as "
        "event.data.size > 100 && event.subject.startsWith('a/'); an event for which it "
        "comes to an error is left out"};

inline constexpr auto event_list_parameters = joined(
    read_parameters,
    std::array{
        Field{.name = "after", .description = "beginning, or the mark behind which to go on"},
        Field{.name = "limit", .type = Type::integer, .min = 1, .max = 1000},
        Field{.name = "order", .choices = order_choices}, type_parameter, filter_parameter,
        Field{.name = "product", .many = Many::list}, Field{.name = "kind", .many = Many::list},
        Field{.name = "subject", .many = Many::list},
        Field{.name = "from", .description = "inclusive: a mark, or the time of acceptance"},
        Field{.name = "to", .description = "exclusive: a mark, or the time of acceptance"}});

inline constexpr std::array<Field, 21> event_fields{
    Field{.name = "specversion", .need = Need::required},
    Field{.name = "id", .need = Need::required},
    Field{.name = "source", .need = Need::required},
    Field{.name = "type", .need = Need::required},
    Field{.name = "subject", .need = Need::required},
    Field{.name = "time", .type = Type::time, .need = Need::required},
    Field{.name = "datacontenttype", .need = Need::required},
    Field{.name = "dataschema",
          .description = "of a declared product's event: the manifest's version that it is of"},
    Field{.name = "organization", .need = Need::required},
    Field{.name = "space", .need = Need::required},
    Field{.name = "kind", .need = Need::required},
    Field{.name = "entityversion", .type = Type::integer, .need = Need::required},
    Field{.name = "recordedtime", .type = Type::time, .need = Need::required},
    Field{.name = "actor", .need = Need::required},
    Field{.name = "correlationid", .need = Need::required},
    Field{.name = "causationid"},
    Field{.name = "replayid", .description = "of what a replay wrote to a product"},
    Field{.name = "hops",
          .type = Type::integer,
          .description = "how many pipelines it came of, one behind the other"},
    Field{.name = "traceparent"},
    Field{.name = "mark", .need = Need::required},
    Field{.name = "data", .type = Type::any, .need = Need::required}};
inline constexpr Shape event_shape{"Event", event_fields};

inline constexpr std::array<Field, 3> event_page_fields{
    Field{.name = "data",
          .type = Type::object,
          .need = Need::required,
          .many = Many::list,
          .fields = event_fields},
    Field{.name = "next", .need = Need::required},
    Field{.name = "caught_up", .type = Type::boolean, .need = Need::required}};
inline constexpr Shape event_page_shape{"EventPage", event_page_fields};

}  // namespace api::resources
