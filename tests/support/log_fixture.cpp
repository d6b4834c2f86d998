#include "tests/support/log_fixture.h"

#include <chrono>

#include "schemas/batch.h"
#include "schemas/crypto.h"

namespace eventstore {

namespace {

constexpr auto patience = std::chrono::seconds(10);

std::uint32_t length_of(const Payload& payload) {
  return static_cast<std::uint32_t>(payload.bytes().size());
}

}  // namespace

void Witness::on_durable(Group group) {
  const std::lock_guard lock(mutex_);
  records_.insert(records_.end(), group->begin(), group->end());
  group_sizes_.push_back(group->size());
  told_.notify_all();
}

void Witness::on_failure(AppendFailure failure) {
  const std::lock_guard lock(mutex_);
  failures_.push_back(std::move(failure));
  told_.notify_all();
}

bool Witness::wait_for_records(std::size_t count) {
  std::unique_lock lock(mutex_);
  return told_.wait_for(lock, patience, [&] { return records_.size() >= count; });
}

bool Witness::wait_for_failures(std::size_t count) {
  std::unique_lock lock(mutex_);
  return told_.wait_for(lock, patience, [&] { return failures_.size() >= count; });
}

std::vector<StoredRecord> Witness::records() const {
  const std::lock_guard lock(mutex_);
  return records_;
}

std::vector<std::size_t> Witness::group_sizes() const {
  const std::lock_guard lock(mutex_);
  return group_sizes_;
}

std::vector<AppendFailure> Witness::failures() const {
  const std::lock_guard lock(mutex_);
  return failures_;
}

Append PartitionWriter::finish(RecordKind kind, Payload payload) {
  const auto bytes = payload.bytes();
  RecordHead head{.length = length_of(payload),
                  .kind = kind,
                  .epoch = state_.epoch,
                  .sequence = state_.sequence,
                  .chain = state_.chain,
                  .payload_crc = schemas::crc32c(bytes)};
  if (kind == RecordKind::events) head.chain = next_chain(state_.chain, bytes);
  const Offset offset = state_.next_offset;
  state_.apply(offset, head, bytes);
  return {log_, offset, head, std::move(payload)};
}

Append PartitionWriter::claim(std::uint64_t nonce) {
  auto claim = make_claim(state_, nonce, "test");
  const Offset offset = state_.next_offset;
  state_.apply(offset, claim.head, claim.payload.bytes());
  return {log_, offset, claim.head, std::move(claim.payload)};
}

Append PartitionWriter::noop(std::string_view payload) {
  return finish(RecordKind::noop, Payload::copy(schemas::bytes_of(payload)));
}

Append PartitionWriter::events(std::string_view text) {
  using namespace schemas;
  const Uuid id = make_uuid(Time{std::chrono::milliseconds(1)});
  const BatchHead head{.organization = OrganizationId(id),
                       .recorded = state_.recorded + std::chrono::milliseconds(1),
                       .command = CommandId(id)};
  const EventDraft draft{.id = EventId(id),
                         .type = "test.happened",
                         .kind = "test",
                         .entity = {{}, "it"},
                         .version = Version{1},
                         .occurred = head.recorded,
                         .data = Json{text}};
  auto built = build_batch(head, {&draft, 1});
  return finish(RecordKind::events, Payload(built.owner, built.bytes));
}

Append PartitionWriter::zombie(std::string_view payload) {
  auto bytes = Payload::copy(schemas::bytes_of(payload));
  const RecordHead head{.length = length_of(bytes),
                        .kind = RecordKind::noop,
                        .epoch = {-1, 42},
                        .payload_crc = schemas::crc32c(bytes.bytes())};
  const Offset offset = state_.next_offset;
  state_.apply(offset, head, bytes.bytes());
  return {log_, offset, head, std::move(bytes)};
}

std::string text_of_payload(const StoredRecord& record) {
  return std::string(schemas::text_of(record.payload.bytes()));
}

schemas::Result<std::vector<StoredRecord>> read_all(Log& log, std::vector<ReadFrom> from) {
  auto cursor = log.read(std::move(from));
  if (!cursor) return schemas::fail(std::move(cursor).error());
  std::vector<StoredRecord> records;
  while (true) {
    auto record = (*cursor)->next();
    if (!record) return schemas::fail(std::move(record).error());
    if (!*record) return records;
    (*record)->payload = Payload::copy((*record)->payload.bytes());
    records.push_back(std::move(**record));
  }
}

}  // namespace eventstore
