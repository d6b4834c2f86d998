// Goal: JSON with expressions becomes what it says, byte for byte the same each time, and says
// where it cannot. Method: tables of templates over one event.
#include <gtest/gtest.h>

#include "schemas/cel/template.h"
#include "schemas/json_writer.h"

namespace schemas::cel {
namespace {

constexpr std::string_view names[] = {"event", "rows"};

Result<Template> compile(std::string_view source) {
  const auto document = json::parse(source);
  if (!document) return std::unexpected(document.error());
  return Template::compile(document->root(), names);
}

/// What it comes to; what is wrong with it, where it comes to nothing.
std::string made(std::string_view source, Limits limits = {}, std::size_t steps_max = 200'000) {
  const auto event = json::parse(
      R"({"id":"e","n":3,"x":0.5,"big":18446744073709551615,"name":"Ada \"L\"","none":null,
          "list":[1,"a"],"map":{"b":1,"a":[]},"at":"2026-01-02T03:04:05Z"})");
  const auto rows = json::parse(R"({"project":{"name":"Web"},"gone":null})");
  auto source_template = compile(source);
  if (!source_template) return source_template.error().detail;
  const Value values[] = {Value::of(event->root()), Value::of(rows->root())};
  Memory memory(limits);
  std::size_t steps = steps_max;
  auto json = source_template->evaluate(values, memory, steps);
  steps = steps_max;
  const auto again = source_template->evaluate(values, memory, steps);
  EXPECT_EQ(json.has_value(), again.has_value());
  if (json) EXPECT_EQ(*json, *again);
  return json ? *json : json.error().detail;
}

TEST(CelTemplate, WhatHasNoExpressionStaysAsItIs) {
  for (const std::string_view json : {R"({})", R"([1,-2.5,true,null,"a",{"b":[]}])", R"("$ { } a")",
                                      R"({"${event.id}":1})", R"({"a":"$$"})"}) {
    EXPECT_EQ(made(json), json);
  }
  EXPECT_EQ(made(R"({"a":"$${event.n}"})"), R"({"a":"${event.n}"})");
  EXPECT_EQ(made(R"("$${a} ${event.n}")"), R"("${a} 3")");
}

TEST(CelTemplate, AWholeExpressionBecomesItsValue) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"event.n", "3"},
      {"event.x", "0.5"},
      {"event.big", "18446744073709551615"},
      {"event.n > 2", "true"},
      {"event.none", "null"},
      {"event.name", R"("Ada \"L\"")"},
      {"event.list", R"([1,"a"])"},
      {"event.map", R"({"b":1,"a":[]})"},
      {"{'a': event.n, 'b': {'c': [event.id]}}", R"({"a":3,"b":{"c":["e"]}})"},
      {"[1, 2].map(i, i * event.n)", "[3,6]"},
      {"b'ab'", R"("YWI=")"},
      {"timestamp(event.at)", R"("2026-01-02T03:04:05Z")"},
      {"duration('90s')", R"("90s")"},
      {"'}'", R"("}")"},
      {"\"{\" + '\\'}' + r'\\'", R"("{'}\\")"},
      {"rows.project.name", R"("Web")"},
      {"rows.gone == null ? 'none' : 'some'", R"("none")"},
      {"event.?n", "3"},
  };
  for (const auto& [expression, expected] : cases) {
    std::string text;
    json::append_string(text, "${" + std::string(expression) + "}");
    EXPECT_EQ(made(text), expected) << expression;
  }
}

TEST(CelTemplate, WithinATextExpressionsAreItsParts) {
  EXPECT_EQ(made(R"("${event.id}: ${event.n + 1} ${event.x} ${event.n > 2}${''}")"),
            R"("e: 4 0.5 true")");
  EXPECT_EQ(made(R"({"a":["<${event.name}>"]})"), R"({"a":["<Ada \"L\">"]})");
}

TEST(CelTemplate, AnOptionalWithoutAValueIsLeftOut) {
  EXPECT_EQ(made(R"({"a":"${event.?nothing}","b":1,"c":"${event.?n}","d":"${event.?nothing}"})"),
            R"({"b":1,"c":3})");
  EXPECT_EQ(made(R"(["${event.?nothing}",2,"${event.?nothing}"])"), "[2]");
  EXPECT_EQ(made(R"("${event.?nothing}")"), "null");
}

TEST(CelTemplate, WhatIsWrongIsSaidWithItsPlace) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"({"a":{"b/c":["x","${event.n"]}})", "'/a/b~1c/1' has a ${"},
      {R"({"a":"${event.}"})", "'/a' "},
      {R"({"a":"${other}"})", "'/a' "},
      {R"({"a":"${event.nothing}"})", "'/a' comes to an error"},
      {R"({"a":"${1/0}"})", "'/a' comes to an error"},
      {R"({"a":"${type(1)}"})", "'/a' comes to type"},
      {R"({"a":"${double('inf')}"})", "'/a' comes to double"},
      {R"({"a":"${{1: 2, '1': 3}}"})", "'/a' comes to map"},
      {R"({"a":"x${event.list}"})", "'/a' has list in the middle"},
      {R"({"a":"x${event.none}"})", "'/a' has null_type in the middle"},
  };
  for (const auto& [source, expected] : cases) {
    EXPECT_TRUE(made(source).contains(expected)) << source << " says " << made(source);
  }
}

TEST(CelTemplate, ItHasLimits) {
  std::string work = "[";
  for (int i = 0; i < 150; ++i) work += R"("${event.list.map(i, i).size()}",)";
  EXPECT_TRUE(made(work + "1]", {}, 1'000).contains("too much work"));
  std::string many = "[";
  for (std::size_t i = 0; i < Template::expressions_max; ++i) many += R"("${1}",)";
  EXPECT_TRUE(compile(many + "1]"));
  EXPECT_FALSE(compile(many + R"("${1}"])"));
  EXPECT_TRUE(made(R"({"a":"${event.list.map(i, i).size()}"})", {.steps = 3, .bytes = 100})
                  .contains("'/a' comes to an error"));
  // A list of lists of lists … that are all the same: few values, many bytes.
  std::string laughs = "event.list";
  for (char name = 'z'; name > 'a'; --name) {
    laughs = "cel.bind(" + std::string(1, name) + ", [" + laughs + ", " + laughs.substr(0, 0) +
             "1], [" + std::string(1, name) + "," + std::string(1, name) + "])";
  }
  EXPECT_TRUE(made("\"${" + laughs + "}\"").contains("1 MiB")) << made("\"${" + laughs + "}\"");
  const std::string part = R"("${'x'.replace('x', ')" + std::string(9'000, 'y') + R"(')}",)";
  std::string large = "[";
  for (int i = 0; i < 150; ++i) large += part;
  EXPECT_TRUE(made(large + "1]").contains("1 MiB"));
}

}  // namespace
}  // namespace schemas::cel
