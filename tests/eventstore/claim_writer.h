#pragma once

#include <string_view>

#include "eventstore/claims.h"
#include "schemas/batch.h"
#include "schemas/controls.h"
#include "schemas/crypto.h"

/// Writers of one partition who each believe something and write what follows from it.
namespace eventstore {

struct Sent {
  RecordHead head;
  Payload payload;
};

inline Payload batch_of(std::string_view text, std::int64_t recorded = 1) {
  using namespace schemas;
  const Uuid id{{1}};
  const EventDraft draft{.id = EventId(id),
                         .type = "test.happened",
                         .kind = "test",
                         .entity = {{}, "it"},
                         .version = Version{1},
                         .data = Json{text}};
  auto built = build_batch({.organization = OrganizationId(id),
                            .recorded = Time{std::chrono::milliseconds{recorded}},
                            .command = CommandId(id)},
                           {&draft, 1});
  return {built.owner, built.bytes};
}

/// A process that writes what follows from what it believes.
class Writer {
 public:
  void believe(const PartitionState& state) { state_ = state; }
  Sent claim(std::uint64_t nonce) {
    auto claim = make_claim(state_, nonce, "test");
    return send({claim.head, std::move(claim.payload)});
  }
  Sent events(std::string_view text, std::int64_t recorded = 1) {
    auto payload = batch_of(text, recorded);
    return send({head(RecordKind::events, payload, next_chain(state_.chain, payload.bytes())),
                 std::move(payload)});
  }
  Sent noop() { return send({head(RecordKind::noop, {}, state_.chain), {}}); }
  Sent control() {
    auto built = schemas::build_control(schemas::TopicAdded{TopicId{1}, "t"});
    Payload payload(built.owner, built.bytes);
    return send({head(RecordKind::control, payload, state_.chain), std::move(payload)});
  }
  /// Where its next record would stand, if the log agrees.
  void stands_at(Offset offset) { state_.next_offset = offset; }

 private:
  RecordHead head(RecordKind kind, const Payload& payload, const Chain& chain) const {
    return {.length = static_cast<std::uint32_t>(payload.bytes().size()),
            .kind = kind,
            .epoch = state_.epoch,
            .sequence = state_.sequence,
            .chain = chain,
            .payload_crc = schemas::crc32c(payload.bytes())};
  }
  Sent send(Sent sent) {
    state_.apply(state_.next_offset, sent.head, sent.payload.bytes());
    return sent;
  }
  PartitionState state_;
};

}  // namespace eventstore
