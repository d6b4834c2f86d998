// Goal: a schema means what JSON Schema 2020-12 says, or is refused when it is declared. Method:
// the required cases of the official suite, with a list of what is left out that may not be longer
// than needed; borders, errors and the bound on work.

#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>

#include <gtest/gtest.h>

#include "schemas/cel/pattern.h"
#include "schemas/json_schema/schema.h"

namespace schemas::json_schema {
namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

json::Document document(std::string_view text) {
  auto parsed = json::parse(text);
  EXPECT_TRUE(parsed.has_value()) << text;
  return std::move(*parsed);
}

/// "valid", or the first error as `pointer: detail`; of a schema that is refused, `refused: …`.
std::string checked(std::string_view schema, std::string_view value) {
  const auto rules = document(schema);
  const auto compiled = Schema::compile(rules.root(), "");
  if (!compiled) {
    const auto& first = compiled.error().fields.front();
    return "refused: " + first.where + ": " + first.detail;
  }
  const auto looked_at = document(value);
  const auto errors = compiled->check(looked_at.root(), "");
  return errors.empty() ? "valid" : errors.front().where + ": " + errors.front().detail;
}

// ---- the official suite ----

constexpr std::string_view other_documents =
    "names schemas by URI, in other documents or inside its own";
constexpr std::string_view dynamic_scope = "dynamic scope";
constexpr std::string_view other_dialect = "follows another metaschema";

/// Groups of the suite that are refused as schemas, by file and the beginning of their names.
const std::multimap<std::string, std::pair<std::string_view, std::string_view>> left_out{
    {"dynamicRef", {"", dynamic_scope}},
    {"unevaluatedItems", {"unevaluatedItems with $dynamicRef", dynamic_scope}},
    {"unevaluatedProperties", {"unevaluatedProperties with $dynamicRef", dynamic_scope}},
    {"vocabulary", {"", other_dialect}},
    {"refRemote", {"", other_documents}},
    {"defs", {"validate definition against metaschema", other_documents}},
    {"anchor", {"Location-independent identifier with", other_documents}},
    {"anchor", {"same $anchor with different base uri", other_documents}},
    {"ref", {"remote ref, containing refs itself", other_documents}},
    {"ref", {"Recursive references between schemas", other_documents}},
    {"ref", {"refs with relative uris and defs", other_documents}},
    {"ref", {"relative refs with absolute uris and defs", other_documents}},
    {"ref", {"$id must be resolved against nearest parent", other_documents}},
    {"ref", {"order of evaluation: $id and", other_documents}},
    {"ref", {"URN ref with nested pointer ref", other_documents}},
    {"ref", {"ref to if", other_documents}},
    {"ref", {"ref to then", other_documents}},
    {"ref", {"ref to else", other_documents}},
    {"ref", {"ref with absolute-path-reference", other_documents}},
};

std::string_view reason_for(const std::string& file, std::string_view group) {
  auto [first, last] = left_out.equal_range(file);
  for (; first != last; ++first) {
    if (group.starts_with(first->second.first)) return first->second.second;
  }
  return {};
}

/// Every case is answered as the suite says, or its schema is refused and stands in the list.
TEST(JsonSchema, OfficialSuite) {
  std::size_t groups = 0;
  std::size_t cases = 0;
  std::size_t refused = 0;
  for (const auto& entry : std::filesystem::directory_iterator(TEST_DATA "/vectors/json_schema")) {
    if (entry.path().extension() != ".json") continue;
    const auto file = entry.path().stem().string();
    const auto suite = document(read_file(entry.path()));
    for (auto group : suite.root().elements()) {
      const auto name = *group.find("description")->as_string();
      const auto reason = reason_for(file, name);
      const auto schema = Schema::compile(*group.find("schema"), "");
      ++groups;
      EXPECT_EQ(schema.has_value(), reason.empty())
          << file << ": " << name << ": "
          << (schema ? "is listed as left out"
                     : schema.error().fields.front().where + " " +
                           schema.error().fields.front().detail);
      refused += schema ? 0 : 1;
      if (!schema) continue;
      for (auto one : group.find("tests")->elements()) {
        ++cases;
        const auto errors = schema->check(*one.find("data"), "");
        EXPECT_EQ(errors.empty(), *one.find("valid")->as_bool())
            << file << ": " << name << ": " << *one.find("description")->as_string()
            << (errors.empty() ? "" : ": " + errors.front().where + " " + errors.front().detail);
      }
    }
  }
  std::cout << groups << " groups, " << refused << " left out, " << cases << " cases\n";
}

// ---- what is refused ----

TEST(JsonSchema, RefusesWhatItDoesNotEnforceAndSaysWhatToDo) {
  auto refused = [](std::string_view schema) { return checked(schema, "1"); };
  EXPECT_EQ(refused(R"({"$dynamicRef":"#a"})"),
            "refused: /$dynamicRef: is not supported: use $ref and $anchor");
  EXPECT_EQ(refused(R"({"properties":{"a/b":{"$ref":"https://example.com/s"}}})"),
            "refused: /properties/a~1b/$ref: is not supported: a schema is one document; put what "
            "it refers to under $defs");
  EXPECT_EQ(refused(R"({"$schema":"http://json-schema.org/draft-07/schema#"})"),
            "refused: /$schema: must be https://json-schema.org/draft/2020-12/schema, or left out");
  EXPECT_EQ(refused(R"({"requried":["a"]})"),
            "refused: /requried: is no keyword of JSON Schema 2020-12; a note of your own begins "
            "with x-");
  EXPECT_EQ(refused(R"({"items":[{}]})"),
            "refused: /items: is one schema in 2020-12: a list of schemas is prefixItems");
  EXPECT_EQ(refused(R"({"$ref":"#/$defs/none"})"),
            "refused: /$ref: points at no schema in this document");
  EXPECT_EQ(refused(R"_({"pattern":"(?=a)"})_"),
            "refused: /pattern: is no regular expression of RE2 (which has no look-around and no "
            "back references): invalid perl operator: (?=");
  EXPECT_EQ(refused(R"({"type":"float"})").substr(0, 15), "refused: /type:");
  EXPECT_EQ(refused(R"({"minLength":-1})"), "refused: /minLength: must be a whole number from 0");
  EXPECT_EQ(refused("3"), "refused: : must be a schema: an object, true or false");
}

TEST(JsonSchema, RefusesReferencesThatComeBackWithoutGoingDeeper) {
  EXPECT_EQ(checked(R"({"$ref":"#"})", "1").substr(0, 14), "refused: /$ref");
  EXPECT_EQ(
      checked(
          R"({"$defs":{"a":{"allOf":[{"$ref":"#/$defs/b"}]},"b":{"not":{"$ref":"#/$defs/a"}}}})",
          "1")
          .substr(0, 8),
      "refused:");
  EXPECT_EQ(checked(R"({"properties":{"next":{"$ref":"#"}},"required":["v"]})",
                    R"({"v":1,"next":{"v":2,"next":{}}})"),
            "/next/next/v: is required");
}

TEST(JsonSchema, HasBounds) {
  const std::string large = R"({"const":")" + std::string(bytes_max, 'a') + R"("})";
  EXPECT_NE(checked(large, "1").find("a schema has at most 65536"), std::string::npos);
  std::string many = R"({"allOf":[true)";
  for (std::size_t i = 0; i < subschemas_max; ++i) many += ",true";
  EXPECT_NE(checked(many + "]}", "1").find("one subschema too many"), std::string::npos);
  EXPECT_NE(checked(R"_({"pattern":"(a{1000}){1000}"})_", "1").find("refused: /pattern"),
            std::string::npos);
}

/// Each level asks twice about the one below: 2^40 questions without the bound.
TEST(JsonSchema, WorkIsBoundedWhateverSchemaAndValueSay) {
  constexpr std::string_view schema =
      R"({"anyOf":[{"type":"object","properties":{"a":{"$ref":"#"}}},
                   {"type":"object","additionalProperties":{"$ref":"#"}}]})";
  std::string value = "1";
  for (int i = 0; i < 40; ++i) value = R"({"a":)" + value + "}";
  EXPECT_EQ(checked(schema, value),
            ": takes more work to check against its schema than a request may; make it smaller");
}

// ---- what an error says ----

TEST(JsonSchema, ErrorsPointIntoTheValue) {
  constexpr std::string_view schema = R"({"type":"object","required":["name"],
    "properties":{"name":{"type":"string","minLength":2,"pattern":"^[a-z]+$"},
                  "size":{"type":"integer","minimum":1,"maximum":10},
                  "tags":{"items":{"enum":["a","b"]},"uniqueItems":true}},
    "additionalProperties":false})";
  EXPECT_EQ(checked(schema, R"({"name":"ok","size":10.0,"tags":["a","b"]})"), "valid");
  EXPECT_EQ(checked(schema, R"({"name":"ok","size":11})"), "/size: must be at most 10");
  EXPECT_EQ(checked(schema, R"({"name":"ok","size":1.5})"), "/size: must be a whole number");
  EXPECT_EQ(checked(schema, R"({"name":"o"})"), "/name: must have at least 2 characters");
  EXPECT_EQ(checked(schema, R"({"name":"Ok"})"), "/name: must match ^[a-z]+$");
  EXPECT_EQ(checked(schema, R"({})"), "/name: is required");
  EXPECT_EQ(checked(schema, R"({"name":"ok","a/b":1})"), "/a~1b: unknown member");
  EXPECT_EQ(checked(schema, R"({"name":"ok","tags":["a","c"]})"), R"(/tags/1: must be "a" or "b")");
  EXPECT_EQ(checked(schema, R"({"name":"ok","tags":["a","a"]})"),
            "/tags: must not have an element twice");
  EXPECT_EQ(checked(R"({"anyOf":[{"type":"null"},{"minimum":3}]})", "2"),
            ": must match one of the 2 schemas of anyOf and matches none");
}

TEST(JsonSchema, ErrorsAreBoundedInNumber) {
  const auto schema = Schema::compile(document(R"({"items":{"type":"null"}})").root(), "");
  std::string many = "[0";
  for (int i = 0; i < 1000; ++i) many += ",0";
  const auto value = document(many + "]");
  EXPECT_EQ(schema->check(value.root(), "/events/0/data").size(), 20U);
  EXPECT_EQ(schema->check(value.root(), "/events/0/data")[19].where, "/events/0/data/19");
}

TEST(JsonSchema, NumbersCompareByValue) {
  EXPECT_EQ(checked(R"({"const":1})", "1.0"), "valid");
  EXPECT_EQ(checked(R"({"maximum":18446744073709551614})", "18446744073709551615"),
            ": must be at most 18446744073709551614");
  EXPECT_EQ(checked(R"({"enum":[9007199254740993]})", "9007199254740992"),
            ": must be 9007199254740993");
  EXPECT_EQ(checked(R"({"multipleOf":0.01})", "0.07"), "valid");
  EXPECT_EQ(checked(R"({"multipleOf":0.01})", "4.35"), "valid");
  EXPECT_EQ(checked(R"({"multipleOf":0.01})", "0.075"), ": must be a multiple of 0.01");
  EXPECT_EQ(checked(R"({"multipleOf":3})", "1e300"), ": must be a multiple of 3");
  EXPECT_EQ(checked(R"({"uniqueItems":true})", "[1,1.0]"), ": must not have an element twice");
}

TEST(JsonSchema, ADocumentMayNameItself) {
  EXPECT_EQ(checked(R"({"$id":"https://example.com/s","$defs":{"n":{"type":"null"}},
                        "$ref":"https://example.com/s#/$defs/n"})",
                    "1"),
            ": must be null");
}

TEST(Pattern, FindsAnywhereInUtf8) {
  EXPECT_TRUE(cel::Pattern::compile("b+")->found_in("abbc"));
  EXPECT_TRUE(cel::Pattern::compile("^.$")->found_in("ü"));
  EXPECT_FALSE(cel::Pattern::compile("^b")->found_in("ab"));
  EXPECT_FALSE(cel::Pattern::compile(R"((a)\1)").has_value());
}

}  // namespace
}  // namespace schemas::json_schema
