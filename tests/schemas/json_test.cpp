// Goal: exactly the JSON of RFC 8259 without its ambiguities is read, a refusal says where and why,
// and what is written is read as the same. Method: JSONTestSuite, the tables of RFC 8785, 7396 and
// 6901, borders, and random documents.

#include "schemas/json.h"

#include <bit>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "schemas/json_fault.h"
#include "schemas/json_writer.h"

namespace schemas::json {
namespace {

std::string minified(std::string_view text) {
  const auto document = parse(text);
  return document ? minify(document->root()) : "refused: " + document.error().detail;
}

std::string canonical_of(std::string_view text) {
  return canonical(parse(text)->root());
}

std::string fault_of(std::string_view text) {
  const auto document = parse(text);
  return document ? "none" : document.error().detail;
}

std::string nested(std::size_t depth, std::string_view inside) {
  return std::string(depth, '[') + std::string(inside) + std::string(depth, ']');
}

// ---- JSONTestSuite ----

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(JsonTestSuite, IsReadAsItAsks) {
  // The suite allows duplicate members; here they are refused, because two readers of one text must
  // never see two different things.
  const std::set<std::string> duplicates = {"y_object_duplicated_key.json",
                                            "y_object_duplicated_key_and_value.json"};
  std::size_t files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(TEST_DATA "/vectors/json/test_parsing")) {
    const std::string name = entry.path().filename();
    const std::string text = read_file(entry.path());
    const auto document = parse(text);
    ++files;
    EXPECT_EQ(document.has_value(), !check(text).fault.has_value()) << name;
    if (name.starts_with("y_")) {
      EXPECT_EQ(document.has_value(), !duplicates.contains(name)) << name;
    }
    if (name.starts_with("n_")) {
      EXPECT_FALSE(document) << name;
    }
    if (document) {
      EXPECT_EQ(parse(minify(document->root()))->root(), document->root()) << name;
    }
  }
  EXPECT_EQ(files, 318u);
}

// ---- refusals ----

TEST(JsonFault, SaysWhereAndWhat) {
  const std::pair<std::string_view, std::string_view> examples[] = {
      {"", "line 1, column 1: the text ends where a value should stand"},
      {" \n ", "line 2, column 2: the text ends where a value should stand"},
      {"{\"a\":1,\n \"a\":2}",
       "line 2, column 2: this object has a member of the same name already"},
      {R"({"a":1,"\u0061":2})",
       "line 1, column 8: this object has a member of the same name already"},
      {"{\"a\" 1}", "line 1, column 6: a colon should stand here"},
      {"{\"a\":1,}", "line 1, column 8: a member name in quotes should stand here"},
      {"{\"a\":1", "line 1, column 7: a comma or a closing brace should stand here"},
      {"[1 2]", "line 1, column 4: a comma or a closing bracket should stand here"},
      {"[1,]", "line 1, column 4: a value should stand here"},
      {"[1] x", "line 1, column 5: nothing may follow the value"},
      {"\xef\xbb\xbf{}", "line 1, column 1: the text begins with a byte order mark"},
      {"[\"äö\x80\"]", "line 1, column 5: these bytes are not UTF-8"},
      {R"(["\ud83d"])", "line 1, column 3: half of a surrogate pair stands alone"},
      {R"(["\udc00\ud83d"])", "line 1, column 3: half of a surrogate pair stands alone"},
      {R"(["\u12g4"])", "line 1, column 3: \\u must be followed by four hexadecimal digits"},
      {R"(["\x"])", "line 1, column 3: no escape sequence begins like this"},
      {"[\"a\tb\"]", "line 1, column 4: a control character in a string must be escaped"},
      {"[\"a", "line 1, column 4: the text ends inside a string"},
      {"[01]", "line 1, column 3: a comma or a closing bracket should stand here"},
      {"[1.]", "line 1, column 4: a digit should stand here"},
      {"[1e400]",
       "line 1, column 2: this number fits neither 64 bits nor a double; send it as a string"},
      {"18446744073709551616",
       "line 1, column 1: this number fits neither 64 bits nor a double; send it as a string"},
      {"nul", "line 1, column 1: a value should stand here"},
  };
  for (const auto& [text, fault] : examples) EXPECT_EQ(fault_of(text), fault) << text;
}

TEST(JsonFault, IsAnErrorWithLineAndColumn) {
  const auto document = parse("{\n  \"a\": tru\n}");
  ASSERT_FALSE(document);
  EXPECT_EQ(document.error().code, ErrorCode::malformed_json);
  const std::vector<std::pair<std::string, std::string>> members = {{"line", "2"}, {"column", "8"}};
  EXPECT_EQ(document.error().members, members);
}

TEST(JsonDepth, EndsAt64) {
  EXPECT_EQ(fault_of(nested(64, "")), "none");
  EXPECT_EQ(fault_of(nested(64, "1")), "none");
  EXPECT_EQ(fault_of(nested(65, "")),
            "line 1, column 65: arrays and objects may stand at most 64 deep");
  EXPECT_EQ(fault_of(nested(65, "1")), fault_of(nested(65, "")));
  EXPECT_EQ(fault_of(std::string(2'000'000, '[')), fault_of(nested(65, "")));
}

TEST(JsonDuplicates, AreFoundInObjectsOfAnySize) {
  for (const int size : {2, 16, 17, 1000}) {
    std::string text = "{";
    for (int i = 1; i < size; ++i) text += fmt::format("\"m{}\":{},", i, i);
    EXPECT_EQ(fault_of(text + "\"x\":0}"), "none") << size;
    EXPECT_NE(fault_of(text + "\"m1\":0}"), "none") << size;
  }
}

// ---- values ----

TEST(JsonValue, KnowsKindsAndMembersInOrder) {
  const auto document = parse(R"({"b":[1,"zwei",null],"a":{"x":true},"":-2.5})");
  const Value root = document->root();
  std::string names;
  for (const auto [name, value] : root.members())
    names += fmt::format("{}:{};", name, value.size());
  EXPECT_EQ(names, "b:3;a:1;:0;");
  EXPECT_EQ(root.find("a")->find("x")->as_bool(), true);
  EXPECT_EQ(root.find("")->as_double(), -2.5);
  EXPECT_FALSE(root.find("c"));
  std::vector<Kind> kinds;
  for (const Value element : root.find("b")->elements()) kinds.push_back(element.kind());
  EXPECT_EQ(kinds, (std::vector{Kind::integer, Kind::string, Kind::null}));
}

TEST(JsonValue, IsEmptyWhenAskedForWhatItIsNot) {
  const auto document = parse("\"text\"");
  const Value value = document->root();
  EXPECT_FALSE(value.as_int64() || value.as_uint64() || value.as_double() || value.as_bool());
  EXPECT_FALSE(value.find("x"));
  EXPECT_EQ(value.size(), 0u);
  EXPECT_EQ(std::ranges::distance(value.members()) + std::ranges::distance(value.elements()), 0);
}

TEST(JsonValue, KeepsIntegersOf64Bits) {
  const auto of = [](std::string_view text) { return parse(text).value(); };
  EXPECT_EQ(of("-9223372036854775808").root().as_int64(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(of("9223372036854775807").root().as_uint64(), 9223372036854775807u);
  EXPECT_EQ(of("18446744073709551615").root().as_uint64(), 18446744073709551615u);
  EXPECT_FALSE(of("18446744073709551615").root().as_int64());
  EXPECT_FALSE(of("-1").root().as_uint64());
  EXPECT_FALSE(of("1.0").root().as_int64());
  EXPECT_EQ(minified("[-9223372036854775808,18446744073709551615]"),
            "[-9223372036854775808,18446744073709551615]");
}

TEST(JsonValue, HoldsLargerIntegersWhenNoDigitIsLost) {
  EXPECT_EQ(minified("[100000000000000000000,-295147905179352830000,18446744073709552000]"),
            "[100000000000000000000.0,-295147905179352830000.0,18446744073709552000.0]");
  EXPECT_EQ(canonical_of("[100000000000000000000]"), "[100000000000000000000]");
  EXPECT_EQ(minified('1' + std::string(300, '0')), "1e+300");
  for (const std::string& text : {std::string("100000000000000000001"), '1' + std::string(400, '0'),
                                  std::string("-9223372036854775809")}) {
    EXPECT_EQ(minified(text).substr(0, 36), "refused: line 1, column 1: this numb") << text;
  }
}

TEST(JsonValue, OutlivesMoveOfItsDocument) {
  auto first = parse(R"({"a":"some text"})");
  const Value value = *first->root().find("a");
  const Document second = std::move(*first);
  EXPECT_EQ(value.as_string(), "some text");
}

TEST(JsonValue, ComparesAsJsonDoes) {
  const auto equal = [](std::string_view a, std::string_view b) {
    return parse(a)->root() == parse(b)->root();
  };
  EXPECT_TRUE(equal(R"({"a":1,"b":[2,{}]})", R"({"b":[2,{}],"a":1.0})"));
  EXPECT_TRUE(equal("-0.0", "0"));
  EXPECT_FALSE(equal("9007199254740993", "9007199254740992.0"));
  EXPECT_FALSE(equal("18446744073709551615", "18446744073709551616.0"));
  EXPECT_FALSE(equal(R"({"a":1})", R"({"a":1,"b":2})"));
  EXPECT_FALSE(equal(R"({"a":1})", R"({"b":1})"));
  EXPECT_FALSE(equal("[1,2]", "[2,1]"));
  EXPECT_FALSE(equal("true", "false"));
  EXPECT_FALSE(equal("\"a\"", "\"b\""));
  EXPECT_FALSE(equal("null", "0"));
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
