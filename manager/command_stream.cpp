#include "manager/command_stream.h"

#include "manager/rpc_setup.h"

namespace manager {
namespace {

using schemas::Error;
using schemas::ErrorCode;
using schemas::fail;

Error late() {
  return {ErrorCode::mark_not_reached,
          "the process that decides has not read what the one that was asked had; nothing of this "
          "command was written, try it again",
          {},
          {}};
}

}  // namespace

void CommandStream::take(Questions questions) {
  const auto came = std::chrono::steady_clock::now();
  for (auto& submission : questions.submissions) {
    if (!wait_for_room()) return;
    take(std::move(submission), came);
  }
  for (const auto number : questions.over) sequences_.erase(number);
}

void CommandStream::take(Submission submission, Instant came) {
  const auto bytes = submission.command ? bytes_of(*submission.command) : 0;
  {
    std::lock_guard lock(mutex_);
    if (stops_) return;
    taken_ = submission.call;
    ++unanswered_;
    unanswered_bytes_ += bytes;
  }
  auto& context = submission.context;
  context.sequence = sequence(submission.sequence);
  if (auto error = refuse(submission, came)) {
    if (context.sequence) context.sequence->refuse(context.sequence->next());
    return answer(submission.call, bytes, fail(std::move(*error)));
  }
  auto done = [self = shared_from_this(), call = submission.call,
               bytes](schemas::Result<Outcome> result) {
    self->answer(call, bytes, std::move(result));
  };
  local_.submit(std::move(context), std::move(*submission.command), std::move(done));
}

std::optional<Error> CommandStream::refuse(const Submission& submission, Instant came) {
  if (!submission.command) {
    return Error{ErrorCode::no_owner,
                 "the process that decides does not know this command yet; nothing was written, "
                 "try it again when all processes are of one version",
                 {},
                 {}};
  }
  const auto over = came + submission.left;
  for (const auto& position : submission.seen) {
    if (!wait_for_rows(position, over)) return late();
  }
  // The asker has given up: it must not happen behind its back when that can be helped.
  if (std::chrono::steady_clock::now() >= over) return late();
  return std::nullopt;
}

bool CommandStream::wait_for_rows(const SeenPosition& position, Instant until) {
  const auto [log, end] = position;
  const auto now = std::chrono::steady_clock::now();
  auto since = now;
  if (const auto known = awaited_.find(log); known != awaited_.end()) {
    std::lock_guard lock(mutex_);
    const bool stands = !*known->second.reached;
    if (stands) since = known->second.since;
    // Waits in vain would pile up in whoever carries them out.
    if (stands && end >= known->second.end && now >= since + options_.wait_max) return false;
  }
  until = std::min(until, since + options_.wait_max);
  auto reached = std::make_shared<bool>(false);
  const bool waits = options_.wait(log, end, [self = shared_from_this(), reached] {
    std::lock_guard lock(self->mutex_);
    *reached = true;
    self->changed_.notify_all();
  });
  if (waits) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, until, [&] { return *reached || stops_ || closed_; });
    if (!*reached) {
      awaited_.insert_or_assign(log, Awaited{since, end, reached});
      return false;
    }
  }
  awaited_.erase(log);
  return true;
}

bool CommandStream::wait_for_room() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] {
    return closed_ || stops_ ||
           (unanswered_ < options_.unanswered_max &&
            unanswered_bytes_ < options_.unanswered_bytes_max);
  });
  return !closed_ && !stops_;
}

void CommandStream::answer(std::uint64_t call, std::size_t bytes, schemas::Result<Outcome> result) {
  std::lock_guard lock(mutex_);
  unanswered_bytes_ -= bytes;
  if (closed_) return;
  unanswered_bytes_ += bytes_of(result);
  answers_.push_back({call, std::move(result)});
  changed_.notify_all();
}

std::optional<Answers> CommandStream::next_answers() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return closed_ || ends_ || !answers_.empty(); });
  if (closed_) return std::nullopt;
  if (answers_.empty()) {
    closed_ = true;
    return Answers{.taken = taken_};
  }
  std::size_t bytes = 0;
  std::size_t count = 0;
  while (count < answers_.size() && (count == 0 || bytes < message_bytes_usual)) {
    bytes += bytes_of(answers_[count++].result);
  }
  const auto begin = std::make_move_iterator(answers_.begin());
  Answers next{{begin, begin + static_cast<std::ptrdiff_t>(count)}, {}};
  answers_.erase(answers_.begin(), answers_.begin() + static_cast<std::ptrdiff_t>(count));
  unanswered_ -= count;
  unanswered_bytes_ -= bytes;
  changed_.notify_all();
  return next;
}

void CommandStream::close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  answers_.clear();
  changed_.notify_all();
}

void CommandStream::stop() {
  std::lock_guard lock(mutex_);
  stops_ = true;
  changed_.notify_all();
}

void CommandStream::end(Instant until) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, until, [this] { return closed_ || unanswered_ == 0; });
  ends_ = true;
  changed_.notify_all();
}

std::shared_ptr<Sequence> CommandStream::sequence(std::optional<std::uint64_t> number) {
  if (!number) return nullptr;
  auto& shared = sequences_[*number];
  if (!shared) shared = std::make_shared<Sequence>();
  return shared;
}

}  // namespace manager
