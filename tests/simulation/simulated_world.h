#pragma once

#include <memory>
#include <optional>

#include <boost/asio/io_context.hpp>

#include "eventstore/journal.h"
#include "manager/core.h"
#include "projections/memory_store.h"
#include "tests/support/fault_file.h"
#include "tests/support/world.h"

/// The whole write path in one thread, over things that can fail: the real journal on a FaultDisk,
/// the real event store, projections and command handler, rows in memory that forget what was not
/// flushed, and a clock that passes when told to. Nothing happens between two calls. The journal
/// has small segments, so that a short life meets their ends.
namespace simulation {

using manager::Reply;
using schemas::Result;

class SimulatedWorld {
 public:
  explicit SimulatedWorld(std::uint32_t seed) : disk_(seed) {}
  ~SimulatedWorld() { die(); }

  /// Opens what is there, and founds it when it is new.
  Result<void> open();
  /// The process dies; of the rows' unflushed writes the first `kept_rows` stay.
  void kill(std::uint64_t kept_rows);
  /// The same, and what the disk had not synced is there or not.
  void cut_power(std::uint64_t kept_rows);
  /// Everything written is covered and closed.
  void close();
  void forget_rows();

  void send(manager::CommandContext context, manager::Command command,
            manager::Commands::Done done);
  /// One commit of the journal, or a cover when there is nothing to commit.
  void pump() { journal_->pump(); }
  /// Runs what the core thread has to do; false if that was nothing.
  bool poll();
  /// Both, until nothing moves any more.
  void settle();

  bool is_open() const { return core_ != nullptr; }
  eventstore::FaultDisk& disk() { return disk_; }
  eventstore::Journal& log() { return *journal_; }
  manager::Core& core() { return *core_; }
  manager::TestClock& clock() { return clock_; }
  projections::MemoryStore& rows() { return *rows_; }
  schemas::TopicId topic(std::string_view product) { return *core_->topics().find(product); }
  std::string hash() { return projections::state_hash(*rows_); }

  static constexpr std::uint16_t partitions = 2;

 private:
  Result<void> found();
  void die();

  eventstore::FaultDisk disk_;
  manager::TestClock clock_;
  std::unique_ptr<projections::MemoryStore> rows_ = std::make_unique<projections::MemoryStore>();
  std::unique_ptr<boost::asio::io_context> context_;
  std::unique_ptr<manager::Core> core_;
  std::unique_ptr<eventstore::Journal> journal_;
};

}  // namespace simulation
