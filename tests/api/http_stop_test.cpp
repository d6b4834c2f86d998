// Goal: a stop lets what was asked for end, tells the streams, and is over in bounded time,
// whatever clients and handlers do. Method: a real server; the test opens and closes a gate that a
// handler waits at on another context.
#include <future>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <gtest/gtest.h>

#include "tests/api/http_fixture.h"

namespace api::http {
namespace {

using namespace std::chrono_literals;

awaitable<void> say_goodbye(Stream stream) {
  while (co_await stream.wait(1h) != Wake::stopping) {
  }
  co_await stream.write("closing\n");
}

awaitable<void> never_look(Stream stream) {
  while (co_await stream.wait(1h) != Wake::gone) {
  }
}

class HttpStop : public ServerTest {
 protected:
  void start_gated() {
    route({Method::get, "/gate"}, [this](Request) -> awaitable<Response> {
      // Blocks a thread that is not the server's, and comes back to the connection's.
      const auto home = std::this_thread::get_id();
      co_await asio::post(pool_, asio::bind_executor(pool_, asio::use_awaitable));
      gate_.get_future().wait();
      co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
      EXPECT_EQ(std::this_thread::get_id(), home);
      co_return json_response(200, "\"late\"");
    });
    route({Method::get, "/stream"},
          [](Request) -> awaitable<Response> { co_return streamed("text/plain", say_goodbye); });
    start();
  }
  std::chrono::milliseconds stop() {
    const auto begin = std::chrono::steady_clock::now();
    server().stop();
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  }

  asio::thread_pool pool_{1};
  std::promise<void> gate_;
};

TEST_F(HttpStop, ClosesIdleConnectionsAtOnce) {
  start_gated();
  auto fresh = connect();
  auto used = connect();
  EXPECT_EQ(used.ask("GET /empty HTTP/1.1\r\nHost: x\r\n\r\n").status, 204u);
  EXPECT_TRUE(eventually([&] { return server().gauges().connections == 2; }));
  EXPECT_LT(stop(), 3s);
  EXPECT_TRUE(fresh.closed());
  EXPECT_TRUE(used.closed());
}

TEST_F(HttpStop, ARequestInFlightIsAnswered) {
  start_gated();
  auto client = connect();
  client.send("GET /gate HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return server().gauges().requests_in_flight == 1; }));
  auto stopped = std::async(std::launch::async, [&] { return stop(); });
  std::this_thread::sleep_for(20ms);
  gate_.set_value();
  auto answer = client.answer();
  EXPECT_EQ(answer.body, "\"late\"");
  EXPECT_EQ(answer.headers["connection"], "close");
  EXPECT_TRUE(client.closed());
  EXPECT_LT(stopped.get(), 3s);
}

TEST_F(HttpStop, AStreamSaysGoodbye) {
  start_gated();
  auto client = connect();
  client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  client.read_until("\r\n\r\n");
  EXPECT_LT(stop(), 3s);
  EXPECT_EQ(client.read_all(), "8\r\nclosing\n\r\n0\r\n\r\n");
}

awaitable<void> read_lines(Stream stream) {
  auto line = co_await stream.read_line();
  while (line && *line) line = co_await stream.read_line();
  co_await stream.write(line ? "end\n" : line.error().detail + "\n");
}

TEST_F(HttpStop, LinesThatAreWaitedForEnd) {
  route({Method::post, "/lines", 100, 100}, [](Request) -> awaitable<Response> {
    co_return streamed("application/x-ndjson", read_lines);
  });
  start();
  auto client = connect();
  client.send(
      "POST /lines HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
      "Content-Length: 100\r\n\r\none\n");
  client.read_until("\r\n\r\n");
  auto stopped = std::async(std::launch::async, [&] { return stop(); });
  EXPECT_EQ(client.read_until("\n\r\n"), "2a\r\nthe server stops; send what is left again\n\r\n");
  client.finish_sending();
  EXPECT_LT(stopped.get(), 3s);
}

TEST_F(HttpStop, AStreamThatDoesNotEndIsCut) {
  options_.deadlines.stop = 100ms;
  route({Method::get, "/deaf"},
        [](Request) -> awaitable<Response> { co_return streamed("text/plain", never_look); });
  start();
  auto client = connect();
  client.send("GET /deaf HTTP/1.1\r\nHost: x\r\n\r\n");
  client.read_until("\r\n\r\n");
  EXPECT_LT(stop(), 3s);
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpStop, AHalfSentRequestIsWaitedForAndThenCut) {
  options_.deadlines.stop = 100ms;
  start_gated();
  auto client = connect();
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe");
  EXPECT_TRUE(eventually([&] { return server().gauges().requests_in_flight == 1; }));
  EXPECT_LT(stop(), 3s);
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpStop, AHandlerThatDoesNotEndIsLeft) {
  options_.deadlines.stop = 50ms;
  start_gated();
  auto client = connect();
  client.send("GET /gate HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return server().gauges().requests_in_flight == 1; }));
  EXPECT_LT(stop(), 3s);
  gate_.set_value();
  pool_.join();  // the server outlives what handlers post to
}

TEST_F(HttpStop, NobodyIsAcceptedAfterwards) {
  start_gated();
  const auto port = server().port();
  stop();
  const Router router({});
  Options options;
  options.listen.port = port;
  EXPECT_NO_THROW(Server(options, router, {}));
  stop();  // again, to no effect
}

}  // namespace
}  // namespace api::http
