#pragma once

#include <functional>
#include <string>

#include "eventstore/backup_manifest.h"
#include "eventstore/journal_tail.h"

/// A copy of a log that can be restored, taken beside the process that writes it, without its lock:
///
///     1 the durable end      everything before is in the backup
///     2 the keyring          so it has every key that a record before that end names
///     3 sealed segments      by a second name for the file, else copied
///     4 the last segment     copied up to the durable end; goes on where the backup before ended
///     5 the manifest         from here on it is the backup
///
/// Promises: the data directory is only read. A second backup into the same directory adds what is
/// new; a crash or an error leaves the one before. Leaves out what a restored log must not have:
/// root key, nonces, lock, rows, index. One thread; a lock in the backup's directory keeps others
/// out.
namespace eventstore::journal {

struct BackupOptions {
  enum class Links : std::uint8_t { where_possible, never };
  FileSystem& files;
  std::string data;    // directory of the process
  std::string target;  // of the backup; made when it is missing
  Wait wait;           // for the writer, see journal_tail.h
  schemas::Time now{};
  Links links = Links::where_possible;  // `never` also makes copies of what is linked already
  /// Called now and then: bytes done, of all that are to be copied or linked.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};
};

struct BackupReport {
  std::uint64_t position = 0;         // everything before is in the backup
  std::uint64_t position_before = 0;  // the same, of the backup before; 0 for none
  std::uint64_t segments = 0;
  std::uint64_t linked_bytes = 0;  // by this backup
  std::uint64_t copied_bytes = 0;  // by this backup
};

/// invalid_parameter when `target` holds something else, another log's backup, or one of another
/// history of this log; read_only when the log or the backup in `target` is damaged; in_use when
/// another backup into `target` is at work.
schemas::Result<BackupReport> back_up(const BackupOptions& options);

}  // namespace eventstore::journal
