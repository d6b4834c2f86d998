#include <array>
#include <cstring>
#include <nmmintrin.h>

#include "schemas/crypto.h"

#ifndef __SSE4_2__
#error "crc32c needs SSE4.2: build with -march=x86-64-v2 or later"
#endif

namespace schemas {

namespace {

constexpr std::uint32_t castagnoli = 0x82f63b78;  // 0x1EDC6F41 reflected
constexpr std::uint32_t iso_hdlc = 0xedb88320;    // 0x04C11DB7 reflected

/// The product of two polynomials modulo Castagnoli's, bit-reflected: bit 31 is x^0.
constexpr std::uint32_t multiply(std::uint32_t a, std::uint32_t b) {
  std::uint32_t product = 0;
  for (std::uint32_t bit = 1u << 31; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) product ^= b;
    b = (b & 1) != 0 ? (b >> 1) ^ castagnoli : b >> 1;
  }
  return product;
}

/// x^(8 * bytes): what a CRC register is multiplied with by `bytes` zero bytes.
constexpr std::uint32_t zeros_factor(std::size_t bytes) {
  std::uint32_t factor = 1u << 31;
  std::uint32_t square = 1u << 23;  // x^8
  for (std::size_t rest = bytes; rest != 0; rest >>= 1) {
    if ((rest & 1) != 0) factor = multiply(factor, square);
    square = multiply(square, square);
  }
  return factor;
}

using ByteTable = std::array<std::uint32_t, 256>;

/// A register's four bytes, each after `bytes` zero bytes; their xor is the register's.
constexpr std::array<ByteTable, 4> make_zeros_table(std::size_t bytes) {
  const std::uint32_t factor = zeros_factor(bytes);
  std::array<ByteTable, 4> table{};
  for (std::uint32_t place = 0; place < 4; ++place) {
    for (std::uint32_t value = 0; value < 256; ++value) {
      table[place][value] = multiply(factor, value << (8 * place));
    }
  }
  return table;
}

std::uint64_t load(const std::uint8_t* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// Three registers over three neighbouring lanes hide the instruction's latency of three cycles;
/// the first two are then moved over the lanes behind them. (Gopal et al., "Fast CRC Computation
/// for iSCSI Polynomial Using CRC32 Instruction", Intel 2011.)
template <std::size_t lane_size>
std::uint64_t interleaved(std::uint64_t crc, Bytes& bytes) {
  static constexpr auto zeros = make_zeros_table(lane_size);
  const auto move_over_lane = [](std::uint64_t a) {
    return zeros[0][a & 0xff] ^ zeros[1][(a >> 8) & 0xff] ^ zeros[2][(a >> 16) & 0xff] ^
           zeros[3][(a >> 24) & 0xff];
  };
  while (bytes.size() >= 3 * lane_size) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    const std::uint8_t* at = bytes.data();
    for (const std::uint8_t* const end = at + lane_size; at != end; at += 8) {
      crc = _mm_crc32_u64(crc, load(at));
      second = _mm_crc32_u64(second, load(at + lane_size));
      third = _mm_crc32_u64(third, load(at + 2 * lane_size));
    }
    crc = move_over_lane(move_over_lane(crc) ^ second) ^ third;
    bytes = bytes.subspan(3 * lane_size);
  }
  return crc;
}

constexpr ByteTable make_iso_hdlc_table() {
  ByteTable table{};
  for (std::uint32_t value = 0; value < 256; ++value) {
    std::uint32_t crc = value;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ iso_hdlc : crc >> 1;
    table[value] = crc;
  }
  return table;
}

}  // namespace

std::uint32_t crc32c(Bytes bytes, std::uint32_t seed) {
  std::uint64_t crc = ~seed;
  crc = interleaved<2048>(crc, bytes);
  crc = interleaved<64>(crc, bytes);
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) crc = _mm_crc32_u64(crc, load(bytes.data()));
  auto short_crc = static_cast<std::uint32_t>(crc);
  for (const std::uint8_t byte : bytes) short_crc = _mm_crc32_u8(short_crc, byte);
  return ~short_crc;
}

std::uint32_t crc32(Bytes bytes) {
  static constexpr ByteTable table = make_iso_hdlc_table();
  std::uint32_t crc = ~0u;
  for (const std::uint8_t byte : bytes) crc = (crc >> 8) ^ table[(crc ^ byte) & 0xff];
  return ~crc;
}

}  // namespace schemas
