#include "webhooks/fair_turns.h"

#include "webhooks/outlet.h"

namespace webhooks {

void FairTurns::add(const schemas::OrganizationId& organization, std::shared_ptr<Outlet> outlet) {
  if (outlet->set_waiting(true)) return;
  auto& line = waiting_[organization];
  if (line.empty()) organizations_.push_back(organization);
  line.push_back(std::move(outlet));
}

std::shared_ptr<Outlet> FairTurns::next() {
  if (organizations_.empty()) return nullptr;
  const auto organization = organizations_.front();
  organizations_.pop_front();
  auto found = waiting_.find(organization);
  auto& line = found->second;
  auto outlet = std::move(line.front());
  line.pop_front();
  if (line.empty()) {
    waiting_.erase(found);
  } else {
    organizations_.push_back(organization);
  }
  outlet->set_waiting(false);
  return outlet;
}

}  // namespace webhooks
