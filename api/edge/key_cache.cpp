#include "api/edge/key_cache.h"

#include <cstring>

namespace api::edge {

/// A digest is as good as random: its first bytes will do.
std::size_t KeyCache::Hash::operator()(const schemas::Digest& digest) const {
  std::size_t hash = 0;
  std::memcpy(&hash, digest.data(), sizeof hash);
  return hash;
}

std::optional<KeyCache::Entry> KeyCache::find(const schemas::Digest& digest) const {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(digest);
  return found == entries_.end() ? std::nullopt : std::optional(found->second);
}

void KeyCache::put(const schemas::Digest& digest, Entry entry) {
  std::lock_guard lock(mutex_);
  // Full: begin anew. What is in use comes back by itself.
  if (entries_.size() >= entries_max) entries_.clear();
  entries_.insert_or_assign(digest, std::move(entry));
}

}  // namespace api::edge
