#include "webhooks/fair_turns.h"

#include <algorithm>

#include "webhooks/outlet.h"

namespace webhooks {

void FairTurns::add(const schemas::OrganizationId& organization, std::shared_ptr<Outlet> outlet) {
  if (outlet->set_waiting(true)) return;
  auto& waiting = waiting_[organization];
  if (waiting.empty()) organizations_.push_back(organization);
  const auto priority = outlet->setup().priority;
  waiting.add(priority, std::move(outlet));
}

std::shared_ptr<Outlet> FairTurns::next(const May& may) {
  const auto found = std::ranges::find_if(organizations_, may);
  if (found == organizations_.end()) return nullptr;
  const auto organization = *found;
  organizations_.erase(found);
  auto& waiting = waiting_.at(organization);
  auto outlet = waiting.next();
  if (waiting.empty()) {
    waiting_.erase(organization);
  } else {
    organizations_.push_back(organization);
  }
  outlet->set_waiting(false);
  return outlet;
}

}  // namespace webhooks
