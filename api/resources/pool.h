#pragma once

#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <boost/asio/thread_pool.hpp>

#include "api/http/coroutine.h"

namespace api::resources {

/// Runs `work` on the pool and goes on where it was awaited. What it throws is thrown there.
awaitable<void> run_on(asio::thread_pool& pool, std::move_only_function<void()> work);

/// The same for work that answers something.
template <typename Work>
awaitable<std::invoke_result_t<Work&>> answer_on(asio::thread_pool& pool, Work work) {
  std::optional<std::invoke_result_t<Work&>> answer;
  std::move_only_function<void()> task = [&answer, &work] { answer.emplace(work()); };
  co_await run_on(pool, std::move(task));
  co_return std::move(*answer);
}

}  // namespace api::resources
