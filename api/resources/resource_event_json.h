#pragma once

#include "schemas/events.h"
#include "schemas/json_writer.h"

/// The data of events of product `resources`, as event_json shows them: each of a resource names
/// its project.
namespace api::resources {

void write_resource_data(schemas::json::Writer& writer, const schemas::ResourceKindChanged& event);
void write_resource_data(schemas::json::Writer& writer, const schemas::QuotaChanged& event);
void write_resource_data(schemas::json::Writer& writer, const schemas::ResourceRequested& event);
void write_resource_data(schemas::json::Writer& writer, const schemas::ResourceActivated& event);
void write_resource_data(schemas::json::Writer& writer,
                         const schemas::ResourceScaleRequested& event);
void write_resource_data(schemas::json::Writer& writer, const schemas::ResourceScaled& event);
void write_resource_data(schemas::json::Writer& writer, const schemas::ResourceConfigured& event);
void write_resource_data(schemas::json::Writer& writer, const schemas::ResourceFailed& event);
void write_resource_data(schemas::json::Writer& writer,
                         const schemas::ResourceHealthChanged& event);
void write_resource_data(schemas::json::Writer& writer, const schemas::ResourceCostRecorded& event);
void write_resource_data(schemas::json::Writer& writer,
                         const schemas::ResourceDeprovisionRequested& event);
void write_resource_data(schemas::json::Writer& writer,
                         const schemas::ResourceDeprovisioned& event);

/// {"amount","currency","per"}, or null.
void write_unit_cost(schemas::json::Writer& writer, const std::optional<schemas::UnitCost>& cost);
std::string_view provisioner_text(bool external);

}  // namespace api::resources
