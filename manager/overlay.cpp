#include "manager/overlay.h"

namespace manager {

void Overlay::add(std::uint64_t ticket, const projections::WriteSet& changes) {
  for (const auto& [key, row] : changes) {
    auto [at, is_new] = changes_.try_emplace(key, Change{&row, ticket});
    if (is_new) continue;
    // The key must live as long as the newest record that changed it.
    auto node = changes_.extract(at);
    node.key() = key;
    node.mapped() = {&row, ticket};
    changes_.insert(std::move(node));
  }
}

void Overlay::remove(std::uint64_t ticket, const projections::WriteSet& changes) {
  for (const auto& [key, row] : changes) {
    auto found = changes_.find(key);
    if (found != changes_.end() && found->second.ticket == ticket) changes_.erase(found);
  }
}

}  // namespace manager
