#include "api/http/coroutine.h"

#include <string>

#include <boost/asio/co_spawn.hpp>
#include <spdlog/spdlog.h>

namespace api {

std::string describe(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "something that is no std::exception";
  }
}

void spawn(const asio::any_io_executor& executor, std::string_view task, awaitable<void> work) {
  auto at_the_edge = [task](const std::exception_ptr& thrown) {
    if (thrown) spdlog::error("coroutine failed task={} error=\"{}\"", task, describe(thrown));
  };
  asio::co_spawn(executor, std::move(work), std::move(at_the_edge));
}

}  // namespace api
