#include "manager/remote_commands.h"

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <spdlog/spdlog.h>

#include "fb/rpc/commands.grpc.fb.h"
#include "manager/remote_calls.h"
#include "manager/rpc_setup.h"

namespace manager {
namespace {

using schemas::Error;
using schemas::fail;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using Instant = Clock::time_point;
using QuestionsMessage = flatbuffers::grpc::Message<fb::rpc::Questions>;
using AnswersMessage = flatbuffers::grpc::Message<fb::rpc::Answers>;

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
  Instant opened_at = Clock::now();
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

}  // namespace

/// Everything but the inbox belongs to its one thread, which runs the completion queue.
class RemoteCommands::Connection {
 public:
  using Asked = RemoteCalls::Asked;

  explicit Connection(Options options)
      : options_(std::move(options)),
        calls_({options_.waiting_max, options_.waiting_bytes_max}),
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
  std::optional<Error> full() const { return calls_.full(); }
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
  bool connecting() const { return stream_ && !stream_->connected && !stream_->ending; }
  bool may_write() const {
    return stream_ && stream_->connected && !stream_->writing && !stream_->ending;
  }
  void write();
  void end(std::string fault);
  void closed();

  const Options options_;
  RemoteCalls calls_;
  const std::unique_ptr<fb::rpc::Commands::Stub> stub_;
  grpc::CompletionQueue queue_;

  std::mutex mutex_;
  grpc::Alarm alarm_;
  bool woken_ = false;  // the alarm is set, and its step has not come
  bool stops_ = false;
  std::vector<Asked> inbox_;
  std::vector<Refused> refused_;
  std::atomic<bool> connected_ = false;

  std::unique_ptr<Stream> stream_;  // none while down
  milliseconds pause_;
  Instant open_at_;  // if down
  bool loss_is_told_ = false;
  bool stopping_ = false;

  std::thread thread_;  // last: it uses all of the above
};

void RemoteCommands::Connection::submit(Asked asked) {
  auto error = calls_.enter(asked.bytes);
  // At once: a later command of the same sequence must not slip in.
  if (error && asked.context.sequence) asked.context.sequence->refuse(asked.number);
  std::lock_guard lock(mutex_);
  if (error) {
    refused_.push_back({std::move(asked.done), std::move(*error)});
  } else {
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
  auto next = std::min(Clock::now() + std::chrono::hours(1), calls_.next_expiry());
  if (!stream_ && !stopping_) next = std::min(next, open_at_);
  if (connecting()) next = std::min(next, stream_->opened_at + options_.connecting_max);
  if (may_write()) next = std::min(next, calls_.next_sweep());
  return next;
}

void RemoteCommands::Connection::on_timer(Instant now) {
  calls_.expire(now);
  if (connecting() && stream_->opened_at + options_.connecting_max <= now) {
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
  for (auto& [call, result] : answers->answers) calls_.answer(call, std::move(result));
  if (!answers->taken) return read();
  calls_.refuse_behind(*answers->taken);
  end("it stops");
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
    down ? calls_.refuse(std::move(asked)) : calls_.add(std::move(asked));
  }
  for (auto& [done, error] : refused) done(fail(std::move(error)));
}

void RemoteCommands::Connection::open() {
  stream_ = std::make_unique<Stream>();
  stream_->grpc = stub_->PrepareAsyncExchange(&stream_->context, &queue_);
  stream_->under_way = 1;
  stream_->grpc->StartCall(tag(Step::open));
}

void RemoteCommands::Connection::write() {
  const auto questions = calls_.next_message(Clock::now());
  if (!questions) return;
  const auto bytes = encode(*questions);
  stream_->out = QuestionsMessage(grpc::Slice(bytes.data(), bytes.size()));
  stream_->writing = true;
  ++stream_->under_way;
  stream_->grpc->Write(stream_->out, tag(Step::write));
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
  calls_.lose_sent();
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
  // At once after a loss, but never in a circle.
  const auto opened_at = stream_->opened_at;
  open_at_ = was_connected ? opened_at + options_.pause : Clock::now() + pause_;
  if (!was_connected) pause_ = std::min(2 * pause_, options_.pause_max);
  stream_.reset();
  calls_.refuse_unsent();
  if (stopping_) queue_.Shutdown();
}

RemoteCommands::RemoteCommands(Options options)
    : connection_(std::make_unique<Connection>(std::move(options))) {}

RemoteCommands::~RemoteCommands() = default;

void RemoteCommands::submit(CommandContext context, Command command, Done done) {
  const auto& options = connection_->options();
  const auto bytes = bytes_of(command);
  const auto number = context.sequence ? context.sequence->next() : 0;
  auto seen = options.seen ? options.seen(context.organization) : std::vector<SeenPosition>{};
  connection_->submit({std::move(context), std::move(command), std::move(done), bytes,
                       Clock::now() + options.timeout, std::move(seen), number});
}

std::optional<Error> RemoteCommands::overloaded(schemas::OrganizationId) {
  return connection_->full();
}

bool RemoteCommands::connected() const {
  return connection_->connected();
}

}  // namespace manager
