#pragma once

#include <array>

#include "api/resources/events.h"

namespace api::resources {

/// GET /v2/events/stream: the events of one organization as they become visible, as Server-Sent
/// Events. Pulls: woken by the hub, a stream reads on from its own place and writes one bounded
/// chunk after another, so nothing is buffered for a reader and an idle one costs little.
Answer stream_events(Ask& ask);

inline constexpr auto stream_parameters =
    joined(read_parameters,
           std::array{Field{.name = "after",
                            .description = "now, beginning, or the mark behind which to go on; "
                                           "the header Last-Event-ID goes before it"},
                      type_parameter, filter_parameter});

}  // namespace api::resources
