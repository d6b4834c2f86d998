#include "api/resources/chunk_cache.h"

#include <algorithm>

namespace api::resources {
namespace {

bool same(const ChunkCache::Key& a, const ChunkCache::Key& b) {
  return a.scope.organization == b.scope.organization && a.scope.space == b.scope.space &&
         a.before.positions == b.before.positions && a.types == b.types;
}

}  // namespace

std::shared_ptr<const Chunk> ChunkCache::find(const Key& key) const {
  std::lock_guard lock(mutex_);
  auto found = std::ranges::find_if(entries_, [&](const auto& one) { return same(one.key, key); });
  return found == entries_.end() ? nullptr : found->chunk;
}

void ChunkCache::put(Key key, std::shared_ptr<const Chunk> chunk) {
  if (chunk->text.empty() || chunk->text.size() > text_bytes_max) return;
  std::lock_guard lock(mutex_);
  if (entries_.size() < entries_max) {
    entries_.push_back({std::move(key), std::move(chunk)});
    return;
  }
  entries_[next_] = {std::move(key), std::move(chunk)};
  next_ = (next_ + 1) % entries_max;
}

}  // namespace api::resources
