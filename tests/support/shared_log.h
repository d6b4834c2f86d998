#pragma once

#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "eventstore/log.h"

/// A log that several processes write, in memory and step by step: brokers that take whatever
/// arrives, whenever the test lets it arrive, and for each process a Log that reads it back. What
/// Kafka does to records on their way (late, lost, twice, reported lost and there all the same) is
/// what the test says.
namespace eventstore {

/// What all processes share.
class SharedBrokers {
 public:
  struct Stored {
    RecordHead head;
    Payload payload;
  };
  Offset end(LogId log) const;
  const Stored& at(LogId log, Offset offset) const { return partitions_.at(log)[offset]; }
  void take(const Append& append);
  std::vector<LogId> partitions() const;

  /// Sent by somebody who has given up on it, or is dead; in the order of each connection.
  std::vector<std::deque<Append>> zombies;

 private:
  std::map<LogId, std::vector<Stored>> partitions_;
};

class SharedLog final : public Log {
 public:
  SharedLog(std::shared_ptr<SharedBrokers> brokers, LogObserver& observer)
      : brokers_(std::move(brokers)), observer_(observer) {}
  /// A process that dies leaves what it sent on its way.
  ~SharedLog() override { leave_zombies(); }

  enum class Fate { stored, stored_twice, lost };
  /// The oldest record on its way arrives, or does not.
  void deliver(Fate fate);
  bool has_flights() const { return !flights_.empty(); }
  /// The connection breaks: everything on its way is reported as perhaps written, and may arrive.
  void cut();
  /// What is on its way is given up before it was sent: it never arrives, and its sender is told.
  /// So is what the sender queues behind it before it hears of that.
  void refuse();
  /// Reads back what is there, and tells of it and of failures.
  void pump();

  bool shared() const override { return true; }
  schemas::Result<void> open_topic(const Topic& topic) override;
  void append(std::vector<Append> records) override;
  schemas::Result<std::unique_ptr<Cursor>> read(std::vector<ReadFrom> from) override;
  std::unique_ptr<RecordReader> reader(LogId log) override;
  Offset durable_end(LogId log) const override { return state(log).next_offset; }
  PartitionState state(LogId log) const override;
  std::vector<LogId> partitions() const override;
  std::optional<schemas::Error> read_only() const override { return std::nullopt; }
  void close() override {}

 private:
  void read_back(LogId log, std::vector<StoredRecord>* group);
  void leave_zombies();

  std::shared_ptr<SharedBrokers> brokers_;
  LogObserver& observer_;
  std::map<TopicId, Topic> topics_;
  std::map<LogId, PartitionState> states_;
  std::deque<Append> flights_;
  std::deque<Append> reported_lost_;
  std::map<LogId, RecordHead> failed_from_;  // what goes on behind it shares the refusal
};

}  // namespace eventstore
