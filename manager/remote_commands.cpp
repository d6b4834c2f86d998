#include "manager/remote_commands.h"

#include <deque>
#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "fb/rpc/commands.grpc.fb.h"
#include "manager/rpc_setup.h"

namespace manager {
namespace {

using schemas::Error;
using schemas::ErrorCode;
using schemas::fail;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using Instant = Clock::time_point;
using QuestionsMessage = flatbuffers::grpc::Message<fb::rpc::Questions>;
using AnswersMessage = flatbuffers::grpc::Message<fb::rpc::Answers>;

/// A command of this size fits into a message beside whatever else stands there.
constexpr std::size_t command_bytes_max = message_bytes_max / 4;
/// How long a sequence that nobody holds any more may be kept at the other end.
constexpr milliseconds sweep_every{250};

/// A command on its way, sent or not.
struct Asked {
  CommandContext context;
  Command command;
  Commands::Done done;
  std::size_t bytes;
  Instant over;
  std::vector<SeenPosition> seen;
  Sequence::Number number;  // in its sequence, if it has one
};

/// What is left of it once it is sent.
struct Sent {
  Commands::Done done;
  std::size_t bytes;
  Instant over;
  std::shared_ptr<Sequence> sequence;
  Sequence::Number number;
};

/// The steps of a stream, as the completion queue calls them; each is under way once at most.
enum class Step : std::uintptr_t { wake = 1, open, greet, read, write, finish };
void* tag(Step step) {
  return reinterpret_cast<void*>(step);
}

/// One attempt at a stream, and the stream that it became.
struct Stream {
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<QuestionsMessage, AnswersMessage>> grpc;
  QuestionsMessage out;
  AnswersMessage in;
  grpc::Status status;
  std::string fault;  // why we ended it
  int under_way = 0;  // steps
  bool connected = false;
  bool writing = false;
  bool ending = false;
  Instant connecting_until;
};

grpc::ChannelArguments arguments(const RemoteCommands::Options& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(message_bytes_max);
  arguments.SetMaxSendMessageSize(message_bytes_max);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // We choose when to try again; gRPC is not to wait on top of that.
  const auto pause = static_cast<int>(options.pause.count());
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, pause);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, pause);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
                   static_cast<int>(options.connecting_max.count()));
  const auto half_silence = static_cast<int>(options.silence_max.count() / 2);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, half_silence);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, half_silence);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  return arguments;
}

gpr_timespec to_grpc(Instant instant) {
  const auto left = std::max(instant - Clock::now(), Clock::duration::zero());
  const auto nanoseconds = std::chrono::ceil<std::chrono::nanoseconds>(left).count();
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(nanoseconds, GPR_TIMESPAN));
}

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

/// Everything but the inbox belongs to its one thread, which runs the completion queue.
class RemoteCommands::Connection {
 public:
  explicit Connection(Options options)
      : options_(std::move(options)),
        stub_(fb::rpc::Commands::NewStub(grpc::CreateCustomChannel(
            options_.address, channel_credentials(options_.security), arguments(options_)))),
        pause_(options_.pause),
        thread_([this] { run(); }) {}

  ~Connection() {
    {
      std::lock_guard lock(mutex_);
      stops_ = true;
      wake();
    }
    thread_.join();
  }

  void submit(Asked asked);
  bool full() const {
    return waiting_ >= options_.waiting_max || waiting_bytes_ >= options_.waiting_bytes_max;
  }
  bool connected() const { return connected_; }
  const Options& options() const { return options_; }

 private:
  struct Refused {
    Done done;
    Error error;
  };

  void run();
  bool asked_to_stop();
  void wake();
  void take_inbox();
  Instant next_timer() const;
  void on_timer(Instant now);
  void on_step(Step step, bool ok);
  void on_greeting();
  void on_answers();
  void read();

  void open();
  bool may_write() const {
    return stream_ && stream_->connected && !stream_->writing && !stream_->ending;
  }
  void write();
  void fill(Questions& questions);
  void end(std::string fault);
  void closed();

  std::uint64_t number_of(const std::shared_ptr<Sequence>& sequence);
  std::vector<std::uint64_t> take_over();
  void answer(Sent sent, schemas::Result<Outcome> result);
  void refuse(Asked asked, Error error);
  void refuse_queue();

  const Options options_;
  const std::unique_ptr<fb::rpc::Commands::Stub> stub_;
  grpc::CompletionQueue queue_;

  std::mutex mutex_;
  grpc::Alarm alarm_;
  bool woken_ = false;  // the alarm is set, and its step has not come
  bool stops_ = false;
  std::vector<Asked> inbox_;
  std::vector<Refused> refused_;
  std::atomic<std::size_t> waiting_ = 0;
  std::atomic<std::size_t> waiting_bytes_ = 0;
  std::atomic<bool> connected_ = false;

  std::deque<Asked> unsent_;
  std::map<std::uint64_t, Sent> sent_;  // by call, and so by time
  std::uint64_t next_call_ = 1;
  std::unique_ptr<Stream> stream_;  // none while down
  milliseconds pause_;
  Instant open_at_;  // if down
  bool loss_is_told_ = false;
  bool stopping_ = false;
  // By the object that a sequence is, also when nobody holds it any more.
  std::map<std::weak_ptr<Sequence>, std::uint64_t, std::owner_less<>> sequences_;
  std::uint64_t next_sequence_ = 1;
  Instant sweep_at_ = Instant::min();

  std::thread thread_;  // last: it uses all of the above
};

void RemoteCommands::Connection::submit(Asked asked) {
  std::optional<Error> error;
  if (full()) {
    error = too_much();
  } else if (asked.bytes > command_bytes_max) {
    error = Error{ErrorCode::record_too_large,
                  fmt::format("the command has {} bytes; between processes it may have {}",
                              asked.bytes, command_bytes_max),
                  {},
                  {}};
  }
  // At once: a later command of the same sequence must not slip in.
  if (error && asked.context.sequence) asked.context.sequence->refuse(asked.number);
  std::lock_guard lock(mutex_);
  if (error) {
    refused_.push_back({std::move(asked.done), std::move(*error)});
  } else {
    ++waiting_;
    waiting_bytes_ += asked.bytes;
    inbox_.push_back(std::move(asked));
  }
  wake();
}

/// Under the mutex.
void RemoteCommands::Connection::wake() {
  if (std::exchange(woken_, true)) return;
  alarm_.Set(&queue_, gpr_inf_past(GPR_CLOCK_MONOTONIC), tag(Step::wake));
}

void RemoteCommands::Connection::run() {
  open();
  while (true) {
    void* step = nullptr;
    bool ok = false;
    const auto next = queue_.AsyncNext(&step, &ok, to_grpc(next_timer()));
    if (next == grpc::CompletionQueue::SHUTDOWN) return;
    if (next == grpc::CompletionQueue::GOT_EVENT) {
      on_step(static_cast<Step>(reinterpret_cast<std::uintptr_t>(step)), ok);
    }
    on_timer(Clock::now());
    if (may_write()) write();
    if (!stopping_ && asked_to_stop()) {
      stopping_ = true;
      stream_ ? end("this process stops") : queue_.Shutdown();
    }
  }
}

bool RemoteCommands::Connection::asked_to_stop() {
  std::lock_guard lock(mutex_);
  return stops_ && inbox_.empty() && refused_.empty();
}

Instant RemoteCommands::Connection::next_timer() const {
  auto next = Clock::now() + std::chrono::hours(1);
  if (!stream_ && !stopping_) next = std::min(next, open_at_);
  if (stream_ && !stream_->connected && !stream_->ending) {
    next = std::min(next, stream_->connecting_until);
  }
  if (!unsent_.empty()) next = std::min(next, unsent_.front().over);
  if (!sent_.empty()) next = std::min(next, sent_.begin()->second.over);
  if (!sequences_.empty() && may_write()) next = std::min(next, sweep_at_);
  return next;
}

void RemoteCommands::Connection::on_timer(Instant now) {
  while (!unsent_.empty() && unsent_.front().over <= now) {
    auto asked = std::move(unsent_.front());
    unsent_.pop_front();
    refuse(std::move(asked), not_sent());
  }
  while (!sent_.empty() && sent_.begin()->second.over <= now) {
    auto sent = std::move(sent_.extract(sent_.begin()).mapped());
    answer(std::move(sent), fail(unknown("did not answer in time")));
  }
  if (stream_ && !stream_->connected && !stream_->ending && stream_->connecting_until <= now) {
    end("it took too long to connect");
  }
  if (!stream_ && !stopping_ && open_at_ <= now) open();
}

void RemoteCommands::Connection::on_step(Step step, bool ok) {
  if (step == Step::wake) return take_inbox();
  --stream_->under_way;
  if (step == Step::write) stream_->writing = false;
  if (step != Step::finish && !stream_->ending) {
    if (!ok) {
      end({});
    } else if (step == Step::open) {
      ++stream_->under_way;
      stream_->grpc->ReadInitialMetadata(tag(Step::greet));
    } else if (step == Step::greet) {
      on_greeting();
    } else if (step == Step::read) {
      on_answers();
    }
  }
  if (stream_->under_way == 0) closed();
}

void RemoteCommands::Connection::on_greeting() {
  const auto& metadata = stream_->context.GetServerInitialMetadata();
  const auto found = metadata.find(greeting_name);
  if (found == metadata.end() || found->second != greeting)
    return end("it does not serve commands");
  stream_->connected = true;
  connected_ = true;
  loss_is_told_ = false;
  pause_ = options_.pause;
  spdlog::info("stream of commands opened peer={}", options_.address);
  read();
}

void RemoteCommands::Connection::on_answers() {
  auto answers = decode_answers({stream_->in.data(), stream_->in.size()});
  if (!answers) return end("it answered what is no answer");
  for (auto& [call, result] : *answers) {
    auto found = sent_.extract(call);  // absent: its time was over
    if (found) answer(std::move(found.mapped()), std::move(result));
  }
  read();
}

void RemoteCommands::Connection::read() {
  ++stream_->under_way;
  stream_->grpc->Read(&stream_->in, tag(Step::read));
}

void RemoteCommands::Connection::take_inbox() {
  std::vector<Asked> inbox;
  std::vector<Refused> refused;
  {
    std::lock_guard lock(mutex_);
    woken_ = false;
    inbox.swap(inbox_);
    refused.swap(refused_);
  }
  const bool down = !stream_ || stream_->ending;
  for (auto& asked : inbox) {
    if (down) {
      refuse(std::move(asked), not_sent());
    } else {
      unsent_.push_back(std::move(asked));
    }
  }
  for (auto& [done, error] : refused) done(fail(std::move(error)));
}

void RemoteCommands::Connection::open() {
  stream_ = std::make_unique<Stream>();
  stream_->connecting_until = Clock::now() + options_.connecting_max;
  stream_->grpc = stub_->PrepareAsyncExchange(&stream_->context, &queue_);
  stream_->under_way = 1;
  stream_->grpc->StartCall(tag(Step::open));
}

void RemoteCommands::Connection::write() {
  Questions questions;
  fill(questions);
  if (sweep_at_ <= Clock::now()) questions.over = take_over();
  if (questions.submissions.empty() && questions.over.empty()) return;
  const auto bytes = encode(questions);
  stream_->out = QuestionsMessage(grpc::Slice(bytes.data(), bytes.size()));
  stream_->writing = true;
  ++stream_->under_way;
  stream_->grpc->Write(stream_->out, tag(Step::write));
}

void RemoteCommands::Connection::fill(Questions& questions) {
  std::size_t bytes = 0;
  const auto now = Clock::now();
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
    if (sequence) sequence_number = number_of(sequence);
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
}

/// Ends the stream, for a fault or after it has ended: what was sent is answered now, what was
/// not may be asked elsewhere.
void RemoteCommands::Connection::end(std::string fault) {
  if (stream_->ending) return;
  stream_->ending = true;
  stream_->fault = std::move(fault);
  connected_ = false;
  if (!stream_->fault.empty()) stream_->context.TryCancel();
  ++stream_->under_way;
  stream_->grpc->Finish(&stream_->status, tag(Step::finish));
  for (auto& [call, sent] : std::exchange(sent_, {})) {
    answer(std::move(sent), fail(unknown("was lost before it answered")));
  }
  sequences_.clear();
}

/// Every step of the stream has come back.
void RemoteCommands::Connection::closed() {
  const bool was_connected = stream_->connected;
  if (!stopping_ && (was_connected || !std::exchange(loss_is_told_, true))) {
    const auto& status = stream_->status;
    const bool by_us = status.error_code() == grpc::StatusCode::CANCELLED;
    spdlog::warn("stream of commands {} peer={} reason=\"{}\"", was_connected ? "lost" : "failed",
                 options_.address, by_us ? stream_->fault : status.error_message());
  }
  stream_.reset();
  refuse_queue();
  if (stopping_) return queue_.Shutdown();
  open_at_ = Clock::now() + (was_connected ? milliseconds(0) : pause_);
  if (!was_connected) pause_ = std::min(2 * pause_, options_.pause_max);
}

std::uint64_t RemoteCommands::Connection::number_of(const std::shared_ptr<Sequence>& sequence) {
  if (sequences_.empty()) sweep_at_ = Clock::now() + sweep_every;
  const auto [found, is_new] = sequences_.try_emplace(sequence, next_sequence_);
  if (is_new) ++next_sequence_;
  return found->second;
}

std::vector<std::uint64_t> RemoteCommands::Connection::take_over() {
  sweep_at_ = Clock::now() + sweep_every;
  std::vector<std::uint64_t> over;
  std::erase_if(sequences_, [&over](const auto& known) {
    if (!known.first.expired()) return false;
    over.push_back(known.second);
    return true;
  });
  return over;
}

void RemoteCommands::Connection::answer(Sent sent, schemas::Result<Outcome> result) {
  --waiting_;
  waiting_bytes_ -= sent.bytes;
  if (!result && sent.sequence) sent.sequence->refuse(sent.number);
  sent.done(std::move(result));
}

void RemoteCommands::Connection::refuse(Asked asked, Error error) {
  answer({std::move(asked.done), asked.bytes, asked.over, asked.context.sequence, asked.number},
         fail(std::move(error)));
}

void RemoteCommands::Connection::refuse_queue() {
  for (auto& asked : std::exchange(unsent_, {})) refuse(std::move(asked), not_sent());
}

RemoteCommands::RemoteCommands(Options options)
    : connection_(std::make_unique<Connection>(std::move(options))) {}

RemoteCommands::~RemoteCommands() = default;

void RemoteCommands::submit(CommandContext context, Command command, Done done) {
  const auto& options = connection_->options();
  const auto bytes = bytes_of(command);
  const auto number = context.sequence ? context.sequence->next() : 0;
  connection_->submit({std::move(context), std::move(command), std::move(done), bytes,
                       Clock::now() + options.timeout,
                       options.seen ? options.seen() : std::vector<SeenPosition>{}, number});
}

std::optional<Error> RemoteCommands::overloaded(schemas::OrganizationId) {
  if (!connection_->full()) return std::nullopt;
  return too_much();
}

bool RemoteCommands::connected() const {
  return connection_->connected();
}

}  // namespace manager
