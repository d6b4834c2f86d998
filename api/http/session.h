#pragma once

#include <memory>
#include <optional>

#include "api/http/connection.h"
#include "api/http/core.h"
#include "api/http/parser.h"
#include "api/http/stream_control.h"

namespace api::http {

/// One connection's life: requests are read, routed, handled and answered, one after the other.
///
/// Promises: what is wrong with a request as HTTP, or unknown to the router, is answered here as a
/// problem; an answer given before the request's body was read closes the connection, after the
/// body was drained for a while, so that the client can read the answer (a small body is read and
/// passed over before a 404 or 405, which then keeps it open). While a stream is idle
/// neither request nor buffers are kept. For its core's thread; owned by its coroutine.
class Session : public SessionHook {
 public:
  Session(Core& core, Socket socket);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  static awaitable<void> run(std::unique_ptr<Session> self);

  void expire(Clock::time_point now) { connection_.expire(now); }
  /// Closes if nothing is asked for; else what is asked for ends first.
  void stop();
  /// Closes in any case. A handler at work ends later, and finds nobody to answer.
  void abort();

 private:
  /// What the answer must know of its request, which the handler took.
  struct Asked {
    std::optional<Counted> in_flight;
    std::optional<Counted> body_bytes;
    std::string request_id;
    std::optional<RouteIndex> route;
    std::optional<std::size_t> line_bytes_max;
    Clock::time_point since;
    bool understood = false;
    bool head_only = false;
  };

  awaitable<void> answer_next();
  // Nothing: the peer is gone.
  awaitable<std::optional<Response>> respond(Asked& asked);
  awaitable<schemas::Result<bool>> read_head(Request& request);
  std::optional<Response> find_route(Request& request, Asked& asked);
  awaitable<schemas::Result<bool>> read_body(Request& request, Asked& asked);
  /// Of a request that is refused before its body: then the connection can be kept.
  awaitable<void> pass_over_small_body();
  awaitable<bool> welcome_body();
  awaitable<Response> handle(Request request, std::string_view request_id);
  awaitable<void> send(Response response, Asked& asked);
  void open_stream(StreamFunction function, Framing framing, const Asked& asked);
  awaitable<void> run_stream();
  awaitable<void> drain();

  const Setting& setting() const { return core_.setting(); }
  const Deadlines& deadlines() const { return setting().options.deadlines; }

  Core& core_;
  Connection connection_;
  asio::ip::address remote_;
  std::unique_ptr<Parser> parser_;         // of the request that is read or being answered
  std::unique_ptr<StreamControl> stream_;  // while a streamed answer goes on
  StreamFunction stream_function_;
  bool first_ = true;        // no request has been read yet
  bool idle_ = true;         // waiting for the first byte of a request
  bool keep_alive_ = false;  // after the present answer
  bool linger_ = false;      // what the peer still sends is read before closing
};

}  // namespace api::http
