#include "api/resources/resource_event_json.h"

#include "projections/states.h"

namespace api::resources {

using schemas::json::Writer;

namespace {

/// The begin of every event of a resource.
Writer& begin(Writer& writer, const schemas::Uuid& project) {
  return writer.begin_object().member("project_id", to_text(schemas::ProjectId(project)));
}

/// What provisioners report; nobody has to where there is none.
template <typename Report>
void write_report(Writer& writer, const Report& event) {
  begin(writer, event.project);
  if (event.observed != schemas::Version{}) {
    writer.member("observed_version", to_number(event.observed));
  }
  if constexpr (requires { event.outputs; }) {
    if (event.outputs) writer.name("outputs").raw(*event.outputs);
  }
  if (event.detail) writer.member("detail", *event.detail);
  writer.end_object();
}

}  // namespace

std::string_view provisioner_text(bool external) {
  return external ? "external" : "none";
}

void write_unit_cost(Writer& writer, const std::optional<schemas::UnitCost>& cost) {
  writer.name("unit_cost");
  if (!cost) {
    writer.null();
    return;
  }
  writer.begin_object()
      .member("amount", cost->amount)
      .member("currency", cost->currency)
      .member("per", projections::to_text(cost->per))
      .end_object();
}

void write_resource_data(Writer& writer, const schemas::ResourceKindChanged& event) {
  writer.begin_object().member("provisioner", provisioner_text(event.external));
  write_unit_cost(writer, event.unit_cost);
  writer.end_object();
}

void write_resource_data(Writer& writer, const schemas::QuotaChanged& event) {
  writer.begin_object().member("count", event.count).member("units", event.units).end_object();
}

void write_resource_data(Writer& writer, const schemas::ResourceRequested& event) {
  begin(writer, event.project)
      .member("environment", event.environment)
      .member("kind", event.kind)
      .member("name", event.name)
      .member("units", event.units)
      .name("spec")
      .raw(event.spec)
      .member("provisioner", provisioner_text(event.external));
  write_unit_cost(writer, event.unit_cost);
  writer.end_object();
}

void write_resource_data(Writer& writer, const schemas::ResourceActivated& event) {
  write_report(writer, event);
}
void write_resource_data(Writer& writer, const schemas::ResourceScaled& event) {
  write_report(writer, event);
}
void write_resource_data(Writer& writer, const schemas::ResourceFailed& event) {
  write_report(writer, event);
}
void write_resource_data(Writer& writer, const schemas::ResourceDeprovisioned& event) {
  write_report(writer, event);
}

void write_resource_data(Writer& writer, const schemas::ResourceScaleRequested& event) {
  begin(writer, event.project).member("units", event.units);
  write_unit_cost(writer, event.unit_cost);
  writer.end_object();
}

void write_resource_data(Writer& writer, const schemas::ResourceConfigured& event) {
  begin(writer, event.project).name("spec").raw(event.spec).end_object();
}

void write_resource_data(Writer& writer, const schemas::ResourceHealthChanged& event) {
  begin(writer, event.project).member("health", projections::to_text(event.health));
  if (event.detail) writer.member("detail", *event.detail);
  writer.end_object();
}

void write_resource_data(Writer& writer, const schemas::ResourceCostRecorded& event) {
  begin(writer, event.project)
      .member("amount", event.amount)
      .member("currency", event.currency)
      .member("from", event.from)
      .member("to", event.to);
  if (event.note) writer.member("note", *event.note);
  writer.end_object();
}

void write_resource_data(Writer& writer, const schemas::ResourceDeprovisionRequested& event) {
  begin(writer, event.project).end_object();
}

}  // namespace api::resources
