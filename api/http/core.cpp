#include "api/http/core.h"

#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "api/http/problem.h"
#include "api/http/session.h"

namespace api::http {
namespace {

using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

// Out of descriptors or memory: connections wait in the kernel until some are free again.
constexpr std::chrono::milliseconds accept_pause{100};

/// A few bytes into an empty socket buffer; should it not take them, the peer learns less.
void refuse(Socket socket, std::string_view date) {
  auto response =
      problem({schemas::ErrorCode::overloaded, "there are too many connections", {}, {}});
  const auto request_id = make_request_id();
  response.body = problem_json(*response.error, request_id);
  const auto head = render_head(response, {date, request_id, Framing::length, After::close});
  boost::system::error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(
      std::array<asio::const_buffer, 2>{asio::buffer(head), asio::buffer(response.body)}, ignored);
  socket.shutdown(Socket::shutdown_send, ignored);
}

}  // namespace

Core::Core(const Setting& setting, const asio::ip::tcp::endpoint& endpoint)
    : setting_(setting),
      acceptor_(context_.get_executor()),
      watch_timer_(context_.get_executor()),
      accept_timer_(context_.get_executor()) {
  acceptor_.open(endpoint.protocol());
  acceptor_.set_option(asio::socket_base::reuse_address(true));
  acceptor_.set_option(ReusePort(true));
  acceptor_.bind(endpoint);
  acceptor_.listen();
}

Core::~Core() {
  destroyed_ = true;
}

void Core::run() {
  spawn(context_.get_executor(), "accept", accept());
  spawn(context_.get_executor(), "watch", watch());
  context_.run();
}

void Core::stop() {
  asio::post(context_, [this] { begin_stop(); });
}

Gauges Core::gauges() const {
  return {counts_.connections, counts_.requests_in_flight, counts_.streams};
}

void Core::enter(Session& session) {
  sessions_.push_back(session);
  ++counts_.connections;
}

void Core::left() {
  --counts_.connections;
  if (stopping_ && !destroyed_) watch_timer_.cancel();  // it may have been the last one
}

awaitable<void> Core::accept() {
  while (!stopping_) {
    auto [ec, socket] = co_await acceptor_.async_accept(as_result);
    if (stopping_) co_return;
    if (ec) {
      spdlog::warn("accept failed error=\"{}\"", ec.message());
      accept_timer_.expires_after(accept_pause);
      const auto [paused] = co_await accept_timer_.async_wait(as_result);
      if (paused) co_return;  // cancelled: the server stops
    } else if (counts_.connections >= setting_.connections_max) {
      refuse(std::move(socket), date_.at(now()));
    } else {
      auto session = std::make_unique<Session>(*this, std::move(socket));
      spawn(context_.get_executor(), "session", Session::run(std::move(session)));
    }
  }
}

awaitable<void> Core::watch() {
  while (!stopping_ || !sessions_.empty()) {
    watch_timer_.expires_after(setting_.check);
    // Cancelled only to look sooner.
    co_await watch_timer_.async_wait(as_result);
    const auto now = Clock::now();
    for (auto& session : sessions_) session.expire(now);
    if (stopping_) enforce_stop(now);
  }
}

void Core::begin_stop() {
  stopping_ = true;
  stop_deadline_ = Clock::now() + setting_.options.deadlines.stop;
  boost::system::error_code ignored;  // it is closed in any case
  acceptor_.close(ignored);
  accept_timer_.cancel();
  watch_timer_.cancel();
  for (auto& session : sessions_) session.stop();
}

void Core::enforce_stop(Clock::time_point now) {
  if (now < stop_deadline_) return;
  for (auto& session : sessions_) session.abort();
  if (now < stop_deadline_ + setting_.options.deadlines.stop) return;
  spdlog::error("stopped with handlers at work connections={}", counts_.connections.load());
  context_.stop();
}

}  // namespace api::http
