#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "manager/commands.h"

/// Commands and answers as messages between processes (schemas/rpc/commands.fbs), and back. Values
/// and pure functions; any thread. Foreign bytes are verified before anything is read; what does
/// not verify is an error of the whole message.
namespace manager {

/// How far the asking process had read a log when it authenticated the caller.
struct SeenPosition {
  schemas::LogId log;
  schemas::Offset end;  // behind the last record
};

/// One command on its way to another process. Everything of the context goes along but the
/// Sequence object, whose place the number takes.
struct Submission {
  std::uint64_t call;
  std::optional<std::uint64_t> sequence;
  std::chrono::milliseconds left;  // how long the asker still waits
  CommandContext context;
  std::optional<Command> command;  // absent: one that only a newer version knows
  std::vector<SeenPosition> seen;
};

struct Questions {
  std::vector<Submission> submissions;  // in order
  std::vector<std::uint64_t> over;      // sequences that have no more commands
};

struct Answered {
  std::uint64_t call;
  schemas::Result<Outcome> result;
};

struct Answers {
  std::vector<Answered> answers;
  /// In the last message of a process that stops: no call behind this one was or will be tried,
  /// and none up to it is answered any more.
  std::optional<std::uint64_t> taken;
};

using MessageBytes = std::vector<std::uint8_t>;

/// Every submission must have a command.
MessageBytes encode(const Questions& questions);
MessageBytes encode(const Answers& answers);

schemas::Result<Questions> decode_questions(std::span<const std::uint8_t> bytes);
schemas::Result<Answers> decode_answers(std::span<const std::uint8_t> bytes);

/// What an answer takes in memory and in a message, roughly.
std::size_t bytes_of(const schemas::Result<Outcome>& result);

}  // namespace manager
