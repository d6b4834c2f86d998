#include "tests/webhooks/receiver.h"

#include <charconv>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace webhooks {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

std::size_t body_bytes(std::string_view head) {
  constexpr std::string_view name = "Content-Length: ";
  std::size_t bytes = 0;
  const auto at = head.find(name);
  if (at != head.npos) std::from_chars(head.data() + at + name.size(), head.end(), bytes);
  return bytes;
}

/// On IPv4 and IPv6 at once; where there is no IPv6, without.
tcp::acceptor listen(asio::io_context& context) {
  try {
    return {context, tcp::endpoint(tcp::v6(), 0)};
  } catch (const boost::system::system_error&) {
    return {context, tcp::endpoint(tcp::v4(), 0)};
  }
}

}  // namespace

Receiver::Receiver(ReceiverScript script, asio::ssl::context* tls)
    : script_(std::move(script)), tls_(tls) {
  auto acceptor = listen(context_);
  port_ = acceptor.local_endpoint().port();
  asio::co_spawn(context_, accept(std::move(acceptor)), asio::detached);
  thread_ = std::thread([this] { context_.run(); });
}

Receiver::~Receiver() {
  context_.stop();
  thread_.join();
}

std::vector<std::string> Receiver::addresses() const {
  const std::scoped_lock lock(mutex_);
  return addresses_;
}

std::vector<std::string> Receiver::requests() const {
  const std::scoped_lock lock(mutex_);
  return requests_;
}

awaitable<void> Receiver::accept(tcp::acceptor acceptor) {
  for (;;) {
    auto [code, socket] = co_await acceptor.async_accept(as_result);
    if (code) co_return;
    ++connections_;
    {
      const std::scoped_lock lock(mutex_);
      addresses_.push_back(socket.local_endpoint().address().to_string());
    }
    asio::co_spawn(context_, serve(std::move(socket)), asio::detached);
  }
}

awaitable<void> Receiver::serve(tcp::socket socket) {
  if (tls_ == nullptr) {
    co_await talk(socket);
    co_return;
  }
  asio::ssl::stream<tcp::socket> stream(std::move(socket), *tls_);
  auto [code] = co_await stream.async_handshake(asio::ssl::stream_base::server, as_result);
  if (!code) co_await talk(stream);
}

template <typename Stream>
awaitable<void> Receiver::talk(Stream& stream) {
  if (script_.greeting) {
    co_await asio::async_write(stream, asio::buffer(*script_.greeting), as_result);
    asio::steady_timer long_time(context_, std::chrono::minutes(1));
    co_await long_time.async_wait(as_result);
    co_return;
  }
  std::string received;
  for (int exchange = 0; exchange < script_.exchanges; ++exchange) {
    auto [code, bytes] = co_await asio::async_read_until(stream, asio::dynamic_buffer(received),
                                                         "\r\n\r\n", as_result);
    if (code) co_return;
    const auto whole = bytes + body_bytes(std::string_view(received).substr(0, bytes));
    const auto missing = whole - std::min(whole, received.size());
    co_await asio::async_read(stream, asio::dynamic_buffer(received),
                              asio::transfer_exactly(missing), as_result);
    {
      const std::scoped_lock lock(mutex_);
      requests_.push_back(received.substr(0, whole));
    }
    received.erase(0, whole);
    const auto piece = script_.pace.count() == 0 ? script_.answer.size() : 1;
    for (std::size_t at = 0; at < script_.answer.size(); at += piece) {
      auto [broken, written] = co_await asio::async_write(
          stream, asio::buffer(script_.answer.data() + at, piece), as_result);
      if (broken) co_return;
      if (script_.pace.count() == 0) continue;
      asio::steady_timer pause(context_, script_.pace);
      co_await pause.async_wait(as_result);
    }
  }
}

}  // namespace webhooks
