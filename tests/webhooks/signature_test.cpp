#include "webhooks/signature.h"

#include <vector>

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

constexpr std::string_view pair_text =
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";

// The one fixed v1a vector that is published: svix/svix-webhooks at 4fc0cfb,
// server/svix-server/src/worker.rs, test_asymmetric_key_signing; the public key's text is in
// core/types/mod.rs. The specification's example header shows this signature under another id and
// time, with which it does not verify.
TEST(SigningKey, SignsAsThePublishedVector) {
  const auto key = SigningKey::parse(pair_text);
  ASSERT_TRUE(key) << key.error().detail;
  EXPECT_EQ(key->sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", R"({"test": 2432232314})"),
            "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+"
            "m7TBAg==");
  EXPECT_EQ(key->text(), pair_text);
  EXPECT_EQ(key->public_text(), "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=");
}

// postel-sh/postel at f84e296, compliance/vectors/_keys/ed25519_a.yaml.
TEST(SigningKey, IsReadFromTheSeedAloneToo) {
  const auto key = SigningKey::parse("whsk_zc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc0=");
  ASSERT_TRUE(key) << key.error().detail;
  EXPECT_EQ(key->public_text(), "whpk_/JR3MPSesBQnpm4FBzMpTZ5SDlRceicSWngGNOCGCic=");
  EXPECT_EQ(SigningKey::parse(key->text())->sign("a", "1", "b"), key->sign("a", "1", "b"));
}

TEST(SigningKey, OneThatIsMadeIsReadAgainAndLikeNoOther) {
  const auto one = SigningKey::make();
  const auto other = SigningKey::make();
  EXPECT_NE(one.public_text(), other.public_text());
  const auto again = SigningKey::parse(one.text());
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(again->public_text(), one.public_text());
  EXPECT_EQ(again->sign("a", "1", "b"), one.sign("a", "1", "b"));
  EXPECT_NE(one.sign("a", "1", "b"), other.sign("a", "1", "b"));
}

TEST(SigningKey, WhatIsNoKeyIsNotRepeated) {
  for (const std::string_view wrong :
       {"", "whsk_", "whsk_%", "zc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc0=",
        "whsec_zc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc0=",
        "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",  // a public key
        "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6"
        "Kv"}) {
    const auto refused = SigningKey::parse(wrong);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().detail,
              "a signing key is whsk_ and the Base64 of 64 bytes, an Ed25519 seed and its public "
              "key, or of the seed's 32");
  }
  // Svix's own broken pair: the public half is another's.
  const auto other = SigningKey::parse(
      "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlaaaaaaaaaaAJ6p9lMicMFs6Kvg"
      "==");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().detail, "the signing key's public half does not belong to its seed");
}

TEST(SignatureHeader, HasOneSignatureOfEachSigner) {
  std::vector<Signer> signers;
  for (const std::string_view text :
       {std::string_view("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), pair_text}) {
    auto signer = parse_signer(text);
    ASSERT_TRUE(signer) << signer.error().detail;
    signers.push_back(*std::move(signer));
  }
  EXPECT_EQ(signature_header(signers, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330",
                             R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= "
            "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+"
            "m7TBAg==");
  EXPECT_EQ(signature_header(std::span(signers).first(1), "a", "1", "b"),
            SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")->sign("a", "1", "b"));
  EXPECT_FALSE(parse_signer("hwsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"));
}

}  // namespace
}  // namespace webhooks
