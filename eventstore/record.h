#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "schemas/ids.h"

// clang-format off
/// The record head: 56 bytes that stand before every payload, the same on every backend.
///
///     0        4      5        6      8         16      24         32      48        52     56
///     | length | kind | format | zero | epoch   | nonce | sequence | chain | payload | head |
///     |        |      |        |      | offset  |       |          |       | CRC     | CRC  |
///     | u32    | u8   | u8     | u16  | i64     | u64   | u64      | 16 B  | u32     | u32  |
///
/// All little-endian. `length` counts the payload without padding; the head is followed by the
/// payload at an 8-byte boundary. Both CRCs are CRC32C, unseeded, so that a record can be checked
/// anywhere. For a claim the epoch is that of the claim before it, and the payload names the new
/// nonce.
// clang-format on
namespace eventstore {

using schemas::Chain;
using schemas::Epoch;
using schemas::LogId;
using schemas::Offset;
using schemas::Position;
using schemas::TopicId;
using Bytes = std::span<const std::uint8_t>;

enum class RecordKind : std::uint8_t { events = 1, claim = 2, noop = 3, control = 4 };

struct RecordHead {
  static constexpr std::size_t size_bytes = 56;
  static constexpr std::uint8_t format_version = 1;

  std::uint32_t length = 0;
  RecordKind kind = RecordKind::events;
  Epoch epoch;
  std::uint64_t sequence = 0;
  Chain chain{};  // the value after this record
  std::uint32_t payload_crc = 0;

  void encode(std::span<std::uint8_t, size_bytes> out) const;
  /// Empty when the CRC, the kind or the format do not hold. Does not look at the payload.
  static std::optional<RecordHead> decode(std::span<const std::uint8_t, size_bytes> in);
  bool payload_matches(Bytes payload) const;

  friend bool operator==(const RecordHead&, const RecordHead&) = default;
};

/// What one record may hold at most, head and payload together.
inline constexpr std::size_t record_size_max = 4 * 1024 * 1024;

/// Owned payload bytes, 8-byte aligned, shared between the writer and whoever follows the log.
class Payload {
 public:
  Payload() = default;
  Payload(std::shared_ptr<const void> owner, Bytes bytes)
      : owner_(std::move(owner)), bytes_(bytes) {}
  /// Copies into aligned memory of its own.
  static Payload copy(Bytes bytes);
  Bytes bytes() const { return bytes_; }

 private:
  std::shared_ptr<const void> owner_;
  Bytes bytes_;
};

/// A record at its place. The payload of a record that came from a Cursor is valid until the
/// cursor's next call unless `payload` owns it; `Payload::copy` keeps it.
struct StoredRecord {
  LogId log;
  Offset offset;
  RecordHead head;
  Payload payload;
  /// Between this and the partition's record before it one is missing, and an operator accepted
  /// that: PartitionState::lose() before it is applied.
  bool after_loss = false;
};

/// What stands where there is no record of ours: a void no-op. No claim has its nonce at offset -1,
/// so its epoch is never current.
RecordHead filler_head();

/// chain after `batch` = first 16 bytes of SHA-256(chain before ‖ batch).
Chain next_chain(const Chain& before, Bytes batch);

}  // namespace eventstore
