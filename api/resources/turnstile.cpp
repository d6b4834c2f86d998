#include "api/resources/turnstile.h"

#include <boost/asio/post.hpp>

namespace api::resources {

awaitable<Turnstile::Inside> Turnstile::enter() {
  auto start = [this](auto handler) {
    auto back = asio::get_associated_executor(handler);
    std::move_only_function<void()> go_on = [handler = std::move(handler), back]() mutable {
      asio::post(back, [handler = std::move(handler)]() mutable { std::move(handler)(); });
    };
    {
      std::lock_guard lock(mutex_);
      if (room_ == 0) {
        waiting_.push_back(std::move(go_on));
        return;
      }
      --room_;
    }
    go_on();
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(start, asio::use_awaitable);
  co_return Inside(this);
}

/// The place goes to the next in line, or stays free.
void Turnstile::leave() {
  std::move_only_function<void()> next;
  {
    std::lock_guard lock(mutex_);
    if (waiting_.empty()) {
      ++room_;
      return;
    }
    next = std::move(waiting_.front());
    waiting_.pop_front();
  }
  next();
}

}  // namespace api::resources
