#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "eventstore/record.h"

/// Who may write a partition, and which records count: one rule for every reader.
///
///     offset   0          1        2        3              4         5              6
///     record   claim n=7  events   events   claim n=9      events    events         events
///     epoch    (-1,0)     (0,7)    (0,7)    (0,7)          (0,7)     (3,9)          (3,9)
///     seq                 0        1                       2         0              2
///     verdict  claim      counts   counts   claim          void:     counts         void: sequence
///                                           → epoch (3,9)  epoch                    (1 is missing)
///
/// A claim whose predecessor is not the current epoch is void. A record whose epoch is not current
/// or whose sequence is not the next is void, so a zombie's late record, a hole or a double write
/// is harmless by definition. A record that counts but whose chain does not follow is a fork: stop.
/// A claim may be written while the epoch that it ends goes on: where it lands is not where its
/// writer stood, so the chain in its head binds nobody.
namespace eventstore {

enum class Verdict : std::uint8_t {
  events,         // counts: fold it
  control,        // counts: no-op or control record
  claim,          // counts: a new epoch begins
  void_claim,     // names a predecessor that is not current
  void_epoch,     // written under an epoch that is not current
  void_sequence,  // a hole before it, or a second copy
  fork,           // decided on another state than the one before it
  malformed,      // a claim that cannot be read
};
inline constexpr std::size_t verdict_count = 8;
inline constexpr std::array void_verdicts{Verdict::void_claim, Verdict::void_epoch,
                                          Verdict::void_sequence};
std::string_view to_text(Verdict verdict);
constexpr bool is_void(Verdict verdict) {
  return verdict == Verdict::void_claim || verdict == Verdict::void_epoch ||
         verdict == Verdict::void_sequence;
}

/// What a reader believes about one partition after some prefix of it. A value; no thread of its
/// own.
struct PartitionState {
  Offset next_offset = 0;
  Epoch epoch;
  std::uint64_t sequence = 0;  // the next one expected
  Chain chain{};
  schemas::Time recorded{};  // of the last record that counted; never falls

  /// The last record that counted as events: where a mark stands.
  std::int64_t last_offset = -1;
  Epoch last_epoch;
  std::uint64_t last_sequence = 0;

  /// Judges the record at `offset` and moves on over it; offsets may have gaps (fillers), never go
  /// back.
  Verdict apply(Offset offset, const RecordHead& head, Bytes payload) {
    return apply(offset, head, payload, Trust::none);
  }
  /// For records that this process built and sent itself: chain and FlatBuffers are not checked
  /// again.
  Verdict apply_own(Offset offset, const RecordHead& head, Bytes payload) {
    return apply(offset, head, payload, Trust::own);
  }

  /// A record is missing here for good, and an operator accepted that (StoredRecord::after_loss).
  /// What its epoch goes on with is void, because it was decided on the missing record; the next
  /// claim is believed about the chain. Whoever owns the partition claims it anew.
  void lose() { sequence = lost_sequence; }
  bool lost() const { return sequence == lost_sequence; }

  /// The place of the last event record, whole.
  Position position(LogId log) const;

  friend bool operator==(const PartitionState&, const PartitionState&) = default;

 private:
  enum class Trust : std::uint8_t { none, own };
  static constexpr std::uint64_t lost_sequence = ~std::uint64_t{0};
  Verdict apply(Offset offset, const RecordHead& head, Bytes payload, Trust trust);
};

/// A claim record for `nonce` on top of `state`: head and payload, to be appended at
/// state.next_offset.
struct ClaimRecord {
  RecordHead head;
  Payload payload;
};
ClaimRecord make_claim(const PartitionState& state, std::uint64_t nonce, std::string_view process);

}  // namespace eventstore
