#include "eventstore/journal_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/core.h>

#include "schemas/crypto.h"
#include "schemas/planted.h"

namespace eventstore::journal {

using schemas::Error;
using schemas::ErrorCode;
using schemas::fail;
using schemas::Fault;
using schemas::planted;
using schemas::Result;
using Outcome = AppendFailure::Outcome;

namespace {

/// Room that records leave for cover frames, so that a journal whose disk is full can be opened and
/// closed many times.
std::uint64_t cover_reserve(std::uint64_t segment_size) {
  return std::min<std::uint64_t>(64 * 1024, segment_size / 16);
}

RecordHead own_head(Bytes payload) {
  return {.length = static_cast<std::uint32_t>(payload.size()),
          .kind = RecordKind::control,
          .payload_crc = schemas::crc32c(payload)};
}

Error not_next(const Append& append, Offset next) {
  return {ErrorCode::internal,
          fmt::format("a record for offset {} of topic {}, partition {} was refused: {} is next",
                      append.expected, static_cast<std::uint16_t>(append.log.topic),
                      append.log.partition, next),
          {},
          {}};
}

}  // namespace

JournalWriter::JournalWriter(Shared shared, SpaceAhead& space, LogObserver& observer,
                             Options options, const Opening::Settled& settled)
    : shared_(shared),
      space_(space),
      observer_(observer),
      options_(options),
      id_(settled.id),
      seed_(crc_seed(settled.id)),
      segment_{settled.active_base, settled.active_file},
      segment_size_(settled.active_size),
      end_(settled.end),
      open_count_(settled.open_count + (planted(Fault::keep_open_count) ? 0 : 1)),
      losses_(settled.losses) {}

Result<void> JournalWriter::begin(const std::vector<Range>& losses) {
  const auto size = frame_size + losses.size() * (frame_size + sizeof(Range));
  if (end_ + size + closing_size(shared_.partitions.size()) > segment_end()) {
    // Without space for more the journal can be read, for everything in it is synced. Nothing is
    // written then before the closing frame, which says of itself what the cover would.
    if (auto rolled = roll(size); !rolled) return losses.empty() ? Result<void>() : rolled;
  }
  stage_own(OwnFrame::cover, {});
  for (const auto& loss : losses) stage_own(OwnFrame::loss, encode(loss));
  return write_own();
}

Result<void> JournalWriter::begin_now() {
  if (!cut_ || !shared_.health.writable()) return {};
  auto cut = cut_();
  if (!cut && cut.error().code != ErrorCode::disk_full) {
    shared_.health.turn_read_only(
        {ErrorCode::read_only,
         fmt::format("a torn tail could not be cut off ({}); restart when the disk is well",
                     cut.error().detail),
         {},
         {}});
  }
  if (!cut) return cut;
  cut_ = {};
  return begin({});
}

void JournalWriter::write(std::vector<Append> queued) {
  const auto begun = begin_now();
  for (auto& append : queued) {
    ENSURE(append.payload.bytes().size() == append.head.length);
    ENSURE(append.head.length <= record_size_max - RecordHead::size_bytes);
    const std::size_t size = frame_size + padded(append.head.length);
    if (!admit(append)) continue;
    if (!begun) {
      refuse(append, begun.error());
    } else if (make_place(append, size)) {
      auto& partition = *shared_.partitions.find(append.log);
      stage(std::move(append), partition, size);
    }
  }
  flush();
}

/// Whether the append is the next of its partition and the journal is writable; else it is refused,
/// or was by a failure before it.
bool JournalWriter::admit(const Append& append) {
  auto* partition = shared_.partitions.find(append.log);
  const bool known = partition != nullptr && partition->open;
  auto& gate = known ? partition->gate : strays_[append.log];
  const auto reason = shared_.health.writable() ? std::nullopt : shared_.health.reason();
  const auto answer =
      known && !reason ? gate.admit(append.expected) : gate.turn_away(append.expected);
  if (answer == AppendGate::Answer::refuse) {
    flush();  // what came before is told before
    observer_.on_failure({append.log, append.expected, Outcome::refused,
                          reason.value_or(not_next(append, gate.next()))});
  }
  return answer == AppendGate::Answer::take;
}

/// Flushes and rolls where needed; false when the append failed with that.
bool JournalWriter::make_place(const Append& append, std::size_t size_bytes) {
  const bool full = staged_size_ > 0 && staged_size_ + size_bytes > options_.write_size_max;
  if (!full && fits(size_bytes)) return true;
  if (!flush()) {
    const auto& gate = shared_.partitions.find(append.log)->gate;
    const bool covered = gate.next() <= append.expected;
    if (covered) return false;
    if (const auto reason = shared_.health.reason()) {
      refuse(append, *reason);
      return false;
    }
  }
  while (!fits(size_bytes)) {
    if (auto rolled = roll(size_bytes); !rolled) {
      refuse(append, rolled.error());
      return false;
    }
  }
  return true;
}

void JournalWriter::refuse(const Append& append, const Error& error) {
  shared_.partitions.find(append.log)->gate.take_back(append.expected);
  observer_.on_failure({append.log, append.expected, Outcome::refused, error});
}

void JournalWriter::stage(Append append, Partition& partition, std::size_t size_bytes) {
  const auto position = end_ + staged_size_;
  const auto payload = append.payload.bytes();
  const auto staged = stage_frame(append.log, append.expected, append.head, payload);
  ENSURE(staged == size_bytes);
  if (!partition.touched) {
    partition.touched = true;
    touched_.push_back(&partition);
  }
  partition.staged.apply_own(append.expected, append.head, payload);
  if (partition.sampler.wants(segment_.base, position)) {
    entries_.push_back({append.log, append.expected, position});
  }
  if (group_.empty()) group_.reserve(group_size_ + group_size_ / 4);
  group_.push_back({append.log, append.expected, append.head, std::move(append.payload)});
}

std::size_t JournalWriter::stage_frame(LogId log, Offset offset, const RecordHead& head,
                                       Bytes payload) {
  const std::size_t size = frame_size + padded(payload.size());
  const std::size_t words = (staged_size_ + size) / 8;
  if (buffer_.size() < words) buffer_.resize(std::max(words, 2 * buffer_.size()));
  auto* at = reinterpret_cast<std::uint8_t*>(buffer_.data()) + staged_size_;
  const Frame frame{.position = end_ + staged_size_,
                    .offset = offset,
                    .durable_end = planted(Fault::stale_durable_end) ? 0 : end_,
                    .log = log,
                    .open_count = open_count_,
                    .head = head};
  encode(frame, seed_, std::span<std::uint8_t, frame_size>(at, frame_size));
  if (!payload.empty()) {
    std::memset(at + size - 8, 0, 8);
    std::memcpy(at + frame_size, payload.data(), payload.size());
  }
  staged_size_ += size;
  return size;
}

void JournalWriter::stage_own(OwnFrame kind, Bytes payload) {
  stage_frame({own_topic, static_cast<std::uint16_t>(kind)}, 0, own_head(payload), payload);
}

void JournalWriter::clear_staged() {
  staged_size_ = 0;
  group_.clear();
  touched_.clear();
  entries_.clear();
}

/// Whether everything staged is durable now.
bool JournalWriter::flush() {
  if (group_.empty()) return true;
  const auto failed = write_staged();
  if (failed) {
    fail_staged(*failed);
    return false;
  }
  uncovered_ = true;
  publish();
  return true;
}

/// Writes and syncs; moves the end on success.
std::optional<JournalWriter::Failed> JournalWriter::write_staged() {
  ENSURE(end_ + staged_size_ <= segment_end());
  const Bytes bytes(reinterpret_cast<const std::uint8_t*>(buffer_.data()), staged_size_);
  if (planted(Fault::acknowledge_before_sync)) std::ignore = segment_.file->sync();
  const auto written = segment_.file->write(segment_.file_offset(end_), bytes);
  if (!written) return after_bad_write(written.error());
  if (*written < bytes.size()) {
    return after_bad_write({ErrorCode::disk_full, "the disk took a part of a write only", {}, {}});
  }
  if (const auto synced = sync_commit(); !synced) {
    shared_.health.turn_read_only(
        {ErrorCode::read_only,
         fmt::format("the disk did not confirm a write ({}); what it holds is found out by "
                     "opening again: restart when the disk is well",
                     synced.error().detail),
         {},
         {}});
    if (planted(Fault::answer_unknown_as_refused)) return Failed{Outcome::refused, synced.error()};
    return Failed{Outcome::unknown, {ErrorCode::outcome_unknown, synced.error().detail, {}, {}}};
  }
  end_ += staged_size_;
  return std::nullopt;
}

Result<void> JournalWriter::sync_commit() {
  if (planted(Fault::skip_commit_sync) || planted(Fault::acknowledge_before_sync)) return {};
  auto synced = segment_.file->sync();
  if (!synced && planted(Fault::retry_failed_sync)) synced = segment_.file->sync();
  return synced;
}

/// A failed or short write may have left anything in its range. It was surely not written only once
/// the range is zero again and synced; else it counts as a failed sync.
JournalWriter::Failed JournalWriter::after_bad_write(Error error) {
  if (planted(Fault::answer_short_write_as_refused)) return {Outcome::refused, std::move(error)};
  const auto at = segment_.file_offset(end_);
  auto zeroed = write_zeros(*segment_.file, at, at + staged_size_);
  if (zeroed) zeroed = segment_.file->sync();
  const bool usable = zeroed && error.code == ErrorCode::disk_full;
  if (!usable) {
    shared_.health.turn_read_only(
        {ErrorCode::read_only,
         fmt::format("the disk failed a write ({}); restart when it is well", error.detail),
         {},
         {}});
  }
  if (zeroed) return {Outcome::refused, std::move(error)};
  return {Outcome::unknown, {ErrorCode::outcome_unknown, error.detail, {}, {}}};
}

void JournalWriter::fail_staged(const Failed& failed) {
  std::vector<AppendFailure> failures;
  for (auto* partition : touched_) {
    Partitions::take_back(*partition);
    failures.push_back(
        {partition->log, partition->staged.next_offset, failed.outcome, failed.error});
  }
  clear_staged();
  for (auto& failure : failures) observer_.on_failure(std::move(failure));
}

/// What is told must be visible: the end of what may be read first, then what says that more can
/// be.
void JournalWriter::publish() {
  if (!entries_.empty()) shared_.index.add(entries_);
  shared_.durable_end.store(end_, std::memory_order_release);
  shared_.partitions.publish(touched_);
  group_size_ = group_.size();
  auto group = std::make_shared<const std::vector<StoredRecord>>(std::exchange(group_, {}));
  clear_staged();
  space_.used(end_ - segment_.base);
  observer_.on_durable(std::move(group));
}

/// Frames of the journal's own, after which no record waits. A failure is final.
Result<void> JournalWriter::write_own() {
  const auto failed = write_staged();
  clear_staged();
  if (!failed) {
    uncovered_ = false;
    shared_.durable_end.store(end_, std::memory_order_release);
    return {};
  }
  shared_.health.turn_read_only({ErrorCode::read_only, failed->error.detail, {}, {}});
  return fail(failed->error);
}

void JournalWriter::cover() {
  if (!uncovered_ || !shared_.health.writable()) return;
  if (end_ + frame_size + closing_size(shared_.partitions.size()) > segment_end()) return;
  stage_own(OwnFrame::cover, {});
  std::ignore = write_own();  // the reason is in `health`
}

void JournalWriter::make_room() {
  if (shared_.health.writable() && !fits(frame_size)) std::ignore = roll(frame_size);
}

std::uint64_t JournalWriter::closing_size(std::size_t partitions) const {
  return frame_size + padded(ClosingTable::size_bytes(partitions, losses_.size()));
}

bool JournalWriter::fits(std::uint64_t size_bytes) const {
  const auto needed =
      size_bytes + cover_reserve(segment_size_) + closing_size(shared_.partitions.size());
  return end_ + staged_size_ + needed <= segment_end();
}

/// Ends the active segment and goes on in the prepared one: that one gets its header and its name
/// and is durable, then the closing frame names it, then records follow.
Result<void> JournalWriter::roll(std::uint64_t size_bytes) {
  const auto needed =
      segment_header_size + size_bytes + 2 * closing_size(shared_.partitions.size());
  const auto size_min = padded(needed + needed / 15 + 8);  // and its cover_reserve
  ClosingTable table{.successor = 0, .states = shared_.partitions.states(), .losses = losses_};
  table.successor = end_ + closing_size(table.states.size());
  if (table.successor > segment_end()) {
    return fail(ErrorCode::disk_full,
                fmt::format("{} has no room left for what closes it; copy the log to a new place",
                            shared_.folder.path_of(segment_.base)));
  }
  auto prepared = space_.take(size_min);
  if (!prepared) return fail(std::move(prepared).error());
  const SegmentHeader header{.id = id_,
                             .base = table.successor,
                             .size_bytes = prepared->size_bytes,
                             .previous_base = segment_.base,
                             .previous_closing = end_};
  if (auto placed = put_in_place(*prepared, header); !placed) return placed;
  stage_own(OwnFrame::closing, encode(table));
  if (auto closed = write_own(); !closed) return closed;
  ENSURE(end_ == table.successor);

  const auto closed_base = segment_.base;
  shared_.folder.add(header.base, prepared->file);
  shared_.index.begin_segment(header.base, {});
  segment_ = {header.base, prepared->file};
  segment_size_ = header.size_bytes;
  space_.later([&index = shared_.index, closed_base] { index.save(closed_base); });
  return {};
}

Result<void> JournalWriter::put_in_place(SpaceAhead::Prepared& prepared,
                                         const SegmentHeader& header) {
  auto& files = shared_.folder.files();
  auto done = write_all(*prepared.file, 0, encode(header));
  if (done) done = prepared.file->sync();
  if (done) {
    done = files.rename(shared_.folder.path() + "/next", shared_.folder.path_of(header.base));
    if (!done && done.error().code == ErrorCode::disk_full) {
      space_.put_back(std::move(prepared));
      return done;
    }
  }
  if (done && !planted(Fault::skip_directory_sync)) {
    done = files.sync_directory(shared_.folder.path());
  }
  if (!done) {
    shared_.health.turn_read_only(
        {ErrorCode::read_only,
         fmt::format("a new segment could not be made durable ({}); restart when the disk is well",
                     done.error().detail),
         {},
         {}});
  }
  return done;
}

}  // namespace eventstore::journal
