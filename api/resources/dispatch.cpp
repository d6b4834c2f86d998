#include "api/resources/dispatch.h"

#include <algorithm>
#include <chrono>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <spdlog/spdlog.h>

#include "api/edge/errors.h"
#include "api/http/problem.h"
#include "api/resources/answers.h"
#include "api/resources/ask.h"
#include "api/resources/operations.h"
#include "api/resources/parameters.h"
#include "api/resources/shaping.h"
#include "projections/reader.h"
#include "schemas/json_reader.h"
#include "schemas/json_writer.h"

namespace api::resources {
namespace {

using schemas::ErrorCode;
using schemas::fail;

constexpr std::size_t events_body_bytes = std::size_t{4} << 20;

/// A text of the table line with the path's product in its place.
std::string concrete(const Ask& ask, std::string_view text) {
  constexpr std::string_view placeholder = "{product}";
  std::string filled(text);
  auto at = filled.find(placeholder);
  if (at != std::string::npos) {
    filled.replace(at, placeholder.size(), ask.request.captured("product"));
  }
  return filled;
}

std::string concrete_permission(const Ask& ask) {
  return concrete(ask, ask.operation.permission);
}

Result<void> require_platform(const Ask& ask) {
  if (!ask.caller().platform()) {
    return fail(schemas::Error{ErrorCode::forbidden,
                               "only a platform key may do this",
                               {},
                               {{"permission", schemas::json::quote(concrete_permission(ask))}}});
  }
  if (ask.caller().restricted()) {
    return fail(ErrorCode::forbidden, "a key that is restricted to projects may not do this");
  }
  return {};
}

Result<void> require_organization(const Ask& ask) {
  if (!ask.caller().platform() || ask.caller().organization_named) return {};
  return fail(ErrorCode::organization_required,
              "a platform key names the organization it acts in: "
              "Tidemark-Organization: org_…");
}

/// Where the request acts, by the operation's scope.
Result<void> enter_scope(Ask& ask) {
  auto& caller = *ask.who;
  switch (ask.operation.scope) {
    case Scope::platform: {
      auto required = require_platform(ask);
      if (!required) return required;
      caller.organization = schemas::platform_organization;
      caller.space = Space::live;
      return {};
    }
    case Scope::platform_within: {
      auto required = require_platform(ask);
      return required ? require_organization(ask) : required;
    }
    case Scope::organization:
      return require_organization(ask);
    case Scope::open:
    case Scope::any_key:
    case Scope::own:
      return {};
  }
  return {};
}

Result<void> admit(Ask& ask) {
  auto caller = edge::authenticate(ask.services, ask.request);
  if (!caller) return std::unexpected(std::move(caller).error());
  ask.who = std::move(*caller);
  auto named = edge::act_where_named(ask.services, ask.request, *ask.who);
  if (!named) return named;
  auto entered = enter_scope(ask);
  if (!entered || ask.operation.permission.empty()) return entered;
  return edge::require_permission(*ask.who, concrete_permission(ask));
}

Result<void> read_body(Ask& ask) {
  if (!is_write(ask.operation) || ask.request.lines) return {};
  // Under too much load the least work is done for what will be refused.
  auto full = ask.services.commands.overloaded(ask.caller().organization);
  if (full) return std::unexpected(std::move(*full));
  if (!ask.document) {
    auto type = edge::check_content_type(ask.request, ask.operation.body == Body::merge_patch);
    if (!type && !ask.request.body.empty()) return type;
    auto document = schemas::json::parse(ask.request.body.empty() ? "{}" : ask.request.body);
    if (!document) return std::unexpected(std::move(document).error());
    ask.document = std::move(*document);
  }
  if (ask.operation.body != Body::none) return {};
  return schemas::json::ObjectReader(ask.body()).finish();
}

/// A process without the role gateway answers operators only.
Result<void> check_role(const Ask& ask) {
  if (ask.services.gateway || ask.operation.pattern == status_path) return {};
  return fail(ErrorCode::not_found,
              "this process is no gateway, as its setting roles says: ask one that is");
}

/// Everything that is the same for all operations, in the order in which a caller may learn it.
Result<void> prepare(Ask& ask) {
  if (ask.operation.scope != Scope::open && !ask.cause) {
    auto admitted = admit(ask);
    if (!admitted) return admitted;
    if (auto may = check_role(ask); !may) return may;
  }
  auto parameters = check_parameters(ask);
  if (!parameters || ask.operation.scope == Scope::open) return parameters;
  if (auto shaping = check_shaping(ask); !shaping) return shaping;
  auto conditions = edge::read_conditions(ask.request);
  if (!conditions) return std::unexpected(std::move(conditions).error());
  ask.conditions = *conditions;
  if (ask.conditions.if_match && is_write(ask.operation) && !ask.operation.conditional) {
    return edge::wrong_header("If-Match", "names a version of one thing; this operation has none");
  }
  auto marks = read_marks(ask);
  if (!marks) return marks;
  return read_body(ask);
}

/// Where somebody whose mark is lost can begin again.
void name_earliest_mark(const Ask& ask, schemas::Error& error) {
  if (error.code != ErrorCode::lost_mark || !ask.who) return;
  const auto owner = ask.mark_owner();
  const auto beginning = names_all_topics();
  auto mark = ask.services.marks.encode(owner.organization, owner.space, {&beginning, 1});
  error.members.emplace_back("earliest_mark", schemas::json::quote(mark));
}

/// What a refusal reflects: everything applied by now. Only for callers who act somewhere.
void reflect_refusal(Ask& ask) {
  if (!ask.reflects.empty() || !ask.who) return;
  const auto topic = ask.services.topics.find(concrete(ask, ask.operation.product));
  if (!topic) return;
  const auto log = ask.services.topics.log_of(*topic, ask.caller().organization);
  ask.reflects = {schemas::marked(ask.services.progress.applied(log).position(log))};
}

void add_mark(Ask& ask, Response& response) {
  if (!ask.who || ask.reflects.empty() || response.stream) return;
  const auto owner = ask.mark_owner();
  response.add_header("Tidemark",
                      ask.services.marks.encode(owner.organization, owner.space, ask.reflects));
}

/// Where others write too, a product's manifest may be in the rows before the record of another log
/// has come that names its topic.
awaitable<void> await_topic(const Ask& ask) {
  if (!ask.services.log.shared() || !ask.operation.pattern.contains("{product}")) co_return;
  const std::string name(ask.request.captured("product"));
  const projections::Reader platform(ask.services.rows, schemas::platform_organization,
                                     Space::live);
  const auto until = std::chrono::steady_clock::now() + ask.conditions.wait;
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (!ask.services.topics.find(name) && std::chrono::steady_clock::now() < until &&
         platform.find(ask.platform().topic, projections::Product::kind, {{}, name})) {
    timer.expires_after(std::chrono::milliseconds(5));
    (void)co_await timer.async_wait(as_result);
  }
}

awaitable<Result<Response>> prepared_answer(Ask& ask) {
  auto prepared = prepare(ask);
  if (!prepared) co_return std::unexpected(std::move(prepared).error());
  try {
    co_await await_topic(ask);
    auto response = co_await ask.operation.function(ask);
    if (response) shape_answer(ask, *response);
    co_return response;
  } catch (const projections::StoreFailure& failure) {
    co_return rows_unreadable(ask.request.id, failure);
  }
}

awaitable<Response> answer(const Services& services, std::span<const Operation> operations,
                           http::Request request) {
  const auto& operation = operations[static_cast<std::size_t>(request.route)];
  Ask ask{services, operation, std::move(request)};
  auto result = co_await prepared_answer(ask);
  if (!result) {
    reflect_refusal(ask);
    name_earliest_mark(ask, result.error());
  }
  const bool shed = !result && result.error().code == ErrorCode::overloaded;
  auto response = result ? std::move(*result) : http::problem(std::move(result).error());
  if (response.status >= 500 && !shed) {  // too much load is in the metrics, not told line by line
    spdlog::warn("request failed request={} operation={} status={}", ask.request.id, operation.name,
                 response.status);
  }
  add_mark(ask, response);
  co_return response;
}

}  // namespace

std::vector<http::Route> http_routes(std::span<const Operation> operations) {
  std::vector<http::Route> routes;
  for (const auto& operation : operations) {
    http::Route route{operation.method, operation.pattern};
    if (operation.body == Body::events) {
      route.body_bytes_max = events_body_bytes;
      if (operation.lines) route.line_bytes_max = events_body_bytes;
    }
    routes.push_back(route);
  }
  return routes;
}

awaitable<Result<Response>> answer_in_process(Ask& ask) {
  co_return co_await prepared_answer(ask);
}

http::Handler make_handler(const Services& services, std::span<const Operation> operations) {
  return [&services, operations](http::Request request) {
    return answer(services, operations, std::move(request));
  };
}

}  // namespace api::resources
