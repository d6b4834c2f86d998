#include "eventstore/record.h"

#include <algorithm>
#include <cstring>

#include "schemas/crypto.h"
#include "schemas/packing.h"

namespace eventstore {
using schemas::get;
using schemas::put;

namespace {

constexpr std::size_t crc_at = RecordHead::size_bytes - 4;

}  // namespace

void RecordHead::encode(std::span<std::uint8_t, size_bytes> out) const {
  auto* p = out.data();
  put(p, length);
  put(p + 4, static_cast<std::uint8_t>(kind));
  put(p + 5, format_version);
  put(p + 6, std::uint16_t{0});
  put(p + 8, epoch.offset);
  put(p + 16, epoch.nonce);
  put(p + 24, sequence);
  std::memcpy(p + 32, chain.data(), chain.size());
  put(p + 48, payload_crc);
  put(p + crc_at, schemas::crc32c(out.first(crc_at)));
}

std::optional<RecordHead> RecordHead::decode(std::span<const std::uint8_t, size_bytes> in) {
  const auto* p = in.data();
  if (get<std::uint32_t>(p + crc_at) != schemas::crc32c(in.first(crc_at))) return std::nullopt;
  if (p[5] != format_version || p[4] < 1 || p[4] > 4) return std::nullopt;
  RecordHead head;
  head.length = get<std::uint32_t>(p);
  head.kind = static_cast<RecordKind>(p[4]);
  head.epoch = {get<std::int64_t>(p + 8), get<std::uint64_t>(p + 16)};
  head.sequence = get<std::uint64_t>(p + 24);
  std::memcpy(head.chain.data(), p + 32, head.chain.size());
  head.payload_crc = get<std::uint32_t>(p + 48);
  return head;
}

bool RecordHead::payload_matches(Bytes payload) const {
  return payload.size() == length && schemas::crc32c(payload) == payload_crc;
}

Payload Payload::copy(Bytes bytes) {
  // operator new[] of uint64_t is 8-byte aligned, as FlatBuffers needs.
  auto memory = std::make_shared<std::uint64_t[]>((bytes.size() + 7) / 8);
  auto* data = reinterpret_cast<std::uint8_t*>(memory.get());
  std::ranges::copy(bytes, data);
  return {std::move(memory), {data, bytes.size()}};
}

RecordHead filler_head() {
  constexpr Epoch nobodys{-1, 0x72656c6c6966};  // "filler"
  return {.kind = RecordKind::noop, .epoch = nobodys, .payload_crc = schemas::crc32c({})};
}

Chain next_chain(const Chain& before, Bytes batch) {
  auto digest = schemas::sha256(before, batch);
  Chain chain;
  std::copy_n(digest.begin(), chain.size(), chain.begin());
  return chain;
}

}  // namespace eventstore
