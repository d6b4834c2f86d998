#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "schemas/result.h"

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

struct HttpLimits {
  std::chrono::milliseconds connect{10'000};
  std::chrono::milliseconds write{30'000};                 // until the peer takes something
  std::chrono::milliseconds read{60'000};                  // until the peer sends something
  std::uint64_t body_bytes_max = std::uint64_t{64} << 20;  // of an answer that is read whole
};

/// One outgoing HTTP/1.1 connection, used for one exchange after the other:
///
///     ask                          a whole request, a whole answer
///     send, read_head, read_some…  a whole request, an answer in pieces
///     begin · write… · end         a request whose body is sent in pieces,
///     read_head · read_some…       while another coroutine reads the answer: both may go on at
///     once
///
/// Every wait but the resolver's has a deadline. After a failure the connection is of no more use.
/// It lives on the executor of the coroutine that opened it. It does not resolve redirects, keep
/// cookies, speak TLS or choose whom it may talk to: that guard belongs between resolving a name
/// and connecting.
class HttpConnection {
 public:
  static awaitable<HttpResult<HttpConnection>> open(HttpUrl url, HttpLimits limits = {});
  ~HttpConnection();
  HttpConnection(HttpConnection&&) noexcept;
  HttpConnection& operator=(HttpConnection&&) noexcept;

  awaitable<HttpResult<HttpAnswer>> ask(HttpRequest request);

  /// Sends a whole request.
  awaitable<HttpResult<void>> send(HttpRequest request);

  /// Sends the head of a request; its `body` is left out.
  awaitable<HttpResult<void>> begin(HttpRequest request);
  /// The bytes live until it is done; not empty.
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
