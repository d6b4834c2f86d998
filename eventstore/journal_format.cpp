#include "eventstore/journal_format.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <fmt/core.h>

#include "schemas/crypto.h"
#include "schemas/packing.h"

namespace eventstore::journal {

using schemas::get;
using schemas::put;

namespace {

constexpr std::size_t frame_crc_at = 88;
constexpr std::size_t frame_magic_at = 92;

constexpr std::array<std::uint8_t, 8> segment_magic = {'T', 'M', 'J', 'S', 'E', 'G', 'M', 'T'};
constexpr std::size_t header_copy_size = 64;
constexpr std::size_t header_crc_at = header_copy_size - 4;
constexpr std::size_t header_copies_at[] = {0, segment_header_size / 2};

constexpr std::size_t state_size = 96;
static_assert(ClosingTable::size_bytes(1, 0) - ClosingTable::size_bytes(0, 0) == state_size);

void put_epoch(std::uint8_t* at, const Epoch& epoch) {
  put(at, epoch.offset);
  put(at + 8, epoch.nonce);
}

Epoch get_epoch(const std::uint8_t* at) {
  return {get<std::int64_t>(at), get<std::uint64_t>(at + 8)};
}

void put_state(std::uint8_t* at, LogId log, const PartitionState& state) {
  put(at, static_cast<std::uint16_t>(log.topic));
  put(at + 2, log.partition);
  put(at + 8, state.next_offset);
  put_epoch(at + 16, state.epoch);
  put(at + 32, state.sequence);
  std::memcpy(at + 40, state.chain.data(), state.chain.size());
  put(at + 56, static_cast<std::int64_t>(state.recorded.time_since_epoch().count()));
  put(at + 64, state.last_offset);
  put_epoch(at + 72, state.last_epoch);
  put(at + 88, state.last_sequence);
}

std::pair<LogId, PartitionState> get_state(const std::uint8_t* at) {
  const LogId log{TopicId{get<std::uint16_t>(at)}, get<std::uint16_t>(at + 2)};
  PartitionState state;
  state.next_offset = get<Offset>(at + 8);
  state.epoch = get_epoch(at + 16);
  state.sequence = get<std::uint64_t>(at + 32);
  std::memcpy(state.chain.data(), at + 40, state.chain.size());
  state.recorded = schemas::Time{std::chrono::milliseconds(get<std::int64_t>(at + 56))};
  state.last_offset = get<std::int64_t>(at + 64);
  state.last_epoch = get_epoch(at + 72);
  state.last_sequence = get<std::uint64_t>(at + 88);
  return {log, state};
}

std::optional<SegmentHeader> decode_header_copy(const std::uint8_t* at) {
  if (!std::equal(segment_magic.begin(), segment_magic.end(), at)) return std::nullopt;
  if (get<std::uint32_t>(at + header_crc_at) != schemas::crc32c({at, header_crc_at})) {
    return std::nullopt;
  }
  if (get<std::uint32_t>(at + 8) != format_version) return std::nullopt;
  SegmentHeader header{};
  std::memcpy(header.id.data(), at + 12, header.id.size());
  header.base = get<std::uint64_t>(at + 28);
  header.size_bytes = get<std::uint64_t>(at + 36);
  header.previous_base = get<std::uint64_t>(at + 44);
  header.previous_closing = get<std::uint64_t>(at + 52);
  const bool sound = header.base % 8 == 0 && header.base <= position_max &&
                     header.size_bytes > segment_header_size && header.size_bytes <= position_max;
  return sound ? std::optional(header) : std::nullopt;
}

}  // namespace

std::uint64_t Frame::size_bytes() const {
  return frame_size + padded(head.length);
}

std::uint32_t crc_seed(const JournalId& id) {
  return schemas::crc32c(id);
}

void encode(const Frame& frame, std::uint32_t seed, std::span<std::uint8_t, frame_size> out) {
  auto* at = out.data();
  put(at, frame.position);
  put(at + 8, frame.offset);
  put(at + 16, frame.durable_end);
  put(at + 24, static_cast<std::uint16_t>(frame.log.topic));
  put(at + 26, frame.log.partition);
  put(at + 28, frame.open_count);
  frame.head.encode(out.subspan<32, RecordHead::size_bytes>());
  put(at + frame_crc_at, schemas::crc32c(out.first(frame_crc_at), seed));
  std::ranges::copy(frame_magic, at + frame_magic_at);
}

std::optional<Frame> decode_frame(std::span<const std::uint8_t, frame_size> in,
                                  std::uint32_t seed) {
  const auto* at = in.data();
  if (!std::equal(frame_magic.begin(), frame_magic.end(), at + frame_magic_at)) return std::nullopt;
  if (get<std::uint32_t>(at + frame_crc_at) != schemas::crc32c(in.first(frame_crc_at), seed)) {
    return std::nullopt;
  }
  const auto head = RecordHead::decode(in.subspan<32, RecordHead::size_bytes>());
  if (!head || head->length > record_size_max) return std::nullopt;
  const auto position = get<std::uint64_t>(at);
  const auto durable_end = get<std::uint64_t>(at + 16);
  if (position % 8 != 0 || durable_end % 8 != 0 || durable_end > position) return std::nullopt;
  return Frame{.position = position,
               .offset = get<Offset>(at + 8),
               .durable_end = durable_end,
               .log = {TopicId{get<std::uint16_t>(at + 24)}, get<std::uint16_t>(at + 26)},
               .open_count = get<std::uint32_t>(at + 28),
               .head = *head};
}

std::string to_text(const Range& range) {
  return fmt::format("{}..{}", range.from, range.to);
}

std::array<std::uint8_t, 16> encode(const Range& range) {
  std::array<std::uint8_t, 16> bytes;
  put(bytes.data(), range.from);
  put(bytes.data() + 8, range.to);
  return bytes;
}

std::optional<Range> decode_range(Bytes payload) {
  if (payload.size() != 16) return std::nullopt;
  const Range range{get<std::uint64_t>(payload.data()), get<std::uint64_t>(payload.data() + 8)};
  const bool sound = range.from < range.to && range.to <= position_max && range.to % 8 == 0;
  return sound ? std::optional(range) : std::nullopt;
}

std::array<std::uint8_t, segment_header_size> encode(const SegmentHeader& header) {
  std::array<std::uint8_t, segment_header_size> bytes{};
  for (const auto copy : header_copies_at) {
    auto* at = bytes.data() + copy;
    std::ranges::copy(segment_magic, at);
    put(at + 8, format_version);
    std::ranges::copy(header.id, at + 12);
    put(at + 28, header.base);
    put(at + 36, header.size_bytes);
    put(at + 44, header.previous_base);
    put(at + 52, header.previous_closing);
    put(at + header_crc_at, schemas::crc32c({at, header_crc_at}));
  }
  return bytes;
}

std::optional<SegmentHeader> decode_segment_header(Bytes bytes) {
  for (const auto copy : header_copies_at) {
    if (bytes.size() < copy + header_copy_size) continue;
    if (auto header = decode_header_copy(bytes.data() + copy)) return header;
  }
  return std::nullopt;
}

std::vector<std::uint8_t> encode(const ClosingTable& table) {
  std::vector<std::uint8_t> bytes(
      ClosingTable::size_bytes(table.states.size(), table.losses.size()));
  auto* at = bytes.data();
  put(at, table.successor);
  put(at + 8, static_cast<std::uint32_t>(table.states.size()));
  put(at + 12, static_cast<std::uint32_t>(table.losses.size()));
  at += 16;
  for (const auto& [log, state] : table.states) {
    put_state(at, log, state);
    at += state_size;
  }
  for (const auto& range : table.losses) {
    std::ranges::copy(encode(range), at);
    at += 16;
  }
  return bytes;
}

std::optional<ClosingTable> decode_closing_table(Bytes payload) {
  if (payload.size() < 16) return std::nullopt;
  const auto states = get<std::uint32_t>(payload.data() + 8);
  const auto losses = get<std::uint32_t>(payload.data() + 12);
  if (payload.size() != ClosingTable::size_bytes(states, losses)) return std::nullopt;
  ClosingTable table{.successor = get<std::uint64_t>(payload.data()), .states = {}, .losses = {}};
  const auto* at = payload.data() + 16;
  for (std::uint32_t i = 0; i < states; ++i, at += state_size) {
    table.states.insert(table.states.end(), get_state(at));
  }
  for (std::uint32_t i = 0; i < losses; ++i, at += 16) {
    const auto range = decode_range({at, 16});
    if (!range) return std::nullopt;
    table.losses.push_back(*range);
  }
  return table;
}

std::string segment_name(std::uint64_t base) {
  return fmt::format("{:020}", base);
}

std::optional<std::uint64_t> parse_segment_name(std::string_view name) {
  std::uint64_t base = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), base);
  if (name.size() != 20 || error != std::errc() || end != name.data() + name.size()) {
    return std::nullopt;
  }
  return base;
}

}  // namespace eventstore::journal
