// Goal: the bytes on disk are what journal_format.h says, give back what went in, and every changed
// bit of them is noticed. Method: round trips, one frame written out by hand, every flip of each.
#include "eventstore/journal_format.h"

#include <algorithm>
#include <cstring>

#include <gtest/gtest.h>

#include "eventstore/journal_index.h"
#include "schemas/crypto.h"

namespace eventstore::journal {
namespace {

constexpr JournalId id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

Frame some_frame() {
  return {.position = 4096,
          .offset = 77,
          .durable_end = 4088,
          .log = {TopicId{5}, 63},
          .open_count = 3,
          .head = {.length = 13,
                   .kind = RecordKind::noop,
                   .epoch = {70, 0x1122334455667788},
                   .sequence = 6,
                   .chain = {9, 8, 7},
                   .payload_crc = 0xcafe}};
}

std::array<std::uint8_t, frame_size> encoded(const Frame& frame) {
  std::array<std::uint8_t, frame_size> bytes;
  encode(frame, crc_seed(id), bytes);
  return bytes;
}

PartitionState some_state(Offset offset) {
  PartitionState state;
  state.next_offset = offset;
  state.epoch = {5, 6};
  state.sequence = 7;
  state.chain = {1, 2, 3};
  state.recorded = schemas::Time{std::chrono::milliseconds(1234)};
  state.last_offset = 8;
  state.last_epoch = {9, 10};
  state.last_sequence = 11;
  return state;
}

TEST(JournalFormat, a_frame_is_laid_out_as_drawn) {
  const auto bytes = encoded(some_frame());
  const auto u64 = [&](std::size_t at) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, 8);
    return value;
  };
  EXPECT_EQ(u64(0), 4096);
  EXPECT_EQ(u64(8), 77);
  EXPECT_EQ(u64(16), 4088);
  EXPECT_EQ(u64(24), 0x0000'0003'003f'0005);
  EXPECT_EQ(bytes[32], 13);  // the record head's length
  EXPECT_EQ(std::string(bytes.end() - 4, bytes.end()), "TMJ1");
  std::uint32_t crc = 0;
  std::memcpy(&crc, bytes.data() + 88, 4);
  std::vector<std::uint8_t> covered(id.begin(), id.end());
  covered.insert(covered.end(), bytes.begin(), bytes.begin() + 88);
  EXPECT_EQ(crc, schemas::crc32c(covered));
}

TEST(JournalFormat, a_frame_comes_back) {
  const auto frame = decode_frame(encoded(some_frame()), crc_seed(id));
  ASSERT_TRUE(frame);
  EXPECT_EQ(encoded(*frame), encoded(some_frame()));
  EXPECT_EQ(frame->size_bytes(), frame_size + 16);
}

TEST(JournalFormat, every_flipped_bit_of_a_frame_is_noticed) {
  const auto good = encoded(some_frame());
  for (std::size_t bit = 0; bit < 8 * frame_size; ++bit) {
    auto bytes = good;
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    ASSERT_FALSE(decode_frame(bytes, crc_seed(id))) << bit;
  }
}

TEST(JournalFormat, a_frame_that_cannot_be_does_not_count) {
  auto frame = some_frame();
  frame.durable_end = frame.position + 8;
  EXPECT_FALSE(decode_frame(encoded(frame), crc_seed(id)));
  frame = some_frame();
  frame.head.length = record_size_max + 1;
  EXPECT_FALSE(decode_frame(encoded(frame), crc_seed(id)));
  EXPECT_FALSE(decode_frame(encoded(some_frame()), crc_seed({})));
}

TEST(JournalFormat, a_segment_header_comes_back_from_either_copy) {
  const SegmentHeader header{
      .id = id, .base = 64, .size_bytes = 8192, .previous_base = 0, .previous_closing = 8};
  const auto good = encode(header);
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    auto bytes = good;
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    const auto read = decode_segment_header(bytes);
    ASSERT_TRUE(read) << bit;
    ASSERT_EQ(encode(*read), good) << bit;
  }
}

TEST(JournalFormat, a_closing_table_comes_back) {
  ClosingTable table{.successor = 4096, .states = {}, .losses = {{8, 16}, {64, 128}}};
  for (std::uint16_t i = 0; i < 10; ++i) {
    table.states[{TopicId{i}, static_cast<std::uint16_t>(2 * i)}] = some_state(i);
  }
  const auto bytes = encode(table);
  EXPECT_EQ(bytes.size(), ClosingTable::size_bytes(10, 2));
  const auto read = decode_closing_table(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->successor, table.successor);
  EXPECT_EQ(read->states, table.states);
  EXPECT_EQ(read->losses, table.losses);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_closing_table(Bytes(bytes).first(size)));
  }
}

TEST(JournalFormat, segment_names_sort_as_positions_do) {
  EXPECT_EQ(segment_name(0), "00000000000000000000");
  EXPECT_EQ(parse_segment_name(segment_name(position_max)), position_max);
  EXPECT_LT(segment_name(999), segment_name(1000));
  for (const auto* name : {"", "next", "0", "0000000000000000000x", "000000000000000000001"}) {
    EXPECT_FALSE(parse_segment_name(name)) << name;
  }
}

TEST(JournalFormat, an_index_file_comes_back_and_every_flipped_bit_of_it_is_noticed) {
  const LogId a{TopicId{1}, 1};
  const LogId b{TopicId{1}, 2};
  const SegmentIndex index({{b, 0, 64}, {a, 5, 160}, {a, 9, 65'800}});
  const auto bytes = index.encode(crc_seed(id), 64);
  const auto read = SegmentIndex::decode(bytes, crc_seed(id), 64);
  ASSERT_TRUE(read);
  EXPECT_FALSE(read->find(a, 4));
  EXPECT_EQ(read->find(a, 5)->position, 160);
  EXPECT_EQ(read->find(a, 8)->position, 160);
  EXPECT_EQ(read->find(a, 100)->position, 65'800);
  EXPECT_EQ(read->find(b, 3)->position, 64);
  EXPECT_FALSE(read->find({TopicId{1}, 3}, 3));
  EXPECT_FALSE(SegmentIndex::decode(bytes, crc_seed(id), 72));
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    auto flipped = bytes;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    ASSERT_FALSE(SegmentIndex::decode(flipped, crc_seed(id), 64)) << bit;
  }
}

}  // namespace
}  // namespace eventstore::journal
