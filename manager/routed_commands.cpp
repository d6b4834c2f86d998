#include "manager/routed_commands.h"

#include <algorithm>
#include <random>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace manager {
namespace {

using schemas::Result;

bool was_surely_not_tried(const Result<Outcome>& result) {
  if (result) return false;
  const auto code = result.error().code;
  return code == ErrorCode::not_owner || code == ErrorCode::no_owner ||
         code == ErrorCode::mark_not_reached;  // its rows are not so far yet
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
  const auto topic = parts_.topics.find(product_of(command));
  return topic ? parts_.where(parts_.topics.log_of(*topic, context.organization)) : nullptr;
}

void RoutedCommands::submit(CommandContext context, Command command, Done done) {
  if (!context.sequence) {
    return ask(std::make_shared<Asked>(std::move(context), std::move(command), std::move(done),
                                       std::chrono::steady_clock::now()));
  }
  const auto target = target_of(context, command);
  if (!context.sequence->goes_to(target.get())) {
    context.sequence->refuse(context.sequence->next());
    return done(fail(ErrorCode::no_owner,
                     "another process writes this organization's events now; send this line and "
                     "those behind it again"));
  }
  if (!target) {
    auto answer = [done = std::move(done)](Result<Outcome> result) mutable {
      done(for_clients(std::move(result)));
    };
    return parts_.local.submit(std::move(context), std::move(command), std::move(answer));
  }
  auto answer = [this, done = std::move(done)](Result<Outcome> result) mutable {
    answer_when_visible(std::move(done), for_clients(std::move(result)));
  };
  target->submit(std::move(context), std::move(command), std::move(answer));
}

void RoutedCommands::ask(std::shared_ptr<Asked> asked) {
  const auto target = target_of(asked->context, asked->command);
  auto& to = target ? *target : parts_.local;
  const bool elsewhere = target != nullptr;
  auto answer = [this, asked, elsewhere](Result<Outcome> result) {
    if (was_surely_not_tried(result) && ask_later(asked)) return;
    result = for_clients(std::move(result));
    if (!elsewhere) return asked->done(std::move(result));
    answer_when_visible(std::move(asked->done), std::move(result));
  };
  to.submit(asked->context, asked->command, std::move(answer));
}

void RoutedCommands::answer_when_visible(Done done, Result<Outcome> result) {
  if (!result) return done(std::move(result));
  struct Waiting {
    Done done;
    Result<Outcome> result;
    boost::asio::steady_timer timer;
    std::atomic<bool> answered = false;
    void answer() {
      if (!answered.exchange(true)) done(std::move(result));
    }
  };
  const auto log = result->position.log;
  const auto end = static_cast<schemas::Offset>(result->position.offset + 1);
  auto waiting = std::make_shared<Waiting>(std::move(done), std::move(result),
                                           boost::asio::steady_timer(parts_.executor));
  // The timer is the executor's thread's from the start to the end.
  auto reached = [waiting, executor = parts_.executor] {
    boost::asio::post(executor, [waiting] { waiting->timer.cancel(); });
    waiting->answer();
  };
  const auto waits = parts_.progress.wait(log, end, std::move(reached));
  if (waits == 0) return waiting->answer();
  boost::asio::post(parts_.executor, [waiting, log, waits, &progress = parts_.progress] {
    if (waiting->answered) return;
    waiting->timer.expires_after(visible_within);
    waiting->timer.async_wait([waiting, log, waits, &progress](auto error) {
      if (!error) progress.forget(log, waits);
      waiting->answer();
    });
  });
}

/// Whether it is. Often while a partition moves, seldom while the brokers are away; and not all
/// that were refused at once come back at once.
bool RoutedCommands::ask_later(const std::shared_ptr<Asked>& asked) {
  const auto waited = std::chrono::steady_clock::now() - asked->since;
  if (waited >= patience) return false;
  if (++waiting_ > waiting_max) {
    --waiting_;
    return false;
  }
  thread_local std::minstd_rand chance{std::random_device()()};
  const auto pause =
      std::clamp<std::chrono::steady_clock::duration>(waited / 4, pause_min, pause_max);
  const auto eighths = std::uniform_int_distribution<int>(6, 10)(chance);
  auto timer = std::make_shared<boost::asio::steady_timer>(parts_.executor, pause * eighths / 8);
  timer->async_wait([this, asked, timer](auto) {
    --waiting_;
    ask(asked);
  });
  return true;
}

}  // namespace manager
