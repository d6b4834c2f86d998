#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/cli/command.h"
#include "api/cli/index_check.h"
#include "api/cli/log_verify.h"
#include "eventstore/backup_manifest.h"

namespace schemas::json {
class Writer;
}

namespace api::cli {

/// Everything that a journal promises, checked in one pass: what `log verify` says of a data
/// directory or a backup.
struct Verification {
  ScanReport scan;
  LogCheck::Counts counts;
  std::optional<IndexCheck::Counts> index;
  Faults faults;

  bool sound() const { return scan.damages.empty() && faults.count() == 0; }
};

struct VerifyOptions {
  JournalScan::Options scan;
  std::optional<std::string> index_path;  // index files are checked too
  LogCheck::Versions versions = LogCheck::Versions::check;
};

/// Shows how far it is.
Step<Verification> verify_journal(eventstore::journal::SegmentFolder& folder,
                                  const VerifyOptions& options);

/// The same, past the page cache.
Step<Verification> verify_backup(const eventstore::journal::OpenedBackup& backup,
                                 LogCheck::Versions versions);
/// How a command ends that found this in a log or in a backup.
enum class Verified : std::uint8_t { log, backup };
Step<void> sound_or_stop(const Verification& verification, Verified what);

std::vector<std::string> damage_texts(const ScanReport& report);
/// Members of the object that is open.
void write_json(schemas::json::Writer& writer, const Verification& verification);
std::string verification_text(const Verification& verification);

}  // namespace api::cli
