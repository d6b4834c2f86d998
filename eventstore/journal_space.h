#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "eventstore/file.h"

/// Prepares the next segment's file while the writer fills the one before it: zeros, written and
/// synced in small pieces, so that a commit later changes data only and never needs new blocks. The
/// pace follows the writer's, twice as fast, so the next file is whole when the active one is half
/// full; a big piece's own sync would stall commits.
///
///     active  [############----------------]     used 12/28
///     next    [000000000000000000000000----]     zeroed up to 24/28
///
/// This is where a full disk shows, long before a record is written: `take` answers disk_full and
/// tries again when it is called again; nothing else does. It also does the journal's other slow
/// work, `later`. `take`, `put_back`, `used` and `later` are the writer's; the rest runs on a
/// thread of its own, or, when made without one, inside `take` and `later`.
namespace eventstore::journal {

class SpaceAhead {
 public:
  enum class Drive { thread, inside_take };
  struct Options {
    std::string path;  // of the file that is prepared
    std::uint64_t segment_size_max;
    std::size_t piece_size = 1024 * 1024;
    Drive drive = Drive::thread;
  };
  struct Prepared {
    std::shared_ptr<File> file;
    std::uint64_t size_bytes;
  };

  /// The next segment is twice as large as `active_size`, up to the maximum.
  SpaceAhead(FileSystem& files, Options options, std::uint64_t active_size);
  ~SpaceAhead();

  /// How far the active segment is filled.
  void used(std::uint64_t size_bytes);
  /// Waits for the whole file, at least `size_min` large, and begins with the one after it.
  schemas::Result<Prepared> take(std::uint64_t size_min);
  /// The file that was taken could not be put in place: it is the next one still.
  void put_back(Prepared prepared);
  void later(std::function<void()> chore);

 private:
  void run();
  bool zeroing_due() const;
  void zero_one_piece(std::unique_lock<std::mutex>& lock);
  schemas::Result<void> write_piece(std::uint64_t at, std::size_t size_bytes);

  FileSystem& files_;
  const Options options_;
  std::shared_ptr<File> file_;  // of whoever zeroes, or of `take` when nobody does

  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t active_size_;
  std::uint64_t next_size_;
  std::uint64_t wanted_ = 0;  // zeroed up to here as soon as possible
  std::uint64_t zeroed_ = 0;
  std::optional<schemas::Error> error_;  // of the last piece; nothing is tried until `take`
  std::vector<std::function<void()>> chores_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace eventstore::journal
