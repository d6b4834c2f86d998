// Goal: what is too large, too slow or too much is refused with the problem that says so, and does
// not hurt others. Method: a server with small limits and short deadlines.
#include <sys/resource.h>

#include <gtest/gtest.h>

#include "tests/api/http_fixture.h"

namespace api::http {
namespace {

using namespace std::chrono_literals;

class HttpLimits : public ServerTest {
 protected:
  static std::string post(std::size_t bytes) {
    return "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(bytes) +
           "\r\n\r\n";
  }
  static bool is_problem(const Answer& answer, std::string_view name) {
    return answer.body.contains("\"/problems/" + std::string(name) + "\"");
  }
};

TEST_F(HttpLimits, HeadersOverTheLimitAre431) {
  options_.limits.header_bytes = 1024;
  start();
  auto client = connect();
  const auto head = "GET /empty HTTP/1.1\r\nHost: x\r\nLong: ";
  EXPECT_EQ(client.ask(head + std::string(900, 'a') + "\r\n\r\n").status, 204u);
  const auto answer = client.ask(head + std::string(100'000, 'a') + "\r\n\r\n");
  EXPECT_EQ(answer.status, 431u);
  EXPECT_TRUE(is_problem(answer, "headers-too-large"));
  client.finish_sending();
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpLimits, BodiesMayFillTheRoutesLimit) {
  route({Method::put, "/large", 4 << 20}, [](Request request) -> awaitable<Response> {
    co_return json_response(200, std::to_string(request.body.size()));
  });
  start();
  auto client = connect();
  EXPECT_EQ(client.ask(post(1 << 20) + std::string(1 << 20, 'a')).body.size(), 1u << 20);
  client.send("PUT /large HTTP/1.1\r\nHost: x\r\nContent-Length: 4194304\r\n\r\n");
  EXPECT_EQ(client.ask(std::string(4 << 20, 'a')).body, "4194304");
}

TEST_F(HttpLimits, ABodyOverTheLimitIs413AndReadToItsEnd) {
  start();
  auto client = connect();
  // All of it is sent before the answer is read: without draining the client would see a reset.
  EXPECT_TRUE(client.send(post(20 << 20) + std::string(20 << 20, 'a')));
  const auto answer = client.answer();
  EXPECT_EQ(answer.status, 413u);
  EXPECT_TRUE(is_problem(answer, "too-large"));
  client.finish_sending();
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpLimits, AChunkedBodyOverTheLimitIs413) {
  start();
  auto client = connect();
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  const auto chunk = "10000\r\n" + std::string(0x10000, 'a') + "\r\n";
  for (int i = 0; i < 40; ++i) EXPECT_TRUE(client.send(chunk));
  EXPECT_EQ(client.answer().status, 413u);
}

TEST_F(HttpLimits, AllBodiesTogetherHaveALimit) {
  options_.limits.body_bytes = 1 << 20;
  options_.threads = 1;  // threads have equal shares
  start();
  std::vector<Client> halves;
  const auto open = [&] {
    halves.push_back(connect());
    halves.back().send(post(400'000) + std::string(200'000, 'a'));
  };
  for (int i = 0; i < 4; ++i) open();
  EXPECT_TRUE(eventually([&] { return server().gauges().requests_in_flight == 4; }));
  for (int i = 0; i < 8; ++i) open();
  unsigned answered = 0;
  unsigned refused = 0;
  for (auto& half : halves) {
    half.send(std::string(200'000, 'a'));
    const auto answer = half.answer();
    if (answer.status == 200) ++answered;
    if (answer.status == 503 && is_problem(answer, "overloaded")) ++refused;
  }
  EXPECT_EQ(answered + refused, halves.size());
  EXPECT_GE(answered, 1u);
  EXPECT_GE(refused, 7u);
}

TEST_F(HttpLimits, DrainingEnds) {
  options_.limits.drain_bytes = 1 << 20;
  start();
  auto client = connect();
  client.send(post(1u << 30));
  EXPECT_EQ(client.answer().status, 413u);
  const std::string piece(1 << 20, 'a');
  auto sent = 0;
  while (sent < 64 && client.send(piece)) ++sent;
  EXPECT_LT(sent, 64);
}

TEST_F(HttpLimits, ASlowHeadIs408) {
  options_.deadlines.header = 50ms;
  start();
  auto client = connect();
  const auto answer = client.ask("GET /empty HTTP/1.1\r\nHo");
  EXPECT_EQ(answer.status, 408u);
  EXPECT_TRUE(is_problem(answer, "request-timeout"));
  client.finish_sending();
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpLimits, TricklingDoesNotProlongAHead) {
  options_.deadlines.header = 100ms;
  start();
  auto client = connect();
  client.send("GET /empty HTTP/1.1\r\nHost: x\r\n");
  const auto begin = std::chrono::steady_clock::now();
  while (client.send("A: b\r\n") && std::chrono::steady_clock::now() - begin < 2s) {
    if (server().gauges().connections == 0) break;
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_EQ(client.answer().status, 408u);
}

TEST_F(HttpLimits, AnIdleConnectionIsClosedWithoutAWord) {
  options_.deadlines.idle = 50ms;
  options_.deadlines.header = 50ms;
  start();
  auto silent = connect();
  EXPECT_TRUE(silent.closed());
  auto kept = connect();
  EXPECT_EQ(kept.ask("GET /empty HTTP/1.1\r\nHost: x\r\n\r\n").status, 204u);
  EXPECT_TRUE(kept.closed());
}

TEST_F(HttpLimits, ABodyThatStandsStillIs408) {
  options_.deadlines.body = 100ms;
  start();
  auto client = connect();
  EXPECT_EQ(client.ask(post(100) + "some").status, 408u);
}

TEST_F(HttpLimits, ABodyThatGoesOnHasTime) {
  options_.deadlines.body = 400ms;
  start();
  auto client = connect();
  client.send(post(10 * 2048));
  for (int i = 0; i < 10; ++i) {
    client.send(std::string(2048, 'a'));
    std::this_thread::sleep_for(60ms);
  }
  EXPECT_EQ(client.answer().status, 200u);
}

TEST_F(HttpLimits, AClientThatDoesNotReadIsLeft) {
  options_.deadlines.write = 100ms;
  route({Method::get, "/large"}, [](Request) -> awaitable<Response> {
    co_return json_response(200, std::string(64 << 20, 'x'));
  });
  start();
  Client client(server().port(), 4096);
  client.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return server().gauges().connections == 1; }));
  EXPECT_TRUE(eventually([&] { return server().gauges().connections == 0; }));
}

TEST_F(HttpLimits, TooManyConnectionsAreTurnedAway) {
  options_.limits.connections = 8;  // four each
  start();
  std::vector<Client> clients;
  for (int i = 0; i < 32; ++i) clients.push_back(connect());
  unsigned refused = 0;
  for (auto& client : clients) {
    if (client.ask("GET /empty HTTP/1.1\r\nHost: x\r\n\r\n").status != 204) ++refused;
  }
  EXPECT_GE(refused, 24u);
  EXPECT_LE(server().gauges().connections, 8u);
}

TEST_F(HttpLimits, SlowClientsDoNotHurtOthers) {
  const rlimit files{.rlim_cur = 8192, .rlim_max = 8192};
  if (::setrlimit(RLIMIT_NOFILE, &files) != 0) GTEST_SKIP() << "needs 8,192 descriptors";
  start();
  std::vector<Client> slow;
  for (int i = 0; i < 2000; ++i) {
    slow.push_back(connect());
    slow.back().send("GET /empty HTTP/1.1\r\nHost");
  }
  EXPECT_TRUE(eventually([&] { return server().gauges().connections == 2000; }));
  auto client = connect();
  auto slowest = 0ns;
  for (int i = 0; i < 1000; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(client.ask("GET /empty HTTP/1.1\r\nHost: x\r\n\r\n").status, 204u);
    slowest = std::max<std::chrono::nanoseconds>(slowest, std::chrono::steady_clock::now() - begin);
  }
  EXPECT_LT(slowest, 2s);
}

}  // namespace
}  // namespace api::http
