#pragma once

#include <span>

#include "api/http/router.h"
#include "api/http/server.h"
#include "api/resources/operation.h"
#include "api/services.h"

namespace api::resources {

/// The routes of a table, in its order, for the router.
std::vector<http::Route> http_routes(std::span<const Operation> operations);

/// Answers requests by the table: who asks, where they act, whether they may, then parameters,
/// headers and body, then the operation's function; and puts the mark into the answer. Every check
/// that a table line can name is made here, so that no handler can forget it.
///
/// The router's table must be this one. `services` and `operations` outlive the handler.
http::Handler make_handler(const Services& services, std::span<const Operation> operations);

/// The same for what the program itself asks, as `ask.who` and with `ask.document`: who may come is
/// not asked again, and the answer is for the program.
awaitable<Result<Response>> answer_in_process(Ask& ask);

}  // namespace api::resources
