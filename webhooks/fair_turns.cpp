#include "webhooks/fair_turns.h"

#include <algorithm>

#include "webhooks/outlet.h"

namespace webhooks {

void FairTurns::add(const schemas::OrganizationId& organization, std::shared_ptr<Outlet> outlet) {
  if (outlet->set_waiting(true)) return;
  auto& waiting = waiting_[organization];
  if (waiting.empty()) organizations_.push_back(organization);
  const auto priority = static_cast<std::size_t>(outlet->setup().priority);
  waiting.lines[priority].push_back(std::move(outlet));
}

bool FairTurns::Waiting::empty() const {
  return std::ranges::all_of(lines, [](const auto& line) { return line.empty(); });
}

/// Smooth weighted round robin (nginx, 2012): each that waits gains its share, who has most has the
/// turn and pays for all.
std::shared_ptr<Outlet> FairTurns::Waiting::next() {
  constexpr std::array shares{1, 2, 4};  // low, normal, high
  int paid = 0;
  std::size_t most = lines.size();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty()) continue;
    credit[i] += shares[i];
    paid += shares[i];
    if (most == lines.size() || credit[i] > credit[most]) most = i;
  }
  credit[most] -= paid;
  auto outlet = std::move(lines[most].front());
  lines[most].pop_front();
  return outlet;
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
