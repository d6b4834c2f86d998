// Goal: errors look as API.md says, and no value can break out of a header. Method: whole texts.
#include <gtest/gtest.h>

#include "api/http/problem.h"

namespace api::http {
namespace {

using schemas::ErrorCode;
using schemas::FieldError;

TEST(HttpProblem, LooksAsDocumented) {
  schemas::Error error{ErrorCode::invalid_request,
                       "2 fields are wrong",
                       {{FieldError::In::body, "/slug", "must match ^[a-z0-9](-?[a-z0-9])*$"},
                        {FieldError::In::parameter, "limit", "must be \"small\""}},
                       {{"current_version", "3"}}};
  EXPECT_EQ(problem_json(error, "req_1"),
            R"({"type":"/problems/invalid-request","title":"Invalid request","status":422,)"
            R"("detail":"2 fields are wrong","request_id":"req_1","errors":[)"
            R"({"pointer":"/slug","detail":"must match ^[a-z0-9](-?[a-z0-9])*$"},)"
            R"({"parameter":"limit","detail":"must be \"small\""}],"current_version":3})");
}

TEST(HttpProblem, CarriesTheHeadersOfItsStatus) {
  EXPECT_EQ(problem({ErrorCode::unauthenticated, "", {}, {}}).header("WWW-Authenticate"), "Bearer");
  EXPECT_EQ(problem({ErrorCode::overloaded, "", {}, {}}).header("Retry-After"), "1");
  EXPECT_EQ(
      problem({ErrorCode::rate_limited, "", {}, {}}, std::chrono::seconds(7)).header("retry-after"),
      "7");
  EXPECT_EQ(problem({ErrorCode::not_found, "", {}, {}}).header("Retry-After"), std::nullopt);
}

TEST(HttpProblem, EveryTypeHasAStatusAndAPage) {
  for (const auto& type : problem_types()) {
    EXPECT_GE(status_of(type.code), 400u) << type.name;
    EXPECT_EQ(find_problem_type(type.name), &type);
    EXPECT_FALSE(type.title.empty() || type.cause.empty() || type.remedy.empty()) << type.name;
  }
  EXPECT_EQ(find_problem_type("no-such"), nullptr);
}

TEST(HttpResponse, NoValueBeginsANewHeader) {
  Response response;
  response.add_header("Location", "/a\r\nSet-Cookie: b\x7f").add_header("ETag", "\"1\"");
  EXPECT_EQ(response.headers, "Location: /a  Set-Cookie: b \r\nETag: \"1\"\r\n");
  EXPECT_EQ(response.header("etag"), "\"1\"");
  EXPECT_EQ(response.header("set-cookie"), std::nullopt);
}

}  // namespace
}  // namespace api::http
