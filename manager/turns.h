#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>

#include "eventstore/clock.h"
#include "schemas/ids.h"

namespace manager {

/// What waits for its turn on the core thread, in two lines:
///
///     lines of bulk requests ──►  a slice of time each, in turn   ──► decide
///     all else               ──►  refused when they wait too long ──► decide
///
/// In each line organizations are served in turn, a command each, and of one organization the
/// oldest first: a flood of one delays the others by as many commands as there are floods. Nor does
/// a bulk request, whose own window bounds what it has waiting, hold up anybody for longer than a
/// slice.
///
/// More commands of an organization than can be decided are refused early instead of all being
/// answered late. This is controlled delay (K. Nichols and V. Jacobson, "Controlling Queue Delay",
/// ACM Queue 10(5), 2012; a queue for each flow: RFC 8290; for servers B. Maurer, "Fail at Scale",
/// ACM Queue 13(8), 2015), with a count added: many clients that wait for their answers, each with
/// a heavy command, are no overload.
///
/// - An organization sheds when its waits were over `delay` for all of `patience` and it has over
///   `many` waiting. What waited over `delay` is refused then, while it has over `some` waiting.
/// - That ends with a wait under half of `delay`, or under half of `some` waiting.
/// - Many organizations are as much as one: one that has at least half of its fair share of all
///   that waits answers for all of it, as if it were its own. One that has little waiting does not.
///
/// `Item` has `since`, `organization` and `bulk`. For one thread.
template <typename Item>
class Turns {
 public:
  using Time = eventstore::MonotonicTime;
  using Duration = Time::duration;
  static constexpr std::size_t many = 256;
  static constexpr std::size_t some = 64;
  static constexpr Duration delay = std::chrono::milliseconds(25);
  static constexpr Duration patience = std::chrono::milliseconds(100);
  static constexpr Duration slice = std::chrono::milliseconds(4);

  void add(Item item) { (item.bulk ? bulk_ : single_).add(std::move(item)); }
  bool empty() const { return single_.empty() && bulk_.empty(); }
  /// Whether it refuses those of this organization beyond `some`.
  bool sheds(schemas::OrganizationId organization) const {
    const auto found = single_.queues.find(organization);
    return found != single_.queues.end() && found->second.sheds;
  }

  /// Gives `take` or `refuse` what is next in line, for a slice of each line. `now` is asked again
  /// and again.
  template <typename Now, typename Take, typename Refuse>
  void run(const Now& now, const Take& take, const Refuse& refuse) {
    const auto begun = now();
    for (auto moment = begun; !single_.empty() && moment - begun < slice; moment = now()) {
      const bool late = waits_too_long(single_, moment);
      auto item = single_.pop();
      late ? refuse(std::move(item)) : take(std::move(item));
    }
    const auto bulk_begun = now();
    while (!bulk_.empty() && now() - bulk_begun < slice) take(bulk_.pop());
  }

 private:
  /// Of one organization.
  struct Queue {
    std::list<Item> items;           // oldest first
    std::optional<Time> late_since;  // none has waited shortly since then
    bool sheds = false;
  };
  struct Line {
    std::unordered_map<schemas::OrganizationId, Queue> queues;  // none is empty
    std::deque<schemas::OrganizationId> order;                  // each of them once
    std::size_t waiting = 0;                                    // in all of them

    bool empty() const { return order.empty(); }
    Queue& next() { return queues.at(order.front()); }
    void add(Item item) {
      const auto organization = item.organization;
      auto& items = queues[organization].items;
      if (items.empty()) order.push_back(organization);
      items.push_back(std::move(item));
      ++waiting;
    }
    Item pop() {
      const auto organization = order.front();
      order.pop_front();
      const auto found = queues.find(organization);
      auto& items = found->second.items;
      auto item = std::move(items.front());
      items.pop_front();
      --waiting;
      if (items.empty()) {
        queues.erase(found);
      } else {
        order.push_back(organization);
      }
      return item;
    }
  };

  /// What is next in the line.
  static bool waits_too_long(Line& line, Time now) {
    auto& queue = line.next();
    const auto waited = now - queue.items.front().since;
    const auto own = queue.items.size();
    const auto waiting = own * 2 * line.queues.size() < line.waiting ? own : line.waiting;
    if (waited <= delay / 2 || waiting < some / 2) {
      queue.late_since.reset();
      queue.sheds = false;
    }
    if (waited <= delay) return false;
    if (!queue.late_since) queue.late_since = now;
    queue.sheds = queue.sheds || (waiting > many && now - *queue.late_since >= patience);
    return queue.sheds && waiting > some;
  }

  Line single_;
  Line bulk_;
};

}  // namespace manager
