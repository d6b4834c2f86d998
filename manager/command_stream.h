#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "manager/command_messages.h"
#include "manager/command_server.h"

namespace manager {

/// What one stream of a CommandServer has on its way, without the stream itself: between the thread
/// that reads it, the threads that answer, and the thread that writes it. The answers of commands
/// that outlive the stream end here.
class CommandStream : public std::enable_shared_from_this<CommandStream> {
 public:
  CommandStream(const CommandServer::Options& options, Commands& local)
      : options_(options), local_(local) {}

  /// Reading thread. Blocks until there is room and our rows are where the asker's were.
  void take(Questions questions);

  /// Writing thread: the next answers, enough for one message; none once the stream is over.
  std::optional<Answers> next_answers();

  /// Any thread. The asker is gone: nothing blocks any more, nothing is answered.
  void close();
  /// Any thread. We go: nothing more is taken.
  void stop();
  /// Behind `stop`: waits until what was taken is answered, and has the asker told where we ended.
  void end(std::chrono::steady_clock::time_point until);

 private:
  using Instant = std::chrono::steady_clock::time_point;
  /// Of a log whose rows were not there in time, and may still not be.
  struct Awaited {
    Instant since;
    schemas::Offset end;
    std::shared_ptr<bool> reached;  // under the mutex
  };

  void take(Submission submission, Instant came);
  std::optional<schemas::Error> refuse(const Submission& submission, Instant came);
  bool wait_for_rows(const SeenPosition& position, Instant until);
  bool wait_for_room();
  void answer(std::uint64_t call, std::size_t bytes, schemas::Result<Outcome> result);
  std::shared_ptr<Sequence> sequence(std::optional<std::uint64_t> number);

  const CommandServer::Options& options_;  // the server's, which joins our threads
  Commands& local_;

  // The reading thread's.
  std::unordered_map<std::uint64_t, std::shared_ptr<Sequence>> sequences_;
  std::unordered_map<schemas::LogId, Awaited> awaited_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Answered> answers_;
  std::size_t unanswered_ = 0;        // commands that are submitted or whose answer is not taken
  std::size_t unanswered_bytes_ = 0;  // of them or of their answers
  std::uint64_t taken_ = 0;           // the last call that was
  bool stops_ = false;
  bool ends_ = false;
  bool closed_ = false;
};

}  // namespace manager
