#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
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
///
/// Where other processes write too (Log::shared), what was submitted has one of two ends, whatever
/// happens to producers, brokers and networks: it comes back and counts (`landed`), or a later
/// claim comes back that counts, ours or another's, and it never will (`voided`). So after an
/// unknown outcome the partition is claimed anew first, and judged then.
///
///     owned ──unknown, or another offset than expected──► in doubt, claiming ──► owned
///       └──────── another's claim ──► voided, unclaimed       └─ landed…, voided ┘
namespace eventstore {

using schemas::Time;

class EventStore final : public LogObserver {
 public:
  /// What comes back, on the core thread, in the log's order.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void durable(const std::vector<StoredRecord>& group) = 0;
    /// The oldest record of the partition that was submitted and had no end yet: it counts, and
    /// stands at `offset`. After the group that brought it.
    virtual void landed(LogId log, Offset offset) = 0;
    /// Everything submitted in the partition from `failure.first` on is gone (refused), or unknown:
    /// then, in a log that can still be written, it is in doubt until it is landed or voided.
    virtual void failed(const AppendFailure& failure) = 0;
    /// What was submitted in the partition and has not landed never will.
    virtual void voided(LogId log, const schemas::Error& why) = 0;
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
  /// Lets another process claim it: nothing is submitted before the next claim.
  void release(LogId log);
  /// Partitions that are owned. In no order.
  std::vector<LogId> owned() const;
  /// To be called now and then: claims again where a claim failed and something is in doubt.
  void tick();

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
    PartitionState folded;         // of what came back
    PartitionState tip;            // of what was submitted besides
    std::deque<Offset> in_flight;  // where what was submitted and has no end yet is expected
    Standing standing = Standing::unclaimed;
    std::optional<Epoch> ours;  // the last one that we wrote under
  };
  /// What the owner is told of a group after it was told of the group.
  struct Told {
    enum class What : std::uint8_t { landed, voided, claimed };
    LogId log;
    What what;
    Offset offset = 0;
    schemas::Error why = {};
  };
  Partition& partition(LogId log);
  void settle(const std::vector<StoredRecord>& group);
  void follow(const StoredRecord& record, Partition& partition, std::vector<Told>& told);
  void follow_claim(const StoredRecord& record, Verdict verdict, Partition& partition,
                    std::vector<Told>& told);
  void tell(const Told& told);
  void fail(const AppendFailure& failure);

  boost::asio::any_io_executor core_;
  const Clock& clock_;
  Nonce nonce_;
  std::string process_;
  Log* log_ = nullptr;
  Owner* owner_ = nullptr;
  std::unordered_map<LogId, Partition> partitions_;
  std::vector<Append> submitted_;
  std::unordered_set<LogId> claims_due_;
  MonotonicTime anchor_monotonic_;
  Time anchor_wall_;
  bool jumped_ = false;  // told already
};

}  // namespace eventstore
