#include "manager/remote_calls.h"

#include <fmt/format.h>

#include "manager/rpc_setup.h"

namespace manager {
namespace {

using schemas::Error;
using schemas::ErrorCode;
using schemas::fail;
using std::chrono::milliseconds;

/// A command of this size fits into a message beside whatever else stands there.
constexpr std::size_t command_bytes_max = message_bytes_max / 4;
/// How long a sequence that nobody holds any more may be kept at the other end.
constexpr milliseconds sweep_every{250};

// Clients read these: which process it is, and why, is for the log.
Error not_sent() {
  return {ErrorCode::no_owner,
          "the process that decides cannot be reached; nothing was written, try it again",
          {},
          {}};
}
Error unknown(std::string_view why) {
  return {ErrorCode::outcome_unknown,
          fmt::format("the process that decides {}; the command may have been carried out", why),
          {},
          {}};
}
Error too_much() {
  return {ErrorCode::overloaded,
          "too much waits for the process that decides; nothing of this command was written, try "
          "it again",
          {},
          {}};
}

}  // namespace

std::optional<Error> RemoteCalls::full() const {
  if (waiting_ < limits_.commands && waiting_bytes_ < limits_.bytes) return std::nullopt;
  return too_much();
}

std::optional<Error> RemoteCalls::enter(std::size_t bytes) {
  if (auto error = full()) return error;
  if (bytes > command_bytes_max) {
    return Error{ErrorCode::record_too_large,
                 fmt::format("the command has {} bytes; between processes it may have {}", bytes,
                             command_bytes_max),
                 {},
                 {}};
  }
  ++waiting_;
  waiting_bytes_ += bytes;
  return std::nullopt;
}

std::optional<Questions> RemoteCalls::next_message(Instant now) {
  Questions questions;
  std::size_t bytes = 0;
  while (!unsent_.empty() && bytes < message_bytes_usual) {
    auto asked = std::move(unsent_.front());
    unsent_.pop_front();
    const auto& sequence = asked.context.sequence;
    if (sequence && sequence->refuses(asked.number)) {
      refuse(std::move(asked),
             {ErrorCode::overloaded, "not tried: an earlier line was refused", {}, {}});
      continue;
    }
    bytes += asked.bytes;
    std::optional<std::uint64_t> sequence_number;
    if (sequence) sequence_number = number_of(sequence, now);
    const auto call = next_call_++;
    sent_.emplace(call,
                  Sent{std::move(asked.done), asked.bytes, asked.over, sequence, asked.number});
    questions.submissions.push_back({.call = call,
                                     .sequence = sequence_number,
                                     .left = std::chrono::ceil<milliseconds>(asked.over - now),
                                     .context = std::move(asked.context),
                                     .command = std::move(asked.command),
                                     .seen = std::move(asked.seen)});
  }
  if (next_sweep() <= now) questions.over = take_over(now);
  if (questions.submissions.empty() && questions.over.empty()) return std::nullopt;
  return questions;
}

void RemoteCalls::answer(std::uint64_t call, schemas::Result<Outcome> result) {
  if (auto found = sent_.extract(call)) finish(std::move(found.mapped()), std::move(result));
}

void RemoteCalls::refuse(Asked asked) {
  refuse(std::move(asked), not_sent());
}

void RemoteCalls::refuse_unsent() {
  for (auto& asked : std::exchange(unsent_, {})) refuse(std::move(asked), not_sent());
}

void RemoteCalls::refuse_behind(std::uint64_t taken) {
  for (auto at = sent_.upper_bound(taken); at != sent_.end(); at = sent_.erase(at)) {
    finish(std::move(at->second), fail(not_sent()));
  }
}

void RemoteCalls::lose_sent() {
  for (auto& [call, sent] : std::exchange(sent_, {})) {
    finish(std::move(sent), fail(unknown("was lost before it answered")));
  }
}

void RemoteCalls::expire(Instant now) {
  while (!unsent_.empty() && unsent_.front().over <= now) {
    auto asked = std::move(unsent_.front());
    unsent_.pop_front();
    refuse(std::move(asked), not_sent());
  }
  while (!sent_.empty() && sent_.begin()->second.over <= now) {
    auto first = sent_.extract(sent_.begin());
    finish(std::move(first.mapped()), fail(unknown("did not answer in time")));
  }
}

RemoteCalls::Instant RemoteCalls::next_expiry() const {
  auto next = Instant::max();
  if (!unsent_.empty()) next = unsent_.front().over;
  if (!sent_.empty()) next = std::min(next, sent_.begin()->second.over);
  return next;
}

void RemoteCalls::finish(Sent sent, schemas::Result<Outcome> result) {
  --waiting_;
  waiting_bytes_ -= sent.bytes;
  if (!result && sent.sequence) sent.sequence->refuse(sent.number);
  sent.done(std::move(result));
}

void RemoteCalls::refuse(Asked asked, Error error) {
  finish({std::move(asked.done), asked.bytes, asked.over, asked.context.sequence, asked.number},
         fail(std::move(error)));
}

std::uint64_t RemoteCalls::number_of(const std::shared_ptr<Sequence>& sequence, Instant now) {
  if (sequences_.empty()) sweep_at_ = now + sweep_every;
  const auto [found, is_new] = sequences_.try_emplace(sequence, next_sequence_);
  if (is_new) ++next_sequence_;
  return found->second;
}

std::vector<std::uint64_t> RemoteCalls::take_over(Instant now) {
  sweep_at_ = now + sweep_every;
  std::vector<std::uint64_t> over;
  std::erase_if(sequences_, [&over](const auto& known) {
    if (!known.first.expired()) return false;
    over.push_back(known.second);
    return true;
  });
  return over;
}

}  // namespace manager
