// Goal: hashes, checksums and ciphers are the standard ones, and strict readers refuse what is not
// exactly theirs. Method: published vectors (FIPS 180-4, RFC 4231, RFC 3720, RFC 4648, the GCM
// specification), and simple slow versions of the same thing.

#include "schemas/crypto.h"

#include <concepts>
#include <random>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

namespace schemas {
namespace {

std::string hex(Bytes bytes) {
  return fmt::format("{:02x}", fmt::join(bytes, ""));
}

std::vector<std::uint8_t> from_hex(std::string_view text) {
  std::vector<std::uint8_t> bytes;
  for (; text.size() >= 2; text.remove_prefix(2)) {
    bytes.push_back(
        static_cast<std::uint8_t>(std::stoul(std::string(text.substr(0, 2)), nullptr, 16)));
  }
  return bytes;
}

std::vector<std::uint8_t> some_bytes(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::uint8_t> bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

TEST(Sha256, HasThePublishedDigests) {
  EXPECT_EQ(hex(sha256(bytes_of(""))),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256(bytes_of("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256(bytes_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hex(sha256(bytes_of(std::string(1'000'000, 'a')))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, OfTwoPartsIsThatOfTheWhole) {
  const auto whole = some_bytes(200, 1);
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    const Bytes bytes(whole);
    EXPECT_EQ(sha256(bytes.first(cut), bytes.subspan(cut)), sha256(bytes)) << cut;
  }
}

TEST(Hmac, HasTheDigestsOfRfc4231) {
  const std::string aa(131, '\xaa');
  const std::string key4 =
      "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11"
      "\x12\x13\x14\x15\x16\x17\x18\x19";
  EXPECT_EQ(hex(hmac_sha256(bytes_of(std::string(20, '\x0b')), bytes_of("Hi There"))),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hex(hmac_sha256(bytes_of("Jefe"), bytes_of("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex(hmac_sha256(bytes_of(aa.substr(0, 20)), bytes_of(std::string(50, '\xdd')))),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  EXPECT_EQ(hex(hmac_sha256(bytes_of(key4), bytes_of(std::string(50, '\xcd')))),
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
  EXPECT_EQ(hex(hmac_sha256(bytes_of(aa), bytes_of("Test Using Larger Than Block-Size Key - "
                                                   "Hash Key First"))),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Hmac, APreparedKeySignsAgainAndAgain) {
  const HmacKey key(bytes_of("Jefe"));
  const Digest first = key.sign(bytes_of("what do ya want for nothing?"));
  key.sign(bytes_of("something else"));
  EXPECT_EQ(key.sign(bytes_of("what do ya want for nothing?")), first);
}

std::uint32_t bitwise_crc(Bytes bytes, std::uint32_t polynomial) {
  std::uint32_t crc = ~0u;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ polynomial : crc >> 1;
  }
  return ~crc;
}

TEST(Crc32c, HasTheValuesOfRfc3720) {
  std::vector<std::uint8_t> rising(32);
  for (std::size_t i = 0; i < rising.size(); ++i) rising[i] = static_cast<std::uint8_t>(i);
  const std::vector<std::uint8_t> falling(rising.rbegin(), rising.rend());
  EXPECT_EQ(crc32c(std::vector<std::uint8_t>(32, 0x00)), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::vector<std::uint8_t>(32, 0xff)), 0x62a8ab43u);
  EXPECT_EQ(crc32c(rising), 0x46dd794eu);
  EXPECT_EQ(crc32c(falling), 0x113fdb5cu);
  EXPECT_EQ(crc32c(bytes_of("123456789")), 0xe3069283u);
  EXPECT_EQ(crc32c({}), 0u);
}

TEST(Crc32c, AtEveryLengthIsThatOfTheDefinition) {
  const auto bytes = some_bytes(20'000, 2);
  for (std::size_t size = 0; size < bytes.size(); size += size < 800 ? 1 : 997) {
    const auto part = Bytes(bytes).subspan(bytes.size() - size);
    ASSERT_EQ(crc32c(part), bitwise_crc(part, 0x82f63b78)) << size;
  }
}

TEST(Crc32c, GoesOnFromASeed) {
  const auto bytes = some_bytes(5'000, 3);
  for (const std::size_t cut : {0, 1, 7, 191, 192, 193, 3'000, 5'000}) {
    const Bytes whole(bytes);
    EXPECT_EQ(crc32c(whole.subspan(cut), crc32c(whole.first(cut))), crc32c(whole)) << cut;
  }
}

TEST(Crc32, IsThatOfZip) {
  EXPECT_EQ(crc32(bytes_of("123456789")), 0xcbf43926u);
  EXPECT_EQ(crc32(some_bytes(300, 4)), bitwise_crc(some_bytes(300, 4), 0xedb88320));
}

TEST(RandomBytes, FillsAll) {
  std::vector<std::uint8_t> bytes(100'000);
  random_bytes(bytes);
  std::array<std::size_t, 256> counts{};
  for (const std::uint8_t byte : bytes) ++counts[byte];
  for (const std::size_t count : counts) EXPECT_GT(count, 200u);
}

TEST(ConstantTimeEqual, ComparesAll) {
  EXPECT_TRUE(constant_time_equal(bytes_of("abc"), bytes_of("abc")));
  EXPECT_TRUE(constant_time_equal({}, {}));
  EXPECT_FALSE(constant_time_equal(bytes_of("abc"), bytes_of("abd")));
  EXPECT_FALSE(constant_time_equal(bytes_of("abc"), bytes_of("ab")));
}

class Sealing : public testing::Test {
 protected:
  SealingKey sealing_key() const {
    return {std::span<const std::uint8_t, 32>(key_), std::span<const std::uint8_t, 12>(nonce_)};
  }
  std::vector<std::uint8_t> key_ =
      from_hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  std::vector<std::uint8_t> nonce_ = from_hex("cafebabefacedbaddecaf888");
  std::vector<std::uint8_t> associated_ = from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  std::vector<std::uint8_t> plain_ = from_hex(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
};

TEST_F(Sealing, IsTestCase16OfTheGcmSpecification) {
  EXPECT_EQ(hex(aes_256_gcm_seal(sealing_key(), associated_, plain_)),
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
            "76fc6ece0f4e1768cddf8853bb2d551b");
}

TEST_F(Sealing, OpensWhatItSealed) {
  const auto opened = aes_256_gcm_open(sealing_key(), associated_,
                                       aes_256_gcm_seal(sealing_key(), associated_, plain_));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->reveal(), text_of(plain_));
  EXPECT_EQ(aes_256_gcm_open(sealing_key(), {}, aes_256_gcm_seal(sealing_key(), {}, {}))->reveal(),
            "");
}

TEST_F(Sealing, NoticesEveryFlippedBitAndEveryCut) {
  const auto sealed = aes_256_gcm_seal(sealing_key(), associated_, plain_);
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    auto flipped = sealed;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    EXPECT_FALSE(aes_256_gcm_open(sealing_key(), associated_, flipped)) << bit;
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_FALSE(aes_256_gcm_open(sealing_key(), associated_, Bytes(sealed).first(size))) << size;
  }
  EXPECT_FALSE(aes_256_gcm_open(sealing_key(), {}, sealed));
  key_[31] ^= 1;
  EXPECT_FALSE(aes_256_gcm_open(sealing_key(), associated_, sealed));
}

TEST(Base64Url, HasTheTextsOfRfc4648) {
  const std::pair<std::string_view, std::string_view> examples[] = {
      {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"}};
  for (const auto& [bytes, text] : examples) {
    EXPECT_EQ(base64url(bytes_of(bytes)), text);
    EXPECT_EQ(text_of(parse_base64url(text).value()), bytes);
  }
}

TEST(Base64Url, RefusesWhatEncodingNeverGives) {
  for (const std::string_view text : {"Z", "Zg=", "Zg==", "Zh", "Zm9", "Zm+v", "Zm/v", "Zm9v\n",
                                      " Zg", "Zm9vY", "Z\xc3\xa4g", "Zm 9v"}) {
    EXPECT_EQ(parse_base64url(text), std::nullopt) << text;
  }
}

TEST(Base64Url, HasOneTextPerBytes) {
  for (std::size_t size = 0; size < 70; ++size) {
    const auto bytes = some_bytes(size, static_cast<unsigned>(size));
    EXPECT_EQ(parse_base64url(base64url(bytes)), bytes);
  }
}

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };
static_assert(!Printable<Secret>);
static_assert(Printable<std::string>);
static_assert(!fmt::is_formattable<Secret>::value);
static_assert(!std::copyable<Secret> && std::movable<Secret>);
static_assert(!std::convertible_to<Secret, std::string_view>);
static_assert(!std::equality_comparable<Secret>);

TEST(SecretText, IsShownOnlyWhenRevealed) {
  Secret secret("hunter2");
  Secret moved = std::move(secret);
  EXPECT_EQ(moved.reveal(), "hunter2");
  moved = Secret("other");
  EXPECT_EQ(moved.clone().reveal(), "other");
}

}  // namespace
}  // namespace schemas
