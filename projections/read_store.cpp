#include "projections/read_store.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <fcntl.h>
#include <mutex>
#include <shared_mutex>
#include <system_error>
#include <thread>
#include <tuple>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include "projections/layered_rows.h"

namespace projections {
namespace {

using schemas::Error;
using schemas::ErrorCode;
using schemas::Result;

constexpr std::size_t write_buffer_bytes = std::size_t{16} << 20;
constexpr int write_buffers = 4;

rocksdb::Slice slice(std::string_view text) {
  return {text.data(), text.size()};
}
std::string_view view(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

Error to_error(std::string_view doing, const rocksdb::Status& status) {
  auto code = status.IsNoSpace() ? ErrorCode::disk_full : ErrorCode::internal;
  return {code, fmt::format("{}: {}", doing, status.ToString()), {}, {}};
}

/// The first failure since all was well. Any thread.
class Health {
 public:
  void report(Error error) {
    std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
    broken_.store(true, std::memory_order_release);
  }
  std::optional<Error> broken() const {
    if (!broken_.load(std::memory_order_acquire)) return std::nullopt;
    std::lock_guard lock(mutex_);
    return error_;
  }
  void clear() {
    std::lock_guard lock(mutex_);
    error_.reset();
    broken_.store(false, std::memory_order_release);
  }

 private:
  std::atomic<bool> broken_ = false;
  mutable std::mutex mutex_;
  std::optional<Error> error_;
};

/// Told of failed flushes and compactions on RocksDB's threads. RocksDB would recover by itself
/// when there is space again; we do not let it: beside a compaction that fails, version 7.8 then
/// waits for ever for its own flush. Opening anew covers every state it can be in.
class FailureListener : public rocksdb::EventListener {
 public:
  explicit FailureListener(std::shared_ptr<Health> health) : health_(std::move(health)) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason /*reason*/,
                         rocksdb::Status* status) override {
    health_->report(to_error("rows cannot be written to disk", *status));
  }
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason /*reason*/, rocksdb::Status /*status*/,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }

 private:
  std::shared_ptr<Health> health_;  // also RocksDB's threads hold it, through this listener
};

struct Database {
  std::shared_ptr<Health> health;
  std::unique_ptr<rocksdb::DB> db;
  std::optional<WriteSet> held = {};  // in memory on top, when `db` is open for reading only

  [[noreturn]] void fail_read(const rocksdb::Status& status) const {
    auto error = to_error("rows cannot be read", status);
    health->report(error);
    throw StoreFailure(error.detail);
  }
};

/// What the files and buffers hold, at a snapshot or (nullptr) at the present.
class Rows final : public RowReader {
 public:
  Rows(const Database& database, const rocksdb::Snapshot* snapshot) : database_(database) {
    options_.snapshot = snapshot;
  }

  std::optional<std::string> get(std::string_view key) const override {
    // This overload copies once: from the memtable or from the pinned block into the answer.
    std::optional<std::string> value(std::in_place);
    auto& db = *database_.db;
    auto status = db.Get(options_, db.DefaultColumnFamily(), slice(key), &*value);
    if (status.ok()) return value;
    if (!status.IsNotFound()) database_.fail_read(status);
    return std::nullopt;
  }
  void scan(std::string_view from, std::string_view to, const Visit& visit) const override {
    walk(from, to, Direction::forward, visit);
  }
  void scan_back(std::string_view from, std::string_view to, const Visit& visit) const override {
    walk(from, to, Direction::back, visit);
  }

 private:
  enum class Direction : std::uint8_t { forward, back };
  void walk(std::string_view from, std::string_view to, Direction direction,
            const Visit& visit) const {
    ENSURE(!to.empty());
    if (from >= to) return;
    auto lower = slice(from);
    auto upper = slice(to);
    auto options = options_;
    options.iterate_lower_bound = &lower;
    options.iterate_upper_bound = &upper;
    std::unique_ptr<rocksdb::Iterator> row(database_.db->NewIterator(options));
    bool forward = direction == Direction::forward;
    forward ? row->SeekToFirst() : row->SeekToLast();
    while (row->Valid() && visit(view(row->key()), view(row->value()))) {
      forward ? row->Next() : row->Prev();
    }
    if (!row->status().ok()) database_.fail_read(row->status());
  }

  const Database& database_;
  rocksdb::ReadOptions options_;
};

/// Calls `read` with the rows of `database`, what is held on top included.
template <typename Read>
auto read_rows(const Database& database, const rocksdb::Snapshot* snapshot, const Read& read) {
  const Rows rows(database, snapshot);
  return database.held ? read(LayeredRows(rows, *database.held)) : read(rows);
}

class RocksSnapshot : public RowReader {
 public:
  explicit RocksSnapshot(std::shared_ptr<const Database> database)
      : database_(std::move(database)), snapshot_(database_->db->GetSnapshot()) {}
  ~RocksSnapshot() override { database_->db->ReleaseSnapshot(snapshot_); }
  RocksSnapshot(const RocksSnapshot&) = delete;
  RocksSnapshot& operator=(const RocksSnapshot&) = delete;

  std::optional<std::string> get(std::string_view key) const override {
    return read_rows(*database_, snapshot_, [&](const auto& rows) { return rows.get(key); });
  }
  void scan(std::string_view from, std::string_view to, const Visit& visit) const override {
    read_rows(*database_, snapshot_, [&](const auto& rows) { rows.scan(from, to, visit); });
  }
  void scan_back(std::string_view from, std::string_view to, const Visit& visit) const override {
    read_rows(*database_, snapshot_, [&](const auto& rows) { rows.scan_back(from, to, visit); });
  }

 private:
  std::shared_ptr<const Database> database_;  // shared with the store: files stay open for us
  const rocksdb::Snapshot* snapshot_;
};

rocksdb::BlockBasedTableOptions table_options(const RocksOptions& options) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options.cache_bytes);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  // Memory does not grow with what is stored: filters and indexes are in the cache too, in pieces,
  // before what else is there. Whole ones drove each other out (random gets five times slower); in
  // pieces gets of what is there cost a tenth more than out of the cache (bench/rows_bench).
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.pin_top_level_index_and_filter = true;
  return table;
}

/// RocksDB's own log goes nowhere: its errors come as statuses, and its file would lie on the disk
/// that may be full, where a failed write trips an assertion of Debian's build and ends the
/// program.
class NoLog : public rocksdb::Logger {
 public:
  NoLog() : rocksdb::Logger(rocksdb::FATAL_LEVEL) {}
  using rocksdb::Logger::Logv;
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

rocksdb::Options database_options(const RocksOptions& options, std::shared_ptr<Health> health) {
  rocksdb::Options database;
  database.create_if_missing = true;
  database.atomic_flush = true;  // without WAL only this makes what survives a prefix of the writes
  database.write_buffer_size = write_buffer_bytes;
  database.max_write_buffer_number = write_buffers;
  database.allow_concurrent_memtable_write = false;  // there is one writer
  // Ids and offsets rise, so inserts of one table come next to each other: a hint per
  // (organization, space, table, topic) saves most of the search.
  database.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(20));
  database.memtable_whole_key_filtering = true;
  database.memtable_prefix_bloom_size_ratio = 0.02;
  database.level_compaction_dynamic_level_bytes = true;
  // Half the space; with or without it puts and gets measured the same.
  database.compression = rocksdb::kLZ4Compression;
  database.max_background_jobs = 2;                // one flush, one compaction
  database.bytes_per_sync = std::size_t{1} << 20;  // small syncs do not hold up the journal's
  database.max_open_files = 512;
  database.info_log = std::make_shared<NoLog>();
  database.stats_dump_period_sec = 0;
  database.stats_persist_period_sec = 0;
  database.listeners.push_back(std::make_shared<FailureListener>(std::move(health)));
  database.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table_options(options)));
  return database;
}

enum class Access : std::uint8_t { write, read_only };  // the latter needs no space

Result<std::shared_ptr<Database>> open_database(const std::filesystem::path& directory,
                                                const RocksOptions& options, Access access,
                                                const std::shared_ptr<Health>& health) {
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  if (failed) {
    const bool full = failed == std::errc::no_space_on_device;
    return schemas::fail(
        full ? ErrorCode::disk_full : ErrorCode::internal,
        fmt::format("cannot make the directory {}: {}", directory.string(), failed.message()));
  }
  rocksdb::DB* db = nullptr;
  const auto chosen = database_options(options, health);
  auto status = access == Access::write
                    ? rocksdb::DB::Open(chosen, directory.string(), &db)
                    : rocksdb::DB::OpenForReadOnly(chosen, directory.string(), &db);
  if (!status.ok()) {
    auto doing = fmt::format("rows in {} cannot be opened", directory.string());
    if (status.IsCorruption()) {
      doing += " and must be made anew (tidemark projections rebuild)";
    }
    return schemas::fail(to_error(doing, status));
  }
  return std::make_shared<Database>(health, std::unique_ptr<rocksdb::DB>(db));
}

/// Many may read at once and hardly meet: each thread takes one of several locks, who wants to be
/// alone takes all.
class ReaderLocks {
 public:
  std::shared_lock<std::shared_mutex> share() {
    if (alone_.load(std::memory_order_relaxed) == std::this_thread::get_id()) return {};
    thread_local const auto own = std::hash<std::thread::id>{}(std::this_thread::get_id());
    return std::shared_lock(locks_[own % locks_.size()].mutex);
  }
  /// Whoever is alone may go on reading.
  void exclude(const std::function<void()>& work) {
    std::vector<std::unique_lock<std::shared_mutex>> held;
    for (auto& lock : locks_) held.emplace_back(lock.mutex);
    struct Alone {
      explicit Alone(std::atomic<std::thread::id>& who) : thread(who) {
        thread = std::this_thread::get_id();
      }
      ~Alone() { thread = std::thread::id(); }
      std::atomic<std::thread::id>& thread;
    } const alone(alone_);
    work();
  }

 private:
  struct alignas(64) Lock {
    std::shared_mutex mutex;
  };
  std::array<Lock, 16> locks_;
  std::atomic<std::thread::id> alone_;
};

class RocksStore : public ReadStore {
 public:
  RocksStore(std::filesystem::path directory, RocksOptions options)
      : directory_(std::move(directory)), options_(options) {}

  Result<void> open() {
    auto opened = open(Access::write);
    if (opened || opened.error().code != ErrorCode::disk_full) return opened;
    if (!open(Access::read_only)) return opened;
    health_->report(std::move(opened).error());
    return {};
  }

  std::optional<std::string> get(std::string_view key) const override {
    auto lock = readers_.share();
    return read_rows(database(), nullptr, [&](const auto& rows) { return rows.get(key); });
  }
  void scan(std::string_view from, std::string_view to, const Visit& visit) const override {
    auto lock = readers_.share();
    read_rows(database(), nullptr, [&](const auto& rows) { rows.scan(from, to, visit); });
  }
  void scan_back(std::string_view from, std::string_view to, const Visit& visit) const override {
    auto lock = readers_.share();
    read_rows(database(), nullptr, [&](const auto& rows) { rows.scan_back(from, to, visit); });
  }
  std::unique_ptr<RowReader> snapshot() const override {
    auto lock = readers_.share();
    (void)database();
    return std::make_unique<RocksSnapshot>(database_);
  }

  Result<void> write(std::span<const WriteSet* const> changes) override {
    if (holding_) return take(changes);
    if (auto error = broken()) return schemas::fail(std::move(*error));
    rocksdb::WriteBatch batch(size_of(changes));
    for (const auto* set : changes) {
      for (const auto& [key, value] : *set) {
        auto status = value ? batch.Put(key, *value) : batch.Delete(key);
        ENSURE(status.ok());
      }
    }
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    return checked(database().db->Write(options, &batch));
  }

  Result<void> flush() override {
    auto lock = readers_.share();
    if (auto error = health_->broken()) return schemas::fail(std::move(*error));
    return checked(database().db->Flush(rocksdb::FlushOptions()));
  }

  void flush_soon() override {
    rocksdb::FlushOptions options;
    options.wait = false;
    // Else the call itself would wait until the flush does not slow down writers.
    options.allow_write_stall = true;
    if (!broken()) (void)checked(database().db->Flush(options));
  }

  std::optional<Error> broken() const override {
    auto lock = readers_.share();
    return health_->broken();
  }

  Result<void> hold(const Refold& refold) override {
    const auto error = broken();
    ENSURE(error);
    if (error->code != ErrorCode::disk_full) return schemas::fail(*error);
    Result<void> held;
    readers_.exclude([&] { held = let_go() ? open_held(refold) : schemas::fail(*error); });
    return held;
  }

  Result<void> resume(const Refold& refold) override {
    auto error = broken();
    if (!error) return {};
    std::error_code unknown;
    const auto space = std::filesystem::space(directory_, unknown);
    const bool enough = !unknown && space.available >= write_buffer_bytes * write_buffers;
    if (error->code != ErrorCode::disk_full || !enough) return schemas::fail(std::move(*error));
    Result<void> resumed;
    readers_.exclude([&] { resumed = open_again(*error, refold); });
    return resumed;
  }

  void swap_with(ReadStore& store) override {
    auto& other = dynamic_cast<RocksStore&>(store);
    readers_.exclude([&] {
      std::swap(directory_, other.directory_);
      std::swap(health_, other.health_);
      std::swap(database_, other.database_);
    });
  }
  bool is_watched() const override { return database_.use_count() > 1; }

 private:
  Result<void> open(Access access) {
    auto database = open_database(directory_, options_, access, health_);
    if (!database) return std::unexpected(std::move(database).error());
    database_ = std::move(*database);
    return {};
  }

  Result<void> open_again(const Error& error, const Refold& refold) {
    if (!let_go()) return schemas::fail(error);
    health_->clear();
    auto opened = open(Access::write);
    if (opened) opened = attempt(refold);
    if (opened) return {};
    // The disk is full again, or something is wrong: as before, and the next call tries anew.
    database_.reset();
    health_->clear();
    health_->report(error);
    std::ignore = open_held(refold);
    return opened;
  }

  Result<void> open_held(const Refold& refold) {
    auto held = open(Access::read_only);
    if (!held) return held;
    database_->held.emplace();
    held_bytes_ = 0;
    holding_ = true;
    held = attempt(refold);
    holding_ = false;
    // Better no rows than rows that lack what was acknowledged.
    if (!held) database_.reset();
    return held;
  }

  /// A snapshot keeps the files open; none can be made meanwhile, and those there are end soon, but
  /// for one whose owner waits for us.
  bool let_go() {
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds{1};
    while (database_.use_count() > 1) {
      if (std::chrono::steady_clock::now() > patience) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    database_.reset();
    return true;
  }

  static Result<void> attempt(const Refold& refold) {
    try {
      return refold();
    } catch (const StoreFailure& failure) {
      return schemas::fail(ErrorCode::internal, failure.what());
    }
  }

  Result<void> take(std::span<const WriteSet* const> changes) {
    held_bytes_ += size_of(changes);
    if (held_bytes_ > options_.held_bytes_max) {
      return schemas::fail(ErrorCode::disk_full,
                           fmt::format("rows in {} lack more than can be held in memory while the "
                                       "disk is full; free space and start again",
                                       directory_.string()));
    }
    for (const auto* set : changes) {
      for (const auto& [key, value] : *set) database_->held->insert_or_assign(key, value);
    }
    return {};
  }

  static std::size_t size_of(std::span<const WriteSet* const> changes) {
    constexpr std::size_t header_bytes = 12;
    constexpr std::size_t row_bytes_max = 11;  // tag and two lengths
    std::size_t bytes = header_bytes;
    for (const auto* set : changes) {
      for (const auto& [key, value] : *set) {
        bytes += row_bytes_max + key.size() + (value ? value->size() : 0);
      }
    }
    return bytes;
  }

  Result<void> checked(const rocksdb::Status& status) {
    if (status.ok()) return {};
    auto error = to_error("rows cannot be written", status);
    health_->report(error);
    return schemas::fail(std::move(error));
  }

  const Database& database() const {
    if (database_ == nullptr) throw StoreFailure("the rows could not be opened again");
    return *database_;
  }

  std::filesystem::path directory_;
  RocksOptions options_;
  std::shared_ptr<Health> health_ = std::make_shared<Health>();
  mutable ReaderLocks readers_;         // guards health_ and database_; the core thread, which
                                        // changes them, need not share
  std::shared_ptr<Database> database_;  // shared with the snapshots; null: opening failed
  bool holding_ = false;                // hold()'s refold runs
  std::size_t held_bytes_ = 0;
};

}  // namespace

Result<std::unique_ptr<ReadStore>> open_rocks_store(const std::filesystem::path& directory,
                                                    const RocksOptions& options) {
  auto store = std::make_unique<RocksStore>(directory, options);
  auto opened = store->open();
  if (!opened) return std::unexpected(std::move(opened).error());
  return store;
}

/// RocksDB holds a lock of fcntl(2) on this file.
bool is_open(const std::filesystem::path& directory) {
  const int file = ::open((directory / "LOCK").c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return errno == EACCES;  // somebody else's
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  const bool known = ::fcntl(file, F_GETLK, &lock) == 0;
  ::close(file);
  return !known || lock.l_type != F_UNLCK;
}

Result<void> destroy_rocks_store(const std::filesystem::path& directory) {
  std::error_code failed;
  std::filesystem::remove_all(directory, failed);
  if (!failed) return {};
  return schemas::fail(ErrorCode::internal, fmt::format("cannot erase the rows in {}: {}",
                                                        directory.string(), failed.message()));
}

}  // namespace projections
