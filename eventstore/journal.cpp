#include "eventstore/journal.h"

#include <atomic>
#include <pthread.h>
#include <utility>

#include <spdlog/spdlog.h>

#include "eventstore/journal_cursor.h"
#include "eventstore/journal_record_reader.h"
#include "eventstore/journal_writer.h"

namespace eventstore {

using journal::Opening;
using schemas::Error;
using schemas::fail;
using schemas::Result;

namespace {

/// Opening itself could not: only the log of what happened still tells it.
Result<void> cut_waiting(Opening& opening, const Opening::Settled& settled) {
  auto done = opening.cut(settled);
  const auto& cut = opening.report().cut;
  if (done && cut) {
    spdlog::warn("torn tail cut off position={} bytes={} kept_in={}", cut->position,
                 cut->size_bytes, cut->kept_in);
  }
  return done;
}

}  // namespace

struct Journal::Parts {
  explicit Parts(const JournalOptions& options)
      : folder(*options.files, options.directory + "/journal/" + options.retention_class) {}

  journal::SegmentFolder folder;
  std::optional<Opening> opening;
  journal::Health health;
  journal::Partitions partitions;
  std::optional<journal::Index> index;
  std::uint32_t seed = 0;
  std::vector<journal::Range> losses;
  std::vector<journal::Damage> damages;
  std::atomic<std::uint64_t> durable_end = 0;
  std::optional<journal::SpaceAhead> space;
  std::optional<journal::JournalWriter> writer;

  void show(const Opening::Settled& settled, const JournalOptions& options) {
    seed = journal::crc_seed(settled.id);
    losses = settled.losses;
    durable_end = settled.durable_end;
    using Files = journal::Index::Files;
    const bool writes = options.access == JournalOptions::Access::write;
    index.emplace(folder, options.directory + "/index/" + options.retention_class, seed,
                  writes ? Files::made_anew : Files::only_read);
  }
  journal::ReadSide read_side() {
    return {folder, partitions, *index, health, seed, durable_end, losses, damages};
  }
};

Journal::Journal(JournalOptions options, std::unique_ptr<FileLock> lock)
    : options_(std::move(options)),
      lock_(std::move(lock)),
      parts_(std::make_unique<Parts>(options_)) {}

Journal::~Journal() {
  stop(false);
}

Result<std::unique_ptr<Journal>> Journal::open(JournalOptions options, LogObserver& observer) {
  auto& files = *options.files;
  if (options.access == JournalOptions::Access::beside) {
    std::unique_ptr<Journal> journal(new Journal(std::move(options), nullptr));
    if (auto started = journal->start_beside(); !started) return fail(std::move(started).error());
    return journal;
  }
  const std::string folder = options.directory + "/journal/" + options.retention_class;
  if (auto made = files.make_directories(folder); !made) return fail(std::move(made).error());
  auto lock = files.lock(options.directory + "/lock");
  if (!lock) return fail(std::move(lock).error());
  // Names that an opening before this one made, but did not come to sync.
  for (const auto& path : {folder, options.directory + "/journal", options.directory}) {
    if (auto synced = files.sync_directory(path); !synced) return fail(std::move(synced).error());
  }
  std::unique_ptr<Journal> journal(new Journal(std::move(options), std::move(*lock)));
  if (auto started = journal->start(observer); !started) return fail(std::move(started).error());
  return journal;
}

/// No lock, no repair, no writer.
Result<void> Journal::start_beside() {
  auto& parts = *parts_;
  const auto tail = journal::find_durable_end(parts.folder, options_.wait);
  if (!tail) return fail(tail.error());
  auto& opening = parts.opening.emplace(parts.folder, Opening::Options{});
  auto settled = opening.look(tail->durable_end);
  if (!settled) return fail(std::move(settled).error());
  parts.show(*settled, options_);
  return load_folded(opening, *settled);
}

Result<void> Journal::start(LogObserver& observer) {
  auto& parts = *parts_;
  auto& opening = parts.opening.emplace(
      parts.folder,
      Opening::Options{options_.directory, options_.first_segment_size, options_.accept_losses});
  auto settled = opening.settle();
  if (!settled) return fail(std::move(settled).error());
  parts.show(*settled, options_);
  const bool threads = options_.drive == JournalOptions::Drive::threads;
  using Space = journal::SpaceAhead;
  parts.space.emplace(
      *options_.files,
      Space::Options{.path = parts.folder.path() + "/next",
                     .segment_size_max = options_.segment_size_max,
                     .drive = threads ? Space::Drive::thread : Space::Drive::inside_take},
      settled->active_size);
  parts.writer.emplace(journal::Shared{parts.folder, parts.partitions, *parts.index, parts.health,
                                       parts.durable_end},
                       *parts.space, observer,
                       journal::JournalWriter::Options{options_.write_size_max}, *settled);
  if (auto begun = begin_writing(opening, *settled); !begun) return begun;
  report_ = opening.report();
  if (threads) thread_ = std::thread([this] { run(); });
  return {};
}

Result<void> Journal::load_folded(Opening& opening, const Opening::Settled& settled) {
  auto& parts = *parts_;
  auto folded = opening.fold(parts.durable_end);
  if (!folded) return fail(std::move(folded).error());
  parts.partitions.load(folded->states);
  for (auto& [log, error] : folded->stopped) parts.partitions.set_damage(log, error);
  std::erase_if(folded->entries,
                [&](const auto& entry) { return entry.position < settled.active_base; });
  parts.index->begin_segment(settled.active_base, folded->entries);
  parts.damages = opening.report().damages;
  for (const auto& damage : parts.damages) {
    parts.health.turn_read_only(journal::damage_error(parts.folder.path(), damage));
  }
  return {};
}

/// Fold, then cover, then room: the fold says how many partitions there are, so how much room the
/// cover must leave, and is not shown before the cover is durable. A damaged journal is not written
/// to.
Result<void> Journal::begin_writing(Opening& opening, const Opening::Settled& settled) {
  auto& parts = *parts_;
  if (auto loaded = load_folded(opening, settled); !loaded) return loaded;
  if (!parts.damages.empty()) return {};
  if (settled.torn) {
    parts.writer->begin_later([&opening, settled] { return cut_waiting(opening, settled); });
    return {};
  }
  if (auto begun = parts.writer->begin(options_.accept_losses); !begun) return begun;
  parts.writer->make_room();
  return {};
}

std::uint64_t Journal::durable_position() const {
  return parts_->durable_end.load(std::memory_order_acquire);
}

void Journal::append(std::vector<Append> records) {
  ENSURE(options_.access == JournalOptions::Access::write);
  {
    const std::lock_guard lock(mutex_);
    if (queue_.empty()) {
      queue_ = std::move(records);
    } else {
      std::move(records.begin(), records.end(), std::back_inserter(queue_));
    }
  }
  wake_.notify_one();
}

void Journal::run() {
  ::pthread_setname_np(::pthread_self(), "journal");
  auto& writer = *parts_->writer;
  std::unique_lock lock(mutex_);
  const auto due = [this] { return stopping_ || !queue_.empty(); };
  while (true) {
    if (writer.uncovered() && parts_->health.writable()) {
      if (!wake_.wait_for(lock, options_.idle_before_cover, due)) {
        lock.unlock();
        writer.cover();
        lock.lock();
        continue;
      }
    } else {
      wake_.wait(lock, due);
    }
    if (stopping_ && (queue_.empty() || !draining_)) return;
    auto queued = std::exchange(queue_, {});
    lock.unlock();
    writer.write(std::move(queued));
    lock.lock();
  }
}

void Journal::pump() {
  ENSURE(options_.drive == JournalOptions::Drive::pump);
  std::unique_lock lock(mutex_);
  auto queued = std::exchange(queue_, {});
  lock.unlock();
  if (queued.empty()) {
    parts_->writer->cover();
  } else {
    parts_->writer->write(std::move(queued));
  }
}

void Journal::stop(bool drain) {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    draining_ = drain;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Journal::close() {
  if (options_.access == JournalOptions::Access::beside) return;
  stop(true);
  if (options_.drive == JournalOptions::Drive::pump && !queue_.empty()) pump();
  parts_->writer->cover();
  parts_->space.reset();
  lock_.reset();
}

Result<void> Journal::open_topic(const Topic& topic) {
  return parts_->partitions.open_topic(topic);
}

Result<std::unique_ptr<Cursor>> Journal::read(std::vector<ReadFrom> from) {
  return journal::JournalCursor::open(parts_->read_side(), from);
}

std::unique_ptr<RecordReader> Journal::reader(LogId log) {
  return std::make_unique<journal::JournalRecordReader>(parts_->read_side(), log);
}

Offset Journal::durable_end(LogId log) const {
  const auto* partition = parts_->partitions.find(log);
  return partition == nullptr ? 0 : partition->durable_end();
}

PartitionState Journal::state(LogId log) const {
  return parts_->partitions.state(log);
}

std::vector<LogId> Journal::partitions() const {
  return parts_->partitions.with_records();
}

std::optional<Error> Journal::read_only() const {
  return parts_->health.reason();
}

void Journal::turn_read_only(Error why) {
  parts_->health.turn_read_only(std::move(why));
}

}  // namespace eventstore
