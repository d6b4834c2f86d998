#include "schemas/events.h"

#include <array>

namespace schemas {
namespace {

struct TypeName {
  std::string_view type;
  std::string_view kind;
};

// In the order of EventData's alternatives.
constexpr std::array<TypeName, std::variant_size_v<EventData>> type_names{{
    {"", ""},
    {"", ""},
    {"organization.created", "organization"},
    {"organization.changed", "organization"},
    {"organization.suspended", "organization"},
    {"organization.resumed", "organization"},
    {"key.created", "key"},
    {"key.rotated", "key"},
    {"key.revoked", "key"},
    {"product.declared", "product"},
    {"project.created", "project"},
    {"project.changed", "project"},
    {"project.archived", "project"},
    {"project.restored", "project"},
    {"project.deleted", "project"},
    {"environment.created", "environment"},
    {"environment.deleted", "environment"},
    {"member.added", "member"},
    {"member.role_changed", "member"},
    {"member.removed", "member"},
    {"settings.changed", "settings"},
    {"secret.set", "secret"},
    {"secret.revealed", "secret"},
    {"secret.deleted", "secret"},
    {"resource_kind.changed", "resource_kind"},
    {"quota.changed", "quota"},
    {"resource.requested", "resource"},
    {"resource.activated", "resource"},
    {"resource.scale_requested", "resource"},
    {"resource.scaled", "resource"},
    {"resource.configured", "resource"},
    {"resource.failed", "resource"},
    {"resource.health_changed", "resource"},
    {"resource.cost_recorded", "resource"},
    {"resource.deprovision_requested", "resource"},
    {"resource.deprovisioned", "resource"},
    {"endpoint.created", "endpoint"},
    {"endpoint.changed", "endpoint"},
    {"endpoint.secret_rotated", "endpoint"},
    {"endpoint.paused", "endpoint"},
    {"endpoint.resumed", "endpoint"},
    {"endpoint.disabled", "endpoint"},
    {"endpoint.tested", "endpoint"},
    {"endpoint.deleted", "endpoint"},
    {"retry_policy.created", "retry_policy"},
    {"retry_policy.changed", "retry_policy"},
    {"retry_policy.deleted", "retry_policy"},
    {"delivery.attempted", "delivery"},
    {"delivery.held", "delivery"},
    {"delivery.requested", "delivery"},
    {"delivery.skipped", "delivery"},
    {"delivery_cursor.moved", "delivery_cursor"},
    {"replay.requested", "replay"},
    {"replay.paused", "replay"},
    {"replay.resumed", "replay"},
    {"replay.cancelled", "replay"},
    {"replay.completed", "replay"},
    {"pipeline.created", "pipeline"},
    {"pipeline.changed", "pipeline"},
    {"pipeline.paused", "pipeline"},
    {"pipeline.resumed", "pipeline"},
    {"pipeline.deleted", "pipeline"},
    {"delivery.forgotten", "delivery"},
}};

}  // namespace

std::string_view type_of(const EventData& data) {
  return type_names[data.index()].type;
}
std::string_view kind_of(const EventData& data) {
  return type_names[data.index()].kind;
}

std::optional<Uuid> project_in(const EventData& data) {
  return std::visit(
      [](const auto& event) -> std::optional<Uuid> {
        if constexpr (requires { event.project; }) return event.project;
        return std::nullopt;
      },
      data);
}

std::string_view id_prefix(std::string_view kind) {
  if (kind == "organization") return OrganizationTag::prefix;
  if (kind == "project") return ProjectTag::prefix;
  if (kind == "key") return KeyTag::prefix;
  if (kind == "resource") return ResourceTag::prefix;
  if (kind == "endpoint" || kind == "delivery_cursor") return EndpointTag::prefix;
  if (kind == "retry_policy") return RetryPolicyTag::prefix;
  if (kind == "delivery") return DeliveryTag::prefix;
  if (kind == "replay") return ReplayTag::prefix;
  if (kind == "pipeline") return PipelineTag::prefix;
  // What stands below a project has its id.
  const bool is_of_project =
      kind == "environment" || kind == "member" || kind == "settings" || kind == "secret";
  if (is_of_project) return ProjectTag::prefix;
  return {};
}

std::string entity_text(std::string_view kind, const Entity& entity) {
  if (entity.id.nil()) return entity.name;
  auto text = typeid_text(id_prefix(kind), entity.id);
  if (!entity.name.empty()) text += "/" + entity.name;
  return text;
}

}  // namespace schemas
