#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "api/cli/faults.h"
#include "api/cli/journal_scan.h"
#include "eventstore/journal_index.h"

namespace api::cli {

/// Checks index files against the records that they point at: every record of a sealed segment is
/// found from its entry, less than a step away. A file that is missing, or that its CRC tells to be
/// half written, is made anew when it is needed, so it is only counted. One thread.
class IndexCheck {
 public:
  /// `path`: where the index files are.
  IndexCheck(eventstore::FileSystem& files, std::string path, Faults& faults)
      : files_(files), path_(std::move(path)), faults_(faults) {}

  void take(const ScannedRecord& record);

  struct Counts {
    std::uint64_t checked = 0;
    std::uint64_t missing = 0;
    std::uint64_t unreadable = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  void enter(const ScannedRecord& record);

  eventstore::FileSystem& files_;
  const std::string path_;
  Faults& faults_;
  Counts counts_;
  std::optional<std::uint64_t> segment_;
  std::optional<eventstore::journal::SegmentIndex> index_;  // of the segment, if it has one
};

}  // namespace api::cli
