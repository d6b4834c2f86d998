#include "projections/read_store.h"

#include <atomic>
#include <mutex>
#include <system_error>
#include <utility>

#include <fmt/core.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

namespace projections {
namespace {

using schemas::Error;
using schemas::ErrorCode;
using schemas::Result;

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

/// The first failure, kept for good. Any thread.
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

 private:
  std::atomic<bool> broken_ = false;
  mutable std::mutex mutex_;
  std::optional<Error> error_;
};

/// Told of failed flushes and compactions on RocksDB's threads. RocksDB would recover by itself
/// when there is space again; we do not let it, so that broken() is final and one rule (reopen,
/// fold again) covers every fault.
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

  [[noreturn]] void fail_read(const rocksdb::Status& status) const {
    auto error = to_error("rows cannot be read", status);
    health->report(error);
    throw StoreFailure(error.detail);
  }
};

/// Reads at a snapshot, or (nullptr) at the present.
class Rows {
 public:
  explicit Rows(const Database& database, const rocksdb::Snapshot* snapshot = nullptr)
      : database_(database) {
    options_.snapshot = snapshot;
  }

  std::optional<std::string> get(std::string_view key) const {
    // This overload copies once: from the memtable or from the pinned block into the answer.
    std::optional<std::string> value(std::in_place);
    auto& db = *database_.db;
    auto status = db.Get(options_, db.DefaultColumnFamily(), slice(key), &*value);
    if (status.ok()) return value;
    if (!status.IsNotFound()) database_.fail_read(status);
    return std::nullopt;
  }

  enum class Direction : std::uint8_t { forward, back };
  void scan(std::string_view from, std::string_view to, Direction direction,
            const RowReader::Visit& visit) const {
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

 private:
  const Database& database_;
  rocksdb::ReadOptions options_;
};

class RocksSnapshot : public RowReader {
 public:
  explicit RocksSnapshot(std::shared_ptr<const Database> database)
      : database_(std::move(database)),
        snapshot_(database_->db->GetSnapshot()),
        rows_(*database_, snapshot_) {}
  ~RocksSnapshot() override { database_->db->ReleaseSnapshot(snapshot_); }
  RocksSnapshot(const RocksSnapshot&) = delete;
  RocksSnapshot& operator=(const RocksSnapshot&) = delete;

  std::optional<std::string> get(std::string_view key) const override { return rows_.get(key); }
  void scan(std::string_view from, std::string_view to, const Visit& visit) const override {
    rows_.scan(from, to, Rows::Direction::forward, visit);
  }
  void scan_back(std::string_view from, std::string_view to, const Visit& visit) const override {
    rows_.scan(from, to, Rows::Direction::back, visit);
  }

 private:
  std::shared_ptr<const Database> database_;  // shared with the store: files stay open for us
  const rocksdb::Snapshot* snapshot_;
  Rows rows_;
};

class RocksStore : public ReadStore {
 public:
  explicit RocksStore(std::shared_ptr<const Database> database)
      : database_(std::move(database)), rows_(*database_) {}

  std::optional<std::string> get(std::string_view key) const override { return rows_.get(key); }
  void scan(std::string_view from, std::string_view to, const Visit& visit) const override {
    rows_.scan(from, to, Rows::Direction::forward, visit);
  }
  void scan_back(std::string_view from, std::string_view to, const Visit& visit) const override {
    rows_.scan(from, to, Rows::Direction::back, visit);
  }
  std::unique_ptr<RowReader> snapshot() const override {
    return std::make_unique<RocksSnapshot>(database_);
  }

  Result<void> write(std::span<const WriteSet* const> changes) override {
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
    return checked(database_->db->Write(options, &batch));
  }

  Result<void> flush() override {
    if (auto error = broken()) return schemas::fail(std::move(*error));
    return checked(database_->db->Flush(rocksdb::FlushOptions()));
  }

  void flush_soon() override {
    rocksdb::FlushOptions options;
    options.wait = false;
    // Else the call itself would wait until the flush does not slow down writers.
    options.allow_write_stall = true;
    if (!broken()) (void)checked(database_->db->Flush(options));
  }

  std::optional<Error> broken() const override { return database_->health->broken(); }

 private:
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
    database_->health->report(error);
    return schemas::fail(std::move(error));
  }

  std::shared_ptr<const Database> database_;  // shared with the snapshots
  Rows rows_;
};

rocksdb::BlockBasedTableOptions table_options(const RocksOptions& options) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options.cache_bytes);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  // Not in the cache: there they drive each other out, and random gets cost five times as much
  // (bench/rows_bench). max_open_files bounds what they take.
  table.cache_index_and_filter_blocks = false;
  return table;
}

rocksdb::Options database_options(const RocksOptions& options, std::shared_ptr<Health> health) {
  rocksdb::Options database;
  database.create_if_missing = true;
  database.atomic_flush = true;  // without WAL only this makes what survives a prefix of the writes
  database.write_buffer_size = std::size_t{16} << 20;
  database.max_write_buffer_number = 4;
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
  database.keep_log_file_num = 2;
  database.max_log_file_size = std::size_t{1} << 20;
  database.info_log_level = rocksdb::WARN_LEVEL;
  database.stats_dump_period_sec = 0;
  database.stats_persist_period_sec = 0;
  database.listeners.push_back(std::make_shared<FailureListener>(std::move(health)));
  database.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table_options(options)));
  return database;
}

}  // namespace

Result<std::unique_ptr<ReadStore>> open_rocks_store(const std::filesystem::path& directory,
                                                    const RocksOptions& options) {
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  if (failed) {
    return schemas::fail(ErrorCode::internal, fmt::format("cannot make the directory {}: {}",
                                                          directory.string(), failed.message()));
  }
  auto health = std::make_shared<Health>();
  rocksdb::DB* db = nullptr;
  auto status = rocksdb::DB::Open(database_options(options, health), directory.string(), &db);
  if (!status.ok()) {
    auto doing = fmt::format("rows in {} cannot be opened", directory.string());
    if (status.IsCorruption()) {
      doing += " and must be made anew (tidemark projections rebuild)";
    }
    return schemas::fail(to_error(doing, status));
  }
  auto database = std::make_shared<Database>(std::move(health), std::unique_ptr<rocksdb::DB>(db));
  return std::make_unique<RocksStore>(std::move(database));
}

Result<void> destroy_rocks_store(const std::filesystem::path& directory) {
  std::error_code failed;
  std::filesystem::remove_all(directory, failed);
  if (!failed) return {};
  return schemas::fail(ErrorCode::internal, fmt::format("cannot erase the rows in {}: {}",
                                                        directory.string(), failed.message()));
}

}  // namespace projections
