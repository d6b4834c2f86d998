#include <algorithm>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "manager/command_handler.h"
#include "schemas/planted.h"

/// The second half of the handler: what becomes of what was submitted.
namespace manager {

using eventstore::StoredRecord;
using projections::guarded;
using projections::WriteSet;
using schemas::LogId;
using schemas::Offset;

void CommandHandler::durable(const std::vector<StoredRecord>& group) {
  const auto is_early = [this](const StoredRecord& record) {
    const auto& topics = unopened_;
    return std::ranges::find(topics, record.log.topic, &eventstore::Topic::id) != topics.end();
  };
  if (!unopened_.empty() && std::ranges::any_of(group, is_early)) {
    auto rest = group;
    std::erase_if(rest, is_early);
    return durable(rest);
  }
  // What counts of ours comes back in order; at another place than expected, or where other indexes
  // are declared meanwhile, it is folded anew.
  auto prepared = [this](const StoredRecord& record) -> const WriteSet* {
    auto& partition = partitions_[record.log];
    if (partition.applied == partition.records.size()) return nullptr;
    const auto& next = partition.records[partition.applied];
    if (record.head.epoch != next.epoch || record.head.sequence != next.sequence) return nullptr;
    ++partition.applied;
    const bool as_expected =
        record.offset == next.offset && next.indexes == parts_.projector.indexes_generation();
    return as_expected ? &next.changes : nullptr;
  };
  auto applied = behind_ ? Result<void>(std::unexpected(*behind_))
                         : guarded([&] { return parts_.projector.apply(group, prepared); });
  if (!applied) {
    if (!behind_) spdlog::critical("rows stand still detail=\"{}\"", applied.error().detail);
    behind_ = std::move(applied).error();
  }
  take_controls(group);
  if (!behind_ && parts_.on_applied) parts_.on_applied(group);
  build_indexes();
}

/// What newly declared indexes lack is made in pieces of some milliseconds; whatever comes
/// meanwhile has its turn between two of them.
void CommandHandler::build_indexes() {
  constexpr std::size_t piece_rows = 500;
  if (builds_ || behind_) return;
  auto done = guarded([&] { return parts_.projector.build_indexes(piece_rows); });
  if (!done) spdlog::error("an index is not made for now detail=\"{}\"", done.error().detail);
  if (!done || *done) return;
  builds_ = true;
  boost::asio::post(parts_.core, [this] {
    builds_ = false;
    build_indexes();
  });
}

/// What `tm.log` says, whoever wrote it.
void CommandHandler::take_controls(const std::vector<StoredRecord>& group) {
  for (const auto& record : group) {
    if (record.log != eventstore::log_partition) continue;
    const auto before = parts_.topics.all().size();
    auto followed = parts_.topics.follow(record);
    const auto topics = parts_.topics.all();
    if (followed && topics.size() > before) {
      unopened_.push_back(topics.back());
      open_topics();
    }
    if (followed) eventstore::end_if_moved(parts_.log, parts_.topics);
    if (!followed) {
      spdlog::critical("what tm.log says cannot be followed detail=\"{}\"",
                       followed.error().detail);
    }
  }
}

/// What the brokers do not give now is asked for again at the next tick. Until what others wrote
/// before a topic was open here is folded, nothing of it is: the rows would have a gap.
void CommandHandler::open_topics() {
  for (auto& topic : std::exchange(unopened_, {})) {
    const auto opened = parts_.log.open_topic(topic);
    auto beginning = opened ? beginning_of(topic) : std::unexpected(opened.error());
    if (beginning) {
      if (!beginning->empty()) durable(*beginning);
      continue;
    }
    if (!opened && opened.error().code == ErrorCode::read_only) {
      spdlog::critical("a topic that tm.log names is gone detail=\"{}\"", opened.error().detail);
      parts_.log.turn_read_only(opened.error());
      continue;
    }
    spdlog::error("a topic cannot be opened yet name={} detail=\"{}\"", topic.name,
                  beginning.error().detail);
    unopened_.push_back(std::move(topic));
  }
}

Result<std::vector<StoredRecord>> CommandHandler::beginning_of(
    const eventstore::Topic& topic) const {
  std::vector<eventstore::ReadFrom> from;
  for (std::uint16_t i = 0; i < topic.partitions; ++i) {
    if (parts_.log.durable_end({topic.id, i}) > 0) from.push_back({{topic.id, i}, 0});
  }
  std::vector<StoredRecord> records;
  if (from.empty()) return records;
  auto cursor = parts_.log.read(std::move(from));
  if (!cursor) return std::unexpected(std::move(cursor).error());
  while (true) {
    auto record = (*cursor)->next();
    if (!record) return std::unexpected(std::move(record).error());
    if (!*record) return records;
    records.push_back(std::move(**record));
  }
}

void CommandHandler::landed(LogId log, Offset offset) {
  auto& partition = partitions_[log];
  const auto record = std::move(partition.records.front());
  partition.records.pop_front();
  if (partition.applied > 0) --partition.applied;
  if (!partition.in_doubt) drop(record);
  partition.stalled = false;
  partition.confirmed = record.since;
  if (offset != record.offset) {
    auto waits = std::ranges::find(partition.line, record.offset, &Answer::offset);
    if (waits != partition.line.end() && waits->needs_rows && !behind_) {
      waits->result = guarded([&] { return read_outcome(log, offset, parts_.rows); });
      if (waits->result) {
        waits->result->replayed = false;
      } else {
        waits->result.error().code = ErrorCode::outcome_unknown;  // it is written
      }
    }
  }
  if (partition.records.empty()) partition.in_doubt = false;
  answer_line(partition, record.offset + 1);
  if (!partition.controls.empty() && parts_.store.owned(log)) submit_controls(log, partition);
}

void CommandHandler::resume() {
  const auto why = behind_ ? behind_ : parts_.rows.broken();
  if (!why || why->code != ErrorCode::disk_full) return;
  auto resumed = guarded([&] { return parts_.projector.resume(parts_.log); });
  if (!resumed) {
    if (resumed.error().code != ErrorCode::disk_full) {
      spdlog::error("rows cannot go on yet detail=\"{}\"", resumed.error().detail);
    }
    behind_ = why;
    return;
  }
  spdlog::warn("rows go on: there is space again");
  behind_.reset();
  if (parts_.on_applied) parts_.on_applied({});
}

void CommandHandler::failed(const eventstore::AppendFailure& failure) {
  auto& partition = partitions_[failure.log];
  const bool unknown = failure.outcome == eventstore::AppendFailure::Outcome::unknown;
  if (unknown && parts_.log.shared() && !parts_.log.read_only() && !partition.records.empty()) {
    return doubt(partition, failure.error);
  }
  while (!partition.records.empty() && partition.records.back().offset >= failure.first) {
    // What is in doubt was dropped when the doubt began.
    const bool kept = !partition.in_doubt && !planted(schemas::Fault::keep_failed_overlay);
    if (kept) drop(partition.records.back());
    partition.records.pop_back();
  }
  if (partition.records.empty()) partition.in_doubt = false;
  bool gone = false;
  std::deque<Answer> kept;
  for (auto& waiting : std::exchange(partition.line, {})) {
    // Whoever stands behind the failed record was decided on it: nothing of that happened either.
    gone = gone || (waiting.offset && *waiting.offset >= failure.first);
    if (gone) {
      refuse_waiting(std::move(waiting), failure.error);
    } else {
      kept.push_back(std::move(waiting));
    }
  }
  partition.line = std::move(kept);
  for (auto& asked : std::exchange(partition.unclaimed, {})) {
    refuse(std::move(asked), failure.error);
  }
  for (auto& [control, done, since] : std::exchange(partition.controls, {})) {
    done(std::unexpected(failure.error));
  }
  partition.stalled = false;
}

/// Nothing more is decided on what is in flight until each record of it has landed or is voided.
void CommandHandler::doubt(Partition& partition, const schemas::Error& why) {
  if (std::exchange(partition.in_doubt, true)) return;
  for (auto record = partition.records.rbegin(); record != partition.records.rend(); ++record) {
    drop(*record);
  }
  std::deque<Answer> kept;
  for (auto& waiting : std::exchange(partition.line, {})) {
    if (waiting.offset) {
      kept.push_back(std::move(waiting));
    } else {
      refuse_waiting(std::move(waiting), {ErrorCode::no_owner, why.detail, {}, {}});
    }
  }
  partition.line = std::move(kept);
}

void CommandHandler::voided(LogId log, const schemas::Error& why) {
  auto& partition = partitions_[log];
  for (auto record = partition.records.rbegin(); record != partition.records.rend(); ++record) {
    if (!partition.in_doubt) drop(*record);
  }
  partition.records.clear();
  partition.applied = 0;
  partition.in_doubt = false;
  partition.stalled = false;
  for (auto& waiting : std::exchange(partition.line, {})) refuse_waiting(std::move(waiting), why);
  if (!partition.controls.empty()) parts_.store.claim(log);
}

void CommandHandler::claimed(LogId log) {
  auto& partition = partitions_[log];
  partition.stalled = false;
  for (auto& asked : std::exchange(partition.unclaimed, {})) take(std::move(asked));
  if (parts_.store.owned(log)) submit_controls(log, partition);
  if (!partition.controls.empty()) parts_.store.claim(log);
  parts_.store.flush();
}

void CommandHandler::tick() {
  resume();
  parts_.store.tick();
  open_topics();
  build_indexes();
  if (!parts_.log.shared()) return;
  const auto begun = parts_.clock.monotonic() - patience;
  for (auto& [log, partition] : partitions_) {
    const bool waits_long = !partition.line.empty() && partition.line.front().since < begun;
    const bool claims_long =
        !partition.unclaimed.empty() && partition.unclaimed.front().since < begun;
    const bool controls_long =
        !partition.controls.empty() && partition.controls.front().since < begun;
    if (waits_long || claims_long || controls_long) stall(partition);
  }
}

/// The brokers take nothing: whoever waits is told so, and whoever comes, until something lands.
void CommandHandler::stall(Partition& partition) {
  partition.stalled = !partition.records.empty();
  for (auto& waiting : partition.line) {
    const auto code = waiting.offset ? ErrorCode::outcome_unknown : ErrorCode::no_owner;
    waiting.result = fail(code, no_brokers().detail);
    answer(waiting);
  }
  std::erase_if(partition.line, [](const Answer& waiting) { return !waiting.offset; });
  for (auto& asked : std::exchange(partition.unclaimed, {})) refuse(std::move(asked), no_brokers());
  for (auto& [control, done, since] : std::exchange(partition.controls, {})) {
    done(std::unexpected(no_brokers()));
  }
}

void CommandHandler::rebalance() {
  for (const auto log : parts_.store.owned()) {
    auto& partition = partitions_[log];
    const bool idle = partition.records.empty() && partition.line.empty();
    if (idle && standing_of(log) == Ownership::Standing::others) parts_.store.release(log);
  }
  for (auto& [log, partition] : partitions_) {
    if (partition.unclaimed.empty() || parts_.store.owned(log)) continue;
    if (standing_of(log) == Ownership::Standing::wait) continue;
    for (auto& asked : std::exchange(partition.unclaimed, {})) take(std::move(asked));
  }
  parts_.store.flush();
}

void CommandHandler::refuse_waiting(Answer waiting, const schemas::Error& why) {
  waiting.result = std::unexpected(why);
  if (waiting.sequence) waiting.sequence->refuse(waiting.number);
  answer(waiting);
}

void CommandHandler::answer_line(Partition& partition, Offset durable_end) {
  while (!partition.line.empty()) {
    auto& front = partition.line.front();
    if (front.offset && *front.offset >= durable_end) break;
    auto next = std::move(front);
    partition.line.pop_front();
    if (behind_ && next.offset && next.needs_rows) {
      next.result = fail(ErrorCode::outcome_unknown,
                         "the write is in the log, but the rows could not be written");
    }
    answer(next);
  }
}

/// Once: who was told before that the brokers take nothing is not told again.
void CommandHandler::answer(Answer& answer) {
  if (!answer.done) return;
  load_.leave(answer.organization, answer.load, {.commands = 1, .bytes = answer.bytes});
  std::exchange(answer.done, {})(std::move(answer.result));
}

/// The record is in the rows now, or never will be.
void CommandHandler::drop(const InFlight& record) {
  overlay_.remove(record.ticket, record.changes);
  if (record.bytes > 0) load_.leave(record.organization, record.load, {.bytes = record.bytes});
}

/// Answers a command that never came to its turn.
void CommandHandler::refuse(Asked asked, schemas::Error error) {
  if (asked.context.sequence) asked.context.sequence->refuse(asked.number);
  Answer refused{.offset = {},
                 .result = std::unexpected(std::move(error)),
                 .done = std::move(asked.done),
                 .organization = asked.context.organization,
                 .bytes = asked.bytes,
                 .load = asked.load()};
  answer(refused);
}

}  // namespace manager
