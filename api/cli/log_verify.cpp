#include "api/cli/log_verify.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "schemas/batch.h"
#include "schemas/crypto.h"
#include "schemas/time.h"

namespace api::cli {

using eventstore::Verdict;

std::uint64_t LogCheck::Counts::total() const {
  std::uint64_t sum = 0;
  for (const auto& [verdict, count] : records) sum += count;
  return sum;
}

std::uint64_t LogCheck::Counts::voids() const {
  std::uint64_t sum = 0;
  for (const auto& [verdict, count] : records) sum += is_void(verdict) ? count : 0;
  return sum;
}

void LogCheck::take(const ScannedRecord& record) {
  ++counts_.records[record.verdict];
  counts_.partitions.insert(record.frame.log);
  counts_.topics.insert(record.topic);
  if (record.after_loss) lossy_.insert(record.frame.log);
  if (!record.known && lossy_.empty())
    fault(record, "no record of tm.log before it names this topic or partition");
  if (!record.after_loss && record.frame.offset != record.before.next_offset) {
    fault(record, fmt::format("offset {} was expected", record.before.next_offset));
  }
  if (record.verdict == Verdict::fork) fault(record, "its chain does not follow: a fork");
  if (record.verdict == Verdict::malformed) fault(record, "its payload cannot be read");
  if (record.verdict == Verdict::events) take_batch(record);
}

void LogCheck::take_batch(const ScannedRecord& record) {
  const auto batch = schemas::BatchView::trusted(record.payload);
  counts_.events += batch.event_count();
  if (batch.recorded() < record.before.recorded) {
    fault(record, fmt::format("it was accepted at {}, before the record in front of it",
                              schemas::to_text(batch.recorded())));
  }
  if (versions_ == Versions::skip) return;
  for (std::uint32_t index = 0; index < batch.event_count(); ++index) {
    const auto event = batch.event(index);
    const auto entity = event.entity();
    const auto name =
        fmt::format("{}\n{}{}{}\n{}{}", record.topic, batch.organization().uuid().view(),
                    to_text(batch.space()), event.kind(), entity.id.view(), entity.name);
    const auto digest = schemas::sha256(schemas::bytes_of(name));
    Key key;
    std::copy_n(digest.begin(), key.size(), key.begin());
    auto& reached = reached_[key];
    if (event.version() != next(reached) && !lossy_.contains(record.frame.log)) {
      fault(record, fmt::format("event {} of {} {} has version {}, {} was expected", index,
                                event.kind(), schemas::entity_text(event.kind(), entity),
                                to_number(event.version()), to_number(next(reached))));
    }
    reached = event.version();
    // The same event may be delivered anew, by an endpoint that begins again.
    if (event.type() == "delivery.forgotten") reached_.erase(key);
  }
}

std::size_t LogCheck::Hash::operator()(const Key& key) const {
  std::size_t start = 0;
  std::memcpy(&start, key.data(), sizeof start);
  return start;
}

void LogCheck::fault(const ScannedRecord& record, std::string_view what) {
  faults_.add(fmt::format("{} partition {} offset {} (position {}): {}", record.topic,
                          record.frame.log.partition, record.frame.offset, record.frame.position,
                          what));
}

}  // namespace api::cli
