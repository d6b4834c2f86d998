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

/// The names of an operation's headers.
std::set<std::string> headers_of(schemas::json::Value operation) {
  std::set<std::string> names;
  const auto parameters = *operation.find("parameters");
  for (std::size_t i = 0; auto one = schemas::json::resolve(parameters, "/" + std::to_string(i));
       ++i) {
    if (one->find("in")->as_string() == "header") names.emplace(*one->find("name")->as_string());
  }
  return names;
}

TEST(OpenApi, AnswersAndHeadersAreThoseOfTheServer) {
  auto document = schemas::json::parse(openapi_document(operations(), "1.2.3"));
  auto there = [&](const std::string& pointer) {
    return schemas::json::resolve(document->root(), pointer).has_value();
  };
  for (const auto& operation : operations()) {
    const auto pointer = pointer_to(operation);
    const auto headers = headers_of(*schemas::json::resolve(document->root(), pointer));
    const bool is_entity = operation.name.starts_with("get_");
    EXPECT_EQ(there(pointer + "/responses/304"), is_entity) << operation.name;
    EXPECT_EQ(headers.contains("If-None-Match"), is_entity) << operation.name;
    EXPECT_EQ(headers.contains("If-Match"), operation.conditional) << operation.name;
    EXPECT_EQ(headers.contains("Last-Event-ID"), operation.name == "stream_events");
    EXPECT_TRUE(there(pointer + "/responses/" + std::to_string(operation.status)));
  }
  const std::string bulk = "/paths/~1v2~1products~1{product}~1events/post";
  const std::string line = "/content/application~1x-ndjson/x-line/properties/";
  EXPECT_TRUE(there("/paths/~1v2~1products~1{product}/put/responses/200/content"));
  EXPECT_TRUE(there("/paths/~1v2~1products~1{product}/put/responses/201/content"));
  EXPECT_TRUE(there("/paths/~1readyz/get/responses/503/content"));
  EXPECT_TRUE(there(bulk + "/responses/201/content/application~1json"));
  EXPECT_TRUE(there(bulk + "/responses/200" + line + "problem"));
  EXPECT_TRUE(there(bulk + "/requestBody" + line + "idempotency_key"));
  EXPECT_TRUE(there("/components/schemas/Problem/properties/errors/items/properties/detail"));
}

TEST(OpenApi, RefusalsAreNamedOneByOne) {
  auto document = schemas::json::parse(openapi_document(operations(), "1.2.3"));
  for (const auto& operation : operations()) {
    const auto pointer = pointer_to(operation) + "/responses/";
    auto there = [&](const std::string& status) {
      return schemas::json::resolve(document->root(), pointer + status).has_value();
    };
    EXPECT_FALSE(there("default")) << operation.name;
    EXPECT_TRUE(there("400") && there("500") && there("503")) << operation.name;
    EXPECT_EQ(there("401"), operation.scope != Scope::open) << operation.name;
    EXPECT_EQ(there("422"), is_write(operation)) << operation.name;
    EXPECT_EQ(there("412"), operation.conditional) << operation.name;
  }
  const auto gone =
      schemas::json::resolve(document->root(), "/components/responses/Problem410/description");
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->as_string(), "a problem: lost-mark, history-trimmed");
}

TEST(OpenApi, BodiesAreRequiredWhereAMemberIs) {
  auto document = schemas::json::parse(openapi_document(operations(), "1.2.3"));
  for (const auto& operation : operations()) {
    if (operation.body == Body::none) continue;
    auto required =
        schemas::json::resolve(document->root(), pointer_to(operation) + "/requestBody/required");
    const bool needed = std::ranges::any_of(
        operation.members, [](const Field& member) { return member.need == Need::required; });
    ASSERT_TRUE(required) << operation.name;
    EXPECT_EQ(required->as_bool(), needed) << operation.name;
  }
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
    const bool stands_alone =
        operation.permission == "secrets:reveal" || operation.permission == "resources:report";
    EXPECT_TRUE(stands_alone ||
                operation.permission.ends_with(is_write(operation) ? ":write" : ":read"))
        << operation.name;
  }
}

}  // namespace
}  // namespace api::resources
