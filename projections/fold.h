#pragma once

#include <cstddef>
#include <limits>

#include "projections/declared_indexes.h"
#include "projections/row_keys.h"
#include "projections/rows.h"
#include "schemas/batch.h"
#include "schemas/result.h"

/// The one fold: what a record does to rows. Used for rows, for the overlay that decide sees, for
/// as-of and for rebuilds; pure, in record order, time is the record's.
namespace projections {

using schemas::Time;

struct FoldedRecord {
  LogId log;
  Offset offset;
  schemas::BatchView batch;
  /// Of the record's product, as its newest folded manifest says; null: none.
  const KindIndexes* indexes = nullptr;
};

/// How far a record that is not written yet may go: every event leaves a history row with its
/// entity's whole state, so a small record of many merges into a large state would fold to
/// gigabytes. For deciding only: what is in the log folds without limits, for ever.
struct FoldLimits {
  std::size_t state_bytes = std::numeric_limits<std::size_t>::max();    // of a declared entity
  std::size_t changed_bytes = std::numeric_limits<std::size_t>::max();  // of all history rows
};

/// Adds what the record changes to `changes`, and answers how many bytes of history that is. `rows`
/// shows everything before the record. An error is an event that cannot be applied (it names the
/// event), or record_too_large; `changes` is then as before.
schemas::Result<std::size_t> fold(const RowReader& rows, const FoldedRecord& record,
                                  WriteSet& changes, const FoldLimits& limits = {});

/// What stands of a record whichever way its events fold: its place in the organization's history.
void fold_place(const FoldedRecord& record, WriteSet& changes);

/// The first answer to an idempotency key.
struct FirstAnswer {
  std::uint16_t partition = 0;
  std::uint64_t offset = 0;
  Time recorded;
  schemas::ShortDigest request{};
};
inline constexpr std::chrono::hours idempotency_window{24};
FirstAnswer decode_first_answer(std::string_view row);
std::optional<FirstAnswer> find_first_answer(const RowReader& rows, OrganizationId organization,
                                             Space space, TopicId topic,
                                             const schemas::ShortDigest& key);

}  // namespace projections
