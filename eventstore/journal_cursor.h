#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "eventstore/journal_frames.h"
#include "eventstore/journal_health.h"
#include "eventstore/journal_index.h"
#include "eventstore/journal_partitions.h"
#include "eventstore/log.h"

namespace eventstore::journal {

/// What readers share with the journal, which outlives them.
struct ReadSide {
  SegmentFolder& folder;
  Partitions& partitions;
  Index& index;
  Health& health;
  std::uint32_t seed;
  const std::atomic<std::uint64_t>& durable_end;
  const std::vector<Range>& losses;    // accepted: they are jumped over
  const std::vector<Damage>& damages;  // found while opening

  std::optional<std::uint64_t> behind_unread(std::uint64_t position) const {
    return journal::behind_unread(losses, damages, position);
  }
};

/// One pass over the journal that picks the records of some partitions.
///
/// Where a record cannot be read, the partitions whose it may have been are in doubt until their
/// next record or a closing table shows whether an offset is missing. One that is damaged stops:
/// `next` says so once, in an error, and goes on with the others when it is called again.
class JournalCursor final : public Cursor {
 public:
  static schemas::Result<std::unique_ptr<Cursor>> open(ReadSide side,
                                                       const std::vector<ReadFrom>& from);

  schemas::Result<std::optional<StoredRecord>> next() override;
  std::optional<LogId> stopped() const override { return stopped_; }

 private:
  struct Wanted {
    LogId log;
    Offset from;
    std::uint64_t first_position;    // nothing of it is looked at before
    std::optional<Offset> expected;  // at the next record; empty when not known yet
    bool after_loss = false;
    std::optional<Damage> doubt;
  };
  enum class Pick { give, give_after_loss, skip, not_yet };

  explicit JournalCursor(ReadSide side) : side_(side), reader_(side.folder, side.seed) {}
  schemas::Result<void> add(const ReadFrom& from);
  Wanted* wanted(LogId log);
  schemas::Result<Pick> pick(const GoodFrame& good, Wanted& wanted);
  schemas::Result<void> jump_over(const BadPlace& bad);
  void settle_doubts(const GoodFrame& closing);
  schemas::Result<void> look_for_stopped();
  std::unexpected<schemas::Error> stop(Wanted& wanted, schemas::Error error);

  const ReadSide side_;
  JournalReader reader_;
  std::vector<std::unique_ptr<Wanted>> all_;
  std::vector<std::vector<Wanted*>> by_place_;  // topic, partition
  std::uint64_t limit_ = 0;
  std::optional<LogId> stopped_;
};

/// What cannot be read at a bad place before the durable end. Tells the journal's health.
schemas::Result<Damage> report_damage(const ReadSide& side, const BadPlace& bad);

}  // namespace eventstore::journal
