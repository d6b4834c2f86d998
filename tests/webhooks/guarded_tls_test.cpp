// Goal: a delivery by TLS reaches who its URL names, or nobody. Method: receivers on loopback whose
// certificates come from an authority of the test's own, right and wrong in one way each.
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"
#include "tests/webhooks/guard_fixture.h"
#include "tests/webhooks/receiver.h"
#include "tests/webhooks/tls_authority.h"

namespace webhooks {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using testing::HasSubstr;
using Kind = HttpFailure::Kind;
using Certified = TlsAuthority::Certified;

struct Delivered {
  HttpAnswerHead head;
  HttpTiming timing;
};

awaitable<HttpResult<Delivered>> deliver(WebhookUrl url, const HttpGuard& guard,
                                         HttpLimits limits) {
  auto connection = co_await HttpConnection::open_guarded(url, guard, limits);
  if (!connection) co_return std::unexpected(std::move(connection).error());
  HttpRequest request{"POST", url.target, {}, "{}"};
  auto head = co_await connection->ask_head(std::move(request), 4096);
  if (!head) co_return std::unexpected(std::move(head).error());
  co_return Delivered{std::move(*head), connection->timing()};
}

class GuardedTls : public testing::Test {
 protected:
  /// What comes of a delivery to that host, where the receiver proves itself so.
  HttpResult<Delivered> deliver_to(const std::string& host,
                                   std::unique_ptr<boost::asio::ssl::context> proof,
                                   ReceiverScript script = {}, HttpLimits limits = {}) {
    Receiver receiver(std::move(script), proof.get());
    auto guard =
        guard_of({"127.0.0.0/8", "::1"}, resolver_of({{"hooks.example", {"127.0.0.1"}},
                                                      {"a.hooks.example", {"127.0.0.1"}},
                                                      {"a.b.hooks.example", {"127.0.0.1"}}}));
    guard.trust = trust_;
    const auto url = url_of(fmt::format("https://{}:{}/hook", host, receiver.port()));
    auto delivered = run_to_end(deliver(url, guard, limits));
    requests_ = receiver.requests();
    return delivered;
  }
  void expect_refused(const std::string& host, std::unique_ptr<boost::asio::ssl::context> proof,
                      const std::string& why) {
    const auto delivered = deliver_to(host, std::move(proof));
    ASSERT_FALSE(delivered) << why;
    EXPECT_EQ(delivered.error().kind, Kind::tls) << delivered.error().detail;
    EXPECT_THAT(delivered.error().detail, HasSubstr(why));
    EXPECT_THAT(requests_, testing::IsEmpty()) << "nothing is said to a stranger";
  }

  TemporaryDirectory directory_;
  std::filesystem::path authorities_ = directory_.path() / "authorities.pem";
  TlsAuthority authority_{"authority"};
  TlsTrust trust_ = [&] {
    std::ofstream(authorities_) << authority_.pem();
    return TlsTrust::load(authorities_).value();
  }();
  std::vector<std::string> requests_;
};

TEST_F(GuardedTls, TheRightNameIsDeliveredTo) {
  const auto delivered =
      deliver_to("hooks.example", authority_.certify({.names = "DNS:hooks.example"}));
  ASSERT_TRUE(delivered) << delivered.error().detail;
  EXPECT_EQ(delivered->head.answer.status, 204u);
  EXPECT_TRUE(delivered->head.reusable);
  EXPECT_GT(delivered->timing.connect.count(), 0);
  EXPECT_GT(delivered->timing.tls.count(), 0);
  ASSERT_EQ(requests_.size(), 1u);
  EXPECT_THAT(requests_[0], testing::StartsWith("POST /hook HTTP/1.1\r\nHost: hooks.example:"));
}

TEST_F(GuardedTls, AWildcardStandsForOneLabel) {
  EXPECT_TRUE(deliver_to("a.hooks.example", authority_.certify({.names = "DNS:*.hooks.example"})));
  expect_refused("a.b.hooks.example", authority_.certify({.names = "DNS:*.hooks.example"}),
                 "hostname mismatch");
  expect_refused("a.hooks.example", authority_.certify({.names = "DNS:a*.hooks.example"}),
                 "hostname mismatch");
}

TEST_F(GuardedTls, AnAddressIsProvenAsOne) {
  EXPECT_TRUE(deliver_to("127.0.0.1", authority_.certify({.names = "IP:127.0.0.1"})));
  EXPECT_TRUE(deliver_to("[::1]", authority_.certify({.names = "IP:::1"})));
  expect_refused("127.0.0.1", authority_.certify({.names = "IP:127.0.0.2"}), "IP address mismatch");
  expect_refused("127.0.0.1", authority_.certify({.names = "DNS:127.0.0.1"}),
                 "IP address mismatch");
}

TEST_F(GuardedTls, AnotherNameIsRefused) {
  expect_refused("hooks.example", authority_.certify({.names = "DNS:other.example"}),
                 "hostname mismatch");
  expect_refused("hooks.example",
                 authority_.certify({.names = "DNS:other.example", .common_name = "hooks.example"}),
                 "hostname mismatch");
  expect_refused("hooks.example", authority_.certify({.names = "", .common_name = "hooks.example"}),
                 "hostname mismatch");
}

TEST_F(GuardedTls, OneOutOfItsTimeIsRefused) {
  expect_refused(
      "hooks.example",
      authority_.certify({.names = "DNS:hooks.example", .begin = -hours(2), .end = -hours(1)}),
      "certificate has expired");
  expect_refused(
      "hooks.example",
      authority_.certify({.names = "DNS:hooks.example", .begin = hours(1), .end = hours(2)}),
      "not yet valid");
}

TEST_F(GuardedTls, OneWithoutAnAuthorityThatWeTrustIsRefused) {
  const Certified right{.names = "DNS:hooks.example"};
  expect_refused("hooks.example", TlsAuthority::self_signed(right), "self-signed certificate");
  expect_refused("hooks.example", TlsAuthority("other").certify(right),
                 "unable to get local issuer certificate");
  expect_refused("hooks.example", TlsAuthority("authority").certify(right), "");
}

TEST_F(GuardedTls, AnOldVersionIsRefused) {
  auto proof = authority_.certify({.names = "DNS:hooks.example"});
  proof->set_options(boost::asio::ssl::context::no_tlsv1_3 | boost::asio::ssl::context::no_tlsv1_2);
  expect_refused("hooks.example", std::move(proof), "TLS with hooks.example");
  proof = authority_.certify({.names = "DNS:hooks.example"});
  proof->set_options(boost::asio::ssl::context::no_tlsv1_3);
  EXPECT_TRUE(deliver_to("hooks.example", std::move(proof))) << "1.2 is new enough";
}

TEST_F(GuardedTls, WhoSpeaksNoTlsIsRefused) {
  const auto delivered =
      deliver_to("hooks.example", nullptr, {.greeting = "HTTP/1.1 204 No Content\r\n\r\n"});
  ASSERT_FALSE(delivered);
  EXPECT_EQ(delivered.error().kind, Kind::tls) << delivered.error().detail;
}

TEST_F(GuardedTls, TheNameIsAskedForAndAnAddressIsNot) {
  std::string asked;
  for (const auto& [host, expected] :
       {std::pair{"hooks.example", "hooks.example"}, std::pair{"127.0.0.1", "nothing"}}) {
    auto proof = authority_.certify({.names = "DNS:hooks.example,IP:127.0.0.1"});
    tell_server_names(*proof, asked);
    ASSERT_TRUE(deliver_to(host, std::move(proof)));
    EXPECT_EQ(asked, expected);
  }
}

TEST_F(GuardedTls, AShakeOfHandsThatNeverComesIsNotWaitedForLong) {
  const auto begin = std::chrono::steady_clock::now();
  const auto delivered =
      deliver_to("hooks.example", nullptr, {.greeting = "\x16"}, {.connect = milliseconds(200)});
  ASSERT_FALSE(delivered);
  EXPECT_EQ(delivered.error().kind, Kind::unreachable) << delivered.error().detail;
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(5000));
}

TEST_F(GuardedTls, ABodyThatEndsWithItsConnectionMayEndWithoutTlsSayingSo) {
  const auto delivered =
      deliver_to("hooks.example", authority_.certify({.names = "DNS:hooks.example"}),
                 {.answer = "HTTP/1.1 200 OK\r\n\r\nhello", .exchanges = 1});
  ASSERT_TRUE(delivered) << delivered.error().detail;
  EXPECT_EQ(delivered->head.answer.body, "hello");
  EXPECT_FALSE(delivered->head.reusable);
}

TEST_F(GuardedTls, AuthoritiesThatCannotBeReadAreSaid) {
  for (const auto* name : {"missing.pem", "empty.pem"}) {
    const auto path = directory_.path() / name;
    if (path.filename() == "empty.pem") std::ofstream{path};
    const auto refused = TlsTrust::load(path);
    ASSERT_FALSE(refused) << name;
    EXPECT_THAT(refused.error().detail, HasSubstr(path.string()));
  }
}

}  // namespace
}  // namespace webhooks
