#include "tests/support/history.h"

#include "schemas/crypto.h"

namespace projections {
namespace {

using eventstore::Payload;
using eventstore::RecordHead;
using eventstore::RecordKind;
using schemas::BatchView;
using schemas::Time;
using schemas::UnknownEvent;

bool is_unknown(const BatchView& batch, std::uint32_t index) {
  return std::holds_alternative<UnknownEvent>(batch.event(index).data());
}

/// The batch with the type of one event's data made a number that no schema has yet: found as the
/// one byte whose change makes just that event unknown.
std::vector<std::uint8_t> make_unknown(std::vector<std::uint8_t> bytes, std::uint32_t index) {
  constexpr std::uint8_t number_of_no_type = 200;
  for (auto& byte : bytes) {
    const auto before = std::exchange(byte, number_of_no_type);
    auto batch = BatchView::verify(bytes);
    if (batch && batch->event_count() > index && is_unknown(*batch, index)) return bytes;
    byte = before;
  }
  ENSURE(bytes.empty());
  return bytes;
}

}  // namespace

Happened file(std::string name, std::uint64_t version, std::string_view json, schemas::Fold fold) {
  return {"file", {{}, std::move(name)}, version, schemas::Json{json, fold}, "file.happened"};
}
Happened project(const schemas::Uuid& id, std::uint64_t version, EventData data) {
  return {"project", {id, {}}, version, std::move(data)};
}
Happened unknown(std::string kind, Entity entity, std::uint64_t version) {
  return {std::move(kind), std::move(entity), version, UnknownEvent{}, "future.happened"};
}

eventstore::PartitionWriter& History::writer(LogId log) {
  auto [found, is_new] = writers_.try_emplace(log, log);
  if (is_new) store(found->second.claim(1));
  return found->second;
}

void History::store(eventstore::Append append) {
  storage_->add({append.log, append.expected, append.head, std::move(append.payload)});
}

Offset History::add(const Head& head, const std::vector<Happened>& events) {
  auto& to = writer(head.log);
  auto state = to.state();
  const Time recorded = head.recorded != 0 ? Time{std::chrono::milliseconds{head.recorded}}
                                           : state.recorded + std::chrono::milliseconds{1};
  std::vector<schemas::EventDraft> drafts;
  for (const auto& event : events) {
    bool future = std::holds_alternative<UnknownEvent>(event.data);
    drafts.push_back({.id = schemas::EventId(schemas::make_uuid(recorded)),
                      .type = event.type.empty() ? schemas::type_of(event.data) : event.type,
                      .kind = event.kind,
                      .entity = event.entity,
                      .version = Version{event.version},
                      .occurred = recorded,
                      .data = future ? EventData(schemas::Json{"{}"}) : event.data});
  }
  auto built = schemas::build_batch({.organization = head.organization,
                                     .space = head.space,
                                     .recorded = recorded,
                                     .command = schemas::CommandId(schemas::make_uuid(recorded)),
                                     .idempotency = head.idempotency},
                                    drafts);
  std::vector<std::uint8_t> bytes(built.bytes.begin(), built.bytes.end());
  for (std::uint32_t i = 0; i < events.size(); ++i) {
    if (std::holds_alternative<UnknownEvent>(events[i].data)) bytes = make_unknown(bytes, i);
  }
  auto payload = Payload::copy(bytes);
  const RecordHead record{.length = static_cast<std::uint32_t>(bytes.size()),
                          .kind = RecordKind::events,
                          .epoch = state.epoch,
                          .sequence = state.sequence,
                          .chain = eventstore::next_chain(state.chain, payload.bytes()),
                          .payload_crc = schemas::crc32c(payload.bytes())};
  const auto offset = state.next_offset;
  ENSURE(state.apply(offset, record, payload.bytes()) == eventstore::Verdict::events);
  to.set_state(state);
  store({head.log, offset, record, std::move(payload)});
  return offset;
}

void History::claim(LogId log, std::uint64_t nonce) {
  store(writer(log).claim(nonce));
}
void History::noop(LogId log) {
  store(writer(log).noop(""));
}
void History::zombie(LogId log) {
  store(writer(log).zombie("late"));
}

void History::lose_tail(LogId log, Offset from) {
  storage_->lose_tail(log, from);
  if (from == 0) {
    writers_.erase(log);
  } else {
    writers_.at(log).set_state(storage_->state(log));
  }
}

std::unique_ptr<eventstore::MemoryLog> History::open() {
  return std::make_unique<eventstore::MemoryLog>(witness_, eventstore::MemoryLog::Drive::manual,
                                                 storage_);
}

schemas::Result<Projector::CaughtUp> Folded::start(std::uint64_t kept) {
  if (projector_) rows_.crash(kept);
  log_ = history_.open();
  progress_ = std::make_unique<Progress>();
  projector_ = std::make_unique<Projector>(rows_, *progress_);
  return projector_->catch_up(*log_);
}

}  // namespace projections
