#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "manager/command_handler.h"
#include "manager/command_messages.h"

namespace manager {

/// The commands that one other process is asked, and what becomes of them; the stream to it is
/// remote_commands.cpp's. Of each it is known whether it was sent, and it is answered exactly once.
///
///     add ──► unsent ── next_message ──► sent ── answer ──► done
///                │ too late, refuse_unsent   │ too late, lose_sent
///                ▼ no_owner ◄─ refuse_behind ┴► outcome_unknown
///
/// One thread, but for `enter` and `full`. Answers are given from within the calls.
class RemoteCalls {
 public:
  using Instant = std::chrono::steady_clock::time_point;
  struct Limits {
    std::size_t commands;
    std::size_t bytes;
  };
  struct Asked {
    CommandContext context;
    Command command;
    Commands::Done done;
    std::size_t bytes;
    Instant over;  // when nobody waits for it any more
    std::vector<SeenPosition> seen;
    Sequence::Number number;  // in its sequence, if it has one
  };

  explicit RemoteCalls(Limits limits) : limits_(limits) {}

  /// Any thread. Why a command of this size is not to be asked; else it counts as waiting.
  std::optional<schemas::Error> enter(std::size_t bytes);
  std::optional<schemas::Error> full() const;

  void add(Asked asked) { unsent_.push_back(std::move(asked)); }
  /// What is to be sent next, and counts as sent from now on.
  std::optional<Questions> next_message(Instant now);
  /// Of a call whose time was over already: nothing happens.
  void answer(std::uint64_t call, schemas::Result<Outcome> result);

  /// Of one that entered and was not added.
  void refuse(Asked asked);
  void refuse_unsent();
  /// The peer stops, and has not tried what was sent behind this call.
  void refuse_behind(std::uint64_t taken);
  void lose_sent();

  /// Answers what is too late.
  void expire(Instant now);
  Instant next_expiry() const;
  /// When next_message has something to say although no command waits.
  Instant next_sweep() const { return sequences_.empty() ? Instant::max() : sweep_at_; }

 private:
  /// What is left of a command once it is sent.
  struct Sent {
    Commands::Done done;
    std::size_t bytes;
    Instant over;
    std::shared_ptr<Sequence> sequence;
    Sequence::Number number;
  };

  void finish(Sent sent, schemas::Result<Outcome> result);
  void refuse(Asked asked, schemas::Error error);
  std::uint64_t number_of(const std::shared_ptr<Sequence>& sequence, Instant now);
  std::vector<std::uint64_t> take_over(Instant now);

  const Limits limits_;
  std::atomic<std::size_t> waiting_ = 0;
  std::atomic<std::size_t> waiting_bytes_ = 0;

  std::deque<Asked> unsent_;
  std::map<std::uint64_t, Sent> sent_;  // by call, and so by time
  std::uint64_t next_call_ = 1;
  // By the object that a sequence is, also when nobody holds it any more.
  std::map<std::weak_ptr<Sequence>, std::uint64_t, std::owner_less<>> sequences_;
  std::uint64_t next_sequence_ = 1;
  Instant sweep_at_;  // if there are sequences
};

}  // namespace manager
