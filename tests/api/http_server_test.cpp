// Goal: requests of a connection are answered in order and in full, whatever pieces they come in,
// and what is not clear HTTP is refused and ends the connection. Method: a real server, and a
// client that sends exactly the bytes a test names.
#include <gtest/gtest.h>

#include "api/http/problem.h"
#include "tests/api/http_fixture.h"

namespace api::http {
namespace {

using HttpServer = ServerTest;

TEST_F(HttpServer, AnswersWithDateIdAndLength) {
  start();
  auto client = connect();
  auto answer = client.ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(answer.headers["content-type"], "application/json");
  EXPECT_EQ(answer.headers["date"].size(),
            std::string_view("Sun, 06 Nov 1994 08:49:37 GMT").size());
  EXPECT_TRUE(answer.headers["x-request-id"].starts_with("req_"));
}

TEST_F(HttpServer, TakesASaneRequestId) {
  start();
  auto client = connect();
  const auto returned = [&](const std::string& id) {
    return client.ask("GET /empty HTTP/1.1\r\nHost: x\r\nX-Request-Id: " + id + "\r\n\r\n")
        .headers["x-request-id"];
  };
  EXPECT_EQ(returned("a.B_9-z"), "a.B_9-z");
  EXPECT_EQ(returned(std::string(128, 'a')), std::string(128, 'a'));
  for (const auto& id :
       {std::string(129, 'a'), std::string("a b"), std::string("<a>"), std::string()}) {
    EXPECT_TRUE(returned(id).starts_with("req_")) << id;
  }
}

TEST_F(HttpServer, AnswersPipelinedRequestsInOrder) {
  start();
  std::string requests;
  for (int i = 0; i < 100; ++i) {
    const auto body = std::to_string(i);
    requests += "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
                "\r\n\r\n" + body;
  }
  auto client = connect();
  client.send(requests);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client.answer().body, std::to_string(i));
}

TEST_F(HttpServer, AnswersAClientThatSendsByteByByte) {
  start();
  auto client = connect();
  for (const char c :
       std::string_view("\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")) {
    client.send({&c, 1});
    std::this_thread::yield();
  }
  EXPECT_EQ(client.answer().body, "hello world");
  EXPECT_EQ(client.ask("GET /empty HTTP/1.1\r\nHost: x\r\n\r\n").status, 204u);
}

TEST_F(HttpServer, AnswersAClientThatHasClosedItsSide) {
  start();
  auto client = connect();
  client.send("GET /empty HTTP/1.1\r\nHost: x\r\n\r\n");
  client.finish_sending();
  EXPECT_EQ(client.answer().status, 204u);
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpServer, ClosesWhenAskedTo) {
  start();
  auto client = connect();
  auto answer = client.ask("GET /empty HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(answer.headers["connection"], "close");
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpServer, KeepsAnHttp10ConnectionOnlyWhenAskedTo) {
  start();
  auto kept = connect();
  auto answer = kept.ask("GET /empty HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(answer.headers["connection"], "keep-alive");
  EXPECT_EQ(kept.ask("GET /empty HTTP/1.0\r\n\r\n").headers["connection"], "close");
  EXPECT_TRUE(kept.closed());
}

TEST_F(HttpServer, AnswersHeadLikeGetWithoutTheBody) {
  start();
  auto client = connect();
  client.send("HEAD /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
  auto answer = client.answer(Client::Asked::head);
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(answer.headers["content-length"], "5");
  EXPECT_EQ(client.ask("GET /empty HTTP/1.1\r\nHost: x\r\n\r\n").status, 204u);
}

TEST_F(HttpServer, UnknownPathsAndMethodsKeepTheConnection) {
  route({Method::post, "/only-post"},
        [](Request) -> awaitable<Response> { co_return empty_response(); });
  start();
  auto client = connect();
  auto answer = client.ask("GET /nothing HTTP/1.1\r\nHost: x\r\nX-Request-Id: r1\r\n\r\n");
  EXPECT_EQ(answer.status, 404u);
  EXPECT_EQ(answer.headers["content-type"], "application/problem+json");
  EXPECT_NE(answer.body.find(R"("type":"/problems/not-found")"), std::string::npos);
  EXPECT_NE(answer.body.find(R"("request_id":"r1")"), std::string::npos);
  client.send("HEAD /only-post HTTP/1.1\r\nHost: x\r\n\r\n");
  answer = client.answer(Client::Asked::head);
  EXPECT_EQ(answer.status, 405u);
  EXPECT_EQ(answer.headers["allow"], "POST");
}

TEST_F(HttpServer, WhatIsRefusedBeforeASmallBodyKeepsTheConnection) {
  start();
  auto client = connect();
  for (const auto* line : {"POST /nothing", "PUT /echo"}) {
    auto answer = client.ask(std::string(line) +
                             " HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n{\"a\":1}");
    EXPECT_TRUE(answer.status == 404 || answer.status == 405) << answer.status;
    EXPECT_FALSE(answer.headers.contains("connection")) << answer.headers["connection"];
  }
  EXPECT_EQ(client.ask("GET /empty HTTP/1.1\r\nHost: x\r\n\r\n").status, 204u);
  auto answer = client.ask("POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
  EXPECT_EQ(answer.status, 404u);
  EXPECT_EQ(answer.headers["connection"], "close");
}

TEST_F(HttpServer, MalformedRequestsAreProblemsAndEndTheConnection) {
  start();
  for (const std::string_view request :
       {"GARBAGE\r\n\r\n", "\x16\x03\x01\x02", "GET /empty HTTP/1.1\r\n\r\n",
        "GET /empty HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "GET /empty HTTP/1.1\nHost: x\n\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnot a "
        "chunk\r\n\r\n"}) {
    auto client = connect();
    auto answer = client.ask(request);
    EXPECT_EQ(answer.status, 400u) << request;
    EXPECT_EQ(answer.headers["content-type"], "application/problem+json") << request;
    EXPECT_EQ(answer.headers["connection"], "close") << request;
    EXPECT_NE(answer.body.find(R"("type":"/problems/invalid-parameter")"), std::string::npos);
    client.finish_sending();
    EXPECT_TRUE(client.closed()) << request;
  }
}

TEST_F(HttpServer, NothingIsSmuggledBehindAnAmbiguousRequest) {
  start();
  auto client = connect();
  client.send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
      "0\r\n\r\nGET /empty HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.answer().status, 400u);
  client.finish_sending();
  EXPECT_EQ(client.read_all(), "");
}

TEST_F(HttpServer, BadTargetsAreProblemsAndKeepTheConnection) {
  start();
  auto client = connect();
  EXPECT_EQ(client.ask("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n").status, 400u);
  EXPECT_EQ(client.ask("GET /empty?a=%ff HTTP/1.1\r\nHost: x\r\n\r\n").status, 400u);
  EXPECT_EQ(client.ask("GET /empty HTTP/1.1\r\nHost: x\r\n\r\n").status, 204u);
}

TEST_F(HttpServer, AsksForABodyThatWaitsToBeAsked) {
  start();
  auto client = connect();
  client.send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(client.ask("hello").body, "hello");
}

TEST_F(HttpServer, DoesNotAskForABodyThatItRefuses) {
  start();
  auto client = connect();
  const auto answer = client.ask(
      "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(answer.status, 404u);
  client.finish_sending();
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpServer, WhatAHandlerThrowsIsAnInternalProblem) {
  route({Method::get, "/throws"}, [](Request) -> awaitable<Response> {
    throw std::logic_error("a bug");
    co_return empty_response();
  });
  start();
  auto client = connect();
  auto answer = client.ask("GET /throws HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(answer.status, 500u);
  EXPECT_EQ(answer.body.find("a bug"), std::string::npos);
  EXPECT_EQ(client.ask("GET /empty HTTP/1.1\r\nHost: x\r\n\r\n").status, 204u);
}

TEST_F(HttpServer, LargeAnswersArriveWhole) {
  route({Method::get, "/large"}, [](Request) -> awaitable<Response> {
    co_return json_response(200, std::string(32 << 20, 'x'));
  });
  start();
  auto client = connect();
  EXPECT_EQ(client.ask("GET /large HTTP/1.1\r\nHost: x\r\n\r\n").body.size(), 32u << 20);
}

TEST_F(HttpServer, TellsWhatItAnswered) {
  std::atomic<unsigned> found = 0;
  std::atomic<unsigned> unrouted = 0;
  options_.on_answer = [&](const Answered& answered) {
    (answered.route ? found : unrouted) += answered.status;
  };
  start();
  auto client = connect();
  client.ask("GET /empty HTTP/1.1\r\nHost: x\r\n\r\n");
  client.ask("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return found == 204 && unrouted == 404; }));
  EXPECT_EQ(server().gauges().connections, 1u);
}

TEST(HttpListen, AddressesAreReadStrictly) {
  EXPECT_EQ(parse_listen_address("127.0.0.1:8080")->port, 8080);
  EXPECT_EQ(parse_listen_address("[::1]:0")->host, "::1");
  for (const auto text : {"", "8080", ":8080", "a:", "a:b", "a:65536", "::1:80", "a:1x", "a:-1"}) {
    EXPECT_FALSE(parse_listen_address(text)) << text;
  }
}

TEST(HttpListen, APortInUseIsAnError) {
  const Router router({});
  const Handler none = [](Request) -> awaitable<Response> { co_return empty_response(); };
  Options options;
  options.listen.port = 0;
  const Server first(options, router, none);
  options.listen.port = first.port();
  EXPECT_THROW(Server(options, router, none), std::runtime_error);
}

TEST(HttpListen, SpeaksIpv6) {
  const Router router({});
  Options options;
  options.listen = {"::1", 0};
  const Server server(options, router, {});
  EXPECT_GT(server.port(), 0);
}

}  // namespace
}  // namespace api::http
