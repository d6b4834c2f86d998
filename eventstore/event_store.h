#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "eventstore/clock.h"
#include "eventstore/log.h"

/// The single way to write to a log: owns the writer's side of every partition (claim, epoch,
/// sequence, chain, accepted time) and hands records to the backend in groups.
///
///     core thread                                  log's thread
///     submit ─ submit ─ submit ─ flush ──────────► one write, one sync
///     on_durable(group) ◄──────── post ──────────  on_durable
///
/// While one group syncs, the next is submitted on top of it. All members are core thread only, but
/// for the LogObserver's two, which post there.
namespace eventstore {

using schemas::Time;

class EventStore final : public LogObserver {
 public:
  /// What comes back, on the core thread, in the log's order.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void durable(const std::vector<StoredRecord>& group) = 0;
    /// Everything submitted in the partition from `failure.first` on is gone (refused) or unknown.
    virtual void failed(const AppendFailure& failure) = 0;
    /// A claim on the partition was decided: it may be written if it is `owned` now.
    virtual void claimed(LogId log) = 0;
  };
  /// The nonce of this process's claim on a partition that stands at the given epoch.
  using Nonce = std::function<std::uint64_t(LogId, const Epoch&)>;

  EventStore(boost::asio::any_io_executor core, const Clock& clock, Nonce nonce,
             std::string process);

  /// Before the first call of anything else; both must outlive this.
  void attach(Log& log, Owner& owner);

  /// Whether records may be submitted to the partition. If not, claim it and wait for
  /// Owner::claimed.
  bool owned(LogId log);
  void claim(LogId log);

  /// The accepted time of a record submitted now: never before the one before it. clock_jump when
  /// the wall clock moved more than a minute against the monotonic one.
  schemas::Result<Time> now(LogId log);

  /// The partition as it will stand once everything submitted is durable.
  const PartitionState& tip(LogId log);
  /// Gives a record its place behind the tip. Not durable before Owner::durable says so.
  const PartitionState& submit(LogId log, RecordKind kind, Payload payload);
  /// Hands everything submitted to the backend.
  void flush();

  void on_durable(Group group) override;
  void on_failure(AppendFailure failure) override;

 private:
  enum class Standing : std::uint8_t { unclaimed, claiming, owned };
  struct Partition {
    PartitionState tip;
    Standing standing = Standing::unclaimed;
  };
  Partition& partition(LogId log);
  void settle(const std::vector<StoredRecord>& group);
  void fail(const AppendFailure& failure);

  boost::asio::any_io_executor core_;
  const Clock& clock_;
  Nonce nonce_;
  std::string process_;
  Log* log_ = nullptr;
  Owner* owner_ = nullptr;
  std::unordered_map<LogId, Partition> partitions_;
  std::vector<Append> submitted_;
  MonotonicTime anchor_monotonic_;
  Time anchor_wall_;
  bool jumped_ = false;  // told already
};

}  // namespace eventstore
