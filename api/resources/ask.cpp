#include "api/resources/ask.h"

namespace api::resources {
namespace {

TopicId built_in(const Services& services, std::string_view product) {
  auto topic = services.topics.find(product);
  ENSURE(topic.has_value());
  return *topic;
}

}  // namespace

Place Ask::platform() const {
  return {schemas::platform_organization, Space::live,
          built_in(services, eventstore::identity_product)};
}

Place Ask::identity() const {
  return {caller().organization, caller().space, built_in(services, eventstore::identity_product)};
}

Place Ask::projects() const {
  return {caller().organization, caller().space, built_in(services, eventstore::projects_product)};
}

Place Ask::resources() const {
  return {caller().organization, caller().space, built_in(services, eventstore::resources_product)};
}

Place Ask::webhooks() const {
  return {caller().organization, caller().space, built_in(services, eventstore::webhooks_product)};
}
Place Ask::deliveries() const {
  return {caller().organization, caller().space,
          built_in(services, eventstore::deliveries_product)};
}

Place Ask::resource_kinds() const {
  return {schemas::platform_organization, Space::live,
          built_in(services, eventstore::resources_product)};
}

schemas::MarkedPosition names_all_topics() {
  return schemas::marked(schemas::Position{.log = eventstore::log_partition});
}

bool is_names_all(const schemas::MarkedPosition& position) {
  return position.log == eventstore::log_partition;
}

Result<std::vector<schemas::MarkedPosition>> decode_mark(const Services& services,
                                                         const edge::Caller& caller,
                                                         std::string_view text) {
  auto decoded = services.marks.decode(caller.organization, caller.space, text);
  if (decoded || !caller.platform()) return decoded;
  const auto other = caller.space == Space::live ? Space::test : Space::live;
  auto again = services.marks.decode(caller.organization, other, text);
  if (again) return again;
  again = services.marks.decode(schemas::platform_organization, Space::live, text);
  return again ? std::move(again) : std::move(decoded);
}

}  // namespace api::resources
