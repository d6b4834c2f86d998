#pragma once

#include "schemas/events.h"
#include "schemas/json_writer.h"

/// The data of events of products `webhooks` (replays and pipelines too) and `deliveries`, as
/// event_json shows them.
namespace api::resources {

void write_webhook_data(schemas::json::Writer& writer, const schemas::EndpointCreated& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::EndpointChanged& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::EndpointSecretRotated& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::EndpointPaused& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::EndpointResumed& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::EndpointDisabled& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::EndpointTested& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::EndpointDeleted& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::RetryPolicyCreated& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::RetryPolicyChanged& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::RetryPolicyDeleted& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::DeliveryAttempted& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::DeliveryHeld& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::DeliveryRequested& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::DeliverySkipped& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::DeliveryCursorMoved& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::DeliveryForgotten& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::ReplayRequested& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::ReplayPaused& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::ReplayResumed& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::ReplayCancelled& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::ReplayCompleted& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::PipelineCreated& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::PipelineChanged& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::PipelinePaused& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::PipelineResumed& event);
void write_webhook_data(schemas::json::Writer& writer, const schemas::PipelineDeleted& event);

/// The members of one attempt, without braces.
void write_attempt(schemas::json::Writer& writer, const schemas::DeliveryAttempted& event);

}  // namespace api::resources
