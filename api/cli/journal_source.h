#pragma once

#include <memory>
#include <optional>
#include <string>

#include "api/cli/command.h"
#include "api/cli/journal_scan.h"
#include "api/data_directory.h"
#include "eventstore/backup_manifest.h"
#include "eventstore/journal_tail.h"

/// Where a journal is read from without changing it.
namespace api::cli {

/// Until a running writer has said how far its journal is durable: two seconds at most.
eventstore::journal::Wait patience();

/// As `stop`; what is damaged has an exit status of its own.
std::unexpected<Stop> stop_reading(const schemas::Error& error);

/// A stopped server's journal, locked and to its very end; or a running one's, up to what was
/// durable when it was asked for.
struct JournalSource {
  std::optional<DataDirectory> locked;
  std::string data;
  std::unique_ptr<eventstore::journal::SegmentFolder> folder;
  std::optional<std::uint64_t> limit;  // of a running one
};
Step<JournalSource> journal_source(const SettingFlags& flags);

/// The data directory that the settings name; it must hold a journal.
Step<std::string> existing_data(const SettingFlags& flags);

}  // namespace api::cli
