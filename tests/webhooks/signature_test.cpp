#include "webhooks/signature.h"

#include <gtest/gtest.h>

namespace webhooks {
namespace {

// What the libraries of standard-webhooks test themselves with.
TEST(Signature, IsWhatTheStandardsOwnLibrariesGive) {
  const auto secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  ASSERT_TRUE(secret);
  EXPECT_EQ(secret->sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  EXPECT_EQ(secret->text(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
}

TEST(Signature, OneThatIsMadeIsReadAgainAndLikeNoOther) {
  const auto one = SigningSecret::make();
  const auto other = SigningSecret::make();
  EXPECT_NE(one.text(), other.text());
  const auto again = SigningSecret::parse(one.text());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->sign("a", "1", "b"), one.sign("a", "1", "b"));
  EXPECT_NE(one.sign("a", "1", "b"), other.sign("a", "1", "b"));
  EXPECT_NE(one.sign("a", "1", "b"), one.sign("a", "2", "b"));
  EXPECT_NE(one.sign("a", "1", "b"), one.sign("b", "1", "b"));
}

TEST(Signature, WhatIsNoSecretIsNotRepeated) {
  for (const std::string_view wrong :
       {"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_????",
        "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS_"}) {
    const auto refused = SigningSecret::parse(wrong);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().detail,
              "a signing secret is whsec_ and the Base64 of 24 to 64 bytes");
  }
  EXPECT_FALSE(SigningSecret::parse("whsec_" + std::string(88, 'A'))) << "66 bytes";
}

}  // namespace
}  // namespace webhooks
