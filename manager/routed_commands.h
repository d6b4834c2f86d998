#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "eventstore/topics.h"
#include "manager/command_handler.h"

namespace manager {

/// Commands of a process among several: each goes to whoever should write its partition.
///
/// A command that was surely not carried out, because its partition was just moving or its writer
/// went away, is asked again until `patience` is over; the caller sees a slow answer instead of a
/// refusal. Lines of a sequence are asked once: their order is worth more.
class RoutedCommands final : public Commands {
 public:
  /// Who should be asked; null: this process. Any thread.
  using Where = std::function<std::shared_ptr<Commands>(schemas::LogId)>;
  static constexpr std::chrono::milliseconds patience{5'000};
  static constexpr std::chrono::milliseconds pause{20};  // before it is asked again

  /// `local` and `topics` must outlive this and everything submitted; `executor` runs the pauses.
  RoutedCommands(boost::asio::any_io_executor executor, Commands& local,
                 const eventstore::Topics& topics, Where where)
      : executor_(std::move(executor)), local_(local), topics_(topics), where_(std::move(where)) {}

  void submit(CommandContext context, Command command, Done done) override;
  std::optional<schemas::Error> overloaded(schemas::OrganizationId organization) override {
    return local_.overloaded(organization);
  }

 private:
  struct Asked {
    CommandContext context;
    Command command;
    Done done;
    std::chrono::steady_clock::time_point until;
  };
  std::shared_ptr<Commands> target_of(const CommandContext& context, const Command& command) const;
  void ask(std::shared_ptr<Asked> asked);
  void ask_later(std::shared_ptr<Asked> asked);

  boost::asio::any_io_executor executor_;
  Commands& local_;
  const eventstore::Topics& topics_;
  const Where where_;
};

}  // namespace manager
