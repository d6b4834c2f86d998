#include "api/http/session.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "api/http/head.h"
#include "api/http/problem.h"
#include "api/http/target.h"

namespace api::http {
namespace {

using schemas::ErrorCode;

constexpr std::size_t head_read_bytes = 4 * 1024;
constexpr std::size_t drain_read_bytes = 64 * 1024;
// A body that arrives more slowly than this within its deadline stands still.
constexpr std::size_t body_progress_bytes = 1024;
constexpr std::uint64_t passed_over_max = 64 * 1024;

schemas::Error error_of(ErrorCode code, std::string detail) {
  return {code, std::move(detail), {}, {}};
}

bool is_sane_id(std::string_view id) {
  const auto is_plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
           c == '_' || c == '-';
  };
  return !id.empty() && id.size() <= 128 && std::ranges::all_of(id, is_plain);
}

bool is_ndjson(const Request& request) {
  auto type = request.header("Content-Type").value_or("");
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  return same_name(type, "application/x-ndjson");
}

schemas::Error body_too_large(std::size_t bytes_max) {
  return error_of(ErrorCode::too_large, fmt::format("a body may have {} bytes here", bytes_max));
}

}  // namespace

Session::Session(Core& core, Socket socket)
    : core_(core), connection_(std::move(socket)), remote_(connection_.remote()) {
  core_.enter(*this);
}

Session::~Session() {
  unlink();
  core_.left();
}

awaitable<void> Session::run(std::unique_ptr<Session> self) {
  do {
    co_await self->answer_next();
    if (self->stream_) co_await self->run_stream();
  } while (self->keep_alive_);
  if (self->linger_) co_await self->drain();
}

void Session::stop() {
  if (stream_) return stream_->stop();
  // What was sent before the stop is answered.
  if (idle_ && !connection_.has_unread()) connection_.close();
}

void Session::abort() {
  if (stream_) stream_->peer_gone();
  connection_.close();
}

awaitable<void> Session::answer_next() {
  keep_alive_ = linger_ = false;
  Asked asked;
  auto response = co_await respond(asked);
  if (response) co_await send(*std::move(response), asked);
}

awaitable<std::optional<Response>> Session::respond(Asked& asked) {
  Request request;
  auto got = co_await read_head(request);
  if (got && !*got) co_return std::nullopt;
  asked.in_flight.emplace(core_.counts().requests_in_flight);
  asked.since = Clock::now();
  asked.understood = got.has_value();
  asked.head_only = request.method == Method::head;
  const auto id = request.header("X-Request-Id").value_or("");
  asked.request_id = is_sane_id(id) ? std::string(id) : make_request_id();
  if (!got) co_return problem(std::move(got).error());

  if (auto refused = find_route(request, asked)) {
    if (!asked.route) co_await pass_over_small_body();
    co_return refused;
  }
  if (!request.lines) {
    got = co_await read_body(request, asked);
    if (!got) co_return problem(std::move(got).error());
    if (!*got) co_return std::nullopt;
  }
  request.id = asked.request_id;
  request.received = now();
  request.remote = remote_;
  co_return co_await handle(std::move(request), asked.request_id);
}

awaitable<schemas::Result<bool>> Session::read_head(Request& request) {
  parser_ = std::make_unique<Parser>(setting().options.limits.header_bytes);
  connection_.release_buffer(setting().options.limits.header_bytes);
  idle_ = connection_.buffered().empty();
  const bool first = std::exchange(first_, false);
  auto deadline = Clock::now() + (idle_ && !first ? deadlines().idle : deadlines().header);
  while (true) {
    // RFC 9112 2.2: empty lines before a request are passed over.
    while (connection_.buffered().starts_with("\r\n")) connection_.consume(2);
    if (const auto bytes = connection_.buffered(); !bytes.empty() && bytes != "\r") {
      auto complete = parser_->read_head(bytes);
      if (!complete) co_return complete;
      if (*complete) break;
    }
    const auto io = co_await connection_.read(head_read_bytes, deadline);
    if (io == Io::closed || (io == Io::expired && idle_)) co_return false;
    if (io == Io::expired) {
      co_return schemas::fail(ErrorCode::request_timeout, "the headers did not arrive in time");
    }
    if (std::exchange(idle_, false)) deadline = Clock::now() + deadlines().header;
  }
  parser_->take_head(connection_.buffered(), request);
  connection_.consume(parser_->head_size());
  co_return true;
}

std::optional<Response> Session::find_route(Request& request, Asked& asked) {
  if (auto error = decode_target(request)) return problem(*std::move(error));
  const auto match = setting().router.match(request.method, request.segments);
  if (std::holds_alternative<Router::NotFound>(match)) {
    return problem(error_of(ErrorCode::not_found, "there is nothing at this path"));
  }
  if (const auto* wrong = std::get_if<Router::WrongMethod>(&match)) {
    auto response = problem(error_of(ErrorCode::method_not_allowed,
                                     fmt::format("this path answers to {}", wrong->allow)));
    response.add_header("Allow", wrong->allow);
    return response;
  }
  asked.route = std::get<RouteIndex>(match);
  const auto& route = setting().router.route(*asked.route);
  request.method = route.method;
  request.route = *asked.route;
  request.pattern = setting().router.pattern(*asked.route);
  if (route.line_bytes_max && is_ndjson(request)) {
    request.lines = true;
    asked.line_bytes_max = route.line_bytes_max;
  } else if (parser_->body_bytes() > route.body_bytes_max) {
    return problem(body_too_large(route.body_bytes_max));
  }
  return std::nullopt;
}

awaitable<schemas::Result<bool>> Session::read_body(Request& request, Asked& asked) {
  if (!parser_->complete() && !co_await welcome_body()) co_return false;
  const auto bytes_max = setting().router.route(*asked.route).body_bytes_max;
  auto& all_bytes = core_.counts().body_bytes;
  asked.body_bytes.emplace(all_bytes, 0);
  auto deadline = Clock::now() + deadlines().body;
  std::size_t bytes_before = 0;
  while (!parser_->complete()) {
    auto got = co_await read_some_body(connection_, *parser_, request.body, deadline);
    if (!got || !*got) co_return got;
    if (request.body.size() > bytes_max) {
      co_return schemas::fail(body_too_large(bytes_max));
    }
    asked.body_bytes->become(request.body.size());
    if (all_bytes > setting().body_bytes_max) {
      co_return schemas::fail(ErrorCode::overloaded, "too many large requests come at once");
    }
    if (request.body.size() - bytes_before >= body_progress_bytes) {
      bytes_before = request.body.size();
      deadline = Clock::now() + deadlines().body;
    }
  }
  co_return true;
}

awaitable<void> Session::pass_over_small_body() {
  if (parser_->expects_continue() ||
      parser_->body_bytes().value_or(passed_over_max) >= passed_over_max)
    co_return;
  std::string body;
  const auto deadline = Clock::now() + deadlines().drain;
  while (!parser_->complete()) {
    auto got = co_await read_some_body(connection_, *parser_, body, deadline);
    if (!got || !*got) co_return;
    body.clear();
  }
}

awaitable<bool> Session::welcome_body() {
  if (!parser_->expects_continue() || parser_->http_1_0()) co_return true;
  if (!connection_.buffered().empty()) co_return true;  // it did not wait to be asked
  static constexpr std::string_view text = "HTTP/1.1 100 Continue\r\n\r\n";
  co_return co_await connection_.write({asio::buffer(text)}, deadlines().write) == Io::ok;
}

awaitable<Response> Session::handle(Request request, std::string_view request_id) {
  std::exception_ptr thrown;
  try {
    co_return co_await setting().handler(std::move(request));
  } catch (...) {
    thrown = std::current_exception();
  }
  spdlog::error("handler failed request={} error=\"{}\"", request_id, describe(thrown));
  co_return problem(error_of(ErrorCode::internal, "the server made a mistake"));
}

awaitable<void> Session::send(Response response, Asked& asked) {
  if (response.error) response.body = problem_json(*response.error, asked.request_id);
  const bool streams = response.stream && !asked.head_only && has_body(response.status);
  if (streams && asked.line_bytes_max && !co_await welcome_body()) co_return;

  const bool body_unread = !asked.understood || !parser_->complete();
  const bool reads_on = streams && asked.line_bytes_max;
  const bool http_1_0 = asked.understood && parser_->http_1_0();
  auto framing = Framing::length;
  if (streams) framing = http_1_0 ? Framing::until_close : Framing::chunked;
  keep_alive_ = asked.understood && parser_->wants_keep_alive() && (reads_on || !body_unread) &&
                framing != Framing::until_close && !core_.stopping();
  auto after = http_1_0 ? After::keep_alive_1_0 : After::keep_alive;
  if (!keep_alive_) after = After::close;

  const auto head =
      render_head(response, {core_.date().at(now()), asked.request_id, framing, after});
  const bool sends_body = framing == Framing::length && !asked.head_only;
  const auto body = sends_body ? std::string_view(response.body) : std::string_view();
  const auto io =
      co_await connection_.write({asio::buffer(head), asio::buffer(body)}, deadlines().write);
  if (setting().options.on_answer) {
    setting().options.on_answer(
        {asked.route, response.status, Clock::now() - asked.since, asked.request_id});
  }
  keep_alive_ = keep_alive_ && io == Io::ok;
  linger_ = body_unread && io == Io::ok;
  if (streams && io == Io::ok) open_stream(std::move(response.stream), framing, asked);
}

void Session::open_stream(StreamFunction function, Framing framing, const Asked& asked) {
  stream_ = std::make_unique<StreamControl>(connection_, framing, deadlines().write);
  stream_function_ = std::move(function);
  if (asked.line_bytes_max) {
    stream_->read_lines(*parser_, *asked.line_bytes_max, deadlines().idle);
  } else {
    parser_.reset();
    connection_.release_buffer(0);
    stream_->watch_peer();
  }
  if (core_.stopping()) stream_->stop();
}

awaitable<void> Session::run_stream() {
  const Counted counted(core_.counts().streams);
  std::exception_ptr thrown;
  try {
    co_await stream_function_(Stream(*stream_));
  } catch (...) {
    thrown = std::current_exception();
  }
  if (thrown) spdlog::error("stream failed error=\"{}\"", describe(thrown));
  stream_function_ = nullptr;
  const bool finished = !thrown && co_await stream_->finish();
  stream_.reset();
  const bool body_unread = parser_ && !parser_->complete();
  keep_alive_ = keep_alive_ && finished && !body_unread && !core_.stopping();
  linger_ = finished && body_unread;
}

awaitable<void> Session::drain() {
  connection_.finish_sending();
  parser_.reset();
  const auto deadline = Clock::now() + deadlines().drain;
  std::size_t bytes = 0;
  do {
    bytes += connection_.buffered().size();
    connection_.consume(connection_.buffered().size());
    if (bytes > setting().options.limits.drain_bytes) co_return;
  } while (co_await connection_.read(drain_read_bytes, deadline) == Io::ok);
}

}  // namespace api::http
