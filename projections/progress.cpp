#include "projections/progress.h"

#include <algorithm>

namespace projections {

eventstore::PartitionState Progress::applied(LogId log) const {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(log);
  return found == entries_.end() ? eventstore::PartitionState{} : found->second.state;
}

schemas::Offset Progress::applied_end(LogId log) const {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(log);
  return found == entries_.end() ? 0 : found->second.state.next_offset;
}

std::optional<schemas::Check> Progress::check_at(LogId log, std::int64_t offset) const {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(log);
  if (found == entries_.end()) return std::nullopt;
  const auto& recent = found->second.recent;
  auto at = std::ranges::lower_bound(recent, offset, {}, &Recent::offset);
  if (at == recent.end() || at->offset != offset) return std::nullopt;
  return at->check;
}

Progress::Waiting Progress::wait(LogId log, schemas::Offset end, Reached reached) {
  std::lock_guard lock(mutex_);
  auto& entry = entries_[log];
  if (entry.state.next_offset >= end) return 0;
  entry.waiters.push_back({++waited_, end, std::move(reached)});
  return waited_;
}

void Progress::forget(LogId log, Waiting waiting) {
  std::lock_guard lock(mutex_);
  std::erase_if(entries_[log].waiters, [&](const Waiter& w) { return w.id == waiting; });
}

std::vector<Frozen> Progress::frozen() const {
  std::lock_guard lock(mutex_);
  return frozen_;
}
std::optional<Frozen> Progress::frozen(const FrozenScope& scope) const {
  std::lock_guard lock(mutex_);
  auto found = std::ranges::find(frozen_, scope, &Frozen::scope);
  return found == frozen_.end() ? std::nullopt : std::optional(*found);
}
void Progress::set_frozen(std::vector<Frozen> frozen) {
  std::lock_guard lock(mutex_);
  frozen_ = std::move(frozen);
}

void Progress::advance(LogId log, const eventstore::PartitionState& state,
                       std::span<const schemas::Position> accepted) {
  // Every request takes the lock, so digests are made before it, of those that are kept.
  std::vector<Recent> newest;
  for (const auto& position : accepted.last(std::min(accepted.size(), recent_max))) {
    newest.push_back({position.offset, schemas::check_of(position)});
  }
  std::vector<Waiter> due;
  {
    std::lock_guard lock(mutex_);
    auto& entry = entries_[log];
    // Rows that are folded again after a full disk were all shown before.
    if (state.next_offset < entry.state.next_offset) return;
    for (const auto& recent : newest) {
      if (recent.offset < static_cast<std::int64_t>(entry.state.next_offset)) continue;
      entry.recent.push_back(recent);
      if (entry.recent.size() > recent_max) entry.recent.pop_front();
    }
    entry.state = state;
    auto behind = std::partition(entry.waiters.begin(), entry.waiters.end(),
                                 [&](const Waiter& w) { return w.end > state.next_offset; });
    due.assign(std::make_move_iterator(behind), std::make_move_iterator(entry.waiters.end()));
    entry.waiters.erase(behind, entry.waiters.end());
  }
  for (auto& waiter : due) waiter.reached();
}

}  // namespace projections
