// Goal: the description is made of the whole route table, and says nothing else.
// Method: the document is read back and compared with the table line by line.
#include "api/resources/openapi.h"

#include <set>

#include <gtest/gtest.h>

#include "api/resources/routes.h"
#include "schemas/json.h"

namespace api::resources {
namespace {

std::string pointer_to(const Operation& operation) {
  std::string method(to_text(operation.method));
  std::ranges::transform(method, method.begin(), [](char c) { return std::tolower(c); });
  return "/paths/" + schemas::json::pointer_escape(operation.pattern) + "/" + method;
}

TEST(OpenApi, EveryLineOfTheTableIsDescribed) {
  auto document = schemas::json::parse(openapi_document(operations(), "1.2.3"));
  ASSERT_TRUE(document);
  for (const auto& operation : operations()) {
    auto found = schemas::json::resolve(document->root(), pointer_to(operation));
    ASSERT_TRUE(found) << operation.name;
    EXPECT_EQ(found->find("operationId")->as_string(), operation.name);
    EXPECT_EQ(found->find("requestBody").has_value(), operation.body != Body::none);
    EXPECT_EQ(found->find("security").has_value(), operation.scope == Scope::open);
  }
}

TEST(OpenApi, EveryReferenceLeadsSomewhere) {
  const auto text = openapi_document(operations(), "1.2.3");
  auto document = schemas::json::parse(text);
  constexpr std::string_view start = R"("$ref":"#)";
  std::size_t count = 0;
  for (auto at = text.find(start); at != std::string::npos; at = text.find(start, at + 1)) {
    const auto begin = at + start.size();
    const auto pointer = text.substr(begin, text.find('"', begin) - begin);
    EXPECT_TRUE(schemas::json::resolve(document->root(), pointer)) << pointer;
    ++count;
  }
  EXPECT_GT(count, operations().size());
}

TEST(Routes, NamesAndPlacesAreThereOnce) {
  std::set<std::string_view> names;
  std::set<std::pair<http::Method, std::string_view>> places;
  for (const auto& operation : operations()) {
    EXPECT_TRUE(names.insert(operation.name).second) << operation.name;
    EXPECT_TRUE(places.emplace(operation.method, operation.pattern).second) << operation.pattern;
    EXPECT_NE(operation.function, nullptr);
    EXPECT_FALSE(operation.summary.empty());
  }
}

TEST(Routes, WhatIsNotOpenAsksForAPermission) {
  const std::set<std::string_view> without{"whoami"};
  for (const auto& operation : operations()) {
    const bool asks = !operation.permission.empty();
    EXPECT_EQ(asks, operation.scope != Scope::open && !without.contains(operation.name))
        << operation.name;
    if (!asks) continue;
    EXPECT_TRUE(operation.permission.ends_with(is_write(operation) ? ":write" : ":read"))
        << operation.name;
  }
}

}  // namespace
}  // namespace api::resources
