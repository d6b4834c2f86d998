#pragma once

#include <exception>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

/// The words in which `api` speaks of coroutines.
namespace api {

namespace asio = boost::asio;

template <typename T>
using awaitable = asio::awaitable<T>;

/// Completion token of every asynchronous call: errors come back as values, in the first place of
/// the tuple, and each one is handled.
inline constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

/// Starts a coroutine that nobody awaits, on `executor`. What it throws is a bug of ours: it is
/// caught here, at its edge, and logged under the name of `task`, a literal.
void spawn(const asio::any_io_executor& executor, std::string_view task, awaitable<void> work);

/// The text of what was thrown, for a log line.
std::string describe(const std::exception_ptr& thrown);

}  // namespace api
