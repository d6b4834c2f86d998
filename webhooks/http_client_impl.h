#pragma once

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "webhooks/http_client.h"

/// What the files of the HTTP client share.
namespace webhooks {

inline constexpr auto as_result = boost::asio::as_tuple(boost::asio::use_awaitable);

struct TlsTrust::Context {
  boost::asio::ssl::context ssl{boost::asio::ssl::context::tls_client};
};

struct HttpConnection::Impl {
  using Clock = std::chrono::steady_clock;
  using Tls = boost::asio::ssl::stream<boost::beast::tcp_stream&>;

  Impl(boost::asio::any_io_executor executor, std::string its_authority, std::string its_path,
       HttpLimits its_limits)
      : authority(std::move(its_authority)),
        path(std::move(its_path)),
        limits(its_limits),
        stream(std::move(executor)) {}

  Clock::time_point end_of(std::chrono::milliseconds limit) const {
    const auto end = Clock::now() + limit;
    return limits.until ? std::min(end, *limits.until) : end;
  }
  /// What is waited for next has so much time, and no more than all has; false when that is over.
  /// Asked before every wait: a peer that sends without pause is ready whenever asked, and the
  /// stream's own timer might never win.
  [[nodiscard]] bool give_time(std::chrono::milliseconds limit) {
    stream.expires_at(end_of(limit));
    return !limits.until || Clock::now() < *limits.until;
  }
  void begin_exchange() {
    received_bytes = 0;
    received_bytes_max = std::numeric_limits<std::uint64_t>::max();
  }

  /// To one of them, until then.
  awaitable<HttpResult<void>> connect(std::span<const boost::asio::ip::address> addresses,
                                      std::uint16_t port, Clock::time_point end);
  awaitable<HttpResult<void>> shake_hands(const std::string& host, const TlsTrust& its_trust,
                                          Clock::time_point end);

  /// All of the bytes, which are nobody else's until then.
  awaitable<HttpResult<void>> write(std::string bytes, std::string_view what);
  /// Gives the parser what was received, and waits for more when it has nothing to take; what the
  /// parser says.
  awaitable<boost::system::error_code> feed();

  std::string authority;
  std::string path;  // what every target begins with
  HttpLimits limits;
  HttpTiming timing;
  boost::beast::tcp_stream stream;
  std::shared_ptr<TlsTrust::Context> trust;  // of `tls`
  std::unique_ptr<Tls> tls;                  // over `stream`; none when plain
  boost::beast::flat_buffer received;
  std::uint64_t received_bytes = 0;      // of this exchange
  std::uint64_t received_bytes_max = 0;  // whatever the parser makes of them
  std::optional<boost::beast::http::response_parser<boost::beast::http::buffer_body>> parser;
};

}  // namespace webhooks
