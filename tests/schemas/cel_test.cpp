// What cel-spec's cases do not ask: JSON, limits, messages, filters.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "schemas/cel/filter.h"
#include "schemas/cel/syntax.h"
#include "schemas/cel/text.h"
#include "schemas/json.h"

namespace schemas::cel {
namespace {

constexpr std::string_view event_variable[] = {"event"};

/// What an expression over `event` comes to, as text; errors begin with "error: ".
std::string evaluate(std::string_view expression, std::string_view event = "{}",
                     Limits limits = {}) {
  const auto program = Program::compile(expression, event_variable);
  if (!program) return "refused: " + program.error().detail;
  const auto document = json::parse(event);
  EXPECT_TRUE(document);
  const Value values[] = {Value::of(document->root())};
  Memory memory(limits);
  const auto result = program->evaluate(values, memory);
  return (result.is_error() ? "error: " : "") + to_text(result);
}

TEST(Cel, NumbersOfJsonAreWhatTheyAreWrittenAs) {
  constexpr std::string_view event =
      R"({"i":7,"n":-7,"big":18446744073709551615,"r":7.0,"e":1e2,"t":"7","b":true,"z":null})";
  EXPECT_EQ(evaluate("[type(event.i), type(event.big), type(event.r), type(event.e)]", event),
            "[int, uint, double, double]");
  EXPECT_EQ(evaluate("event.i + event.n", event), "0");
  EXPECT_EQ(evaluate("event.i == event.r && event.r == 7 && event.e > event.i", event), "true");
  EXPECT_EQ(evaluate("event.big > 9223372036854775807", event), "true");
  EXPECT_EQ(evaluate("event.t == event.i", event), "false") << "and no error";
  EXPECT_EQ(evaluate("event.z == null && type(event.z) == null_type && event.b", event), "true");
}

TEST(Cel, ObjectsAndArraysOfJsonAreMapsAndLists) {
  constexpr std::string_view event =
      R"({"list":[1,[2,3],{"a":"x"}],"map":{"one":1,"two":[2],"":0},"empty":{},"none":[]})";
  EXPECT_EQ(evaluate("event.list[1][1] + event.map.two[0]", event), "5");
  EXPECT_EQ(evaluate("event.list[2].a", event), "x");
  EXPECT_EQ(evaluate("[size(event.list), size(event.map), event.empty.size()]", event),
            "[3, 3, 0]");
  EXPECT_EQ(evaluate("event.map.map(k, k)", event), "[one, two, ]");
  EXPECT_EQ(evaluate("event.map.transformList(k, v, type(v) == int, k)", event), "[one, ]");
  EXPECT_EQ(evaluate("event.map.all(k, v, k == '' || v != 0)", event), "true");
  EXPECT_EQ(evaluate("[2, 3] in event.list && {'a': 'x'} in event.list", event), "true");
  EXPECT_EQ(evaluate("event.list == [1.0, [2u, 3], {'a': 'x'}]", event), "true");
  EXPECT_EQ(evaluate("{'two': [2], 'one': 1, '': 0} == event.map", event), "true");
  EXPECT_EQ(evaluate("event.list + event.none", event), "[1, [2, 3], {a: x}]");
  EXPECT_EQ(evaluate("'two' in event.map && !('three' in event.map) && !(2 in event.map)", event),
            "true");
  EXPECT_EQ(evaluate("has(event.map.one) && !has(event.map.three)", event), "true");
  EXPECT_EQ(evaluate("event.map[?'three'].orValue('none')", event), "none");
  EXPECT_EQ(evaluate("event.?map.?two[0].orValue(9)", event), "2");
  EXPECT_EQ(evaluate("event.none.exists(e, e) || event.empty.exists(k, true)", event), "false");
}

TEST(Cel, ErrorsSayWhatIsNotThere) {
  EXPECT_EQ(evaluate("event.data.name", R"({"data":{}})"), "error: no such key: name");
  EXPECT_EQ(evaluate("event.data.name", R"({"data":7})"), "error: has no fields: int");
  EXPECT_EQ(evaluate("event.list[3]", R"({"list":[1]})"), "error: index out of bounds");
  EXPECT_EQ(evaluate("1 + 'a'"), "error: no such overload");
  EXPECT_EQ(evaluate("'%s'.format([b'\\xff'])"), "error: bytes that are no UTF-8 in a text");
  EXPECT_EQ(evaluate("event.a.b || true"), "true") << "one that decides does so";
  EXPECT_EQ(evaluate("optional.none().or(optional.of(1)).value()"), "1");
  EXPECT_EQ(evaluate("optional.of(1).orValue(1 / 0)"), "1") << "is not looked at";
}

TEST(Cel, WhatCannotBeCompiledIsToldWithItsPlace) {
  const auto refused = [](std::string_view expression) {
    const auto result = evaluate(expression);
    return result.starts_with("refused: ") ? result.substr(9) : "compiled: " + result;
  };
  EXPECT_EQ(refused(""), "character 1: the expression ends too early");
  EXPECT_EQ(refused("event.a =="), "character 11: the expression ends too early");
  EXPECT_EQ(refused("event.a = 1"), "character 9 ('= 1'): is no part of an expression");
  EXPECT_EQ(refused("data.name == 'x'"),
            "character 1 ('data.name =='): nothing is called 'data'; there is event");
  EXPECT_EQ(refused("event.name.startswith('x')"),
            "character 12 ('startswith(''): there is no method 'startswith'");
  EXPECT_EQ(refused("startsWith(event.name, 'x')"),
            "character 1 ('startsWith(e'): there is no function 'startsWith', but a method of that "
            "name");
  EXPECT_EQ(refused("event.name.startsWith()"),
            "character 12 ('startsWith()'): 'startsWith' is not called with 0 arguments");
  EXPECT_EQ(refused("'ä' + §"), "character 7: is no part of an expression");
  EXPECT_EQ(refused("has(event)"),
            "character 1 ('has(event)'): has() takes one field, such as has(event.data.name)");
  EXPECT_EQ(refused("event.all(1, true)"),
            "character 11 ('1, true)'): a name is expected here, which the rest can use");
  EXPECT_EQ(refused("Message{a: 1}"), "character 8 ('{a: 1}'): is not expected here");
  EXPECT_EQ(refused("event.tags.exists(t == 'a')"),
            "character 12 ('exists(t == '): 'exists' takes a name and an expression over it");
  EXPECT_TRUE(refused("event.name.matches('(')").contains("regular expression"));
  EXPECT_TRUE(refused("event.name.matches('(?=a)')").contains("look-around"));
  EXPECT_EQ(refused("'a' + 'b"), "character 7 (''b'): a text without its closing quote");
  EXPECT_EQ(refused("99999999999999999999"),
            "character 1 ('999999999999'): a number that 64 bits do not hold");
  EXPECT_EQ(refused("1\xFF"), "is no valid UTF-8");
  EXPECT_EQ(refused(std::string(source_max + 1, ' ')),
            "has 65537 bytes, of which 65536 are allowed");
}

std::string repeat(std::string_view text, std::size_t count) {
  std::string all;
  while (count-- > 0) all += text;
  return all;
}

TEST(Cel, ADotInFrontNamesNoLocal) {
  EXPECT_EQ(evaluate("event.l.exists(event, .event.n == event)", R"({"n":2,"l":[1,2]})"), "true");
  EXPECT_EQ(evaluate("event.l.exists(event, event.n == 2)", R"({"n":2,"l":[1,2]})").substr(0, 6),
            "error:");
  EXPECT_EQ(evaluate("event.`in` + event.`null`", R"({"in":1,"null":2})"), "3");
}

TEST(Cel, WhatIsTooDeepIsRefusedAndWhatIsLongIsNot) {
  EXPECT_EQ(evaluate(repeat("(", 90) + "1" + repeat(")", 90)), "1");
  for (const auto& deep : {repeat("(", 30'000), repeat("!", 30'000) + "true", repeat("-", 30'000),
                           repeat("[", 30'000), repeat("{1:", 20'000), "1" + repeat("+1", 30'000),
                           "event" + repeat(".a", 30'000), "event" + repeat("[0]", 20'000),
                           repeat("true?true:", 6'000), repeat("[1].map(a,", 5'000)}) {
    EXPECT_TRUE(evaluate(deep).contains("too deep")) << deep.substr(0, 20) << evaluate(deep);
  }
  EXPECT_EQ(evaluate("true" + repeat(" && true", 8'000)), "true");
  EXPECT_EQ(evaluate("1 in [0" + repeat(", 0", 4'000) + "]"), "false");
}

TEST(Cel, WorkIsBoundedWhateverIsWritten) {
  const std::string thousand = "[" + repeat("1,", 1'000) + "1]";
  const auto event = R"({"n":1,"d":1e308,"l":)" + thousand.substr(0, thousand.size()) +
                     R"(,"t":")" + repeat("x", 100'000) + R"("})";
  std::string many_members = R"({"z":0)";
  for (int i = 0; i < 3'000; ++i) many_members += ",\"m" + std::to_string(i) + "\":0";
  many_members += "}";
  constexpr std::string_view over = "error: the expression takes too long or too much";
  const std::string shared = repeat("cel.bind(a, [a, a], ", 40);
  const auto doubled = [&](std::string_view use) {
    return "cel.bind(a, [event.n], " + shared + std::string(use) + repeat(")", 41);
  };
  for (const std::string& costly : {
           std::string("event.l.all(a, event.l.all(b, a == b))"),
           std::string("event.l.map(a, event.t + event.t).size() > 0"),
           std::string("event.l.all(a, event.t.contains('y') || event.t.size() > 1)"),
           std::string("event.l.map(a, event.l.map(b, [a, b])).size() > 0"),
           std::string("event.l.all(a, event.t != event.t + 'x')"),
           std::string("'%s%s%s%s'.format([event.l.map(a, event.t), 1, 2, 3]).size() > 0"),
           std::string("event.l.all(a, '%s'.format([event.t]).size() > 0)"),
           std::string("event.l.all(a, event.t.replace('x', 'yy').size() > 0)"),
           std::string("event.l.all(a, [event.t].join(event.t).size() > 0)"),
           std::string("event.l.all(a, event.t.reverse() != 'x')"),
           std::string("event.l.all(a, event.t.lowerAscii() != 'x')"),
           std::string("event.l.all(a, strings.quote(event.t) != 'x')"),
           std::string("event.l.all(a, base64.encode(bytes(event.t)) != 'x')"),
           std::string("!event.l.exists(a, event.t.contains(event.t.substring(50000) + 'y'))"),
           std::string("event.l.all(a, event.t.indexOf(event.t.substring(50000) + 'y') == -1)"),
           std::string("event.l.all(a, event.t.matches('(?:x|y)*x(?:[xy]?){200}z') || true)"),
           std::string("event.l.all(a, {event.t + 'a': 1, event.t + 'b': 2}.size() == 2)"),
           std::string("event.l.all(a, {event.t: 1} == {event.t: 1})"),
           std::string("'%s'.format([event.l.map(i, {event.t: 1})]).size() > 0"),
           std::string("event.l.all(a, '%.100f'.format([event.d]).size() > 300)"),
           doubled("a == a"),
           doubled("optional.of(a) == optional.of(a)"),
           doubled("{'a': a, 'b': 0} == {'b': 0, 'a': a}"),
           doubled("a in [a]"),
           doubled("'%s'.format([[optional.of(a)]]).size() > 0"),
       }) {
    EXPECT_EQ(evaluate(costly, event), over) << costly;
    EXPECT_EQ(evaluate("true || " + std::string(costly), event), "true") << "was not looked at";
    EXPECT_EQ(evaluate(std::string(costly) + " || true", event), over) << "nothing makes it good";
  }
  EXPECT_EQ(evaluate("event.l.all(a, a == 1)", event), "true");
  EXPECT_EQ(evaluate("event.l.all(a, event.t.startsWith('x'))", event), "true") << "looks at one";
  EXPECT_EQ(evaluate("event.x == event.y", R"({"x":)" + many_members + R"(,"y":{}})"), "false");
  EXPECT_EQ(
      evaluate("event.x == event.y", R"({"x":)" + many_members + R"(,"y":)" + many_members + "}"),
      over);
  EXPECT_TRUE(evaluate("'a'.matches(event.t)", event).contains("written here"));
  EXPECT_TRUE(
      evaluate("true" + repeat(" && event.t.matches('a')", 17)).contains("regular expressions"));
  EXPECT_TRUE(evaluate("event.t.matches('a'.replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')"
                       ".replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'))")
                  .contains("regular expressions"));
  EXPECT_TRUE(evaluate("'" + repeat("a", 400) + "'.replace('', '" + repeat("b", 4'000) + "') == ''")
                  .contains("takes too much"));
}

TEST(Cel, MemoryIsUsedAgain) {
  const auto program = *Program::compile("event.a + event.a", event_variable);
  const auto document = *json::parse(R"({"a":")" + repeat("x", 3'000) + R"("})");
  const Value values[] = {Value::of(document.root())};
  Memory memory(Limits{.steps = 100, .bytes = 6'016});
  for (int i = 0; i < 1'000; ++i) {
    EXPECT_EQ(program.evaluate(values, memory).size(), 6'000u);
    EXPECT_FALSE(memory.exceeded());
  }
}

TEST(Cel, LiteralsAreMadeOnce) {
  const auto program = *Program::compile(
      "event in [1, 2, 3] && timestamp('2026-11-22T00:00:00Z') > timestamp(0)", event_variable);
  Memory memory(Limits{.steps = 100, .bytes = 0});
  const Value values[] = {Value::integer(2)};
  EXPECT_TRUE(program.evaluate(values, memory).is_true());
  EXPECT_LE(memory.spent(), 8u);
}

TEST(Cel, TheSameFromManyThreadsAndCopies) {
  const auto program = *Program::compile("event.map(a, a * a).exists(b, b == 9)", event_variable);
  const auto document = *json::parse("[1,2,3]");
  std::vector<std::jthread> threads;
  std::atomic<int> right = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, copy = program] {
      Memory memory;
      const Value values[] = {Value::of(document.root())};
      for (int n = 0; n < 1'000; ++n) right += copy.evaluate(values, memory).is_true() ? 1 : 0;
    });
  }
  threads.clear();
  EXPECT_EQ(right, 4'000);
}

TEST(CelText, DurationsAndTimes) {
  EXPECT_EQ(parse_duration("1h45m47s"), 6'347'000'000'000);
  EXPECT_EQ(parse_duration("-1.5s"), -1'500'000'000);
  EXPECT_EQ(parse_duration("+.5ms"), 500'000);
  EXPECT_EQ(parse_duration("1.0000000000000000000000009ns"), 1);
  EXPECT_EQ(parse_duration("0"), 0);
  EXPECT_EQ(parse_duration("-9223372036.854775808s"), std::numeric_limits<std::int64_t>::min());
  EXPECT_FALSE(parse_duration("9223372036.854775808s"));
  for (const std::string_view wrong :
       {"", "-", "1", "s", ".s", "1x", "1s2", "1 s", "9223372037s"}) {
    EXPECT_FALSE(parse_duration(wrong)) << wrong;
  }
  EXPECT_EQ(to_text(Value::duration(-1)), "-0.000000001s");
  EXPECT_EQ(to_text(Value::duration(std::numeric_limits<std::int64_t>::min())),
            "-9223372036.854775808s");
  EXPECT_EQ(to_text(Value::timestamp(*parse_timestamp("1969-12-31T23:59:59.25+01:00"))),
            "1969-12-31T22:59:59.25Z");
  EXPECT_FALSE(parse_timestamp("1969-12-31"));
}

TEST(CelFilter, TakesWhatComesToTrueAndNothingElse) {
  const auto event = *json::parse(
      R"({"type":"project.created","subject":"proj_1","data":{"name":"Web shop","size":12}})");
  Memory memory(filter_limits);
  const auto matches = [&](std::string_view source) {
    return Filter::compile(source)->matches(event.root(), memory);
  };
  EXPECT_TRUE(matches("event.type.startsWith('project.') && event.data.name.startsWith('W')"));
  EXPECT_TRUE(matches("event.data.size >= 12.0 && event.data.size in [11, 12]"));
  EXPECT_FALSE(matches("event.data.size > 12"));
  EXPECT_FALSE(matches("event.data.colour == 'red'")) << "an error";
  EXPECT_FALSE(matches("!(event.data.colour == 'red')")) << "an error as well";
  EXPECT_TRUE(matches("!has(event.data.colour)"));
  EXPECT_FALSE(matches("event.data.size")) << "no boolean";
  EXPECT_TRUE(matches("true"));
  EXPECT_EQ(Filter::compile("'true'").error().detail,
            "is string whatever the event is; a filter comes to true or false");
}

}  // namespace
}  // namespace schemas::cel
