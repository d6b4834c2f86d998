#pragma once

#include <filesystem>
#include <memory>

#include "projections/rows.h"
#include "schemas/result.h"

/// Where rows live. RocksDB behind a small interface (this header's .cpp is its only user), and an
/// in-memory fake with the same behaviour under a crash: what was not flushed is gone as a whole, and
/// what remains is a prefix of the writes.
namespace projections {

class ReadStore : public RowReader {
 public:
  /// A consistent view of one moment; any thread; must not outlive the store.
  virtual std::unique_ptr<RowReader> snapshot() const = 0;
  /// All or nothing, visible at once, durable only with a later flush. Core thread.
  virtual schemas::Result<void> write(const WriteSet& changes) = 0;
  /// Makes everything written so far durable. Blocks.
  virtual schemas::Result<void> flush() = 0;
  /// Starts a flush without waiting for it, so that the tail that a restart must fold again is bounded.
  virtual void flush_soon() = 0;
};

/// Opens or makes a store in `directory`. WAL off, atomic flush, 16 MiB buffers.
schemas::Result<std::unique_ptr<ReadStore>> open_rocks_store(const std::filesystem::path& directory);

/// Erases everything below `directory`, for a rebuild.
schemas::Result<void> destroy_rocks_store(const std::filesystem::path& directory);

}  // namespace projections
