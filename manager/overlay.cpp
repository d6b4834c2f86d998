#include "manager/overlay.h"

namespace manager {

void Overlay::add(std::uint64_t ticket, const projections::WriteSet& changes) {
  for (const auto& [key, value] : changes) {
    rows_.insert_or_assign(key, value);
    newest_.insert_or_assign(key, ticket);
  }
}

void Overlay::remove(std::uint64_t ticket, const projections::WriteSet& changes) {
  for (const auto& [key, value] : changes) {
    auto found = newest_.find(key);
    if (found == newest_.end() || found->second != ticket) continue;
    newest_.erase(found);
    rows_.erase(key);
  }
}

}  // namespace manager
