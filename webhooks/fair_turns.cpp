#include "webhooks/fair_turns.h"

#include <algorithm>

#include "webhooks/outlet.h"

namespace webhooks {

void FairTurns::add(const schemas::OrganizationId& organization, std::shared_ptr<Outlet> outlet) {
  if (outlet->set_waiting(true)) return;
  auto& line = waiting_[organization];
  if (line.empty()) organizations_.push_back(organization);
  line.push_back(std::move(outlet));
}

std::shared_ptr<Outlet> FairTurns::next(const May& may) {
  const auto found = std::ranges::find_if(organizations_, may);
  if (found == organizations_.end()) return nullptr;
  const auto organization = *found;
  organizations_.erase(found);
  auto& line = waiting_.at(organization);
  auto outlet = std::move(line.front());
  line.pop_front();
  if (line.empty()) {
    waiting_.erase(organization);
  } else {
    organizations_.push_back(organization);
  }
  outlet->set_waiting(false);
  return outlet;
}

}  // namespace webhooks
