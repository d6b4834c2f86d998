#include "manager/routed_commands.h"

#include <boost/asio/steady_timer.hpp>

namespace manager {
namespace {

using schemas::Result;

bool was_surely_not_tried(const Result<Outcome>& result) {
  if (result) return false;
  const auto code = result.error().code;
  return code == ErrorCode::not_owner || code == ErrorCode::no_owner;
}

/// That a process is not the owner is between processes; to a client there is none now.
Result<Outcome> for_clients(Result<Outcome> result) {
  if (!result && result.error().code == ErrorCode::not_owner) {
    result.error().code = ErrorCode::no_owner;
  }
  return result;
}

}  // namespace

std::shared_ptr<Commands> RoutedCommands::target_of(const CommandContext& context,
                                                    const Command& command) const {
  // What there is no topic for yet, this process refuses or declares.
  const auto topic = topics_.find(product_of(command));
  return topic ? where_(topics_.log_of(*topic, context.organization)) : nullptr;
}

void RoutedCommands::submit(CommandContext context, Command command, Done done) {
  if (context.sequence) {
    const auto target = target_of(context, command);
    auto& to = target ? *target : local_;
    auto answer = [done = std::move(done)](Result<Outcome> result) mutable {
      done(for_clients(std::move(result)));
    };
    return to.submit(std::move(context), std::move(command), std::move(answer));
  }
  ask(std::make_shared<Asked>(std::move(context), std::move(command), std::move(done),
                              std::chrono::steady_clock::now() + patience));
}

void RoutedCommands::ask(std::shared_ptr<Asked> asked) {
  const auto target = target_of(asked->context, asked->command);
  auto& to = target ? *target : local_;
  to.submit(asked->context, asked->command, [this, asked](Result<Outcome> result) mutable {
    const bool again = was_surely_not_tried(result);
    if (again && std::chrono::steady_clock::now() < asked->until) return ask_later(asked);
    asked->done(for_clients(std::move(result)));
  });
}

void RoutedCommands::ask_later(std::shared_ptr<Asked> asked) {
  auto timer = std::make_shared<boost::asio::steady_timer>(executor_, pause);
  timer->async_wait([this, asked = std::move(asked), timer](auto) { ask(asked); });
}

}  // namespace manager
