#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eventstore/claims.h"
#include "eventstore/record.h"
#include "schemas/result.h"

/// The log contract: what memory, journal and Kafka have in common.
///
///      accepted, void, claim records                          submitted, not durable
///      0    1    2    3    4    5    6    7    8    9    |    10   11   12
///      .....................................................^              ^
///                                             durable_end = 10             the writer's own next
///
/// A partition is an ordered sequence of records counted from 0. `append` names the offset at which
/// the writer expects its record to stand; nothing is visible (to cursors, the observer, `state`)
/// before it is durable. Every backend passes tests/eventstore/log_contract_test.cpp.
namespace eventstore {

/// Every backend opens topics up to so many partitions in all. To be asked (Topics::has_room)
/// before a topic gets its number: one that is written down and cannot be opened stops every later
/// start.
inline constexpr std::size_t partitions_max = 32'768;

struct Topic {
  TopicId id;
  std::string name;  // without the prefix `tm.`
  std::uint16_t partitions;
};

/// One record to be written. `head` is complete but for nothing: the event store computed all of
/// it.
struct Append {
  LogId log;
  Offset expected;
  RecordHead head;
  Payload payload;
};

/// Records that became durable together, in log order per partition, void ones included.
using Group = std::shared_ptr<const std::vector<StoredRecord>>;

/// An append that will not be acknowledged, and with it everything submitted behind it in its
/// partition.
struct AppendFailure {
  enum class Outcome : std::uint8_t {
    refused,  // surely not written: the same offset may be tried again
    unknown,  // perhaps written: only reading back after reopening (or a new claim) decides
  };
  LogId log;
  Offset first;  // the expected offset of the first append that failed
  Outcome outcome;
  schemas::Error error;
};

/// Told by the log, on the log's own thread, in order. Must not block.
class LogObserver {
 public:
  virtual ~LogObserver() = default;
  virtual void on_durable(Group group) = 0;
  virtual void on_failure(AppendFailure failure) = 0;
};

/// Reads durable records. Not thread-safe; several cursors may read at once. Blocks on the disk.
class Cursor {
 public:
  virtual ~Cursor() = default;
  /// The next durable record, or empty at the durable end (call again later for more). The payload
  /// lives until the next call. Void records are passed on: the caller applies the rule. An error
  /// read_only stops one partition, whose records cannot be read any more; the next call goes on
  /// with the others.
  virtual schemas::Result<std::optional<StoredRecord>> next() = 0;
  /// The partition that the last error stopped; empty when the error was about the whole cursor.
  virtual std::optional<LogId> stopped() const { return std::nullopt; }
};

/// Reads single records of one partition, fastest where their offsets rise. Not thread-safe;
/// several may read at once; none outlives its log. Blocks on the disk.
class RecordReader {
 public:
  virtual ~RecordReader() = default;
  /// The record at exactly this offset; not_found beyond the end. The payload lives until the next
  /// call.
  virtual schemas::Result<StoredRecord> read(Offset offset) = 0;
};

struct ReadFrom {
  LogId log;
  Offset offset;
};

enum class MayHold : std::uint8_t { nothing, records };

class Log {
 public:
  virtual ~Log() = default;

  /// Whether other processes may write to it too. Then foreign records come between one's own, and
  /// an append may stand behind the offset that it expected: whoever appended looks where it
  /// stands.
  virtual bool shared() const { return false; }

  /// Makes a place for a topic before tm.log names it, where there is none. One that is there must
  /// not hold more than that. Thread: start-up or core, may block shortly.
  virtual schemas::Result<void> make_topic(const Topic& /*topic*/, MayHold /*what*/) { return {}; }
  /// Makes a topic known before its first use; idempotent. One that is not there was deleted: an
  /// error read_only. Thread: start-up or core, may block shortly.
  virtual schemas::Result<void> open_topic(const Topic& topic) = 0;
  /// A product's topic that holds records though it may not be open, where the backend can tell.
  /// What tm.log holds later names it. Thread: start-up, blocks.
  virtual schemas::Result<std::optional<std::string>> written_topic() { return std::nullopt; }

  /// Queues records, in order; never blocks. Each ends in exactly one on_durable or on_failure. An
  /// append whose `expected` is not the partition's next offset is refused, but for claims in a
  /// shared log. One writer thread at a time.
  virtual void append(std::vector<Append> records) = 0;

  /// Records of the named partitions from the given offsets on; per partition in offset order,
  /// between partitions in whatever order is cheapest (the journal: one pass). Any thread.
  virtual schemas::Result<std::unique_ptr<Cursor>> read(std::vector<ReadFrom> from) = 0;

  /// Single records of a partition, which may have none yet. Any thread.
  virtual std::unique_ptr<RecordReader> reader(LogId log) = 0;
  /// One such record, with a payload of its own. Any thread.
  schemas::Result<StoredRecord> read_one(LogId log, Offset offset);

  /// First offset that is not yet durable. Any thread, wait-free.
  virtual Offset durable_end(LogId log) const = 0;

  /// The end by now: behind everything that anybody had acknowledged before this was asked, also
  /// what is not read here yet. Where others write too, brokers are asked. Any thread; may block
  /// shortly.
  virtual schemas::Result<Offset> ask_end(LogId log) { return durable_end(log); }

  /// What the one rule (claims.h) gives at the durable end: next offset, epoch, sequence, chain,
  /// time. Any thread.
  virtual PartitionState state(LogId log) const = 0;

  /// Partitions that hold at least one record. Any thread.
  virtual std::vector<LogId> partitions() const = 0;

  /// Why nothing can be written any more (failed sync, corruption, moved), if so. Any thread.
  virtual std::optional<schemas::Error> read_only() const = 0;
  /// From now on nothing is written, for this reason unless there is one already. Any thread.
  virtual void turn_read_only(schemas::Error /*why*/) {}

  /// Drains what was appended, closes. No call after it.
  virtual void close() = 0;
};

}  // namespace eventstore
