#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "api/rows_directory.h"
#include "eventstore/file.h"
#include "eventstore/journal.h"
#include "eventstore/keyring.h"
#include "eventstore/nonces.h"

namespace api {

/// Where everything of one server lives, locked for this process:
///
///     journal/  index/  rows/ (rows_directory.h)  keyring  root.key  service.keys  nonces  lock
///     cut-*
///
/// Promises: no other process has the directory open while this lives or the journal is open. Knows
/// names and places only; what it opens belongs to the caller. Start-up's thread.
class DataDirectory {
 public:
  enum class Missing {
    create,
    refuse,       // where there is no journal
    refuse_rows,  // where there are no rows: the log is elsewhere
  };

  /// Errors say what to do: in_use when another process has it, not_found when there is none and it
  /// is not to be made.
  static schemas::Result<DataDirectory> open(eventstore::FileSystem& files, std::string path,
                                             Missing missing);

  const std::string& path() const { return path_; }
  std::string journal_path() const { return path_ + "/journal"; }
  RowsDirectory& rows() { return rows_; }

  /// `options` as the caller wants them; the places in them are set here. Once: the lock of the
  /// directory is the journal's from then on, until that is closed.
  schemas::Result<std::unique_ptr<eventstore::Journal>> open_journal(
      eventstore::LogObserver& observer, eventstore::JournalOptions options = {});
  struct Rows {
    RowsDirectory::Whole place;
    std::unique_ptr<projections::ReadStore> store;
  };
  /// Those that are to serve; older ones where the newest cannot be opened.
  schemas::Result<Rows> open_rows();
  schemas::Result<eventstore::Keyring> open_keyring(
      const std::optional<std::string>& root_key) const;
  schemas::Result<eventstore::Nonces> open_nonces() const;

 private:
  DataDirectory(eventstore::FileSystem& files, std::string path,
                std::unique_ptr<eventstore::FileLock> lock);

  eventstore::FileSystem& files_;
  std::string path_;
  std::unique_ptr<eventstore::FileLock> lock_;
  RowsDirectory rows_;
};

}  // namespace api
