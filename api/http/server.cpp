#include "api/http/server.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <thread>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <fmt/format.h>

#include "api/http/core.h"
#include "api/http/session.h"

namespace api::http {
namespace {

using asio::ip::tcp;

std::chrono::milliseconds check_period(const Deadlines& deadlines) {
  const auto shortest = std::min({deadlines.header, deadlines.body, deadlines.idle, deadlines.write,
                                  deadlines.drain, deadlines.stop});
  return std::clamp(shortest / 8, std::chrono::milliseconds(5), std::chrono::milliseconds(250));
}

tcp::endpoint resolve(const ListenAddress& listen) {
  asio::io_context context;
  tcp::resolver resolver(context);
  const auto results = resolver.resolve(listen.host, fmt::to_string(listen.port),
                                        tcp::resolver::passive | tcp::resolver::numeric_service);
  return *results.begin();
}

/// SO_REUSEPORT would let two processes of one user share the port without a word; binding once
/// without it finds the other one.
void ensure_free(const tcp::endpoint& endpoint) {
  asio::io_context context;
  tcp::acceptor probe(context);
  probe.open(endpoint.protocol());
  probe.set_option(asio::socket_base::reuse_address(true));
  probe.bind(endpoint);
}

Setting make_setting(Options options, const Router& router, Handler handler) {
  if (options.threads == 0) options.threads = std::max(1u, std::thread::hardware_concurrency());
  const auto connections_max =
      std::max<std::size_t>(1, options.limits.connections / options.threads);
  const auto body_bytes_max = options.limits.body_bytes / options.threads;
  const auto check = check_period(options.deadlines);
  return {std::move(options), router, std::move(handler), connections_max, body_bytes_max, check};
}

}  // namespace

struct Server::Impl {
  Setting setting;
  std::uint16_t port;
  std::vector<std::unique_ptr<Core>> cores;
  std::vector<std::thread> threads;
};

schemas::Result<ListenAddress> parse_listen_address(std::string_view text) {
  const auto refuse = [&] {
    return schemas::fail(schemas::ErrorCode::invalid_parameter,
                         fmt::format("\"{}\" is not HOST:PORT or [IPv6]:PORT", text));
  };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return refuse();
  auto host = text.substr(0, colon);
  const auto port_text = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto* const end = port_text.data() + port_text.size();
  const auto [stopped, ec] = std::from_chars(port_text.data(), end, port);
  if (ec != std::errc() || stopped != end) return refuse();
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.contains(':')) {
    return refuse();
  }
  return ListenAddress{std::string(host), port};
}

Server::Server(Options options, const Router& router, Handler handler)
    : impl_(new Impl{make_setting(std::move(options), router, std::move(handler)), 0, {}, {}}) {
  const auto& setting = impl_->setting;
  const auto& listen = setting.options.listen;
  try {
    auto endpoint = resolve(listen);
    ensure_free(endpoint);
    for (unsigned i = 0; i < setting.options.threads; ++i) {
      endpoint = impl_->cores.emplace_back(std::make_unique<Core>(setting, endpoint))->endpoint();
    }
    impl_->port = endpoint.port();
  } catch (const boost::system::system_error& e) {
    throw std::runtime_error(
        fmt::format("cannot listen on {}:{}: {}", listen.host, listen.port, e.code().message()));
  }
}

Server::~Server() {
  stop();
}

std::uint16_t Server::port() const {
  return impl_->port;
}

void Server::start() {
  ENSURE(impl_->threads.empty());
  for (auto& core : impl_->cores) impl_->threads.emplace_back([&core] { core->run(); });
}

void Server::stop() {
  for (auto& core : impl_->cores) core->stop();
  for (auto& thread : impl_->threads) thread.join();
  impl_->threads.clear();
}

Gauges Server::gauges() const {
  Gauges sum;
  for (const auto& core : impl_->cores) {
    const auto gauges = core->gauges();
    sum.connections += gauges.connections;
    sum.requests_in_flight += gauges.requests_in_flight;
    sum.streams += gauges.streams;
  }
  return sum;
}

}  // namespace api::http
