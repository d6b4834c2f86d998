#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "api/cli/journal_scan.h"

namespace api::cli {

/// Checks records as they come, beyond what a reader does: that nothing is missing, time never
/// falls, and, if asked, that every entity's versions count from 1. A fault is a text for people.
/// One thread.
class LogCheck {
 public:
  enum class Versions : std::uint8_t { check, skip };
  explicit LogCheck(Versions versions) : versions_(versions) {}

  void take(const ScannedRecord& record);

  struct Counts {
    std::map<eventstore::Verdict, std::uint64_t> records;  // by verdict
    std::uint64_t events = 0;
    std::set<schemas::LogId> partitions;
    std::set<std::string> topics;
    std::uint64_t total() const;
    std::uint64_t voids() const;
  };
  const Counts& counts() const { return counts_; }
  /// The first hundred.
  const std::vector<std::string>& faults() const { return faults_; }
  std::uint64_t fault_count() const { return fault_count_; }

 private:
  void take_batch(const ScannedRecord& record);
  void fault(const ScannedRecord& record, std::string_view what);

  const Versions versions_;
  Counts counts_;
  std::unordered_map<std::string, schemas::Version> reached_;  // by entity; needs room for all
  std::set<schemas::LogId> lossy_;                             // versions may be missing there
  std::vector<std::string> faults_;
  std::uint64_t fault_count_ = 0;
};

}  // namespace api::cli
