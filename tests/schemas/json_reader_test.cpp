// Goal: a handler reads its members with one line each, and a user learns of every mistake at once,
// each with its pointer. Method: one reader for a made-up command, given right and wrong texts.

#include "schemas/json_reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "schemas/time.h"

namespace schemas::json {
namespace {

/// Reads a text by `read` and tells what was wrong: detail, then one line per fault.
std::string faults(std::string_view text, const std::function<void(ObjectReader&)>& read) {
  const auto document = parse(text);
  ObjectReader reader(document->root());
  read(reader);
  const auto finished = reader.finish();
  if (finished) return "none";
  EXPECT_EQ(finished.error().code, ErrorCode::invalid_request);
  std::string told = finished.error().detail;
  for (const FieldError& field : finished.error().fields) {
    told += fmt::format("\n{}: {}", field.where, field.detail);
  }
  return told;
}

TEST(ObjectReader, GivesWhatIsThere) {
  const auto document = parse(R"({"name":"ä","count":3,"yes":true,"at":"1970-01-01T00:00:01Z",
      "tags":["a","b"],"space":"test","any":[1],"null":null,"inner":{"x":1},
      "list":[{"x":2},{"x":3}]})");
  ObjectReader reader(document->root());
  EXPECT_EQ(reader.text("name"), "ä");
  EXPECT_EQ(reader.integer("count"), 3);
  EXPECT_TRUE(reader.boolean("yes"));
  EXPECT_EQ(reader.time("at"), parse_time("1970-01-01T00:00:01Z"));
  EXPECT_EQ(reader.texts("tags", 2), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(reader.choice<Space>("space", {{"live", Space::live}, {"test", Space::test}}),
            Space::test);
  EXPECT_EQ(minify(*reader.value("any")), "[1]");
  EXPECT_FALSE(reader.has("null"));
  EXPECT_EQ(reader.optional_text("null"), std::nullopt);
  EXPECT_EQ(reader.optional_integer("absent"), std::nullopt);
  EXPECT_TRUE(reader.optional_value("null")->is_null());
  std::int64_t sum = 0;
  const auto add = [&sum](ObjectReader& inner) { sum += inner.integer("x"); };
  reader.object("inner", add);
  reader.objects("list", 2, add);
  reader.optional_object("absent", add);
  EXPECT_EQ(sum, 6);
  EXPECT_TRUE(reader.finish());
}

TEST(ObjectReader, TellsEveryFaultAtOnce) {
  EXPECT_EQ(
      faults(R"({"nam":"x","slug":""})",
             [](ObjectReader& reader) {
               reader.text("name");
               reader.optional_text("slug");
             }),
      "3 fields are wrong\n/name: is missing\n/slug: must not be empty\n/nam: unknown member");
  EXPECT_EQ(faults(R"({"a/b~":1})", [](ObjectReader&) {}),
            "1 field is wrong\n/a~1b~0: unknown member");
}

TEST(ObjectReader, PointsIntoNestedObjects) {
  const auto read = [](ObjectReader& reader) {
    reader.objects("events", 3, [](ObjectReader& event) {
      if (event.text("type") == "bad") event.wrong("type", "is not declared");
      event.optional_object("data", [](ObjectReader& data) { data.integer("n"); });
    });
  };
  EXPECT_EQ(
      faults(R"({"events":[{"type":"bad"},{"type":1,"x":0},{"type":"t","data":{"n":"1"}}]})", read),
      "4 fields are wrong\n/events/0/type: is not declared\n/events/1/type: must be a string\n"
      "/events/1/x: unknown member\n/events/2/data/n: must be an integer");
  EXPECT_EQ(faults(R"({"events":[3]})", read), "1 field is wrong\n/events/0: must be an object");
  EXPECT_EQ(faults(R"({"events":[]})", read), "1 field is wrong\n/events: must not be empty");
  EXPECT_EQ(faults(R"({"events":{}})", read),
            "1 field is wrong\n/events: must be an array of objects");
  EXPECT_EQ(faults(R"({"events":[{},{},{},{}]})", read),
            "1 field is wrong\n/events: must have at most 3 elements");
  EXPECT_EQ(faults("[]", read), "1 field is wrong\n: must be an object");
}

TEST(ObjectReader, KeepsTheRulesOfTexts) {
  const auto read = [](TextRule rule) {
    return [rule](ObjectReader& reader) { reader.text("t", rule); };
  };
  const auto fault = [](std::string_view detail) {
    return fmt::format("1 field is wrong\n/t: {}", detail);
  };
  EXPECT_EQ(faults(R"({"t":"äää"})", read({.characters_max = 3})), "none");
  EXPECT_EQ(faults(R"({"t":"ääää"})", read({.characters_max = 3})),
            fault("must have at most 3 characters"));
  EXPECT_EQ(faults(R"({"t":"ää"})", read({.bytes_max = 3})),
            fault("must have at most 3 bytes of UTF-8"));
  EXPECT_EQ(faults(R"({"t":"a"})", read({.characters_min = 2})),
            fault("must have at least 2 characters"));
  for (const std::string_view text : {R"({"t":"a\nb"})", R"({"t":"\u0000"})", R"({"t":"\u007f"})",
                                      R"({"t":"\u0080"})", R"({"t":"\u009f"})"}) {
    EXPECT_EQ(faults(text, read({})), fault("must not contain control characters")) << text;
    EXPECT_EQ(faults(text, read({.control_characters = ControlCharacters::allow})), "none");
  }
  EXPECT_EQ(faults(R"({"t":"\u00a0"})", read({})), "none");
  EXPECT_EQ(faults(R"({"t":null})", read({})), fault("must be a string"));
}

TEST(ObjectReader, KeepsTheRulesOfNumbers) {
  const auto read = [](IntegerRule rule) {
    return [rule](ObjectReader& reader) { reader.integer("n", rule); };
  };
  const auto fault = [](std::string_view detail) {
    return fmt::format("1 field is wrong\n/n: {}", detail);
  };
  EXPECT_EQ(faults(R"({"n":0})", read({})), "none");
  EXPECT_EQ(faults(R"({"n":-1})", read({})), fault("must be at least 0"));
  EXPECT_EQ(faults(R"({"n":11})", read({.min = 1, .max = 10})), fault("must be from 1 to 10"));
  EXPECT_EQ(faults(R"({"n":18446744073709551615})", read({.max = 10})),
            fault("must be from 0 to 10"));
  for (const std::string_view text :
       {R"({"n":1.0})", R"({"n":1e2})", R"({"n":"1"})", R"({"n":true})"}) {
    EXPECT_EQ(faults(text, read({})), fault("must be an integer")) << text;
  }
}

TEST(ObjectReader, ReadsNumbersAndListsOfThem) {
  const auto document = parse(R"({"a":1,"b":0.5,"c":[0,1.5],"d":[],"e":[200,404],"f":null})");
  ObjectReader reader(document->root());
  EXPECT_EQ(reader.number("a"), 1);
  EXPECT_EQ(reader.optional_number("b"), 0.5);
  EXPECT_EQ(reader.numbers("c", 2), (std::vector<double>{0, 1.5}));
  EXPECT_EQ(reader.optional_integers("d", 2), std::vector<std::int64_t>());
  EXPECT_EQ(reader.optional_integers("e", 2), (std::vector<std::int64_t>{200, 404}));
  EXPECT_EQ(reader.optional_integers("f", 2), std::nullopt);
  EXPECT_EQ(reader.optional_number("absent"), std::nullopt);
  EXPECT_TRUE(reader.finish());

  const auto told = [](std::string_view text) {
    return faults(text, [](ObjectReader& wrong) {
      wrong.number("n", {.min = 0.5, .max = 2});
      wrong.optional_number("m");
      wrong.numbers("ns", 2, {.min = 0, .max = 9});
      wrong.optional_integers("is", 2, {.min = 1, .max = 9});
    });
  };
  EXPECT_EQ(told("{}"), "2 fields are wrong\n/n: is missing\n/ns: is missing");
  EXPECT_EQ(told(R"({"n":"1","m":-0.5,"ns":[],"is":{}})"),
            "4 fields are wrong\n/n: must be a number\n/m: must be at least 0\n"
            "/ns: must not be empty\n/is: must be an array of integers");
  EXPECT_EQ(told(R"({"n":2.1,"ns":[1,9.5,null],"is":[1,2,3]})"),
            "3 fields are wrong\n/n: must be from 0.5 to 2\n/ns: must have at most 2 elements\n"
            "/is: must have at most 2 elements");
  EXPECT_EQ(told(R"({"n":2,"ns":[9.5,"1"],"is":[1.5,0]})"),
            "4 fields are wrong\n/ns/0: must be from 0 to 9\n/ns/1: must be a number\n"
            "/is/0: must be an integer\n/is/1: must be from 1 to 9");
}

TEST(ObjectReader, KeepsTheRulesOfTheRest) {
  const auto read = [](ObjectReader& reader) {
    reader.optional_boolean("b");
    reader.optional_time("at");
    reader.optional_texts("tags", 2);
    reader.optional_choice<int>("c", {{"one", 1}, {"two", 2}});
  };
  EXPECT_EQ(faults("{}", read), "none");
  EXPECT_EQ(faults(R"({"b":0,"at":"yesterday","tags":["a",""],"c":"three"})", read),
            "4 fields are wrong\n/b: must be true or false\n"
            "/at: must be an RFC 3339 time such as 2026-11-21T07:00:00.123Z\n"
            "/tags/1: must not be empty\n/c: must be one of one, two");
  EXPECT_EQ(faults(R"({"tags":["a","b","c"]})", read),
            "1 field is wrong\n/tags: must have at most 2 elements");
  EXPECT_EQ(faults(R"({"tags":"a"})", read),
            "1 field is wrong\n/tags: must be an array of strings");
}

TEST(ObjectReader, ListsTheFirstHundredFaultsAndCountsAll) {
  std::string text = "{";
  for (int i = 0; i < 1000; ++i) text += fmt::format("\"m{}\":0,", i);
  text += "\"end\":0}";
  const auto document = parse(text);
  ObjectReader reader(document->root());
  const auto finished = reader.finish();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().detail, "1001 fields are wrong");
  EXPECT_EQ(finished.error().fields.size(), 100u);
}

}  // namespace
}  // namespace schemas::json
