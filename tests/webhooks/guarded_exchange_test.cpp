// Goal: no receiver can hold a delivery longer than it may, make it take more than it asked for, or
// mix up one exchange with the next. Method: receivers on loopback that drip, flood, close and say
// too much.
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/webhooks/guard_fixture.h"
#include "tests/webhooks/receiver.h"

namespace webhooks {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::ElementsAre;
using testing::HasSubstr;
using Kind = HttpFailure::Kind;

constexpr std::size_t body_bytes_max = 4096;
constexpr milliseconds minute{60'000};

/// Several exchanges over one connection, until one fails or the connection is of no more use. Each
/// may take so long.
awaitable<HttpResult<std::vector<HttpAnswerHead>>> deliver(WebhookUrl url, const HttpGuard& guard,
                                                           HttpLimits limits, int count,
                                                           milliseconds exchange = minute) {
  auto connection = co_await HttpConnection::open_guarded(url, guard, limits);
  if (!connection) co_return std::unexpected(std::move(connection).error());
  std::vector<HttpAnswerHead> heads;
  while (count-- > 0) {
    HttpRequest request{"POST", url.target, {{"Content-Type", "application/json"}}, R"({"a":1})"};
    connection->wait_until(steady_clock::now() + exchange);
    auto head = co_await connection->ask_head(std::move(request), body_bytes_max);
    if (!head) co_return std::unexpected(std::move(head).error());
    heads.push_back(std::move(*head));
    if (!heads.back().reusable) break;
  }
  co_return heads;
}

/// The tests' address is in the allow-list, so that what is looked at is not the guard.
HttpResult<std::vector<HttpAnswerHead>> deliver_to(const Receiver& receiver, HttpLimits limits = {},
                                                   int count = 1, milliseconds exchange = minute) {
  const auto url = url_of(fmt::format("http://127.0.0.1:{}/hook?a=b", receiver.port()));
  const auto guard = guard_of({"127.0.0.1"}, resolver_of({}));
  return run_to_end(deliver(url, guard, limits, count, exchange));
}

std::string answer_of(std::size_t body_bytes, const std::string& headers = "") {
  return fmt::format("HTTP/1.1 200 OK\r\n{}Content-Length: {}\r\n\r\n{}", headers, body_bytes,
                     std::string(body_bytes, 'x'));
}

TEST(GuardedExchange, SendsTheRequestAsItIs) {
  Receiver receiver;
  ASSERT_TRUE(deliver_to(receiver));
  EXPECT_THAT(receiver.requests(),
              ElementsAre(fmt::format("POST /hook?a=b HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n"
                                      "Content-Type: application/json\r\nContent-Length: 7\r\n\r\n"
                                      "{{\"a\":1}}",
                                      receiver.port())));
}

TEST(GuardedExchange, KeepsTheConnection) {
  for (const auto& answer :
       {std::string("HTTP/1.1 204 No Content\r\n\r\n"), answer_of(0), answer_of(body_bytes_max),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        std::string("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")}) {
    Receiver receiver({.answer = answer});
    const auto heads = deliver_to(receiver, {}, 5);
    ASSERT_TRUE(heads) << heads.error().detail;
    EXPECT_EQ(heads->size(), 5u) << answer.substr(0, 40);
    EXPECT_EQ(receiver.connections(), 1);
    EXPECT_EQ(receiver.requests().size(), 5u);
  }
}

TEST(GuardedExchange, LetsTheConnectionGoWhenItIsOfNoMoreUse) {
  for (const auto& answer :
       {answer_of(body_bytes_max + 1), answer_of(3, "Connection: close\r\n"),
        std::string("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"), answer_of(3) + "more",
        answer_of(0) + answer_of(0), std::string("HTTP/1.1 101 Switching Protocols\r\n\r\n")}) {
    Receiver receiver({.answer = answer});
    const auto heads = deliver_to(receiver, {}, 5);
    ASSERT_TRUE(heads) << heads.error().detail;
    EXPECT_EQ(heads->size(), 1u) << answer.substr(0, 40);
  }
}

TEST(GuardedExchange, CutsALargeBody) {
  for (const std::size_t bytes : {body_bytes_max - 1, body_bytes_max, body_bytes_max + 1,
                                  body_bytes_max * 2, std::size_t{8} << 20}) {
    Receiver receiver({.answer = answer_of(bytes)});
    const auto heads = deliver_to(receiver);
    ASSERT_TRUE(heads) << heads.error().detail;
    const auto& head = heads->front();
    EXPECT_EQ(head.answer.body, std::string(std::min(bytes, body_bytes_max), 'x'));
    EXPECT_EQ(head.cut, bytes > body_bytes_max) << bytes;
    EXPECT_EQ(head.reusable, bytes <= body_bytes_max) << bytes;
  }
}

TEST(GuardedExchange, ADrippingReceiverEndsWithTheDeadline) {
  // In its head, in its body, in interim answers: each byte in time for itself, all of them never.
  const auto endless = std::string(1000, 'x');
  for (const auto& answer :
       {"HTTP/1.1 200 OK\r\nX-Drip: " + endless, answer_of(10'000).substr(0, 38) + endless,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;" + endless,
        std::string("HTTP/1.1 102 Processing\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\n\r\n") + endless}) {
    Receiver receiver({.answer = answer, .pace = milliseconds(2)});
    const auto begin = steady_clock::now();
    const auto heads = deliver_to(receiver, {.read = milliseconds(2000)}, 1, milliseconds(300));
    ASSERT_FALSE(heads) << answer.substr(0, 60);
    EXPECT_EQ(heads.error().kind, Kind::timeout) << heads.error().detail;
    EXPECT_GE(steady_clock::now() - begin, milliseconds(290));
    EXPECT_LT(steady_clock::now() - begin, milliseconds(1500));
  }
}

TEST(GuardedExchange, AnAnswerThatDoesNotEndIsCutWhereverThatIs) {
  // Each read of 4 KiB ends within a line: the parser takes the lines before it, and never sees a
  // head that is too large.
  std::string lines;
  for (int i = 0; i < 500'000; ++i) lines += "a:bcde\r\n";
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const auto& answer : {"HTTP/1.1 200 OK......\r\n" + lines, chunked + "0\r\n" + lines,
                             chunked + "5;" + lines, chunked + "5;" + std::string(1 << 20, 'x')}) {
    Receiver receiver({.answer = answer});
    const auto heads = deliver_to(receiver);
    ASSERT_FALSE(heads) << answer.substr(0, 60);
    EXPECT_EQ(heads.error().kind, Kind::malformed) << heads.error().detail;
  }
}

TEST(GuardedExchange, TheDeadlineIsEachExchangesOwn) {
  Receiver receiver({.answer = answer_of(30), .pace = milliseconds(2)});  // around 140 ms each
  const auto heads = deliver_to(receiver, {}, 10, milliseconds(1000));
  ASSERT_TRUE(heads) << heads.error().detail;
  EXPECT_EQ(heads->size(), 10u);
}

TEST(GuardedExchange, AKeptConnectionThatWasLetGoIsToldApart) {
  Receiver receiver({.exchanges = 1});
  const auto heads = deliver_to(receiver, {}, 2);
  ASSERT_FALSE(heads);
  EXPECT_EQ(heads.error().kind, Kind::closed) << heads.error().detail;
}

TEST(GuardedExchange, WhatIsNoHttpIsMalformed) {
  for (const auto& answer : {std::string("220 mail.example ESMTP\r\n"),
                             "HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n",
                             std::string("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n")}) {
    Receiver receiver({.answer = answer});
    const auto heads = deliver_to(receiver, {}, 1, milliseconds(2000));
    ASSERT_FALSE(heads) << answer.substr(0, 40);
    EXPECT_EQ(heads.error().kind, Kind::malformed) << heads.error().detail;
  }
}

awaitable<Addresses> answer_late(std::string /*host*/) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor,
                                  std::chrono::minutes(1));
  co_await timer.async_wait(boost::asio::use_awaitable);
  co_return addresses({"127.0.0.1"});
}

TEST(GuardedOpening, DoesNotWaitForAResolverLongerThanThat) {
  Receiver receiver;
  const auto url = url_of(fmt::format("http://slow.example:{}/", receiver.port()));
  const auto guard = guard_of({"127.0.0.1"}, answer_late);
  const auto begin = steady_clock::now();
  const auto soon = begin + milliseconds(50);
  for (const auto limits : {HttpLimits{.resolve = milliseconds(50)}, HttpLimits{.until = soon}}) {
    const auto heads = run_to_end(deliver(url, guard, limits, 1));
    ASSERT_FALSE(heads);
    EXPECT_EQ(heads.error().kind, Kind::unreachable);
    EXPECT_THAT(heads.error().detail, HasSubstr("resolving slow.example"));
    EXPECT_LT(steady_clock::now() - begin, milliseconds(3000));
  }
}

TEST(GuardedOpening, TriesTheNextAddressWhenOneCannotBeReached) {
  // A link-local address without its interface leads nowhere, and at port 1 nobody listens.
  Receiver receiver;
  const auto guard =
      guard_of({"127.0.0.0/8", "fe80::/10"},
               resolver_of({{"two.example", {"fe80::1", "127.0.0.1"}}, {"none.example", {}}}));
  const auto url = url_of(fmt::format("http://two.example:{}/", receiver.port()));
  const auto heads = run_to_end(deliver(url, guard, {.connect = milliseconds(1000)}, 1));
  EXPECT_TRUE(heads) << heads.error().detail;
  for (const auto* text :
       {"http://127.0.0.1:1/", "http://none.example/", "http://other.example/"}) {
    const auto failed = run_to_end(deliver(url_of(text), guard, {}, 1));
    ASSERT_FALSE(failed) << text;
    EXPECT_EQ(failed.error().kind, Kind::unreachable) << failed.error().detail;
  }
}

TEST(GuardedOpening, TheSystemsResolverKnowsThisMachine) {
  const auto found = run_to_end(resolve_by_system("localhost"));
  ASSERT_TRUE(found) << found.error().detail;
  EXPECT_THAT(*found, testing::Contains(addresses({"127.0.0.1"}).front()));
}

awaitable<HttpResult<HttpAnswer>> ask_unguarded(HttpUrl url) {
  auto connection = co_await HttpConnection::open(std::move(url));
  if (!connection) co_return std::unexpected(std::move(connection).error());
  HttpRequest request{"GET", "/whole", {}, {}};
  co_return co_await connection->ask(std::move(request));
}

TEST(UnguardedOpening, GoesWhereItsUserSays) {
  Receiver receiver({.answer = answer_of(body_bytes_max * 2)});
  const auto url =
      parse_http_url(fmt::format("http://localhost:{}/below", receiver.port())).value();
  const auto answer = run_to_end(ask_unguarded(url));
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ(answer->body.size(), body_bytes_max * 2);
  ASSERT_EQ(receiver.requests().size(), 1u);
  EXPECT_THAT(receiver.requests()[0], testing::StartsWith("GET /below/whole HTTP/1.1\r\n"));
}

}  // namespace
}  // namespace webhooks
