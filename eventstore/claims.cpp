#include "eventstore/claims.h"

#include <algorithm>

#include "schemas/batch.h"
#include "schemas/controls.h"
#include "schemas/crypto.h"
#include "schemas/planted.h"

namespace eventstore {

std::string_view to_text(Verdict verdict) {
  switch (verdict) {
    case Verdict::events:
      return "events";
    case Verdict::control:
      return "control";
    case Verdict::claim:
      return "claim";
    case Verdict::void_claim:
      return "void-claim";
    case Verdict::void_epoch:
      return "void-epoch";
    case Verdict::void_sequence:
      return "void-sequence";
    case Verdict::fork:
      return "fork";
    case Verdict::malformed:
      return "malformed";
  }
  return "";
}

namespace {

Verdict apply_claim(PartitionState& state, Offset offset, const RecordHead& head, Bytes payload) {
  if (head.epoch != state.epoch) return Verdict::void_claim;
  auto control = schemas::read_control(payload);
  const auto* claim = control ? std::get_if<schemas::Claim>(&*control) : nullptr;
  if (claim == nullptr) return Verdict::malformed;
  // Its writer may not have seen the last records of the epoch that it ends: what it says of the
  // chain is no promise. Only where records were lost nobody knows better.
  if (state.lost()) state.chain = head.chain;
  state.epoch = {static_cast<std::int64_t>(offset), claim->nonce};
  state.sequence = 0;
  return Verdict::claim;
}

}  // namespace

Verdict PartitionState::apply(Offset offset, const RecordHead& head, Bytes payload, Trust trust) {
  next_offset = offset + 1;
  if (head.kind == RecordKind::claim) return apply_claim(*this, offset, head, payload);
  if (head.epoch != epoch) return Verdict::void_epoch;
  if (head.sequence != sequence || lost()) return Verdict::void_sequence;
  if (head.kind != RecordKind::events) {
    if (head.chain != chain) return Verdict::fork;
    ++sequence;
    return Verdict::control;
  }
  const bool follows = trust == Trust::own || head.chain == next_chain(chain, payload);
  if (!follows && !planted(schemas::Fault::ignore_chain)) return Verdict::fork;
  auto batch = trust == Trust::own ? std::optional(schemas::BatchView::trusted(payload))
                                   : schemas::BatchView::verify(payload);
  if (!batch) return Verdict::malformed;
  last_offset = static_cast<std::int64_t>(offset);
  last_epoch = epoch;
  last_sequence = sequence++;
  chain = head.chain;
  recorded = std::max(recorded, batch->recorded());
  return Verdict::events;
}

Position PartitionState::position(LogId log) const {
  return {log, last_offset, Position::whole_record, last_epoch, last_sequence, chain};
}

ClaimRecord make_claim(const PartitionState& state, std::uint64_t nonce, std::string_view process) {
  auto built = schemas::build_control(schemas::Claim{nonce, std::string(process)});
  ClaimRecord claim;
  claim.payload = Payload(built.owner, built.bytes);
  claim.head = {.length = static_cast<std::uint32_t>(built.bytes.size()),
                .kind = RecordKind::claim,
                .epoch = state.epoch,
                .sequence = 0,
                .chain = state.chain,
                .payload_crc = schemas::crc32c(built.bytes)};
  return claim;
}

}  // namespace eventstore
