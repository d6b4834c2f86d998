#include "api/resources/chunk_cache.h"

#include <algorithm>

namespace api::resources {
namespace {

bool same(const ChunkCache::Key& a, const ChunkCache::Key& b) {
  return a.scope.organization == b.scope.organization && a.scope.space == b.scope.space &&
         a.before.positions == b.before.positions && a.types == b.types && a.where == b.where;
}

}  // namespace

std::shared_ptr<const Chunk> ChunkCache::find(const Key& key) const {
  std::lock_guard lock(mutex_);
  auto found = std::ranges::find_if(entries_, [&](const auto& one) { return same(one.key, key); });
  return found == entries_.end() ? nullptr : found->chunk;
}

void ChunkCache::put(Key key, std::shared_ptr<const Chunk> chunk) {
  const auto bytes = chunk->text.size();
  if (bytes == 0 || bytes > text_bytes_max) return;
  std::lock_guard lock(mutex_);
  while (entries_.size() == entries_max || text_bytes_ + bytes > text_bytes_max) {
    text_bytes_ -= entries_.front().chunk->text.size();
    entries_.pop_front();
  }
  text_bytes_ += bytes;
  entries_.push_back({std::move(key), std::move(chunk)});
}

}  // namespace api::resources
