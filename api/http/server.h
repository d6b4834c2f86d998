#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/http/coroutine.h"
#include "api/http/request.h"
#include "api/http/response.h"
#include "api/http/router.h"
#include "api/http/stream.h"
#include "schemas/result.h"

namespace api::http {

/// HOST:PORT, [V6]:PORT; port 0 lets the system choose.
struct ListenAddress {
  std::string host;
  std::uint16_t port;
};
schemas::Result<ListenAddress> parse_listen_address(std::string_view text);

/// How long the server waits for its peers. They are checked a few times per shortest deadline, at
/// most every quarter of a second, so they are kept to about that much.
struct Deadlines {
  std::chrono::milliseconds header{10'000};  ///< from a request's first byte to the end of its head
  std::chrono::milliseconds body{30'000};    ///< for the next kilobyte, or the end, of a body
  std::chrono::milliseconds idle{60'000};    ///< between requests, and between lines of a body
  std::chrono::milliseconds write{30'000};   ///< until the peer takes something
  std::chrono::milliseconds drain{5'000};    ///< for reading what nobody wants, before closing
  std::chrono::milliseconds stop{10'000};    ///< for requests and streams to end after stop()
};

struct Limits {
  std::size_t header_bytes = 16 * 1024;
  std::size_t connections = 20'000;               ///< of all threads; over it: 503 and close
  std::size_t body_bytes = std::size_t{1} << 30;  ///< of all requests in flight; over it: 503
  std::size_t drain_bytes = std::size_t{64} << 20;
};

/// One answer given, for metrics and logs. A streamed answer counts when its head goes out.
struct Answered {
  std::optional<RouteIndex> route;  ///< none when no route was found
  unsigned status;
  std::chrono::nanoseconds duration;  ///< from the end of the request's head
  std::string_view request_id;
};

/// Numbers of this moment, summed over all threads.
struct Gauges {
  std::size_t connections = 0;
  std::size_t requests_in_flight = 0;
  std::size_t streams = 0;
};

struct Options {
  ListenAddress listen{"127.0.0.1", 8080};
  unsigned threads = 0;  ///< 0: one per core
  Deadlines deadlines;
  Limits limits;
  std::function<void(const Answered&)> on_answer;  ///< called on the connection's thread
};

/// Answers a request; called on the connection's thread, resumed there after every wait, and never
/// blocks it. What it throws becomes a logged 500.
using Handler = std::function<awaitable<Response>(Request)>;

/// The HTTP/1.1 server: one thread, io_context and SO_REUSEPORT acceptor per core; a connection
/// lives and dies on its thread, so nothing here is locked.
///
/// Promises: requests of a connection are answered in order; what is malformed, ambiguous, too
/// large, too slow or unknown to the router is answered here, as a problem, and the handler does
/// not see it; every wait has a deadline and every buffer a limit.
///
/// The router and what the handler refers to outlive the server. The server outlives whatever
/// handlers post to, and every Waker.
class Server {
 public:
  /// Binds, so that the port is known; throws std::runtime_error when it cannot.
  Server(Options options, const Router& router, Handler handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const;
  /// Starts the threads. Once.
  void start();
  /// Stops accepting, lets requests in flight end, tells the streams, closes, joins. Blocks the
  /// caller, which is not one of the server's threads; no longer than twice the stop deadline.
  void stop();
  Gauges gauges() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace api::http
