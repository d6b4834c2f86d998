#pragma once

#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

namespace webhooks {

/// Runs `work` on the pool and goes on where it was awaited. What it throws is thrown there. (To
/// await `post(pool, use_awaitable)` does not: it resumes on the coroutine's own executor.)
boost::asio::awaitable<void> run_on(boost::asio::thread_pool& pool,
                                    std::move_only_function<void()> work);

/// The same for work that answers something.
template <typename Work>
boost::asio::awaitable<std::invoke_result_t<Work&>> answer_on(boost::asio::thread_pool& pool,
                                                              Work work) {
  std::optional<std::invoke_result_t<Work&>> answer;
  std::move_only_function<void()> task = [&answer, &work] { answer.emplace(work()); };
  co_await run_on(pool, std::move(task));
  co_return std::move(*answer);
}

}  // namespace webhooks
