#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "eventstore/topics.h"
#include "manager/command_handler.h"

namespace manager {

/// Commands of a process among several: each goes to whoever should write its partition.
///
/// What another process wrote is answered once this one's rows have it too, so that who reads here
/// next finds it (after two seconds the answer comes anyway; its mark finds it everywhere).
///
/// A command that was surely not carried out, because its partition was just moving, its writer
/// went away or has not read so far yet, is asked again until `patience` is over; the caller sees a
/// slow answer instead of a refusal. Lines of a sequence are asked once: their order is worth more.
class RoutedCommands final : public Commands {
 public:
  /// Who should be asked; null: this process. Any thread.
  using Where = std::function<std::shared_ptr<Commands>(schemas::LogId)>;
  static constexpr std::chrono::milliseconds patience{5'000};
  /// Before it is asked again: a quarter of the time since it came, more or less.
  static constexpr std::chrono::milliseconds pause_min{20};
  static constexpr std::chrono::milliseconds pause_max{500};
  /// So many may wait for that; who comes then is refused at once.
  static constexpr std::size_t waiting_max = 4'096;
  static constexpr std::chrono::milliseconds visible_within{2'000};

  struct Parts {
    boost::asio::any_io_executor executor;  // of pauses
    Commands& local;
    const eventstore::Topics& topics;
    projections::Progress& progress;
    Where where;
  };
  /// What the parts name must outlive this and everything submitted.
  explicit RoutedCommands(Parts parts) : parts_(std::move(parts)) {}

  void submit(CommandContext context, Command command, Done done) override;
  std::optional<schemas::Error> overloaded(schemas::OrganizationId organization) override {
    return parts_.local.overloaded(organization);
  }

 private:
  struct Asked {
    CommandContext context;
    Command command;
    Done done;
    std::chrono::steady_clock::time_point since;
  };
  std::shared_ptr<Commands> target_of(const CommandContext& context, const Command& command) const;
  void ask(std::shared_ptr<Asked> asked);
  bool ask_later(const std::shared_ptr<Asked>& asked);
  void answer_when_visible(Done done, schemas::Result<Outcome> result);

  const Parts parts_;
  std::atomic<std::size_t> waiting_ = 0;
};

}  // namespace manager
