#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "api/cli/journal_scan.h"

namespace api::cli {

/// Checks records as they come, beyond what a reader does: that nothing is missing, time never
/// falls, and, unless spared, that every entity's versions count from 1. A fault is a text for
/// people. One thread.
class LogCheck {
 public:
  enum class Versions : std::uint8_t { check, skip };
  /// What is wrong goes to `faults`, which lives longer.
  LogCheck(Versions versions, Faults& faults) : versions_(versions), faults_(faults) {}

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

 private:
  void take_batch(const ScannedRecord& record);
  void fault(const ScannedRecord& record, std::string_view what);

  const Versions versions_;
  Faults& faults_;
  Counts counts_;
  // By entity, by the first half of a SHA-256; needs room for all of them, some 50 bytes each.
  using Key = std::array<std::uint8_t, 16>;
  struct Hash {
    std::size_t operator()(const Key& key) const;
  };
  std::unordered_map<Key, schemas::Version, Hash> reached_;
  std::set<schemas::LogId> lossy_;  // versions may be missing there
};

}  // namespace api::cli
