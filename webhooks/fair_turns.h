#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>

#include "schemas/ids.h"
#include "webhooks/priority_lines.h"

namespace webhooks {

class Outlet;

/// Whose turn it is to send: organizations in turn, of each its endpoints in turn, one attempt a
/// turn (deficit round robin, Shreedhar and Varghese 1995, where every attempt costs the same). An
/// organization of a thousand endpoints, or of a million events behind, has the same share as one
/// with a single event. Within one, those of high priority have four turns of seven while all wait,
/// of normal two, of low one. One thread.
class FairTurns {
 public:
  /// It may have something to send; again while it waits changes nothing.
  void add(const schemas::OrganizationId& organization, std::shared_ptr<Outlet> outlet);
  /// Who is next of those organizations that may send, taken out; null: nobody of theirs waits.
  using May = std::function<bool(const schemas::OrganizationId&)>;
  std::shared_ptr<Outlet> next(const May& may);
  bool empty() const { return organizations_.empty(); }

 private:
  std::deque<schemas::OrganizationId> organizations_;
  std::unordered_map<schemas::OrganizationId, PriorityLines<std::shared_ptr<Outlet>>> waiting_;
};

}  // namespace webhooks
