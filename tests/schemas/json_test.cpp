// Goal: exactly the JSON of RFC 8259 without its ambiguities is read, and a refusal says where and
// why. Method: JSONTestSuite, and borders.

#include "schemas/json.h"

#include <filesystem>
#include <fstream>
#include <limits>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "schemas/json_fault.h"

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

}  // namespace
}  // namespace schemas::json
