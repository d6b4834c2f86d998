#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "api/http/coroutine.h"
#include "schemas/ids.h"

namespace api::resources {

/// Lets so many coroutines in at a time, `each` of one organization; the others wait in line, for
/// as long as those inside take: nobody waits for a peer in there. Of an organization the first
/// goes first, and organizations go in turn, so a crowd of one holds up the others by as many as
/// there are crowds. Any thread; it outlives them all.
class Turnstile {
 public:
  struct Room {
    std::size_t all;
    std::size_t each;
  };
  explicit Turnstile(Room room) : room_(room) {}

  struct Leave {
    schemas::OrganizationId organization;
    void operator()(Turnstile* turnstile) const { turnstile->leave(organization); }
  };
  /// Whoever holds it is inside.
  using Inside = std::unique_ptr<Turnstile, Leave>;

  /// Goes on where it was awaited.
  awaitable<Inside> enter(schemas::OrganizationId organization);

  /// Lets go of those in line: they end with the contexts that they ran on, which stand still by
  /// now and still live. Nobody enters any more.
  void close();

 private:
  using GoOn = std::move_only_function<void()>;
  struct Queue {
    std::deque<GoOn> waiting;
    std::size_t inside = 0;
  };

  void leave(schemas::OrganizationId organization);
  GoOn take_next();

  std::mutex mutex_;
  Room room_;                                                  // `all`: what is left of it
  std::unordered_map<schemas::OrganizationId, Queue> queues_;  // none is idle
  std::deque<schemas::OrganizationId> order_;  // those with somebody waiting, each of them once
};

}  // namespace api::resources
