// Goal: who asks, where they act and under which conditions is decided as API.md says.
// Method: requests through the whole route table over a platform in memory; headers by themselves
// where the table adds nothing.
#include <set>

#include "api/edge/conditions.h"
#include "schemas/time.h"
#include "tests/api/api_fixture.h"

namespace api {
namespace {

http::Request request_with(std::string_view headers) {
  auto request = http::parse_request("GET /v2/projects?b=2&a=1 HTTP/1.1\r\nHost: a\r\n" +
                                     std::string(headers) + "\r\n");
  EXPECT_TRUE(request);
  return std::move(*request);
}

TEST(Conditions, WaitIsTwoSecondsUnlessPreferredAndThirtyAtMost) {
  using std::chrono::seconds;
  auto wait = [](std::string_view headers) {
    return edge::read_conditions(request_with(headers))->wait;
  };
  EXPECT_EQ(wait(""), seconds(2));
  EXPECT_EQ(wait("Prefer: wait=7\r\n"), seconds(7));
  EXPECT_EQ(wait("Prefer: respond-async, wait=0\r\n"), seconds(0));
  EXPECT_EQ(wait("Prefer: wait=9999999999\r\n"), seconds(30));
  EXPECT_EQ(wait("Prefer: return=minimal\r\n"), seconds(2));
  EXPECT_FALSE(edge::read_conditions(request_with("Prefer: wait=soon\r\n")));
}

TEST(Conditions, IfMatchIsOneStrongTag) {
  auto read = [](std::string value) {
    return edge::read_conditions(request_with("If-Match: " + value + "\r\n"));
  };
  EXPECT_EQ(read("\"3\"")->if_match, schemas::Version{3});
  EXPECT_EQ(read("*")->if_match, std::nullopt);
  for (const auto* wrong : {"3", "W/\"3\"", "\"3\", \"4\"", "\"\"", "\"x\"", "\"-1\""}) {
    EXPECT_FALSE(read(wrong)) << wrong;
  }
}

TEST(Conditions, IfNoneMatchComparesWeakly) {
  EXPECT_TRUE(edge::etag_matches("\"3\"", schemas::Version{3}));
  EXPECT_TRUE(edge::etag_matches("\"1\", W/\"3\"", schemas::Version{3}));
  EXPECT_TRUE(edge::etag_matches("*", schemas::Version{3}));
  EXPECT_FALSE(edge::etag_matches("\"33\"", schemas::Version{3}));
}

TEST(Conditions, ABrokenTraceparentIsPassedOver) {
  auto read = [](std::string value) {
    auto request = request_with("traceparent: " + value + "\r\n");
    return std::string(edge::read_conditions(request)->traceparent);
  };
  const std::string good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  EXPECT_EQ(read(good), good);
  EXPECT_EQ(read("01" + good.substr(2) + "-more"), "01" + good.substr(2) + "-more");
  for (const auto& wrong :
       {good + "-more", "ff" + good.substr(2), good.substr(1),
        std::string("00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
        std::string("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"),
        std::string("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01")}) {
    EXPECT_EQ(read(wrong), "") << wrong;
  }
}

TEST(Idempotency, TheRequestIsItsMethodPathSortedQueryConditionAndCanonicalBody) {
  schemas::HmacKey key(schemas::bytes_of("secret"));
  auto proof = [&](std::string line, std::string headers, std::string_view body,
                   std::string_view idempotency_key = "k",
                   edge::IdempotencyOwner owner = {schemas::platform_organization,
                                                   schemas::Space::live}) {
    auto request = http::parse_request(line + " HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n");
    auto document = schemas::json::parse(body);
    return edge::idempotency_proof({key, key}, owner, idempotency_key, *request, document->root());
  };
  const auto first = proof("POST /a?x=1&y=2", "", R"({"a":1,"b":"c"})");
  EXPECT_EQ(first, proof("POST /a?y=2&x=1", "", R"({ "b":"\u0063", "a":1.0 })"));
  EXPECT_NE(first, proof("PUT /a?x=1&y=2", "", R"({"a":1,"b":"c"})"));
  EXPECT_NE(first, proof("POST /b?x=1&y=2", "", R"({"a":1,"b":"c"})"));
  EXPECT_NE(first, proof("POST /a?x=1", "", R"({"a":1,"b":"c"})"));
  EXPECT_NE(first, proof("POST /a?x=1&y=2", "If-Match: \"1\"\r\n", R"({"a":1,"b":"c"})"));
  EXPECT_NE(first, proof("POST /a?x=1&y=2", "", R"({"a":2,"b":"c"})"));
  EXPECT_NE(first, proof("POST /a?x=1&y=2", "", R"({"a":1,"b":"c"})", "other"));
  const schemas::OrganizationId other(schemas::Uuid{{2}});
  for (const auto& owner : {edge::IdempotencyOwner{other, schemas::Space::live},
                            {schemas::platform_organization, schemas::Space::test}}) {
    const auto foreign = proof("POST /a?x=1&y=2", "", R"({"a":1,"b":"c"})", "k", owner);
    EXPECT_NE(first.key, foreign.key);
  }
}

class Edge : public ApiTest {};

TEST_F(Edge, WhatIsNoKnownKeyIsUnauthenticated) {
  auto unknown = edge::make_key_text(schemas::Space::live);
  for (const auto& key : {std::string(), std::string("x"), std::string(unknown.reveal())}) {
    auto refused = ask(key, "GET /v2/projects");
    EXPECT_EQ(refused.problem(), "unauthenticated");
    EXPECT_NE(refused.header("WWW-Authenticate"), "");
  }
}

TEST_F(Edge, APlatformKeyNamesWhereItActs) {
  auto acme = organization("acme");
  EXPECT_EQ(platform("GET /v2/projects").problem(), "organization-required");
  EXPECT_EQ(platform("GET /v2/projects", "", {{"Tidemark-Organization", acme}}).status, 200u);
  EXPECT_EQ(platform("GET /v2/projects", "", {{"Tidemark-Organization", "org_platform"}}).status,
            200u);
  for (const auto* unknown : {"org_01h2xcejqtf2nbrexx3vqjhp41", "nonsense"}) {
    EXPECT_EQ(platform("GET /v2/projects", "", {{"Tidemark-Organization", unknown}}).problem(),
              "not-found");
  }
  EXPECT_EQ(platform("GET /v2/projects", "",
                     {{"Tidemark-Organization", "org_platform"}, {"Tidemark-Space", "test"}})
                .where(),
            "Tidemark-Space");
}

TEST_F(Edge, OthersMayOnlyRepeatWhereTheyAre) {
  auto acme = organization("acme");
  auto other = organization("other");
  auto key = key_of(acme);
  EXPECT_EQ(ask(key, "GET /v2/projects", "", {{"Tidemark-Organization", acme}}).status, 200u);
  EXPECT_EQ(ask(key, "GET /v2/projects", "", {{"Tidemark-Space", "live"}}).status, 200u);
  for (const auto& foreign : {other, std::string("org_platform"), std::string("nonsense")}) {
    EXPECT_EQ(ask(key, "GET /v2/projects", "", {{"Tidemark-Organization", foreign}}).problem(),
              "forbidden");
  }
  EXPECT_EQ(ask(key, "GET /v2/projects", "", {{"Tidemark-Space", "test"}}).problem(), "forbidden");
}

TEST_F(Edge, ExpiryAndRevocationHoldAtOnceForKeysThatWereJustUsed) {
  auto acme = organization("acme");
  auto soon = schemas::to_text(world_.clock().wall() + std::chrono::seconds(5));
  auto expiring = key_of(acme, R"(["*"])", R"(,"expires_at":")" + soon + "\"");
  auto revoked = key_of(acme);
  EXPECT_EQ(ask(expiring, "GET /v2/projects").status, 200u);
  EXPECT_EQ(ask(revoked, "GET /v2/projects").status, 200u);
  auto id = ask(revoked, "GET /v2/auth/whoami").at("/id");
  EXPECT_EQ(platform("DELETE /v2/auth/keys/" + id, "", {{"Tidemark-Organization", acme}}).status,
            204u);
  EXPECT_EQ(ask(revoked, "GET /v2/projects").problem(), "unauthenticated");
  world_.clock().pass(std::chrono::seconds(5));
  EXPECT_EQ(ask(expiring, "GET /v2/projects").problem(), "unauthenticated");
}

TEST_F(Edge, ASuspendedOrganizationsKeysAreRefusedUntilItIsResumed) {
  auto acme = organization("acme");
  auto key = key_of(acme);
  EXPECT_EQ(ask(key, "GET /v2/projects").status, 200u);
  platform("POST /v2/organizations/" + acme + "/suspend");
  EXPECT_EQ(ask(key, "GET /v2/projects").problem(), "organization-suspended");
  EXPECT_EQ(platform("GET /v2/projects", "", {{"Tidemark-Organization", acme}}).status, 200u);
  platform("POST /v2/organizations/" + acme + "/resume");
  EXPECT_EQ(ask(key, "GET /v2/projects").status, 200u);
}

TEST_F(Edge, WithoutThePermissionItIsForbiddenAndSaysWhich) {
  auto key = key_of(organization("acme"), R"(["projects:read","products.git:read"])");
  EXPECT_EQ(ask(key, "POST /v2/projects", R"({"name":"P"})").at("/permission"), "projects:write");
  EXPECT_EQ(ask(key, "GET /v2/products/hg/file").at("/permission"), "products.hg:read");
  EXPECT_EQ(ask(key, "GET /v2/products/git/file").problem(), "not-found");
  EXPECT_EQ(ask(key, "PUT /v2/products/git", "{}").problem(), "forbidden");
}

TEST_F(Edge, NoKeyMakesANewSecretForOneThatMayDoMore) {
  auto acme = organization("acme");
  auto strong = key_of(acme);
  auto weak = key_of(acme, R"(["keys:*"])");
  auto id = ask(strong, "GET /v2/auth/whoami").at("/id");
  EXPECT_EQ(ask(weak, "POST /v2/auth/keys/" + id + "/rotate").problem(), "forbidden");
  auto soon = schemas::to_text(world_.clock().wall() + std::chrono::seconds(5));
  auto brief = key_of(acme, R"(["*"])", R"(,"expires_at":")" + soon + "\"");
  EXPECT_EQ(ask(brief, "POST /v2/auth/keys/" + id + "/rotate").problem(), "forbidden");
  EXPECT_EQ(ask(strong, "POST /v2/auth/keys/" + id + "/rotate").status, 200u);
}

}  // namespace
}  // namespace api
