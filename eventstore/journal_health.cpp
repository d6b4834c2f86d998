#include "eventstore/journal_health.h"

#include <fmt/core.h>

#include "schemas/planted.h"

namespace eventstore::journal {

using schemas::Error;
using schemas::ErrorCode;

namespace {

std::string topic_and_partition(LogId log) {
  return fmt::format("topic {}, partition {}", static_cast<std::uint16_t>(log.topic),
                     log.partition);
}

}  // namespace

void Health::turn_read_only(Error error) {
  if (planted(schemas::Fault::write_after_failed_sync)) return;
  const std::lock_guard lock(mutex_);
  if (!error_) error_ = std::move(error);
  read_only_.store(true, std::memory_order_release);
}

std::optional<Error> Health::reason() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

Error damage_error(const std::string& path, const Damage& damage) {
  const std::string whose = damage.log ? " of " + topic_and_partition(*damage.log) : "";
  return {
      ErrorCode::read_only,
      fmt::format("the journal in {} is damaged: the bytes{} at positions {} cannot be read any "
                  "more, so nothing is written; restore them from a backup, or accept the loss "
                  "with `tidemark log accept-loss {}`",
                  path, whose, to_text(damage.range), to_text(damage.range)),
      {},
      {}};
}

}  // namespace eventstore::journal
