#pragma once

#include "eventstore/journal_cursor.h"

namespace eventstore::journal {

/// Finds a record by hopping over heads: from the index's entry at or before it, or from where the
/// last one was read, when that is nearer.
class JournalRecordReader final : public RecordReader {
 public:
  JournalRecordReader(ReadSide side, LogId log);

  schemas::Result<StoredRecord> read(Offset offset) override;

 private:
  schemas::Result<void> go_near(Offset offset, std::uint64_t limit);
  schemas::Result<std::optional<Frame>> hop_to(Offset offset, std::uint64_t limit);
  std::unexpected<schemas::Error> not_found(Offset offset) const;

  const ReadSide side_;
  const LogId log_;
  JournalReader hops_;
  std::optional<Offset> passed_;  // by hops_, which stands behind this record
};

}  // namespace eventstore::journal
