#include "projections/memory_store.h"

#include <algorithm>
#include <utility>

namespace projections {

/// Keeps the versions of its moment from being pruned.
class MemoryStore::Snapshot final : public RowReader {
 public:
  explicit Snapshot(const MemoryStore& store) : store_(store) {
    std::lock_guard lock(store_.mutex_);
    at_ = store_.written_;
    store_.snapshots_.insert(at_);
  }
  ~Snapshot() override {
    std::lock_guard lock(store_.mutex_);
    store_.snapshots_.erase(store_.snapshots_.find(at_));
  }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  std::optional<std::string> get(std::string_view key) const override {
    return store_.get_at(key, at_);
  }
  void scan(std::string_view from, std::string_view to, const Visit& visit) const override {
    ENSURE(!to.empty());
    auto row = store_.first_at(from, true, to, at_);
    while (row && visit(row->key, row->value)) row = store_.first_at(row->key, false, to, at_);
  }
  void scan_back(std::string_view from, std::string_view to, const Visit& visit) const override {
    ENSURE(!to.empty());
    auto row = store_.last_at(from, to, at_);
    while (row && visit(row->key, row->value)) row = store_.last_at(from, row->key, at_);
  }

 private:
  const MemoryStore& store_;  // outlives its snapshots
  std::uint64_t at_ = 0;
};

std::optional<std::string> MemoryStore::get(std::string_view key) const {
  return get_at(key, UINT64_MAX);
}
void MemoryStore::scan(std::string_view from, std::string_view to, const Visit& visit) const {
  Snapshot(*this).scan(from, to, visit);
}
void MemoryStore::scan_back(std::string_view from, std::string_view to, const Visit& visit) const {
  Snapshot(*this).scan_back(from, to, visit);
}
std::unique_ptr<RowReader> MemoryStore::snapshot() const {
  return std::make_unique<Snapshot>(*this);
}

schemas::Result<void> MemoryStore::write(std::span<const WriteSet* const> changes) {
  std::lock_guard lock(mutex_);
  if (broken_ && !holding_) return schemas::fail(*broken_);
  flushed_ = std::max(flushed_, flushing_);
  ++written_;
  for (const auto* set : changes) {
    for (const auto& [key, value] : *set) {
      auto row = rows_.try_emplace(key).first;
      row->second[written_] = value;
      prune(row->second);
      if (row->second.size() == 1 && !value) rows_.erase(row);
    }
  }
  return {};
}

schemas::Result<void> MemoryStore::flush() {
  std::lock_guard lock(mutex_);
  if (broken_) return schemas::fail(*broken_);
  flushed_ = written_;
  return {};
}

void MemoryStore::flush_soon() {
  std::lock_guard lock(mutex_);
  if (!broken_) flushing_ = written_;
}

std::optional<schemas::Error> MemoryStore::broken() const {
  std::lock_guard lock(mutex_);
  return broken_;
}

schemas::Result<void> MemoryStore::hold(const Refold& refold) {
  const auto error = broken();
  ENSURE(error);
  if (error->code != schemas::ErrorCode::disk_full) return schemas::fail(*error);
  forget_unflushed(0);
  holding_ = true;
  auto held = refold();
  holding_ = false;
  return held;
}

schemas::Result<void> MemoryStore::resume(const Refold& refold) {
  {
    std::lock_guard lock(mutex_);
    if (!broken_) return {};
    if (!mended_ || !snapshots_.empty()) return schemas::fail(*broken_);
  }
  crash();
  return refold();
}

void MemoryStore::swap_with(ReadStore& store) {
  auto& other = dynamic_cast<MemoryStore&>(store);
  const std::scoped_lock lock(mutex_, other.mutex_);
  ENSURE(snapshots_.empty() && other.snapshots_.empty());
  std::swap(rows_, other.rows_);
  std::swap(written_, other.written_);
  std::swap(flushing_, other.flushing_);
  std::swap(flushed_, other.flushed_);
  std::swap(broken_, other.broken_);
  std::swap(mended_, other.mended_);
}

bool MemoryStore::is_watched() const {
  std::lock_guard lock(mutex_);
  return !snapshots_.empty();
}

std::uint64_t MemoryStore::unflushed() const {
  std::lock_guard lock(mutex_);
  return written_ - flushed_;
}

void MemoryStore::crash(std::uint64_t kept) {
  forget_unflushed(kept);
  std::lock_guard lock(mutex_);
  broken_.reset();
}

void MemoryStore::forget_unflushed(std::uint64_t kept) {
  std::lock_guard lock(mutex_);
  ENSURE(snapshots_.empty());
  written_ = flushed_ + std::min(written_ - flushed_, kept);
  flushed_ = flushing_ = written_;
  for (auto row = rows_.begin(); row != rows_.end();) {
    auto& versions = row->second;
    versions.erase(versions.upper_bound(written_), versions.end());
    row = versions.empty() ? rows_.erase(row) : std::next(row);
  }
}

void MemoryStore::break_with(schemas::Error error) {
  std::lock_guard lock(mutex_);
  broken_ = std::move(error);
  mended_ = false;
}

void MemoryStore::mend() {
  std::lock_guard lock(mutex_);
  mended_ = true;
}

/// The version that `at` sees, or nullptr.
const std::optional<std::string>* MemoryStore::find(const Versions& versions, std::uint64_t at) {
  auto after = versions.upper_bound(at);
  return after == versions.begin() ? nullptr : &std::prev(after)->second;
}

std::optional<std::string> MemoryStore::get_at(std::string_view key, std::uint64_t at) const {
  std::lock_guard lock(mutex_);
  auto row = rows_.find(key);
  if (row == rows_.end()) return std::nullopt;
  const auto* value = find(row->second, at);
  return value ? *value : std::nullopt;
}

std::optional<MemoryStore::Row> MemoryStore::first_at(std::string_view from, bool inclusive,
                                                      std::string_view to, std::uint64_t at) const {
  std::lock_guard lock(mutex_);
  auto row = inclusive ? rows_.lower_bound(from) : rows_.upper_bound(from);
  for (; row != rows_.end() && row->first < to; ++row) {
    const auto* value = find(row->second, at);
    if (value && *value) return Row{row->first, **value};
  }
  return std::nullopt;
}

std::optional<MemoryStore::Row> MemoryStore::last_at(std::string_view from, std::string_view to,
                                                     std::uint64_t at) const {
  std::lock_guard lock(mutex_);
  for (auto row = rows_.lower_bound(to); row != rows_.begin();) {
    --row;
    if (row->first < from) break;
    const auto* value = find(row->second, at);
    if (value && *value) return Row{row->first, **value};
  }
  return std::nullopt;
}

/// Forgets the versions that nobody can see any more: all older than what the oldest of present,
/// flush and snapshots sees. A crash that keeps part of the tail must still see the versions after
/// the flush.
void MemoryStore::prune(Versions& versions) {
  auto oldest = snapshots_.empty() ? flushed_ : std::min(flushed_, *snapshots_.begin());
  auto after = versions.upper_bound(oldest);
  if (after != versions.begin()) versions.erase(versions.begin(), std::prev(after));
}

}  // namespace projections
