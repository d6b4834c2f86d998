#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/resources/ask.h"
#include "projections/timeline.h"
#include "schemas/json.h"
#include "webhooks/event_reader.h"
#include "webhooks/pipeline.h"

/// Operations of built-in products as the sink of a pipeline: the command that it makes of an event
/// is asked in the process, as its route would be, by the program itself.
namespace api::resources {

/// The operation of this name, if a pipeline may ask it: one that changes something of projects or
/// resources, and that any organization's key may be permitted. None that deals with secrets.
const Operation* find_sink_operation(std::string_view name);

/// Why a pipeline cannot ask it so: what its path needs, a map where it has no body.
schemas::Result<void> check_sink_operation(const Operation& operation,
                                           const webhooks::PipelineConfig& config);

/// Rows of other products by which it is decided may be read less far than the event: waits a
/// moment for them, as wait_for_rows does.
schemas::Result<void> wait_for_decision(const Services& services, const Operation& operation,
                                        const projections::TimelineEvent& event);

struct SinkRequest {
  const Operation& operation;
  std::vector<std::pair<std::string, std::string>> path;  // what stands in it, by name
  schemas::json::Document body;
  std::string correlation;
};

/// Asks it in this (organization, space), and answers as the route would.
awaitable<schemas::Result<http::Response>> ask_operation(const Services& services,
                                                         const webhooks::Scope& scope,
                                                         SinkRequest asked, Cause cause);

}  // namespace api::resources
