#pragma once

#include <functional>
#include <string>
#include <variant>

#include "eventstore/backup_manifest.h"

/// A backup becomes a data directory again, up to a place of one's choice.
///
/// Promises: the backup is only read, and nothing of it is linked. The result opens by the rules of
/// every opening: the last segment ends at the end of a record, with zeros behind it. It has no
/// nonces, so every partition is claimed anew before its next record, and a mark of what is lost is
/// found out. The keyring comes last; before it stands, no server starts there. One thread.
namespace eventstore::journal {

struct Everything {};
/// Records that lie wholly before this position.
struct UntilPosition {
  std::uint64_t position;
};
/// The longest beginning of the journal without an event record, counted or void, that was recorded
/// later than this.
struct UntilTime {
  schemas::Time time;
};
using Until = std::variant<Everything, UntilPosition, UntilTime>;

struct RestoreOptions {
  FileSystem& files;
  std::string backup;
  std::string target;  // the data directory; made when it is missing
  Until until;
  /// Called now and then: bytes done, of all that are looked at and then copied.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};
};

struct RestoreReport {
  std::uint64_t position = 0;    // everything before was restored
  std::uint64_t backup_end = 0;  // position that the backup reaches
  std::uint64_t segments = 0;
  std::uint64_t records = 0;  // the journal's own frames left out
  schemas::Time recorded{};   // of the last event record; the epoch for none
};

/// invalid_parameter when `target` is not empty or `until` is no place in the backup; read_only
/// when the backup is damaged before it; not_found when there is no finished backup.
schemas::Result<RestoreReport> restore(const RestoreOptions& options);

}  // namespace eventstore::journal
