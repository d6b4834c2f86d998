// Goal: a sealed value is a text that reads back, other texts are not taken for one; a document is
// rewritten where asked and nowhere else. Method: by hand.

#include "schemas/sealed_text.h"

#include <gtest/gtest.h>

#include "schemas/json.h"
#include "schemas/json_writer.h"

namespace schemas {
namespace {

TEST(SealedTexts, ReadBack) {
  const std::string bytes("\x00\xff sealed", 9);
  const BlindHash blind{1, 2, 3};
  for (const auto& hash : {std::optional<BlindHash>(), std::optional(blind)}) {
    const auto text = sealed_text(bytes_of(bytes), hash);
    const auto parsed = parse_sealed_text(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(text_of(*parse_base64url(parsed->sealed)), bytes);
    EXPECT_EQ(parsed->blind, hash ? blind_text(*hash) : "");
    EXPECT_TRUE(may_hold_sealed(R"({"a":")" + text + R"("})"));
  }
}

TEST(SealedTexts, AreNotTakenForOthers) {
  for (auto text :
       {"", "sealed", "sealed:", "sealed:2:AAAA", "Sealed:1:AAAA", " sealed:1:AAAA",
        "sealed:1:AAAA:", "sealed:1:AAAA:AAAA", "sealed:1:AAAA:AAAAAAAAAAAAAAAAAAAAAAA"}) {
    EXPECT_FALSE(parse_sealed_text(text)) << text;
  }
  EXPECT_FALSE(may_hold_sealed(R"({"a":"x sealed:1:AAAA"})"));
}

std::string rewritten(std::string_view text, std::string_view at, const std::string& by) {
  return json::rewrite(json::parse(text)->root(),
                       [&](std::string_view pointer, json::Value) -> std::optional<std::string> {
                         return pointer == at ? std::optional(by) : std::nullopt;
                       });
}

TEST(Rewriting, ChangesWhatItIsAskedForAndKeepsTheRest) {
  constexpr std::string_view text = R"({"a/b":[1,{"~":true}],"c":null,"d":[],"e":{"c":2.5}})";
  EXPECT_EQ(rewritten(text, "/nowhere", "0"), text);
  EXPECT_EQ(rewritten(text, "", "0"), "0");
  EXPECT_EQ(rewritten(text, "/c", R"("x")"),
            R"({"a/b":[1,{"~":true}],"c":"x","d":[],"e":{"c":2.5}})");
  EXPECT_EQ(rewritten(text, "/a~1b/1/~0", "[]"),
            R"({"a/b":[1,{"~":[]}],"c":null,"d":[],"e":{"c":2.5}})");
  EXPECT_EQ(rewritten(text, "/a~1b/0", "9"),
            R"({"a/b":[9,{"~":true}],"c":null,"d":[],"e":{"c":2.5}})");
  EXPECT_EQ(rewritten(text, "/e", "1"), R"({"a/b":[1,{"~":true}],"c":null,"d":[],"e":1})");
}

TEST(Rewriting, AsksOuterValuesFirstAndNothingInAChangedOne) {
  std::string asked;
  auto note = [&](std::string_view pointer, json::Value) -> std::optional<std::string> {
    asked += std::string(pointer) + " ";
    return pointer == "/b" ? std::optional<std::string>("0") : std::nullopt;
  };
  json::rewrite(json::parse(R"({"a":[1,2],"b":{"c":3}})")->root(), note);
  EXPECT_EQ(asked, " /a /a/0 /a/1 /b ");
}

}  // namespace
}  // namespace schemas
