// Goal: what is written is read as the same, and the standard forms are the standards'. Method:
// borders, random documents, and the tables of RFC 8785, 7396 and 6901.

#include <array>
#include <bit>
#include <cmath>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "schemas/json.h"
#include "schemas/json_writer.h"

namespace schemas::json {
namespace {

std::string minified(std::string_view text) {
  return minify(parse(text)->root());
}

std::string canonical_of(std::string_view text) {
  return canonical(parse(text)->root());
}

// ---- writing ----

TEST(JsonWriter, PutsCommasAndQuotes) {
  std::string out;
  Writer writer(out);
  writer.begin_object()
      .member("text", "a\"b")
      .member("string", std::string("x"))
      .member("int", -1)
      .member("big", std::numeric_limits<std::uint64_t>::max())
      .member("yes", true)
      .member("real", 0.1)
      .member("whole", 2.0)
      .member("absent", std::optional<int>())
      .member("time", Time{})
      .name("list")
      .begin_array()
      .value(1)
      .null()
      .begin_object()
      .end_object()
      .raw("{\"r\":1}")
      .begin_array()
      .end_array()
      .end_array()
      .end_object();
  EXPECT_EQ(out, R"({"text":"a\"b","string":"x","int":-1,"big":18446744073709551615,"yes":true,)"
                 R"("real":0.1,"whole":2.0,"absent":null,"time":"1970-01-01T00:00:00.000Z",)"
                 R"("list":[1,null,{},{"r":1},[]]})");
}

TEST(JsonWriter, EscapesEveryPlaceOfEveryLength) {
  for (std::size_t size = 0; size < 40; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (const char c : {'"', '\\', '\n', '\x1f', '\0', '\x7f'}) {
        std::string text(size, '~');
        text[at] = c;
        ASSERT_EQ(parse(quote(text))->root().as_string(), text);
      }
    }
  }
  EXPECT_EQ(quote(std::string_view("\b\f\n\r\t\0\x1f /\x7f\xe2\x82\xac", 13)),
            "\"\\b\\f\\n\\r\\t\\u0000\\u001f /\x7f\xe2\x82\xac\"");
}

TEST(JsonMinify, KeepsOrderAndNumbers) {
  EXPECT_EQ(minified(" { \"b\" : 1.0 , \"a\" : [ 1e2 , -0.0, 1E-7, 123456789012345678 ] } "),
            R"({"b":1.0,"a":[100.0,-0.0,1e-7,123456789012345678]})");
}

std::string random_text(std::mt19937& random) {
  static constexpr std::string_view pieces[] = {"a",  "\"",   "\\", "\n", "€",
                                                "😀", "\x01", "~/", "\0"};
  std::string text;
  for (auto i = random() % 6; i > 0; --i) text += pieces[random() % std::size(pieces)];
  return text;
}

void write_random(Writer& writer, std::mt19937& random, int depth) {
  switch (random() % (depth > 5 ? 5 : 7)) {
    case 0:
      writer.null();
      return;
    case 1:
      writer.value(random() % 2 == 0);
      return;
    case 2:
      writer.value((std::uint64_t{random()} << 32 | random()) >> (random() % 64));
      return;
    case 3: {
      const auto real = std::bit_cast<double>(std::uint64_t{random()} << 32 | random());
      writer.value(std::isfinite(real) ? real : 0.5);
      return;
    }
    case 4:
      writer.value(random_text(random));
      return;
    case 5:
      writer.begin_array();
      for (auto i = random() % 5; i > 0; --i) write_random(writer, random, depth + 1);
      writer.end_array();
      return;
    default:
      writer.begin_object();
      for (auto i = random() % 20; i > 0; --i) {
        write_random(writer.name(std::to_string(i) + random_text(random)), random, depth + 1);
      }
      writer.end_object();
  }
}

TEST(JsonMinify, IsReadAsTheSame) {
  for (unsigned seed = 0; seed < 2'000; ++seed) {
    std::mt19937 random(seed);
    std::string text;
    Writer writer(text);
    write_random(writer, random, 0);
    const auto document = parse(text);
    ASSERT_TRUE(document) << seed << ' ' << text;
    ASSERT_EQ(minify(document->root()), text) << seed;
    const auto again = parse(canonical(document->root()));
    ASSERT_TRUE(again) << seed;
    ASSERT_EQ(canonical(again->root()), canonical(document->root())) << seed;
  }
}

// ---- RFC 8785 ----

TEST(JsonCanonical, IsTheExampleOfTheRfc) {
  EXPECT_EQ(canonical_of(R"({
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    "literals": [null, true, false] })"),
            R"({"literals":[null,true,false],)"
            R"("numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],)"
            "\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
}

TEST(JsonCanonical, SortsByUtf16) {
  const auto document = parse(canonical_of(R"({
    "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
    "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control",
    "\u00f6": "Latin Small Letter O With Diaeresis" })"));
  std::vector<std::string> order;
  for (const auto [name, value] : document->root().members())
    order.emplace_back(*value.as_string());
  EXPECT_EQ(order, (std::vector<std::string>{
                       "Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis",
                       "Euro Sign", "Emoji: Grinning Face", "Hebrew Letter Dalet With Dagesh"}));
  EXPECT_EQ(canonical_of(R"({"aa":1,"a":2,"":3})"), R"({"":3,"a":2,"aa":1})");
}

TEST(JsonCanonical, WritesTheNumbersOfAppendixB) {
  const std::pair<std::uint64_t, std::string_view> numbers[] = {
      {0x0000000000000000, "0"},
      {0x8000000000000000, "0"},
      {0x0000000000000001, "5e-324"},
      {0x8000000000000001, "-5e-324"},
      {0x7fefffffffffffff, "1.7976931348623157e+308"},
      {0xffefffffffffffff, "-1.7976931348623157e+308"},
      {0x4340000000000000, "9007199254740992"},
      {0xc340000000000000, "-9007199254740992"},
      {0x4430000000000000, "295147905179352830000"},
      {0x44b52d02c7e14af5, "9.999999999999997e+22"},
      {0x44b52d02c7e14af6, "1e+23"},
      {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
      {0x444b1ae4d6e2ef4e, "999999999999999700000"},
      {0x444b1ae4d6e2ef4f, "999999999999999900000"},
      {0x444b1ae4d6e2ef50, "1e+21"},
      {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
      {0x3eb0c6f7a0b5ed8d, "0.000001"},
      {0x41b3de4355555553, "333333333.3333332"},
      {0x41b3de4355555554, "333333333.33333325"},
      {0x41b3de4355555555, "333333333.3333333"},
      {0x41b3de4355555556, "333333333.3333334"},
      {0x41b3de4355555557, "333333333.33333343"},
      {0xbecbf647612f3696, "-0.0000033333333333333333"},
      {0x43143ff3c1cb0959, "1424953923781206.2"},
  };
  for (const auto& [bits, text] : numbers) {
    std::string written;
    Writer(written).value(std::bit_cast<double>(bits));
    EXPECT_EQ(canonical_of(written), text);
  }
  EXPECT_EQ(canonical_of("[10, 1.5e1, 100]"), "[10,15,100]");
}

// ---- RFC 7396 and 6901 ----

TEST(JsonMergePatch, IsTheTableOfTheRfc) {
  const std::array<std::string_view, 3> rows[] = {
      {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
      {R"({"a":"b"})", R"({"a":null})", R"({})"},
      {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
      {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
      {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
      {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
      {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
      {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
      {R"({"a":"foo"})", R"(null)", R"(null)"},
      {R"({"a":"foo"})", R"("bar")", R"("bar")"},
      {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
      {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
      {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
  };
  for (const auto& [target, patch, result] : rows) {
    EXPECT_EQ(merge_patch(parse(target)->root(), parse(patch)->root()), result) << target << patch;
  }
  EXPECT_EQ(merge_patch(std::nullopt, parse(R"({"a":1,"b":null})")->root()), R"({"a":1})");
}

TEST(JsonMergePatch, OfLargeObjectsIsTheSameAndFast) {
  std::string target = "{";
  std::string patch = "{";
  std::string result = "{";
  constexpr int count = 50'000;
  for (int i = 0; i < count; ++i) {
    const char* comma = i + 1 < count ? "," : "}";
    target += fmt::format("\"m{}\":1{}", i, comma);
    patch += fmt::format("\"m{}\":2{}", count - 1 - i, comma);
    result += fmt::format("\"m{}\":2{}", i, comma);
  }
  EXPECT_EQ(merge_patch(parse(target)->root(), parse(patch)->root()), result);
  EXPECT_FALSE(parse(target)->root() == parse(patch)->root());
}

TEST(JsonPointer, IsThatOfTheRfc) {
  const auto document = parse(R"({"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,)"
                              R"("i\\j":5,"k\"l":6," ":7,"m~n":8})");
  const auto at = [&](std::string_view pointer) {
    const auto found = resolve(document->root(), pointer);
    return found ? minify(*found) : std::string("nothing");
  };
  EXPECT_EQ(at(""), minify(document->root()));
  const std::pair<std::string_view, std::string_view> examples[] = {
      {"/foo", R"(["bar","baz"])"},
      {"/foo/0", R"("bar")"},
      {"/foo/1", R"("baz")"},
      {"/", "0"},
      {"/a~1b", "1"},
      {"/c%d", "2"},
      {"/e^f", "3"},
      {"/g|h", "4"},
      {"/i\\j", "5"},
      {"/k\"l", "6"},
      {"/ ", "7"},
      {"/m~0n", "8"},
  };
  for (const auto& [pointer, value] : examples) EXPECT_EQ(at(pointer), value) << pointer;
  for (const std::string_view pointer :
       {"foo", "/foo/2", "/foo/-", "/foo/00", "/foo/+1", "/foo/1e0", "/foo/", "/foo/0/x", "/bar",
        "/m~n", "/m~2n", "/m~", "//", "/foo/18446744073709551616"}) {
    EXPECT_EQ(at(pointer), "nothing") << pointer;
  }
  EXPECT_EQ(pointer_escape("a/b~c"), "a~1b~0c");
}

}  // namespace
}  // namespace schemas::json
