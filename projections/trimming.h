#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "eventstore/log.h"
#include "projections/declared_indexes.h"
#include "projections/reader.h"

/// Bounded history: of a declared kind whose manifest says how much history to keep, older history
/// rows lose their state. Their heads stay: where each event stands and which version it made.
///
/// An event carries the bounds of its manifest version, so trimming is a fold of one entity's own
/// events, whatever the order in which partitions are folded: when an event is folded, what its
/// entity has beyond the bounds is trimmed. As of a moment before that, one entity is folded anew
/// from its events; lists are not (`kept_from`).
namespace projections {

/// What one record may trim, about; what is left is trimmed with the next ones.
struct TrimAllowance {
  std::size_t rows = 1'000;
  std::size_t bytes = std::size_t{4} << 20;  // of states
};
/// A bound on versions lets a row stay for so long after it was the newest, so that a list's pages
/// go on while entities change; not longer than a bound on age.
inline constexpr std::chrono::seconds pages_go_on_for{15 * 60};

struct Trimming {
  const RowReader& rows;  // with the newest history row of the entity
  KindScope scope;
  const Entity& entity;
  Version newest;
  Time recorded;  // of the newest
  schemas::Bounds bounds;
  const std::vector<Index>* indexes;  // of the kind, or null
};
void trim_history(const Trimming& trimming, TrimAllowance& left, WriteSet& changes);

/// From which offset on lists of this kind can be read as of; 0 when nothing is trimmed.
Offset kept_from(const RowReader& rows, const KindScope& scope);

/// What a row may take to be folded anew.
struct RestoreLimits {
  std::size_t events = 100'000;
  std::size_t bytes = std::size_t{256} << 20;  // parsed
  std::chrono::seconds time{2};
};
/// The row of a moment whose state is trimmed, whole: folded from the entity's events. Reads the
/// log, and so blocks; what would take more than it may is history_trimmed.
schemas::Result<std::string> restore(const RowReader& rows, eventstore::Log& log, LogId id,
                                     const KindScope& scope, const Entity& entity,
                                     const std::string& trimmed, const RestoreLimits& limits = {});

}  // namespace projections
