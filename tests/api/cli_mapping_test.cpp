// Goal: a mapping turns a line of JSON into the batch that its file describes, and what does not
// fit is told by name. Method: mapping and line in, batch out, as texts.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/cli/command.h"
#include "api/cli/mapping.h"
#include "schemas/json.h"

namespace api::cli {
namespace {

using testing::HasSubstr;

std::string wrong(std::string_view mapping) {
  auto parsed = Mapping::parse(mapping);
  EXPECT_FALSE(parsed);
  return parsed ? std::string() : describe(parsed.error());
}

std::string mapped(std::string_view mapping, std::string_view line) {
  auto parsed = Mapping::parse(mapping);
  if (!parsed) return describe(parsed.error());
  std::string batch;
  auto events = parsed->append_batch(line, "k1", batch);
  if (!events) return events.error().detail;
  EXPECT_EQ(batch.empty(), *events == 0);
  EXPECT_TRUE(batch.empty() || batch.ends_with("}\n"));
  if (!batch.empty()) batch.pop_back();
  EXPECT_TRUE(batch.empty() || schemas::json::parse(batch)) << batch;
  return batch;
}

constexpr auto smallest = R"({"product":"p","kind":"k","entity":{"line":"/e"},"type":"k.made"})";

TEST(Mapping, OneEventALineWithTheLineAsData) {
  EXPECT_EQ(mapped(smallest, R"({"e":"a","n":1.50})"),
            R"({"idempotency_key":"k1","events":[{"kind":"k","entity":"a","type":"k.made",)"
            R"("data":{"e":"a","n":1.5}}]})");
}

TEST(Mapping, OneEventForEachItem) {
  constexpr auto mapping =
      R"({"product":"p","kind":"k","each":"/all","idempotency_key":{"line":"/id"},
    "entity":{"item":"/1"},"type":{"item":"/0","map":{"A":"k.made"}},
    "time":{"line":"/at","unit":"seconds"},
    "data":{"id":{"line":"/id"},"x":{"item":"/0"},"c":[1],"none":null}})";
  EXPECT_EQ(mapped(mapping, R"({"id":"i1","at":1300487820,"all":[["A","a"],["A","b\"/"]]})"),
            R"({"idempotency_key":"i1","events":[)"
            R"({"kind":"k","entity":"a","type":"k.made","time":"2011-03-18T22:37:00.000Z",)"
            R"("data":{"id":"i1","x":"A","c":[1],"none":null}},)"
            R"({"kind":"k","entity":"b\"/","type":"k.made","time":"2011-03-18T22:37:00.000Z",)"
            R"("data":{"id":"i1","x":"A","c":[1],"none":null}}]})");
}

TEST(Mapping, ALineWithoutItemsIsPassedOver) {
  constexpr auto mapping =
      R"({"product":"p","kind":"k","each":"/all","entity":{"item":""},"type":"k.made"})";
  EXPECT_EQ(mapped(mapping, R"({"all":[]})"), "");
  EXPECT_THAT(mapped(mapping, R"({"all":["a"]})"), HasSubstr(R"("entity":"a")"));
}

TEST(Mapping, TheRealOne) {
  std::ifstream file(std::string(TEST_DATA) + "/e2e/git_history/mapping.json");
  const std::string mapping((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(
      mapped(mapping, R"({"repo":"r","commit":"c1","time":0,"author":"a1","changes":[["D","f"]]})"),
      R"({"idempotency_key":"c1","events":[{"kind":"file","entity":"f","type":"file.deleted",)"
      R"("time":"1970-01-01T00:00:00.000Z","data":{"commit":"c1","author":"a1","change":"D"}}]})");
}

TEST(Mapping, WhatDoesNotFitIsNamed) {
  constexpr auto mapping = R"({"product":"p","kind":"k","each":"/all","entity":{"item":"/e"},
    "type":{"item":"/t","map":{"A":"k.made"}},"time":{"item":"/at","unit":"milliseconds"}})";
  EXPECT_THAT(mapped(mapping, R"({"all":[{}]})"), HasSubstr("entity: there is no /e"));
  EXPECT_THAT(mapped(mapping, R"({"all":[{"e":1}]})"), HasSubstr("entity must be a text, not 1"));
  EXPECT_THAT(mapped(mapping, R"({"all":[{"e":"a","t":"B"}]})"),
              HasSubstr(R"(type: "B" is not in)"));
  EXPECT_THAT(mapped(mapping, R"({"all":[{"e":"a","t":"A","at":"x"}]})"),
              HasSubstr("time must be a whole number"));
  EXPECT_THAT(mapped(mapping, R"({"all":[{"e":"a","t":"A","at":999999999999999}]})"),
              HasSubstr("time is out of range"));
  EXPECT_THAT(mapped(mapping, R"({"all":{}})"), HasSubstr("there is no array /all"));
  EXPECT_THAT(mapped(mapping, "{"), HasSubstr("line 1, column 2"));
}

TEST(Mapping, WrongMappingsAreNamed) {
  EXPECT_THAT(wrong("{"), HasSubstr("line 1, column 2"));
  EXPECT_THAT(wrong(R"({"product":"p","kind":"k","entity":"e","type":"t","colour":1})"),
              HasSubstr("/colour: unknown member"));
  EXPECT_THAT(wrong(R"({"kind":"k","entity":"e","type":"t"})"), HasSubstr("/product: "));
  EXPECT_THAT(wrong(R"({"product":"p","kind":"k","type":"t"})"), HasSubstr("/entity: "));
  EXPECT_THAT(wrong(R"({"product":"p","kind":"k","entity":1,"type":"t"})"),
              HasSubstr("/entity: must give a text"));
  EXPECT_THAT(wrong(R"({"product":"p","kind":"k","entity":{"line":"e"},"type":"t"})"),
              HasSubstr("/entity/line: must be a JSON pointer"));
  EXPECT_THAT(wrong(R"({"product":"p","kind":"k","entity":{"line":"/e","item":"/e"},"type":"t"})"),
              HasSubstr("not both"));
  EXPECT_THAT(wrong(R"({"product":"p","kind":"k","entity":"e","type":{"line":"/t","mop":{}}})"),
              HasSubstr("/type/mop: unknown member"));
  EXPECT_THAT(
      wrong(
          R"({"product":"p","kind":"k","entity":"e","type":"t","data":{"x":{"line":"/t","unit":"s"}}})"),
      HasSubstr("/data/x/unit: unknown member"));
  EXPECT_THAT(
      wrong(
          R"({"product":"p","kind":"k","entity":"e","type":"t","idempotency_key":{"item":"/x"}})"),
      HasSubstr("cannot come from an item"));
}

}  // namespace
}  // namespace api::cli
