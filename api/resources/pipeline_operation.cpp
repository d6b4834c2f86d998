#include "api/resources/pipeline_operation.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "api/http/router.h"
#include "api/resources/dispatch.h"
#include "api/resources/pipeline_run.h"
#include "api/resources/routes.h"
#include "eventstore/topics.h"

namespace api::resources {
namespace {

bool may_be_sink(const Operation& operation) {
  const bool is_of_product = operation.product == eventstore::projects_product ||
                             operation.product == eventstore::resources_product;
  return is_write(operation) && is_of_product && operation.scope == Scope::organization &&
         operation.body != Body::events && !operation.permission.starts_with("secrets:");
}

/// `{name}` captures.
bool is_captured(std::string_view part) {
  return part.starts_with('{');
}
std::string_view name_of(std::string_view part) {
  return part.substr(1, part.size() - 2);
}

/// A caller who may do this, and nothing else.
edge::Caller caller_for(const Operation& operation, const webhooks::Scope& scope) {
  auto access = std::make_shared<projections::Access>();
  access->organization = scope.organization.uuid();
  access->space = scope.space;
  access->permissions = {std::string(operation.permission)};
  return {.access = std::move(access),
          .digest = {},
          .organization = scope.organization,
          .space = scope.space};
}

}  // namespace

const Operation* find_sink_operation(std::string_view name) {
  for (const auto& operation : operations()) {
    if (operation.name == name) return may_be_sink(operation) ? &operation : nullptr;
  }
  return nullptr;
}

schemas::Result<void> check_sink_operation(const Operation& operation,
                                           const webhooks::PipelineConfig& config) {
  const auto& given = config.sink.path;
  const auto parts = http::split_pattern(operation.pattern);
  for (const auto& part : parts) {
    if (!is_captured(part)) continue;
    const auto has_name = [&](const auto& one) { return one.first == name_of(part); };
    if (std::ranges::any_of(given, has_name)) continue;
    return schemas::invalid_field("/sink",
                                  fmt::format("path: '{}' is missing, of {} {}", name_of(part),
                                              to_text(operation.method), operation.pattern));
  }
  for (const auto& [name, text] : given) {
    const auto is_name = [&](std::string_view part) {
      return is_captured(part) && name_of(part) == name;
    };
    if (std::ranges::any_of(parts, is_name)) continue;
    return schemas::invalid_field("/sink",
                                  fmt::format("path: {} has no '{}'", operation.pattern, name));
  }
  if (operation.body != Body::none || config.map.empty()) return {};
  return schemas::invalid_field("/map", "this operation has no body");
}

schemas::Result<void> wait_for_decision(const Services& services, const Operation& operation,
                                        const projections::TimelineEvent& event) {
  if (operation.product != eventstore::resources_product) return {};
  const auto projects = *services.topics.find(eventstore::projects_product);
  const auto kinds = *services.topics.find(eventstore::resources_product);
  auto there = wait_for_rows(services, event, projects, event.batch.organization());
  if (!there) return there;
  return wait_for_rows(services, event, kinds, schemas::platform_organization);
}

awaitable<schemas::Result<http::Response>> ask_operation(const Services& services,
                                                         const webhooks::Scope& scope,
                                                         SinkRequest asked, Cause cause) {
  const auto parts = http::split_pattern(asked.operation.pattern);
  http::Request request;
  request.method = asked.operation.method;
  request.target = request.path = asked.operation.pattern;
  for (const auto& part : parts) {
    const auto has_name = [&](const auto& one) { return one.first == name_of(part); };
    const auto given =
        is_captured(part) ? std::ranges::find_if(asked.path, has_name) : asked.path.end();
    request.segments.emplace_back(given == asked.path.end() ? part : given->second);
  }
  request.pattern = parts;
  request.id = std::move(asked.correlation);
  request.received = services.clock.wall();
  Ask ask{services, asked.operation, std::move(request)};
  ask.document = std::move(asked.body);
  ask.who = caller_for(asked.operation, scope);
  ask.cause = cause;
  co_return co_await answer_in_process(ask);
}

}  // namespace api::resources
