// Goal: a key's text is what API.md says, and a mistyped one is told from an unknown one.
// Method: made keys, one known key with its check computed by another program, every single
// mistake in it.
#include "api/edge/key_text.h"

#include <gtest/gtest.h>

namespace api::edge {
namespace {

// CRC-32 by Python's zlib.crc32, base 62 by hand.
constexpr std::string_view known = "le_live_AAAAAAAAAAAABBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB29fVDi";

TEST(KeyText, MadeKeysHaveTheFormOfTheirSpace) {
  auto live = make_key_text(schemas::Space::live);
  auto test = make_key_text(schemas::Space::test);
  EXPECT_EQ(live.reveal().size(), 58u);
  EXPECT_TRUE(live.reveal().starts_with("le_live_"));
  EXPECT_TRUE(test.reveal().starts_with("le_test_"));
  EXPECT_TRUE(is_key_text(live.reveal()));
  EXPECT_TRUE(is_key_text(test.reveal()));
  EXPECT_NE(live.reveal(), make_key_text(schemas::Space::live).reveal());
}

TEST(KeyText, TheCheckIsCrc32OfEverythingBeforeIt) {
  EXPECT_TRUE(is_key_text(known));
  EXPECT_EQ(key_hint(known), "le_live_AAAAAAAAAAAA");
  EXPECT_EQ(key_digest(known).size(), 32u);
}

TEST(KeyText, EveryMistypedCharacterIsNoticed) {
  for (std::size_t at = 0; at < known.size(); ++at) {
    std::string mistyped(known);
    mistyped[at] = mistyped[at] == 'x' ? 'y' : 'x';
    EXPECT_FALSE(is_key_text(mistyped)) << at;
  }
  EXPECT_FALSE(is_key_text(known.substr(0, 57)));
  EXPECT_FALSE(is_key_text(std::string(known) + "0"));
  EXPECT_FALSE(is_key_text(""));
}

}  // namespace
}  // namespace api::edge
