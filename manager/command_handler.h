#pragma once

#include <functional>
#include <memory>

#include <boost/asio/awaitable.hpp>

#include "manager/commands.h"
#include "schemas/result.h"

namespace manager {

/// Where commands go: the handler of this process, later also one in another process.
class Commands {
 public:
  virtual ~Commands() = default;
  using Done = std::move_only_function<void(schemas::Result<Outcome>)>;
  /// Any thread. `done` is called exactly once, on the core thread, after everything that was
  /// submitted in the partition before the answer was decided is durable and visible in the rows.
  virtual void submit(CommandContext context, Command command, Done done) = 0;

  /// The same for coroutines; resumes on the caller's executor.
  boost::asio::awaitable<schemas::Result<Outcome>> execute(CommandContext context, Command command);
};

}  // namespace manager
