#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>

#include "projections/rows.h"
#include "schemas/result.h"

/// Where rows live. RocksDB behind a small interface (this header's .cpp is its only user), and an
/// in-memory fake (memory_store.h) with the same behaviour under a crash: what was not flushed is
/// gone as a whole, and what remains is a prefix of the writes.
///
///     write 1   write 2   write 3   write 4   write 5
///     ........................^                     ^
///              survives a crash            visible to reads, to be folded again after a crash
namespace projections {

/// Thrown by a read that the disk refuses; the store is broken from then on, for good. Catch it at
/// the edge that answers the caller.
class StoreFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
/// Work that reads the store, with such a failure as its result.
template <typename Work>
auto guarded(const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const StoreFailure& failure) {
    return schemas::fail(schemas::ErrorCode::internal, failure.what());
  }
}

/// Reads of the store itself: any thread.
class ReadStore : public RowReader {
 public:
  /// A consistent view of one moment; made by any thread, then used by one. It keeps the files
  /// open: the directory can be opened again only when the store and all its snapshots are gone.
  virtual std::unique_ptr<RowReader> snapshot() const = 0;
  /// Several sets of changes one after the other, all or nothing, visible at once, durable only
  /// with a later flush. Core thread. May wait for the disk when it is several buffers behind.
  virtual schemas::Result<void> write(std::span<const WriteSet* const> changes) = 0;
  schemas::Result<void> write(const WriteSet& changes) {
    const WriteSet* one = &changes;
    return write({&one, 1});
  }
  /// Makes everything written so far durable. Blocks. Any thread.
  virtual schemas::Result<void> flush() = 0;
  /// Starts a flush without waiting for it, so that the tail that a restart must fold again is
  /// bounded.
  virtual void flush_soon() = 0;
  /// Why nothing can be written any more, if so: disk_full until resume() succeeds, or internal for
  /// everything else, until the process starts again. Reads go on where they can. Any thread.
  virtual std::optional<schemas::Error> broken() const = 0;
  /// Folds again what was written since the last flush and is gone; may be called twice.
  using Refold = std::function<schemas::Result<void>()>;
  /// For a start on a full disk, of a store that is broken by it: goes back to what was flushed and
  /// takes the writes of `refold` in memory, on top of it. The store stays broken. Core thread.
  virtual schemas::Result<void> hold(const Refold& refold) = 0;
  /// Opens a store that met a full disk again, if there is space and no snapshot lives, and calls
  /// `refold`. Until that is done reads of other threads wait. An error says why not: try again
  /// later. Core thread.
  virtual schemas::Result<void> resume(const Refold& refold) = 0;
  /// Each goes on with what the other has, of the same kind; at once for everybody who reads.
  /// Snapshots stay what they are. Core thread.
  virtual void swap_with(ReadStore& other) = 0;
  /// Whether snapshots are alive, of what it has now.
  virtual bool is_watched() const = 0;
};

struct RocksOptions {
  std::size_t cache_bytes = std::size_t{64} << 20;  // blocks read from files
  /// What hold() takes: four times what a running store may have in its buffers.
  std::size_t held_bytes_max = std::size_t{256} << 20;
};

/// Opens or makes a store in `directory`. WAL off, atomic flush, 16 MiB buffers, at most four of
/// them. Closing flushes; a store that cannot be closed in peace loses its unflushed tail, nothing
/// else. Reads do not wait for each other, only for resume(). On a full disk a store that is there
/// is opened for reading only, and is broken: hold() it, and resume() it when there is space.
schemas::Result<std::unique_ptr<ReadStore>> open_rocks_store(const std::filesystem::path& directory,
                                                             const RocksOptions& options = {});

/// Whether a process has the store in `directory` open for writing.
bool is_open(const std::filesystem::path& directory);

/// Erases `directory` and everything below it, for a rebuild. The store must be closed.
schemas::Result<void> destroy_rocks_store(const std::filesystem::path& directory);

}  // namespace projections
