#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "eventstore/append_gate.h"
#include "eventstore/journal_index.h"
#include "eventstore/log.h"

namespace eventstore::journal {

/// What the journal knows of one partition. Lives as long as the journal, at one address.
///
///     staged ──sync──▶ published ──▶ state(), durable_end()
///       │ refused: back to published
class Partition {
 public:
  explicit Partition(LogId id, const PartitionState& state)
      : log(id),
        gate(state.next_offset),
        staged(state),
        durable_end_(state.next_offset),
        published_(state) {}

  const LogId log;

  /// Whether its topic was opened: only then may it be appended to.
  std::atomic<bool> open = false;

  // The writer's own.
  AppendGate gate;
  PartitionState staged;  // with what is written but not synced
  bool touched = false;   // staged differs from published
  IndexSampler sampler;

  Offset durable_end() const { return durable_end_.load(std::memory_order_acquire); }

 private:
  friend class Partitions;
  std::atomic<Offset> durable_end_;
  PartitionState published_;              // guarded by Partitions::mutex_
  std::optional<schemas::Error> damage_;  // the same
};

/// All partitions of a journal. `find` is wait-free and for any thread, as is everything that is
/// not marked as the writer's.
class Partitions {
 public:
  Partitions();
  /// What opening folded; once, before anything is read or written.
  void load(const States& states);

  schemas::Result<void> open_topic(const Topic& topic);
  Partition* find(LogId log) const;

  PartitionState state(LogId log) const;
  std::vector<LogId> with_records() const;
  /// Partitions that a closing table must hold.
  std::size_t size() const { return size_.load(std::memory_order_relaxed); }
  States states() const;

  /// What was lost for good in this partition, or may have been: readers stop with it at the end.
  void set_damage(LogId log, schemas::Error error);
  std::optional<schemas::Error> damage(LogId log) const;

  /// The writer's: everything staged is durable now.
  void publish(const std::vector<Partition*>& touched);
  /// The writer's: nothing staged was written.
  static void take_back(Partition& partition);

 private:
  /// By topic, then partition; copied on every change, so that readers need no lock.
  struct Row {
    std::uint16_t open_partitions = 0;
    std::string name;
    std::vector<Partition*> partitions;
  };
  using Directory = std::vector<Row>;

  static std::size_t missing(const Directory& directory, const Topic& topic);
  Row& row(Directory& directory, TopicId topic, std::size_t partitions);
  void show(std::unique_ptr<Directory> directory);

  mutable std::shared_mutex mutex_;
  std::deque<Partition> all_;
  std::atomic<std::size_t> size_ = 0;
  // Old directories are kept: a reader may stand in one. They are small and change with topics
  // only.
  std::vector<std::unique_ptr<Directory>> directories_;
  std::atomic<const Directory*> directory_ = nullptr;
};

}  // namespace eventstore::journal
