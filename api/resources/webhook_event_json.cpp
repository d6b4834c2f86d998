#include "api/resources/webhook_event_json.h"

#include "projections/states.h"

namespace api::resources {

using schemas::json::Writer;

namespace {

Writer& begin(Writer& writer, const std::optional<schemas::Uuid>& project) {
  writer.begin_object().name("project_id");
  return project ? writer.value(to_text(schemas::ProjectId(*project))) : writer.null();
}

void write_config(Writer& writer, std::string_view config) {
  writer.begin_object().name("config").raw(config).end_object();
}

void write_event_of(Writer& writer, const schemas::DeliveredEvent& of) {
  std::optional<std::string> endpoint;
  std::optional<std::string> replay;
  if (!of.endpoint.nil()) endpoint = to_text(schemas::EndpointId(of.endpoint));
  if (of.replay) replay = to_text(schemas::ReplayId(*of.replay));
  std::optional<std::string> pipeline;
  if (of.pipeline) pipeline = to_text(schemas::PipelineId(*of.pipeline));
  writer.member("endpoint_id", endpoint)
      .member("replay_id", replay)
      .member("pipeline_id", pipeline)
      .member("event_id", to_text(schemas::EventId(of.event)))
      .member("event_type", of.type);
}

}  // namespace

// Neither secrets nor headers, not even sealed.
void write_webhook_data(Writer& writer, const schemas::EndpointCreated& event) {
  begin(writer, event.project).name("config").raw(event.config).end_object();
}
void write_webhook_data(Writer& writer, const schemas::EndpointChanged& event) {
  begin(writer, event.project)
      .name("config")
      .raw(event.config)
      .member("headers_changed", event.headers.has_value())
      .end_object();
}
void write_webhook_data(Writer& writer, const schemas::EndpointSecretRotated& event) {
  begin(writer, event.project).member("old_expires_at", event.old_expires).end_object();
}
void write_webhook_data(Writer& writer, const schemas::EndpointPaused& event) {
  begin(writer, event.project).member("reason", event.reason).end_object();
}
void write_webhook_data(Writer& writer, const schemas::EndpointResumed& event) {
  begin(writer, event.project).member("skipped", event.start.has_value()).end_object();
}
void write_webhook_data(Writer& writer, const schemas::EndpointDisabled& event) {
  begin(writer, event.project).member("reason", event.reason).end_object();
}
void write_webhook_data(Writer& writer, const schemas::EndpointTested& event) {
  begin(writer, event.project).end_object();
}
void write_webhook_data(Writer& writer, const schemas::EndpointDeleted& event) {
  begin(writer, event.project).end_object();
}
void write_webhook_data(Writer& writer, const schemas::RetryPolicyCreated& event) {
  write_config(writer, event.config);
}
void write_webhook_data(Writer& writer, const schemas::RetryPolicyChanged& event) {
  write_config(writer, event.config);
}
void write_webhook_data(Writer& writer, const schemas::RetryPolicyDeleted&) {
  writer.begin_object().end_object();
}

void write_attempt(Writer& writer, const schemas::DeliveryAttempted& event) {
  writer.member("attempt", event.attempt).member("started_at", event.started).name("status");
  event.status != 0 ? writer.value(event.status) : writer.null();
  writer.member("state", projections::to_text(event.state))
      .member("error", event.error)
      .member("body", event.body)
      .member("resolve_us", event.resolve_us)
      .member("connect_us", event.connect_us)
      .member("tls_us", event.tls_us)
      .member("answer_us", event.answer_us)
      .name("next_at");
  using enum schemas::DeliveryState;
  const bool goes_on = event.state == failing || event.state == pending;
  goes_on ? writer.value(event.next) : writer.null();
}

void write_webhook_data(Writer& writer, const schemas::DeliveryAttempted& event) {
  writer.begin_object();
  write_event_of(writer, event.of);
  write_attempt(writer, event);
  writer.end_object();
}
void write_webhook_data(Writer& writer, const schemas::DeliveryHeld& event) {
  writer.begin_object();
  write_event_of(writer, event.of);
  writer.end_object();
}
void write_webhook_data(Writer& writer, const schemas::DeliveryRequested&) {
  writer.begin_object().end_object();
}
void write_webhook_data(Writer& writer, const schemas::DeliveryForgotten&) {
  writer.begin_object().end_object();
}
void write_webhook_data(Writer& writer, const schemas::DeliverySkipped& event) {
  writer.begin_object().member("reason", event.reason).end_object();
}
void write_webhook_data(Writer& writer, const schemas::DeliveryCursorMoved& event) {
  writer.begin_object().member("mark", event.mark).end_object();
}

void write_webhook_data(Writer& writer, const schemas::ReplayRequested& event) {
  std::optional<std::string> endpoint;
  if (event.endpoint) endpoint = to_text(schemas::EndpointId(*event.endpoint));
  std::optional<std::string> pipeline;
  if (event.pipeline) pipeline = to_text(schemas::PipelineId(*event.pipeline));
  begin(writer, event.project)
      .member("endpoint_id", endpoint)
      .member("pipeline_id", pipeline)
      .name("config")
      .raw(event.config)
      .member("from", event.from)
      .member("to", event.to)
      .end_object();
}
void write_webhook_data(Writer& writer, const schemas::ReplayPaused& event) {
  begin(writer, event.project).member("reason", event.reason).end_object();
}
void write_webhook_data(Writer& writer, const schemas::ReplayResumed& event) {
  begin(writer, event.project).end_object();
}
void write_webhook_data(Writer& writer, const schemas::ReplayCancelled& event) {
  begin(writer, event.project).member("reason", event.reason).end_object();
}
void write_webhook_data(Writer& writer, const schemas::ReplayCompleted& event) {
  begin(writer, event.project)
      .member("succeeded", event.succeeded)
      .member("exhausted", event.exhausted)
      .member("skipped", event.skipped)
      .end_object();
}

void write_webhook_data(Writer& writer, const schemas::PipelineCreated& event) {
  begin(writer, event.project)
      .name("config")
      .raw(event.config)
      .member("start", event.start)
      .member("paused", event.paused)
      .end_object();
}
void write_webhook_data(Writer& writer, const schemas::PipelineChanged& event) {
  begin(writer, event.project).name("config").raw(event.config).end_object();
}
void write_webhook_data(Writer& writer, const schemas::PipelinePaused& event) {
  begin(writer, event.project).member("reason", event.reason).end_object();
}
void write_webhook_data(Writer& writer, const schemas::PipelineResumed& event) {
  begin(writer, event.project).member("skipped", event.start.has_value()).end_object();
}
void write_webhook_data(Writer& writer, const schemas::PipelineDeleted& event) {
  begin(writer, event.project).end_object();
}

}  // namespace api::resources
