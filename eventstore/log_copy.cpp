#include "eventstore/log_copy.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "schemas/batch.h"
#include "schemas/crypto.h"

namespace eventstore {

using schemas::Error;
using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

namespace {

constexpr std::size_t staged_bytes_max = 256 * 1024;
constexpr std::size_t on_their_way_max = 16 * 1024 * 1024;
constexpr std::chrono::seconds looked_after{1};

std::size_t size_of(const RecordHead& head) {
  return RecordHead::size_bytes + head.length;
}

/// Void records are copied as they are, but for one that says it holds events and does not: no
/// writer of ours made that, and the target would look into it.
bool is_garbage(const StoredRecord& record) {
  return record.head.kind == RecordKind::events &&
         !schemas::BatchView::verify(record.payload.bytes());
}

}  // namespace

// ---- RecordWriter ----

Result<void> RecordWriter::append(Append record) {
  staged_bytes_ += size_of(record.head);
  staged_.push_back(std::move(record));
  if (staged_bytes_ < staged_bytes_max) return {};
  send();
  return wait_until(on_their_way_max);
}

Result<void> RecordWriter::wait() {
  send();
  return wait_until(0);
}

void RecordWriter::send() {
  {
    const std::lock_guard lock(mutex_);
    for (const auto& append : staged_) {
      on_their_way_[append.log].push_back({append.expected, append.head});
    }
    bytes_ += staged_bytes_;
  }
  staged_bytes_ = 0;
  log_->append(std::exchange(staged_, {}));
}

Result<void> RecordWriter::wait_until(std::size_t bytes_max) {
  std::unique_lock lock(mutex_);
  const auto done = [&] { return failed_ || bytes_ <= bytes_max; };
  // A log that stopped may leave what it was given without a word.
  while (!told_.wait_for(lock, looked_after, done)) {
    if (auto stopped = log_->read_only()) return fail(std::move(*stopped));
  }
  if (failed_) return fail(*failed_);
  return {};
}

void RecordWriter::on_durable(Group group) {
  const std::lock_guard lock(mutex_);
  for (const auto& record : *group) {
    const auto expected = on_their_way_.find(record.log);
    if (expected == on_their_way_.end() || expected->second.empty()) continue;
    const auto& [offset, head] = expected->second.front();
    if (record.offset != offset || record.head != head) {
      if (!failed_) {
        failed_ = {
            ErrorCode::internal, "somebody else writes there; stop it, and copy again", {}, {}};
      }
      break;
    }
    bytes_ -= size_of(head);
    expected->second.pop_front();
  }
  told_.notify_one();
}

void RecordWriter::on_failure(AppendFailure failure) {
  const std::lock_guard lock(mutex_);
  if (!failed_) failed_ = std::move(failure.error);
  told_.notify_one();
}

// ---- LogCopy: before anything is written ----

Result<void> LogCopy::prepare() {
  if (auto loaded = load_topics(source_.log, topics_); !loaded) return loaded;
  if (topics_.partition_count() == 0) {
    return fail(ErrorCode::not_found, "there is no log: tm.log names none");
  }
  for (const auto& topic : topics_.all()) {
    for (std::uint16_t i = 0; i < topic.partitions; ++i) {
      ends_[{topic.id, i}] = source_.log.durable_end({topic.id, i});
    }
  }
  if (auto looked = look_for_end(); !looked) return looked;
  for (const auto log : source_.log.partitions()) {
    if (ends_.contains(log)) continue;
    return fail(ErrorCode::internal,
                fmt::format("topic {} has records and no name; run `tidemark log verify`",
                            static_cast<std::uint16_t>(log.topic)));
  }
  return open_topics();
}

/// Of tm.log, by the rule. What ends a log is a claim and, under it, `moved`: they are the source's
/// own, and not copied.
Result<void> LogCopy::look_for_end() {
  ends_[log_partition] = source_.log.durable_end(log_partition);
  auto cursor = source_.log.read({{log_partition, 0}});
  if (!cursor) return fail(std::move(cursor).error());
  PartitionState state;
  while (true) {
    auto record = (*cursor)->next();
    if (!record) return fail(std::move(record).error());
    if (!*record) return {};
    const auto& [log, offset, head, payload, after_loss] = **record;
    if (state.apply(offset, head, payload.bytes()) != Verdict::control) continue;
    const auto control = schemas::read_control(payload.bytes());
    const auto* moved = control ? std::get_if<schemas::Moved>(&*control) : nullptr;
    if (moved == nullptr) continue;
    if (moved->to != options_.to) {
      return fail(ErrorCode::invalid_transition,
                  fmt::format("this log has moved to {0}: copy that one, or name {0} to end a copy "
                              "there that was interrupted",
                              moved->to));
    }
    moved_ = true;
    ends_[log_partition] = static_cast<Offset>(state.epoch.offset);
  }
}

/// tm.log first: among the topics of another log none is made.
Result<void> LogCopy::open_topics() {
  if (auto opened = open_target({log_topic, "log", 1}); !opened) return opened;
  if (auto compared = compare(log_partition); !compared) return compared;
  for (const auto& topic : topics_.all()) {
    if (auto opened = open_target(topic); !opened) return opened;
  }
  for (const auto log : target_.log.partitions()) {
    if (!ends_.contains(log)) return wrong(log, 0, "and the log to be copied has nothing there");
  }
  for (const auto& [log, end] : ends_) {
    if (auto compared = compare(log); !compared) return compared;
    const auto found = target_.log.durable_end(log);
    total_ += end - found;
    report_.found += found;
    states_[log] = target_.log.state(log);
  }
  return {};
}

Result<void> LogCopy::open_target(const Topic& topic) {
  auto made = target_.log.make_topic(topic, MayHold::records);
  return made ? target_.log.open_topic(topic) : made;
}

/// Whether what the target has of this partition is a beginning of it: its last record says so, for
/// it stands behind all others, and by its chain it knows those that count.
Result<void> LogCopy::compare(LogId log) {
  const auto end = target_.log.durable_end(log);
  if (end == 0) return {};
  if (end > ends_.at(log)) return wrong(log, end - 1, "where the log to be copied has ended");
  const auto there = target_.log.read_one(log, end - 1);
  if (!there) return fail(there.error());
  const auto here = source_.log.read_one(log, end - 1);
  if (!here && here.error().code != ErrorCode::not_found) return fail(here.error());
  const bool filled = !here || is_garbage(*here);
  if (there->head == (filled ? filler_head() : here->head)) return {};
  return wrong(log, end - 1, "which is another one than the log to be copied has there");
}

// ---- copying ----

Result<void> LogCopy::copy() {
  if (auto copied = copy_all({log_partition}); !copied) return copied;
  std::vector<LogId> logs;
  for (const auto& [log, end] : ends_) {
    if (log != log_partition) logs.push_back(log);
  }
  return copy_all(logs);
}

/// All partitions in one pass, as the source's cursor finds them cheapest.
Result<void> LogCopy::copy_all(const std::vector<LogId>& logs) {
  std::vector<ReadFrom> from;
  for (const auto log : logs) {
    if (states_[log].next_offset < ends_[log]) from.push_back({log, states_[log].next_offset});
  }
  if (!from.empty()) {
    auto cursor = source_.log.read(from);
    if (!cursor) return fail(std::move(cursor).error());
    while (true) {
      auto record = (*cursor)->next();
      if (!record) return fail(std::move(record).error());
      if (!*record) break;
      if ((*record)->offset >= ends_[(*record)->log]) continue;
      if (auto copied = copy_record(**record); !copied) return copied;
    }
  }
  for (const auto log : logs) {
    if (auto filled = fill(log, ends_[log]); !filled) return filled;
  }
  if (auto durable = target_.writer.wait(); !durable) return durable;
  for (const auto log : logs) {
    if (target_.log.state(log) == states_[log]) continue;
    return fail(ErrorCode::internal, fmt::format("the copy of {} came to another state than its "
                                                 "original; remove it and copy again",
                                                 place(log, states_[log].next_offset)));
  }
  return {};
}

Result<void> LogCopy::copy_record(const StoredRecord& record) {
  const auto log = record.log;
  if (record.after_loss) {
    return fail(ErrorCode::read_only,
                fmt::format("before {} a loss was accepted: what it left void cannot be told "
                            "elsewhere, so such a log is not copied (a backup keeps it)",
                            place(log, record.offset)));
  }
  if (auto filled = fill(log, record.offset); !filled) return filled;
  if (is_garbage(record) || record.head == filler_head()) return fill(log, record.offset + 1);
  const auto verdict = states_[log].apply(record.offset, record.head, record.payload.bytes());
  if (verdict == Verdict::fork || verdict == Verdict::malformed) {
    return fail(
        ErrorCode::read_only,
        fmt::format("{} is a {}: what follows cannot be believed; run `tidemark log verify`",
                    place(log, record.offset), to_text(verdict)));
  }
  return put(log, record.head, Payload::copy(record.payload.bytes()));
}

Result<void> LogCopy::fill(LogId log, Offset to) {
  auto& state = states_[log];
  while (state.next_offset < to) {
    state.apply(state.next_offset, filler_head(), {});
    ++report_.fillers;
    if (auto done = put(log, filler_head(), {}); !done) return done;
  }
  return {};
}

Result<void> LogCopy::put(LogId log, const RecordHead& head, Payload payload) {
  ++report_.records;
  if (options_.progress) options_.progress(report_.records, total_);
  return target_.writer.append({log, states_[log].next_offset - 1, head, std::move(payload)});
}

// ---- the end of the source ----

Result<void> LogCopy::end_source() {
  if (moved_) return {};
  if (auto ended = check_ends(); !ended) return ended;
  auto state = source_.log.state(log_partition);
  std::uint64_t nonce = 0;
  schemas::random_bytes({reinterpret_cast<std::uint8_t*>(&nonce), sizeof nonce});
  auto claim = make_claim(state, nonce, "log copy");
  const auto first = state.next_offset;
  state.apply_own(first, claim.head, claim.payload.bytes());
  const auto built = schemas::build_control(schemas::Moved{options_.to});
  const RecordHead head{.length = static_cast<std::uint32_t>(built.bytes.size()),
                        .kind = RecordKind::control,
                        .epoch = state.epoch,
                        .sequence = state.sequence,
                        .chain = state.chain,
                        .payload_crc = schemas::crc32c(built.bytes)};
  auto& writer = source_.writer;
  auto written = writer.append({log_partition, first, claim.head, std::move(claim.payload)});
  if (written) {
    written = writer.append({log_partition, first + 1, head, Payload(built.owner, built.bytes)});
  }
  if (written) written = writer.wait();
  if (!written) return written;
  moved_ = true;
  return check_ends();
}

/// Whether the source still is what was copied.
Result<void> LogCopy::check_ends() const {
  for (const auto& [log, end] : ends_) {
    const auto now = source_.log.durable_end(log);
    if (log == log_partition && moved_ ? now == end + 2 : now == end) continue;
    return fail(ErrorCode::in_use,
                fmt::format("{} was written while it was copied: stop all processes that use this "
                            "log, and copy again",
                            place(log, now - 1)));
  }
  return {};
}

std::string LogCopy::place(LogId log, Offset offset) const {
  const auto name = log == log_partition ? "log" : topics_.name(log.topic);
  return fmt::format("offset {} of tm.{}, partition {}", offset, name, log.partition);
}

std::unexpected<Error> LogCopy::wrong(LogId log, Offset offset, std::string_view what) const {
  return fail(ErrorCode::invalid_parameter,
              fmt::format("the target holds other records already: there is {}, {}; name a new or "
                          "empty one",
                          place(log, offset), what));
}

}  // namespace eventstore
