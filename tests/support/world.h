#pragma once

#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>

#include "eventstore/clock.h"
#include "eventstore/memory_log.h"
#include "manager/core.h"
#include "projections/memory_store.h"

/// A whole platform without sockets, disks and threads: commands go in, the test says when the log
/// commits, answers come out. Time stands still unless told to pass.
namespace manager {

class TestClock final : public eventstore::Clock {
 public:
  eventstore::MonotonicTime monotonic() const override { return monotonic_; }
  schemas::Time wall() const override { return wall_; }
  void pass(std::chrono::milliseconds time) {
    monotonic_ += time;
    wall_ += time;
  }
  void jump(std::chrono::milliseconds time) { wall_ += time; }

 private:
  eventstore::MonotonicTime monotonic_{std::chrono::hours{1}};
  schemas::Time wall_{std::chrono::milliseconds{1'790'000'000'000}};
};

/// An answer that may still be on its way.
struct Reply {
  std::optional<Result<Outcome>> result;
  bool here() const { return result.has_value(); }
  bool ok() const { return here() && result->has_value(); }
  const Outcome& outcome() const { return **result; }
  ErrorCode code() const { return result->error().code; }
};
using ReplyPtr = std::shared_ptr<Reply>;

class World {
 public:
  explicit World(std::uint16_t partitions = 4);
  ~World();

  /// Sends a command; decides it as far as that goes without the disk.
  ReplyPtr send(CommandContext context, Command command);
  void send(CommandContext context, Command command, Commands::Done done);
  /// Runs what is ready to run on the core thread; the log commits nothing.
  void poll();
  /// Commits, applies and answers until nothing moves any more.
  void settle();
  /// Sends and settles.
  Result<Outcome> run(CommandContext context, Command command);

  /// The process dies: everything unsynced is gone, rows keep `kept` of their unflushed writes.
  void crash(std::uint64_t kept = 0);
  /// Starts again on an empty row store, as a rebuild does.
  void rebuild();
  /// Starts again, with whatever `between` does to storage and rows; says what catching up says.
  Result<void> restart(const std::function<void()>& between);

  projections::Reader reader(schemas::OrganizationId organization, Space space = Space::live);
  schemas::TopicId topic(std::string_view product) { return *core_->topics().find(product); }
  std::string hash() { return projections::state_hash(*rows_); }

  TestClock& clock() { return clock_; }
  Core& core() { return *core_; }
  eventstore::MemoryLog& log() { return *log_; }
  eventstore::MemoryStorage& storage() { return *storage_; }
  projections::MemoryStore& rows() { return *rows_; }

 private:
  void start();
  Result<void> open();
  void stop();

  TestClock clock_;
  std::shared_ptr<eventstore::MemoryStorage> storage_;
  std::unique_ptr<projections::MemoryStore> rows_;
  std::unique_ptr<boost::asio::io_context> context_;
  std::unique_ptr<Core> core_;
  std::unique_ptr<eventstore::MemoryLog> log_;
  std::uint16_t partitions_;
};

/// Somebody of an organization who asks.
CommandContext of(schemas::OrganizationId organization, Space space = Space::live);
CommandContext with_key(CommandContext context, std::string_view key,
                        std::string_view request = "r");
CommandContext if_match(CommandContext context, std::uint64_t version);
CommandContext platform();

}  // namespace manager
