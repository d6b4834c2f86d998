#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "eventstore/journal_walk.h"
#include "eventstore/topics.h"

/// Looking into a stopped server's journal without changing it: what `log verify` and `log dump`
/// are made of.
namespace api::cli {

/// A record at its place, judged by the one rule as every reader does.
struct ScannedRecord {
  const eventstore::journal::Frame& frame;
  eventstore::Bytes payload;
  eventstore::Verdict verdict;
  /// Of its partition, as the records before it leave it.
  const eventstore::PartitionState& before;
  /// A record before it is missing, as an operator accepted.
  bool after_loss;
  std::string topic;
};

/// What a scan came to, beyond the records.
struct ScanReport {
  std::uint64_t segments = 0;
  std::uint64_t size_bytes = 0;  // of the files
  std::uint64_t first_position = 0;
  std::uint64_t end = 0;         // position behind the last frame
  std::uint64_t torn_bytes = 0;  // behind it: the next start cuts them off
  std::uint64_t covers = 0;
  std::uint64_t closings = 0;
  std::vector<eventstore::journal::Range> losses;  // accepted
  std::vector<eventstore::journal::Damage> damages;
};

/// One pass from the first segment to the end. Bad places are judged as an opening would; what lies
/// in damage and accepted losses is jumped over. One thread.
class JournalScan {
 public:
  /// `directory`: where the segments are. The owner holds the data directory's lock.
  JournalScan(eventstore::FileSystem& files, const std::string& directory)
      : folder_(files, directory) {}

  /// Answers whether to go on.
  using Visit = std::function<bool(const ScannedRecord&)>;
  /// `position` of all bytes were looked at; called now and then.
  using Progress = std::function<void(std::uint64_t bytes_done, std::uint64_t bytes_total)>;
  schemas::Result<ScanReport> run(const Visit& visit, const Progress& progress = {});

 private:
  schemas::Result<void> begin();
  bool take(const eventstore::journal::GoodFrame& good, const Visit& visit);
  /// Where to go on behind a bad place; empty when the journal ends there.
  schemas::Result<std::optional<std::uint64_t>> behind(std::uint64_t bad);

  eventstore::journal::SegmentFolder folder_;
  std::uint32_t seed_ = 0;
  ScanReport report_;
  std::uint64_t durable_end_ = 0;
  std::uint32_t open_count_ = 0;
  bool judged_ = false;
  bool passed_loss_ = false;
  eventstore::Topics topics_;
  std::map<schemas::LogId, eventstore::PartitionState> states_;
};

}  // namespace api::cli
