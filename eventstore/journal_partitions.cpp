#include "eventstore/journal_partitions.h"

#include <algorithm>
#include <span>

#include <fmt/core.h>

namespace eventstore::journal {

using schemas::ErrorCode;
using schemas::Result;

namespace {

std::size_t number(TopicId topic) {
  return static_cast<std::uint16_t>(topic);
}

/// A closing table is one record. What is left over is for losses.
static_assert(ClosingTable::size_bytes(partitions_max, 0) <= record_size_max * 3 / 4 + 16);

}  // namespace

Partitions::Partitions() {
  show(std::make_unique<Directory>());
}

void Partitions::load(const States& states) {
  const std::unique_lock lock(mutex_);
  auto directory = std::make_unique<Directory>();
  for (const auto& [log, state] : states) {
    auto& partitions = row(*directory, log.topic, std::size_t{log.partition} + 1).partitions;
    partitions[log.partition] = &all_.emplace_back(log, state);
  }
  size_ = all_.size();
  show(std::move(directory));
}

Partitions::Row& Partitions::row(Directory& directory, TopicId topic, std::size_t partitions) {
  if (directory.size() <= number(topic)) directory.resize(number(topic) + 1);
  auto& row = directory[number(topic)];
  if (row.partitions.size() < partitions) row.partitions.resize(partitions);
  return row;
}

void Partitions::show(std::unique_ptr<Directory> directory) {
  directory_.store(directory.get(), std::memory_order_release);
  directories_.push_back(std::move(directory));
}

/// How many partitions of `topic` are not known from records of theirs.
std::size_t Partitions::missing(const Directory& directory, const Topic& topic) {
  if (number(topic.id) >= directory.size()) return topic.partitions;
  const auto& known = directory[number(topic.id)].partitions;
  const auto first = std::span(known).first(std::min<std::size_t>(known.size(), topic.partitions));
  return topic.partitions - first.size() +
         static_cast<std::size_t>(std::ranges::count(first, nullptr));
}

Result<void> Partitions::open_topic(const Topic& topic) {
  const std::unique_lock lock(mutex_);
  const auto& now = *directory_.load(std::memory_order_relaxed);
  if (number(topic.id) < now.size() && now[number(topic.id)].open_partitions != 0) {
    const auto& known = now[number(topic.id)];
    if (known.name == topic.name && known.open_partitions == topic.partitions) return {};
    return schemas::fail(ErrorCode::internal,
                         fmt::format("topic {} is already open as {} with {} partitions",
                                     topic.name, known.name, known.open_partitions));
  }
  if (topic.id == own_topic || topic.partitions == 0 ||
      all_.size() + missing(now, topic) > partitions_max) {
    return schemas::fail(ErrorCode::internal,
                         fmt::format("topic {} cannot be opened: its number is the journal's own, "
                                     "or there would be no or too many partitions ({} at most)",
                                     topic.name, partitions_max));
  }
  auto directory = std::make_unique<Directory>(now);
  auto& changed = row(*directory, topic.id, topic.partitions);
  changed.open_partitions = topic.partitions;
  changed.name = topic.name;
  for (std::uint16_t i = 0; i < topic.partitions; ++i) {
    auto*& partition = changed.partitions[i];
    if (partition == nullptr) partition = &all_.emplace_back(LogId{topic.id, i}, PartitionState{});
    partition->open = true;
  }
  size_ = all_.size();
  show(std::move(directory));
  return {};
}

Partition* Partitions::find(LogId log) const {
  const auto& directory = *directory_.load(std::memory_order_acquire);
  if (number(log.topic) >= directory.size()) return nullptr;
  const auto& partitions = directory[number(log.topic)].partitions;
  return log.partition < partitions.size() ? partitions[log.partition] : nullptr;
}

PartitionState Partitions::state(LogId log) const {
  const auto* partition = find(log);
  if (partition == nullptr) return {};
  const std::shared_lock lock(mutex_);
  return partition->published_;
}

std::vector<LogId> Partitions::with_records() const {
  const std::shared_lock lock(mutex_);
  std::vector<LogId> logs;
  for (const auto& partition : all_) {
    if (partition.published_.next_offset > 0) logs.push_back(partition.log);
  }
  std::ranges::sort(logs);
  return logs;
}

States Partitions::states() const {
  const std::shared_lock lock(mutex_);
  States states;
  for (const auto& partition : all_) {
    if (partition.published_.next_offset > 0) states.emplace(partition.log, partition.published_);
  }
  return states;
}

void Partitions::set_damage(LogId log, schemas::Error error) {
  auto* partition = find(log);
  if (partition == nullptr) return;
  const std::unique_lock lock(mutex_);
  partition->damage_ = std::move(error);
}

std::optional<schemas::Error> Partitions::damage(LogId log) const {
  const auto* partition = find(log);
  if (partition == nullptr) return std::nullopt;
  const std::shared_lock lock(mutex_);
  return partition->damage_;
}

void Partitions::publish(const std::vector<Partition*>& touched) {
  const std::unique_lock lock(mutex_);
  for (auto* partition : touched) {
    partition->published_ = partition->staged;
    partition->touched = false;
    partition->durable_end_.store(partition->staged.next_offset, std::memory_order_release);
  }
}

void Partitions::take_back(Partition& partition) {
  partition.staged = partition.published_;
  partition.touched = false;
  partition.sampler.reset();
  partition.gate.take_back(partition.staged.next_offset);
}

}  // namespace eventstore::journal
