#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/thread_pool.hpp>

#include "schemas/result.h"
#include "webhooks/egress.h"

namespace webhooks {

template <typename T>
using awaitable = boost::asio::awaitable<T>;

/// Where a server is, and the path below which its things are.
struct HttpUrl {
  std::string host;
  std::uint16_t port = 80;
  std::string path;  // without a slash at its end

  std::string authority() const;
};
/// `http://HOST[:PORT][/PATH]`; nothing else can be reached.
schemas::Result<HttpUrl> parse_http_url(std::string_view text);

struct HttpFailure {
  enum class Kind : std::uint8_t {
    unreachable,  // no name, no route, nobody listens: nothing was sent
    closed,       // the connection ended before any answer: one that was kept may just have been
                  // let go, or what was sent was done
    broken,       // it ended in the middle of one; what was sent may have been done
    timeout,      // the same, by our own deadline
    malformed,    // what came back is not HTTP, or more of it than we take
    refused,      // the egress guard says no: nothing left
    tls,          // no common TLS, or a certificate that does not prove who the server is
  };
  Kind kind;
  std::string detail;
};
template <typename T>
using HttpResult = std::expected<T, HttpFailure>;

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;
  std::string target;  // path and query, below the URL's path
  HttpHeaders headers;
  std::string body;
};

struct HttpAnswer {
  unsigned status = 0;
  HttpHeaders headers;
  std::string body;

  /// The first header of that name, in any case; empty when there is none.
  std::string_view header(std::string_view name) const;
};

/// An answer of whose body only the first bytes were asked for.
struct HttpAnswerHead {
  HttpAnswer answer;
  bool cut;       // the body goes on
  bool reusable;  // the connection takes the next request; if not, it is to be let go
};

/// What opening a connection took.
struct HttpTiming {
  std::chrono::microseconds resolve{};
  std::chrono::microseconds connect{};
  std::chrono::microseconds tls{};
};

struct HttpLimits {
  std::chrono::milliseconds resolve{10'000};               // only of a guarded opening
  std::chrono::milliseconds connect{10'000};               // of a guarded opening with TLS
  std::chrono::milliseconds write{30'000};                 // until the peer takes something
  std::chrono::milliseconds read{60'000};                  // until the peer sends something
  std::uint64_t body_bytes_max = std::uint64_t{64} << 20;  // of an answer that is read whole
  /// As HttpConnection::wait_until, from the opening on.
  std::optional<std::chrono::steady_clock::time_point> until;
};

/// All addresses of a name, on the executor of the coroutine that asks. Tests have their own.
using Resolve =
    std::function<awaitable<HttpResult<std::vector<boost::asio::ip::address>>>(std::string host)>;
awaitable<HttpResult<std::vector<boost::asio::ip::address>>> resolve_by_system(std::string host);
/// The same on a pool's threads: Asio's own has one thread, and waits there for each name in turn.
awaitable<HttpResult<std::vector<boost::asio::ip::address>>> resolve_on(
    boost::asio::thread_pool& pool, std::string host);

/// Whose word we take on who a server is. Copies share it; on any thread.
class TlsTrust {
 public:
  /// The system's authorities, and those of a PEM file.
  static schemas::Result<TlsTrust> load(const std::optional<std::filesystem::path>& more = {});

 private:
  friend class HttpConnection;
  struct Context;
  explicit TlsTrust(std::shared_ptr<Context> context) : context_(std::move(context)) {}
  std::shared_ptr<Context> context_;  // its connections may outlive it
};

/// What a guarded opening goes by.
struct HttpGuard {
  Egress egress;
  TlsTrust trust;
  Resolve resolve = {};  // empty: resolve_by_system
};

/// One outgoing HTTP/1.1 connection, plain or TLS, used for one exchange after the other:
///
///     ask                          a whole request, a whole answer
///     ask_head                     a whole request, an answer with the first bytes of its body
///     send, read_head, read_some…  a whole request, an answer in pieces
///     begin · write… · end         a request whose body is sent in pieces,
///     read_head · read_some…       while another coroutine reads the answer: both may go on at
///     once
///
/// Every wait but that for the resolver of `open` has a deadline. After a failure the connection is
/// of no more use. It lives on the executor of the coroutine that opened it. It does not follow
/// redirects, keep cookies or read the environment for proxies.
class HttpConnection {
 public:
  /// To whoever the caller names: for the command line, whose user it is.
  static awaitable<HttpResult<HttpConnection>> open(HttpUrl url, HttpLimits limits = {});

  /// To a customer's URL. The name is resolved once, every address of it is checked, and one of
  /// those is connected to, in their order: a name that leads elsewhere a moment later leads us
  /// nowhere. One refused address refuses all. `guard` outlives the opening, not the connection.
  static awaitable<HttpResult<HttpConnection>> open_guarded(WebhookUrl url, const HttpGuard& guard,
                                                            HttpLimits limits = {});
  ~HttpConnection();
  HttpConnection(HttpConnection&&) noexcept;
  HttpConnection& operator=(HttpConnection&&) noexcept;

  const HttpTiming& timing() const;

  /// From now on nothing is waited for longer than that, however much time it would have.
  void wait_until(std::chrono::steady_clock::time_point end);

  awaitable<HttpResult<HttpAnswer>> ask(HttpRequest request);
  /// What the receiver sends behind so many bytes of the body is not waited for.
  awaitable<HttpResult<HttpAnswerHead>> ask_head(HttpRequest request, std::size_t body_bytes_max);

  /// Sends a whole request.
  awaitable<HttpResult<void>> send(HttpRequest request);

  /// Sends the head of a request; its `body` is left out.
  awaitable<HttpResult<void>> begin(HttpRequest request);
  /// Not empty.
  awaitable<HttpResult<void>> write(std::string_view piece);
  awaitable<HttpResult<void>> end();

  /// The answer without its body; interim ones (1xx) are passed over.
  awaitable<HttpResult<HttpAnswer>> read_head();
  /// How many bytes of the body were put into `out`; 0 behind its end.
  awaitable<HttpResult<std::size_t>> read_some(std::span<char> out);
  awaitable<HttpResult<std::string>> read_rest();

  /// Ends whatever waits, with a failure. On the connection's executor.
  void cancel();

 private:
  struct Impl;
  explicit HttpConnection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace webhooks
