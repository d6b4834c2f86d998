// Goal: the outgoing HTTP client says what it asks and understands what is answered, whole or in
// pieces, and names what went wrong. Method: it talks to our own server, and to a socket that
// misbehaves.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include "api/cli/remote.h"
#include "tests/api/http_fixture.h"
#include "webhooks/http_client.h"

namespace api::http {
namespace {

using webhooks::HttpAnswer;
using webhooks::HttpConnection;
using webhooks::HttpFailure;
using webhooks::HttpResult;
using webhooks::HttpUrl;

awaitable<HttpResult<HttpAnswer>> ask_at(HttpUrl url, webhooks::HttpRequest request,
                                         webhooks::HttpLimits limits = {}) {
  auto connection = co_await HttpConnection::open(std::move(url), limits);
  if (!connection) co_return std::unexpected(connection.error());
  auto answer = co_await connection->ask(std::move(request));
  co_return answer;
}

class OutgoingHttp : public ServerTest {
 protected:
  HttpUrl url() const { return {.host = "127.0.0.1", .port = server().port(), .path = ""}; }
};

TEST_F(OutgoingHttp, AsksAndUnderstands) {
  start();
  auto answer =
      cli::run_to_end(ask_at(url(), {"POST", "/echo", {{"X-Request-Id", "mine"}}, "hello"}));
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ(answer->status, 200u);
  EXPECT_EQ(answer->body, "hello");
  EXPECT_EQ(answer->header("x-request-ID"), "mine");
  EXPECT_EQ(answer->header("nothing"), "");
}

awaitable<HttpResult<std::string>> several(HttpUrl url) {
  auto connection = co_await HttpConnection::open(std::move(url));
  if (!connection) co_return std::unexpected(connection.error());
  std::string all;
  for (const auto* body : {"a", "b", ""}) {
    auto answer = co_await connection->ask({"POST", "/echo", {}, body});
    if (!answer) co_return std::unexpected(answer.error());
    all += answer->body + ";";
  }
  auto empty = co_await connection->ask({"GET", "/empty", {}, {}});
  if (!empty) co_return std::unexpected(empty.error());
  co_return all + std::to_string(empty->status);
}

TEST_F(OutgoingHttp, KeepsTheConnection) {
  start();
  auto all = cli::run_to_end(several(url()));
  ASSERT_TRUE(all) << all.error().detail;
  EXPECT_EQ(*all, "a;b;;204");
}

awaitable<HttpResult<std::string>> in_pieces(HttpUrl url) {
  auto connection = co_await HttpConnection::open(std::move(url));
  if (!connection) co_return std::unexpected(connection.error());
  auto begun = co_await connection->begin({"POST", "/echo", {}, {}});
  if (!begun) co_return std::unexpected(begun.error());
  for (const auto* piece : {"one ", "two ", "three"}) {
    auto written = co_await connection->write(piece);
    if (!written) co_return std::unexpected(written.error());
  }
  auto ended = co_await connection->end();
  if (!ended) co_return std::unexpected(ended.error());
  auto head = co_await connection->read_head();
  if (!head) co_return std::unexpected(head.error());
  std::array<char, 4> piece;
  std::string all;
  for (;;) {
    auto got = co_await connection->read_some(piece);
    if (!got) co_return std::unexpected(got.error());
    if (*got == 0) co_return all;
    all.append(piece.data(), *got);
  }
}

TEST_F(OutgoingHttp, SendsAndReadsInPieces) {
  start();
  auto all = cli::run_to_end(in_pieces(url()));
  ASSERT_TRUE(all) << all.error().detail;
  EXPECT_EQ(*all, "one two three");
}

/// Answers one connection with these bytes, or with silence, and closes it.
class BadServer {
 public:
  explicit BadServer(std::string bytes) : bytes_(std::move(bytes)), thread_([this] { serve(); }) {}
  ~BadServer() { thread_.join(); }
  HttpUrl url() const {
    return {.host = "127.0.0.1", .port = acceptor_.local_endpoint().port(), .path = ""};
  }

 private:
  void serve() {
    boost::system::error_code ignored;
    auto socket = acceptor_.accept();
    std::array<char, 4096> request;
    socket.read_some(asio::buffer(request), ignored);
    asio::write(socket, asio::buffer(bytes_), ignored);
    // Until the other side has gone.
    if (bytes_.empty()) socket.read_some(asio::buffer(request), ignored);
  }

  asio::io_context context_{1};
  asio::ip::tcp::acceptor acceptor_{context_, {asio::ip::make_address("127.0.0.1"), 0}};
  std::string bytes_;
  std::thread thread_;
};

HttpFailure failure_of(const std::string& bytes, webhooks::HttpLimits limits = {}) {
  const BadServer server(bytes);
  auto answer = cli::run_to_end(ask_at(server.url(), {"GET", "/", {}, {}}, limits));
  EXPECT_FALSE(answer);
  return answer ? HttpFailure{} : answer.error();
}

TEST(OutgoingHttpFailures, AreTold) {
  using Kind = HttpFailure::Kind;
  EXPECT_EQ(failure_of("nonsense\r\n\r\n").kind, Kind::malformed);
  EXPECT_EQ(failure_of("HTTP/1.1 200 OK\r\nContent-Len").kind, Kind::broken);
  EXPECT_EQ(failure_of("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort").kind, Kind::broken);
  EXPECT_EQ(failure_of("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + std::string(100, 'x'),
                       {.body_bytes_max = 99})
                .kind,
            Kind::malformed);
  EXPECT_EQ(failure_of("", {.read = std::chrono::milliseconds(50)}).kind, Kind::timeout);
}

TEST(OutgoingHttpFailures, NobodyListens) {
  HttpUrl url;
  {
    asio::io_context context(1);
    asio::ip::tcp::acceptor acceptor(context, {asio::ip::make_address("127.0.0.1"), 0});
    url = {.host = "127.0.0.1", .port = acceptor.local_endpoint().port(), .path = ""};
  }
  auto answer = cli::run_to_end(ask_at(url, {"GET", "/", {}, {}}));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, HttpFailure::Kind::unreachable);
}

TEST(OutgoingHttpUrl, IsRead) {
  auto read = [](std::string_view text) {
    auto url = webhooks::parse_http_url(text);
    return url ? url->authority() + "|" + url->path : std::string("wrong");
  };
  EXPECT_EQ(read("http://a.example"), "a.example:80|");
  EXPECT_EQ(read("http://127.0.0.1:8080/"), "127.0.0.1:8080|");
  EXPECT_EQ(read("http://[::1]:8080/x/y/"), "[::1]:8080|/x/y");
  EXPECT_EQ(read("http://[::1]"), "[::1]:80|");
  for (const auto* text : {"", "a.example", "https://a", "http://", "http://a:0", "http://a:99999",
                           "http://a:x", "http://u@a", "http://a/?q", "http://a b"}) {
    EXPECT_EQ(read(text), "wrong") << text;
  }
}

}  // namespace
}  // namespace api::http
