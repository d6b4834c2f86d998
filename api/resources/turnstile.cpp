#include "api/resources/turnstile.h"

#include <algorithm>

#include <boost/asio/post.hpp>

namespace api::resources {

awaitable<Turnstile::Inside> Turnstile::enter(schemas::OrganizationId organization) {
  auto start = [this, organization](auto handler) {
    auto back = asio::get_associated_executor(handler);
    GoOn go_on = [handler = std::move(handler), back]() mutable {
      asio::post(back, [handler = std::move(handler)]() mutable { std::move(handler)(); });
    };
    GoOn next;
    {
      std::lock_guard lock(mutex_);
      auto& waiting = queues_[organization].waiting;
      if (waiting.empty()) order_.push_back(organization);
      waiting.push_back(std::move(go_on));
      next = take_next();
    }
    if (next) next();
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(start, asio::use_awaitable);
  co_return Inside(this, Leave{organization});
}

void Turnstile::close() {
  std::unordered_map<schemas::OrganizationId, Queue> dropped;
  std::lock_guard lock(mutex_);
  order_.clear();
  for (auto& [organization, queue] : queues_) dropped[organization].waiting.swap(queue.waiting);
}

/// The place goes to the next in line, or stays free.
void Turnstile::leave(schemas::OrganizationId organization) {
  GoOn next;
  {
    std::lock_guard lock(mutex_);
    ++room_.all;
    const auto queue = queues_.find(organization);
    if (--queue->second.inside == 0 && queue->second.waiting.empty()) queues_.erase(queue);
    next = take_next();
  }
  if (next) next();
}

/// Who may go in now, if anybody may. Looks at few: only so many have `each` inside.
Turnstile::GoOn Turnstile::take_next() {
  if (room_.all == 0) return {};
  const auto one = std::ranges::find_if(
      order_, [&](auto organization) { return queues_.at(organization).inside < room_.each; });
  if (one == order_.end()) return {};
  const auto organization = *one;
  order_.erase(one);
  auto& queue = queues_.at(organization);
  auto next = std::move(queue.waiting.front());
  queue.waiting.pop_front();
  if (!queue.waiting.empty()) order_.push_back(organization);
  --room_.all;
  ++queue.inside;
  return next;
}

}  // namespace api::resources
