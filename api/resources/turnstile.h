#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "api/http/coroutine.h"

namespace api::resources {

/// Lets so many coroutines in at a time; the others wait in line, for as long as those inside take:
/// nobody waits for a peer in there. Any thread; it outlives them all.
class Turnstile {
 public:
  explicit Turnstile(std::size_t room) : room_(room) {}

  struct Leave {
    void operator()(Turnstile* turnstile) const { turnstile->leave(); }
  };
  /// Whoever holds it is inside.
  using Inside = std::unique_ptr<Turnstile, Leave>;

  /// Goes on where it was awaited.
  awaitable<Inside> enter();

 private:
  void leave();

  std::mutex mutex_;
  std::size_t room_;
  std::deque<std::move_only_function<void()>> waiting_;
};

}  // namespace api::resources
