#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <stop_token>
#include <thread>

#include <gtest/gtest.h>

#include "manager/command_server.h"
#include "manager/remote_commands.h"

/// Both ends of commands between processes, in one process over loopback.
namespace manager {

using schemas::ErrorCode;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

/// Stands for the handler of a process: one thread decides what comes, in order, keeps sequences as
/// the handler does, and answers unless it is told to hold.
class FakeCommands final : public Commands {
 public:
  FakeCommands() : thread_([this](const std::stop_token& stop) { run(stop); }) {}

  void submit(CommandContext context, Command command, Done done) override {
    const auto number = context.sequence ? context.sequence->next() : 0;
    std::lock_guard lock(mutex_);
    inbox_.push_back({std::move(context), std::move(command), std::move(done), number});
    changed_.notify_all();
  }
  std::optional<schemas::Error> overloaded(schemas::OrganizationId) override { return {}; }

  void hold() {
    std::lock_guard lock(mutex_);
    holds_ = true;
  }
  void go_on() {
    std::lock_guard lock(mutex_);
    holds_ = false;
    changed_.notify_all();
  }
  std::size_t held() {
    std::lock_guard lock(mutex_);
    return inbox_.size();
  }
  /// Names of the projects that were made, in order.
  std::vector<std::string> made() {
    std::lock_guard lock(mutex_);
    return made_;
  }
  std::vector<std::weak_ptr<Sequence>> sequences() {
    std::lock_guard lock(mutex_);
    return sequences_;
  }

 private:
  struct Asked {
    CommandContext context;
    Command command;
    Done done;
    Sequence::Number number;
  };

  void run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (changed_.wait(lock, stop, [this] { return !holds_ && !inbox_.empty(); })) {
      auto asked = std::move(inbox_.front());
      inbox_.pop_front();
      auto result = decide(asked);
      if (asked.context.sequence) {
        sequences_.push_back(asked.context.sequence);
        if (!result) asked.context.sequence->refuse(asked.number);
      }
      lock.unlock();
      asked.done(std::move(result));
      asked = {.context = {.organization = schemas::platform_organization}};
      lock.lock();
    }
  }
  schemas::Result<Outcome> decide(const Asked& asked) {
    if (asked.context.sequence && asked.context.sequence->refuses(asked.number)) {
      return schemas::fail(ErrorCode::overloaded, "not tried: an earlier line was refused");
    }
    if (std::holds_alternative<DeclareProduct>(asked.command)) return Outcome{};
    const auto& name = std::get<CreateProject>(asked.command).name;
    if (name == "taken") {
      return schemas::fail(schemas::Error{ErrorCode::slug_taken,
                                          "the slug is taken",
                                          {{.where = "/slug", .detail = "is taken"}},
                                          {{"slug", "\"taken\""}}});
    }
    made_.push_back(name);
    Outcome outcome;
    outcome.position.offset = static_cast<std::int64_t>(made_.size());
    outcome.row = name;
    return outcome;
  }

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Asked> inbox_;
  std::vector<std::string> made_;
  std::vector<std::weak_ptr<Sequence>> sequences_;
  bool holds_ = false;
  std::jthread thread_;
};

/// What came back, in the order in which it came.
class Replies {
 public:
  struct Reply {
    std::string name;
    schemas::Result<Outcome> result;
  };
  Commands::Done expect(const std::string& name) {
    return [this, name](schemas::Result<Outcome> result) {
      std::lock_guard lock(mutex_);
      replies_.push_back({name, std::move(result)});
      changed_.notify_all();
    };
  }
  /// Waits for so many; what comes beyond them would be answered twice.
  std::vector<Reply> wait(std::size_t count, seconds at_most = seconds(15)) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, at_most, [&] { return replies_.size() >= count; });
    EXPECT_EQ(replies_.size(), count);
    return replies_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Reply> replies_;
};

inline std::string code_of(const schemas::Result<Outcome>& result) {
  return result ? "done" : std::to_string(static_cast<int>(result.error().code));
}
inline std::string text(ErrorCode code) {
  return std::to_string(static_cast<int>(code));
}
inline std::map<std::string, std::size_t> count(const std::vector<Replies::Reply>& replies) {
  std::map<std::string, std::size_t> counts;
  for (const auto& reply : replies) ++counts[code_of(reply.result)];
  return counts;
}
using Counts = std::map<std::string, std::size_t>;

inline bool eventually(const std::function<bool()>& holds, seconds at_most = seconds(10)) {
  const auto until = Clock::now() + at_most;
  while (!holds()) {
    if (Clock::now() > until) return false;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

inline CommandContext context(std::shared_ptr<Sequence> sequence = {}) {
  return {.organization = schemas::platform_organization, .sequence = std::move(sequence)};
}

class RemoteCommandsTest : public testing::Test {
 protected:
  void SetUp() override { serve(); }
  void TearDown() override {
    remote_.reset();
    replies_.wait(submitted_);  // and nothing twice
  }

  void serve(std::uint16_t port = 0) {
    server_options_.host = "127.0.0.1";
    server_options_.port = port;
    server_options_.wait = [this](schemas::LogId log, schemas::Offset end, auto reached) {
      return wait_ && wait_(log, end, std::move(reached));
    };
    auto server = CommandServer::start(server_options_, peer_);
    ASSERT_TRUE(server) << server.error().detail;
    server_ = std::move(*server);
    port_ = server_->port();
  }
  /// A second server instead of the first, with other options.
  void serve_again() {
    server_.reset();
    serve();
  }
  RemoteCommands& remote() { return remote_at(port_); }
  RemoteCommands& remote_at(std::uint16_t port) {
    options_.address = "127.0.0.1:" + std::to_string(port);
    remote_ = std::make_unique<RemoteCommands>(options_);
    return *remote_;
  }
  RemoteCommands& connected_remote() { return connect(remote()); }
  static RemoteCommands& connect(RemoteCommands& remote) {
    EXPECT_TRUE(eventually([&] { return remote.connected(); }));
    return remote;
  }
  void create(RemoteCommands& remote, const std::string& name,
              std::shared_ptr<Sequence> sequence = {}) {
    ++submitted_;
    remote.submit(context(std::move(sequence)), CreateProject{name, {}}, replies_.expect(name));
  }
  /// Creates "<first>" and so on.
  void create_many(RemoteCommands& remote, std::size_t many,
                   const std::shared_ptr<Sequence>& sequence = {}) {
    for (std::size_t i = 0; i < many; ++i) create(remote, std::to_string(i), sequence);
  }
  static std::vector<std::string> numbers(std::size_t end) {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < end; ++i) all.push_back(std::to_string(i));
    return all;
  }

  Replies replies_;
  FakeCommands peer_;
  CommandServer::Wait wait_;
  CommandServer::Options server_options_;
  RemoteCommands::Options options_;
  std::unique_ptr<CommandServer> server_;
  std::unique_ptr<RemoteCommands> remote_;
  std::uint16_t port_ = 0;
  std::size_t submitted_ = 0;
};

}  // namespace manager
