// Goal: nothing that a customer can write as a URL makes us connect to what is not public. Method:
// tables of good and hostile URLs, each with who must refuse it and why; every block of IANA's
// registries with its first and last address and the neighbours of both; and a receiver on all
// addresses of this machine, which sees nobody after every hostile URL was opened.
#include "webhooks/egress.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/webhooks/guard_fixture.h"
#include "tests/webhooks/hostile_urls.h"
#include "tests/webhooks/receiver.h"

namespace webhooks {
namespace {

using boost::asio::ip::make_address;
using testing::HasSubstr;

struct Good {
  std::string text;
  std::string host;
  std::uint16_t port;
  std::string target;
  std::string authority;
};

const std::vector<Good> good_urls{
    {"https://example.com", "example.com", 443, "/", "example.com"},
    {"https://example.com/", "example.com", 443, "/", "example.com"},
    {"https://example.com/hooks", "example.com", 443, "/hooks", "example.com"},
    {"https://example.com/hooks/", "example.com", 443, "/hooks/", "example.com"},
    {"https://example.com?a=b", "example.com", 443, "/?a=b", "example.com"},
    {"https://example.com/a?b=c&d=%20/?", "example.com", 443, "/a?b=c&d=%20/?", "example.com"},
    {"https://example.com/@user", "example.com", 443, "/@user", "example.com"},
    {"https://example.com/?u=https://127.0.0.1:1/", "example.com", 443, "/?u=https://127.0.0.1:1/",
     "example.com"},
    {"https://example.com//double", "example.com", 443, "//double", "example.com"},
    {"https://example.com/a/../b/./c", "example.com", 443, "/a/../b/./c", "example.com"},
    {"https://Example.COM/Path", "example.com", 443, "/Path", "example.com"},
    {"https://example.com:443/", "example.com", 443, "/", "example.com"},
    {"https://example.com:8443/", "example.com", 8443, "/", "example.com:8443"},
    {"https://a.b.c.d.example.com/", "a.b.c.d.example.com", 443, "/", "a.b.c.d.example.com"},
    {"https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, "/", "xn--bcher-kva.example"},
    {"https://1and1.example/", "1and1.example", 443, "/", "1and1.example"},
    {"https://1.2.3.4.example/", "1.2.3.4.example", 443, "/", "1.2.3.4.example"},
    {"https://a--b.example/", "a--b.example", 443, "/", "a--b.example"},
    {"https://0x7f.example/", "0x7f.example", 443, "/", "0x7f.example"},
    {"https://example.x0/", "example.x0", 443, "/", "example.x0"},
    {"https://8.8.8.8/", "8.8.8.8", 443, "/", "8.8.8.8"},
    {"https://1.0.0.1:8443/x", "1.0.0.1", 8443, "/x", "1.0.0.1:8443"},
    {"https://[2606:4700::1111]/", "2606:4700::1111", 443, "/", "[2606:4700::1111]"},
    {"https://[2606:4700::1111]:8443/", "2606:4700::1111", 8443, "/", "[2606:4700::1111]:8443"},
    {"https://[2A00:1450::8]?q", "2a00:1450::8", 443, "/?q", "[2a00:1450::8]"},
    {"https://[::ffff:8.8.8.8]/", "::ffff:8.8.8.8", 443, "/", "[::ffff:8.8.8.8]"},
    {"https://[64:ff9b::8.8.8.8]/", "64:ff9b::8.8.8.8", 443, "/", "[64:ff9b::8.8.8.8]"},
};

TEST(WebhookUrls, GoodOnesAreTakenApartAndMayBeReached) {
  const auto egress = Egress::parse().value();
  for (const auto& [text, host, port, target, authority] : good_urls) {
    const auto url = parse_webhook_url(text);
    ASSERT_TRUE(url) << text << ": " << url.error().detail;
    EXPECT_TRUE(url->tls) << text;
    EXPECT_EQ(url->host, host) << text;
    EXPECT_EQ(url->port, port) << text;
    EXPECT_EQ(url->target, target) << text;
    EXPECT_EQ(url->authority(), authority) << text;
    EXPECT_EQ(url->text, text);
    const auto checked = egress.check(*url);
    EXPECT_TRUE(checked) << text << ": " << checked.error().detail;
  }
}

TEST(WebhookUrls, AreOfThatLengthAtMost) {
  const std::string start = "https://example.com/";
  EXPECT_TRUE(parse_webhook_url(start + std::string(2048 - start.size(), 'a')));
  EXPECT_FALSE(parse_webhook_url(start + std::string(2049 - start.size(), 'a')));
  const std::string label(63, 'a');
  const auto longest = label + "." + label + "." + label + "." + std::string(61, 'a');
  EXPECT_TRUE(parse_webhook_url("https://" + longest));
  EXPECT_FALSE(parse_webhook_url("https://" + longest + "a"));
  EXPECT_FALSE(parse_webhook_url("https://a" + label + ".example"));
}

TEST(WebhookUrls, WhatIsRefusedIsNotRepeated) {
  for (const auto& hostile : hostile_urls(443)) {
    const auto url = parse_webhook_url(hostile.text);
    if (!url) EXPECT_EQ(url.error().detail.find("secret"), std::string::npos) << hostile.text;
  }
}

/// A block that is not to be reached, and the addresses beside it, where those are.
struct Refused {
  std::string first;
  std::string last;
  std::string before;
  std::string after;
};

const std::vector<Refused> refused_v4{
    {"0.0.0.0", "0.255.255.255", "", "1.0.0.0"},
    {"10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"},
    {"100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"},
    {"127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"},
    {"168.63.129.16", "168.63.129.16", "168.63.129.15", "168.63.129.17"},
    {"169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"},
    {"172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"},
    {"192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"},
    {"192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"},
    {"192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0"},
    {"192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"},
    {"198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"},
    {"198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"},
    {"203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"},
    {"224.0.0.0", "239.255.255.255", "223.255.255.255", ""},
    {"240.0.0.0", "255.255.255.255", "", ""},
};

const std::string ones = "ffff:ffff:ffff:ffff:ffff:ffff";
const std::vector<Refused> refused_v6{
    {"::", "::", "", ""},
    {"::1", "::1", "", ""},
    {"::", "::ffff:ffff", "", ""},
    {"::fffe:0:0", "::fffe:ffff:ffff", "", ""},
    {"::1:0:0:0", "64:ff9a:" + ones, "", ""},
    {"64:ff9b::1:0:0", "64:ff9b:0:" + ones.substr(5), "", ""},
    {"64:ff9b:1::", "64:ff9b:1:" + ones.substr(5), "", ""},
    {"100::", "100::ffff:ffff:ffff:ffff", "", ""},
    {"100:0:0:1::", "1fff:ffff:" + ones, "", "2000::"},
    {"2001::", "2001:1ff:" + ones, "2000:ffff:" + ones, "2001:200::"},
    {"2001:db8::", "2001:db8:" + ones, "2001:db7:" + ones, "2001:db9::"},
    {"2002::", "2002:ffff:" + ones, "2001:ffff:" + ones, "2003::"},
    {"3fff::", "3fff:fff:" + ones, "3ffe:ffff:" + ones, "3fff:1000::"},
    {"4000::", "5eff:ffff:" + ones, "3fff:ffff:" + ones, ""},
    {"5f00::", "5fff:ffff:" + ones, "", ""},
    {"6000::", "fbff:ffff:" + ones, "", ""},
    {"fc00::", "fdff:ffff:" + ones, "", ""},
    {"fe80::", "febf:ffff:" + ones, "", ""},
    {"fec0::", "feff:ffff:" + ones, "", ""},
    {"ff00::", "ffff:ffff:" + ones, "", ""},
};

void expect_verdicts(const std::vector<Refused>& blocks, const std::string& prefix) {
  const auto egress = Egress::parse().value();
  for (const auto& block : blocks) {
    for (const auto& its : {block.first, block.last})
      EXPECT_FALSE(egress.allows(make_address(prefix + its))) << prefix << its;
    for (const auto& its : {block.before, block.after}) {
      if (!its.empty()) EXPECT_TRUE(egress.allows(make_address(prefix + its))) << prefix << its;
    }
  }
}

TEST(EgressAddresses, OfIPv4AreThoseOfTheRegistry) {
  expect_verdicts(refused_v4, "");
}

TEST(EgressAddresses, OfIPv4InsideOfIPv6AreJudgedAsThoseAre) {
  expect_verdicts(refused_v4, "::ffff:");
  expect_verdicts(refused_v4, "64:ff9b::");
}

TEST(EgressAddresses, OfIPv6AreThoseOfTheRegistry) {
  expect_verdicts(refused_v6, "");
}

TEST(EgressAllowList, LetsItsAddressesThroughAndNoOther) {
  const auto egress =
      Egress::parse({"127.0.0.0/8", "10.1.2.3", "::1", "fd00:1::/32", "172.16.0.0/13"}).value();
  for (const auto* its :
       {"127.0.0.1", "127.255.255.255", "::ffff:127.0.0.1", "10.1.2.3", "::ffff:10.1.2.3", "::1",
        "fd00:1::", "fd00:1:ffff::1", "172.16.0.0", "172.23.255.255", "8.8.8.8", "2606:4700::1111"})
    EXPECT_TRUE(egress.allows(make_address(its))) << its;
  for (const auto* its : {"10.1.2.2", "10.1.2.4", "::2", "fd00:2::", "fd00::", "172.24.0.0",
                          "64:ff9b::127.0.0.1", "::127.0.0.1", "169.254.169.254"})
    EXPECT_FALSE(egress.allows(make_address(its))) << its;
  const auto everything_v6 = Egress::parse({"::/0"}).value();
  EXPECT_TRUE(everything_v6.allows(make_address("fe80::1")));
  EXPECT_FALSE(everything_v6.allows(make_address("127.0.0.1")));
  EXPECT_FALSE(everything_v6.allows(make_address("::ffff:127.0.0.1")));
  EXPECT_TRUE(Egress::parse({"0.0.0.0/0"}).value().allows(make_address("::ffff:127.0.0.1")));
}

TEST(EgressAllowList, IsRefusedWhenItIsUnclear) {
  for (const auto* wrong :
       {"", "localhost", "127.0.0.1/33", "127.0.0.1/-1", "127.0.0.1/", "127.0.0.1/8", "::1/129",
        "::1/64", "fe80::1%lo", "127.1", "0x7f000001", "10.0.0.0/8 ", "::ffff:127.0.0.1",
        "::ffff:0:0/96", "/8", "10.0.0.0/8/8", "10.0.0.0/+8"}) {
    const auto refused = Egress::parse({wrong});
    ASSERT_FALSE(refused) << wrong;
    EXPECT_THAT(refused.error().detail, HasSubstr("--egress-allow")) << wrong;
  }
  for (const auto& ports : {std::vector<std::uint16_t>{}, std::vector<std::uint16_t>{443, 0}}) {
    const auto refused = Egress::parse({}, ports);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().detail, HasSubstr("--egress-ports"));
  }
}

TEST(EgressAllowList, FreesPortsAndSchemeForItsOwnAddressesOnly) {
  const auto egress = Egress::parse({"127.0.0.0/8"}).value();
  const auto check = [&](const char* text) { return egress.check(url_of(text)).has_value(); };
  EXPECT_TRUE(check("http://127.0.0.1:3000/"));
  EXPECT_TRUE(check("https://[::ffff:127.0.0.1]:22/"));
  EXPECT_FALSE(check("http://8.8.8.8/"));
  EXPECT_FALSE(check("https://8.8.8.8:3000/"));
  // A name is judged by where it leads.
  const auto name = url_of("http://receiver.example:3000/");
  EXPECT_TRUE(egress.check(name));
  EXPECT_TRUE(egress.check_address(name, make_address("127.0.0.1")));
  EXPECT_FALSE(egress.check_address(name, make_address("8.8.8.8")));
  EXPECT_FALSE(
      egress.check_address(url_of("https://receiver.example:3000/"), make_address("8.8.8.8")));
  EXPECT_TRUE(egress.check_address(url_of("https://receiver.example/"), make_address("8.8.8.8")));
}

awaitable<HttpResult<HttpAnswerHead>> deliver(WebhookUrl url, const HttpGuard& guard) {
  auto connection = co_await HttpConnection::open_guarded(std::move(url), guard);
  if (!connection) co_return std::unexpected(std::move(connection).error());
  HttpRequest request{"POST", "/", {}, "{}"};
  co_return co_await connection->ask_head(std::move(request), 4096);
}

/// Who refuses the URL, and why; "" when nobody does.
std::pair<Stage, std::string> refusal_of(const std::string& text, const HttpGuard& guard) {
  const auto url = parse_webhook_url(text);
  if (!url) return {Stage::parse, url.error().detail};
  const auto checked = guard.egress.check(*url);
  const auto delivered = run_to_end(deliver(*url, guard));
  if (delivered) return {Stage::connect, ""};
  EXPECT_EQ(delivered.error().kind, HttpFailure::Kind::refused)
      << text << ": " << delivered.error().detail;
  return {checked ? Stage::connect : Stage::check, delivered.error().detail};
}

class EgressGuard : public testing::Test {
 protected:
  Receiver receiver_;
  std::vector<std::uint16_t> ports_{443, 8443, receiver_.port()};
  std::vector<HostileUrl> hostile_ = hostile_urls(receiver_.port());
};

TEST_F(EgressGuard, RefusesEveryHostileUrlForItsReasonAndNobodyIsReached) {
  EXPECT_GE(hostile_.size(), 60u);
  const auto guard = guard_of({}, resolver_of(hostile_names), ports_);
  for (const auto& hostile : hostile_) {
    const auto [stage, why] = refusal_of(hostile.text, guard);
    EXPECT_EQ(stage, hostile.stage) << hostile.text << ": " << why;
    EXPECT_THAT(why, HasSubstr(hostile.why)) << hostile.text;
  }
  EXPECT_EQ(receiver_.connections(), 0);
}

TEST_F(EgressGuard, RefusesThemAlsoWhenTheOperatorAllowsSomethingElse) {
  const auto guard = guard_of({"10.99.0.0/16"}, resolver_of(hostile_names), ports_);
  for (const auto& hostile : hostile_) {
    EXPECT_NE(refusal_of(hostile.text, guard).second, "") << hostile.text;
  }
  EXPECT_EQ(receiver_.connections(), 0);
}

TEST_F(EgressGuard, LetsThemThroughWhereTheOperatorAllowsIt) {
  const auto guard = guard_of({"127.0.0.1"}, resolver_of({{"local.example", {"127.0.0.1"}}}));
  for (const auto* host : {"127.0.0.1", "local.example", "[::ffff:127.0.0.1]"}) {
    const auto url = fmt::format("http://{}:{}/", host, receiver_.port());
    EXPECT_EQ(refusal_of(url, guard).second, "") << url;
  }
  EXPECT_EQ(receiver_.connections(), 3);
}

TEST_F(EgressGuard, OneRefusedAddressRefusesAll) {
  const auto guard = guard_of({"127.0.0.1"}, resolver_of({
                                                 {"first.example", {"127.0.0.2", "127.0.0.1"}},
                                                 {"last.example", {"127.0.0.1", "127.0.0.2"}},
                                             }));
  for (const auto* host : {"first.example", "last.example"}) {
    const auto url = fmt::format("http://{}:{}/", host, receiver_.port());
    EXPECT_THAT(refusal_of(url, guard).second, HasSubstr("loopback")) << url;
  }
  EXPECT_EQ(receiver_.connections(), 0);
}

TEST_F(EgressGuard, ANameThatLeadsElsewhereAMomentLaterIsFollowedNowhere) {
  int asked = 0;
  const Resolve rebinding = [&](const std::string& /*host*/) {
    return answer_with(addresses({asked++ % 2 == 0 ? "127.0.0.1" : "127.0.0.2"}));
  };
  const auto guard = guard_of({"127.0.0.1"}, rebinding);
  const auto url = fmt::format("http://rebinding.example:{}/", receiver_.port());
  EXPECT_EQ(refusal_of(url, guard).second, "");
  EXPECT_EQ(asked, 1) << "what was checked is what is connected to";
  EXPECT_THAT(refusal_of(url, guard).second, HasSubstr("loopback"));
  EXPECT_EQ(asked, 2);
  ASSERT_EQ(receiver_.connections(), 1);
  EXPECT_THAT(receiver_.addresses().front(), HasSubstr("127.0.0.1"));
}

TEST_F(EgressGuard, DoesNotTellWhereANameLeads) {
  const auto guard = guard_of({}, resolver_of({{"internal.example", {"10.11.12.13"}}}));
  const auto why = refusal_of("https://internal.example/", guard).second;
  EXPECT_THAT(why, HasSubstr("private use"));
  EXPECT_EQ(why.find("10.11"), std::string::npos) << why;
}

TEST_F(EgressGuard, FollowsNoRedirect) {
  const auto elsewhere = fmt::format("http://127.0.0.1:{}/elsewhere", receiver_.port());
  Receiver redirecting({.answer = fmt::format("HTTP/1.1 307 Temporary Redirect\r\n"
                                              "Location: {}\r\nContent-Length: 0\r\n\r\n",
                                              elsewhere)});
  const auto guard = guard_of({"127.0.0.1"}, resolver_of({}));
  const auto url = fmt::format("http://127.0.0.1:{}/", redirecting.port());
  const auto delivered = run_to_end(deliver(url_of(url), guard));
  ASSERT_TRUE(delivered) << delivered.error().detail;
  EXPECT_EQ(delivered->answer.status, 307u);
  EXPECT_EQ(delivered->answer.header("Location"), elsewhere);
  EXPECT_EQ(redirecting.requests().size(), 1u);
  EXPECT_EQ(receiver_.connections(), 0);
}

}  // namespace
}  // namespace webhooks
