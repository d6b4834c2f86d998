// Goal: a path finds its place in the table whatever the method, and the methods of that place
// decide between an answer and 405. Method: a table like the real one.
#include <gtest/gtest.h>

#include "api/http/router.h"

namespace api::http {
namespace {

const Router& table() {
  static const Router router({{Method::get, "/v2/projects"},
                              {Method::post, "/v2/projects"},
                              {Method::get, "/v2/projects/{id}"},
                              {Method::delete_, "/v2/projects/{id}"},
                              {Method::post, "/v2/projects/{id}/archive"},
                              {Method::post, "/v2/products/{product}/events"},
                              {Method::get, "/v2/products/{product}/{kind}"},
                              {Method::get, "/v2/products/{product}/{kind}/{entity}/events"},
                              {Method::get, "/v2/products/fixed/{kind}/only"},
                              {Method::get, "/"}});
  return router;
}

Request request(std::string_view method, std::string_view target) {
  return parse_request(std::string(method) + " " + std::string(target) +
                       " HTTP/1.1\r\nHost: x\r\n\r\n")
      .value();
}

/// The pattern found, "404", or "405 " and the methods.
std::string find(std::string_view method, std::string_view target) {
  const auto asked = request(method, target);
  const auto match = table().match(asked.method, asked.segments);
  if (const auto* index = std::get_if<RouteIndex>(&match)) {
    return std::string(table().route(*index).pattern);
  }
  if (const auto* wrong = std::get_if<Router::WrongMethod>(&match)) return "405 " + wrong->allow;
  return "404";
}

TEST(HttpRouter, FindsByPathAndMethod) {
  EXPECT_EQ(find("GET", "/v2/projects"), "/v2/projects");
  EXPECT_EQ(find("HEAD", "/v2/projects"), "/v2/projects");
  EXPECT_EQ(find("DELETE", "/v2/projects/proj_1"), "/v2/projects/{id}");
  EXPECT_EQ(find("GET", "/v2/products/git/file/db%2Fa.cc/events"),
            "/v2/products/{product}/{kind}/{entity}/events");
  EXPECT_EQ(find("GET", "/"), "/");
}

TEST(HttpRouter, UnknownPathsAreNotFound) {
  for (const auto path : {"/v2", "/v2/", "/v2/projects/", "/v2/projects//archive", "//v2/projects",
                          "/v2/projects/a/b", "/V2/projects", "/v2/projects/a/archive/b"}) {
    EXPECT_EQ(find("GET", path), "404") << path;
  }
}

TEST(HttpRouter, WrongMethodsAreToldTheRightOnes) {
  EXPECT_EQ(find("PUT", "/v2/projects"), "405 GET, HEAD, POST");
  EXPECT_EQ(find("GET", "/v2/projects/a/archive"), "405 POST");
  EXPECT_EQ(find("HEAD", "/v2/projects/a/archive"), "405 POST");
  EXPECT_EQ(find("BREW", "/v2/projects/a"), "405 GET, HEAD, DELETE");
}

TEST(HttpRouter, ALiteralGoesBeforeACaptureWhateverTheMethod) {
  EXPECT_EQ(find("POST", "/v2/products/git/events"), "/v2/products/{product}/events");
  EXPECT_EQ(find("GET", "/v2/products/git/events"), "405 POST");
  EXPECT_EQ(find("GET", "/v2/products/git/event"), "/v2/products/{product}/{kind}");
}

TEST(HttpRouter, ALiteralThatLeadsNowhereLeavesTheCapture) {
  EXPECT_EQ(find("GET", "/v2/products/fixed/file"), "/v2/products/{product}/{kind}");
  EXPECT_EQ(find("GET", "/v2/products/fixed/file/only"), "/v2/products/fixed/{kind}/only");
}

TEST(HttpRouter, CapturesAreDecodedSegments) {
  auto asked = request("GET", "/v2/products/git/file/db%2Fa.cc/events");
  const auto match = table().match(asked.method, asked.segments);
  asked.pattern = table().pattern(std::get<RouteIndex>(match));
  EXPECT_EQ(asked.captured("product"), "git");
  EXPECT_EQ(asked.captured("entity"), "db/a.cc");
}

}  // namespace
}  // namespace api::http
