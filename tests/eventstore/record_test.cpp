// Goal: the 56 bytes of a record head are fixed for ever, and a damaged one is never believed.
// Method: the bytes by hand; every single-bit flip.

#include "eventstore/record.h"

#include <gtest/gtest.h>

#include "schemas/crypto.h"

namespace eventstore {
namespace {

using HeadBytes = std::array<std::uint8_t, RecordHead::size_bytes>;

RecordHead sample() {
  RecordHead head{.length = 0x01020304,
                  .kind = RecordKind::control,
                  .epoch = {0x1112131415161718, 0x2122232425262728},
                  .sequence = 0x3132333435363738,
                  .payload_crc = 0x51525354};
  for (std::size_t i = 0; i < head.chain.size(); ++i) {
    head.chain[i] = static_cast<std::uint8_t>(0x40 + i);
  }
  return head;
}

HeadBytes encoded(const RecordHead& head) {
  HeadBytes bytes;
  head.encode(bytes);
  return bytes;
}

TEST(RecordHead, ItsBytesAreTheseForEver) {
  const HeadBytes expected{
      0x04, 0x03, 0x02, 0x01,                          // length
      0x04,                                            // kind
      0x01,                                            // format
      0x00, 0x00,                                      // zero
      0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,  // epoch: offset
      0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21,  // epoch: nonce
      0x38, 0x37, 0x36, 0x35, 0x34, 0x33, 0x32, 0x31,  // sequence
      0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47,  // chain
      0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f,  //
      0x54, 0x53, 0x52, 0x51,                          // payload CRC
      0xbe, 0xba, 0x0b, 0x6d,                          // CRC32C of all before it
  };
  EXPECT_EQ(encoded(sample()), expected);
  const auto head = RecordHead::decode(expected);
  ASSERT_TRUE(head);
  EXPECT_EQ(encoded(*head), expected);
  EXPECT_EQ(head->epoch, sample().epoch);
  EXPECT_EQ(head->chain, sample().chain);
  EXPECT_EQ(head->kind, RecordKind::control);
}

TEST(RecordHead, ThePlaceBeforeTheFirstClaimSurvives) {
  RecordHead head{.kind = RecordKind::claim, .epoch = Epoch{}};
  EXPECT_EQ(RecordHead::decode(encoded(head))->epoch, (Epoch{-1, 0}));
}

TEST(RecordHead, NoFlippedBitIsBelieved) {
  auto bytes = encoded(sample());
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
    EXPECT_FALSE(RecordHead::decode(bytes)) << "bit " << bit;
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
  }
  EXPECT_FALSE(RecordHead::decode(HeadBytes{})) << "zeros are no head";
}

TEST(RecordHead, AKindOrFormatOfALaterVersionIsRefusedEvenWithAGoodCrc) {
  for (auto [at, value] : std::initializer_list<std::pair<std::size_t, std::uint8_t>>{
           {4, 0}, {4, 5}, {4, 255}, {5, 0}, {5, 2}}) {
    auto bytes = encoded(sample());
    bytes[at] = value;
    const auto crc = schemas::crc32c(std::span(bytes).first(52));
    std::memcpy(bytes.data() + 52, &crc, sizeof crc);
    EXPECT_FALSE(RecordHead::decode(bytes)) << at << " " << int{value};
  }
}

TEST(RecordHead, APayloadMatchesByLengthAndCrc) {
  const std::string_view text = "payload";
  auto bytes = schemas::bytes_of(text);
  RecordHead head{.length = 7, .payload_crc = schemas::crc32c(bytes)};
  EXPECT_TRUE(head.payload_matches(bytes));
  EXPECT_FALSE(head.payload_matches(bytes.first(6)));
  EXPECT_FALSE(head.payload_matches(schemas::bytes_of("Payload")));
  head.length = 8;
  EXPECT_FALSE(head.payload_matches(bytes));
}

TEST(Payload, ACopyIsItsOwnAndAligned) {
  for (std::size_t size : {0u, 1u, 7u, 8u, 9u, 4096u}) {
    std::vector<std::uint8_t> bytes(size, 42);
    const auto copy = Payload::copy(bytes);
    bytes.assign(size, 0);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(copy.bytes().data()) % 8, 0u);
    EXPECT_EQ(std::ranges::count(copy.bytes(), 42), static_cast<long>(size));
  }
}

TEST(Chain, IsTheFirstHalfOfSha256OverTheOneBeforeAndTheBatch) {
  // python3 -c 'import hashlib; print(hashlib.sha256(bytes(16)+b"batch").hexdigest()[:32])'
  const Chain first{0x84, 0xf5, 0x9d, 0xec, 0x80, 0x26, 0xad, 0xb3,
                    0xf1, 0x0f, 0x66, 0x0b, 0x2a, 0xa5, 0x56, 0xdb};
  const auto batch = schemas::bytes_of("batch");
  EXPECT_EQ(next_chain(Chain{}, batch), first);
  EXPECT_NE(next_chain(first, batch), first);
}

}  // namespace
}  // namespace eventstore
