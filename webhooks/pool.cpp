#include "webhooks/pool.h"

#include <exception>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace webhooks {

namespace asio = boost::asio;

asio::awaitable<void> run_on(asio::thread_pool& pool, std::move_only_function<void()> work) {
  auto start = [&pool](auto handler, std::move_only_function<void()> task) {
    auto back = asio::get_associated_executor(handler);
    asio::post(pool, [task = std::move(task), handler = std::move(handler), back]() mutable {
      std::exception_ptr thrown;
      try {
        task();
      } catch (...) {
        thrown = std::current_exception();
      }
      asio::post(back,
                 [handler = std::move(handler), thrown]() mutable { std::move(handler)(thrown); });
    });
  };
  return asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr)>(
      start, asio::use_awaitable, std::move(work));
}

}  // namespace webhooks
