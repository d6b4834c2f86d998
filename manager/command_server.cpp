#include "manager/command_server.h"

#include <grpcpp/grpcpp.h>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "fb/rpc/commands.grpc.fb.h"
#include "manager/command_stream.h"
#include "manager/rpc_setup.h"

namespace manager {
namespace {

using schemas::ErrorCode;
using QuestionsMessage = flatbuffers::grpc::Message<fb::rpc::Questions>;
using AnswersMessage = flatbuffers::grpc::Message<fb::rpc::Answers>;
using GrpcStream = grpc::ServerReaderWriter<AnswersMessage, QuestionsMessage>;

/// More than a cluster has processes: each holds two threads.
constexpr std::size_t streams_max = 256;
constexpr std::chrono::milliseconds stop_told_within{500};

void write_answers(CommandStream& answers, GrpcStream& stream) {
  while (true) {
    const auto next = answers.next_answers();
    if (!next) return;
    const auto bytes = encode(*next);
    if (!stream.Write(AnswersMessage(grpc::Slice(bytes.data(), bytes.size())))) break;
  }
  answers.close();  // the asker is gone: its commands go on, nobody waits for them
}

grpc::Status read_questions(CommandStream& answers, GrpcStream& stream) {
  QuestionsMessage message;
  while (stream.Read(&message)) {
    auto questions = decode_questions({message.data(), message.size()});
    if (!questions) {
      return {grpc::StatusCode::INVALID_ARGUMENT, questions.error().detail};
    }
    answers.take(std::move(*questions));
  }
  return grpc::Status::OK;
}

}  // namespace

class CommandServer::Service final : public fb::rpc::Commands::Service {
 public:
  Service(Options options, manager::Commands& local)
      : options_(std::move(options)), local_(local) {}

  grpc::Status Exchange(grpc::ServerContext* context, GrpcStream* stream) override {
    const auto answers = open();
    if (!answers) return {grpc::StatusCode::RESOURCE_EXHAUSTED, "too many streams are open"};
    context->AddInitialMetadata(greeting_name, greeting);
    stream->SendInitialMetadata();
    std::thread writer([&] { write_answers(*answers, *stream); });
    auto status = read_questions(*answers, *stream);
    answers->close();
    writer.join();
    if (!status.ok()) {
      spdlog::warn("stream of commands ended asker={} reason=\"{}\"", context->peer(),
                   status.error_message());
    }
    std::lock_guard lock(mutex_);
    std::erase(streams_, answers);
    return status;
  }

  void stop() {
    std::vector<std::shared_ptr<CommandStream>> streams;
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
      streams = streams_;
    }
    for (const auto& stream : streams) stream->stop();
    const auto until = std::chrono::steady_clock::now() + options_.stop_within;
    for (const auto& stream : streams) stream->end(until);
  }

 private:
  std::shared_ptr<CommandStream> open() {
    std::lock_guard lock(mutex_);
    if (closed_ || streams_.size() >= streams_max) return nullptr;
    // Shared with the commands in flight, which may be answered after the stream is over.
    return streams_.emplace_back(std::make_shared<CommandStream>(options_, local_));
  }

  const Options options_;
  manager::Commands& local_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<CommandStream>> streams_;
  bool closed_ = false;
};

struct CommandServer::Serving {
  std::unique_ptr<Service> service;
  std::unique_ptr<grpc::Server> server;
  int port = 0;
};

schemas::Result<std::unique_ptr<CommandServer>> CommandServer::start(Options options,
                                                                     Commands& local) {
  const bool ipv6 = options.host.contains(':');
  const auto address =
      fmt::format("{}{}{}:{}", ipv6 ? "[" : "", options.host, ipv6 ? "]" : "", options.port);
  auto serving = std::make_unique<Serving>();
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, server_credentials(options.security), &serving->port);
  serving->service = std::make_unique<Service>(std::move(options), local);
  builder.RegisterService(serving->service.get());
  builder.SetMaxReceiveMessageSize(message_bytes_max);
  builder.SetMaxSendMessageSize(message_bytes_max);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
  // A port that another process has is an error, not a half of each.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Askers find out whether we are alive by pings, and we whether they are.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 500);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  serving->server = builder.BuildAndStart();
  if (!serving->server || serving->port == 0) {
    return schemas::fail(
        ErrorCode::in_use,
        fmt::format("rpc_listen: '{}' cannot be listened at: the address is not this machine's, "
                    "the port is taken, or rpc_certificate and rpc_key do not belong together",
                    address));
  }
  return std::unique_ptr<CommandServer>(new CommandServer(std::move(serving)));
}

CommandServer::CommandServer(std::unique_ptr<Serving> serving) : serving_(std::move(serving)) {}

CommandServer::~CommandServer() {
  serving_->service->stop();
  // Whoever is told that we stop ends its stream.
  serving_->server->Shutdown(std::chrono::system_clock::now() + stop_told_within);
  serving_->server->Wait();
}

std::uint16_t CommandServer::port() const {
  return static_cast<std::uint16_t>(serving_->port);
}

}  // namespace manager
