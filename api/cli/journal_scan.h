#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/cli/frame_check.h"
#include "eventstore/journal_walk.h"
#include "eventstore/topics.h"

/// Looking into a journal without changing it: what `log verify`, `log dump` and the check of a
/// backup are made of.
namespace api::cli {

/// A record at its place, judged by the one rule as every reader does.
struct ScannedRecord {
  struct Place {
    std::uint64_t base;
    std::uint32_t seed;  // of the journal's CRCs
    bool sealed;
  };
  const Place& segment;
  const eventstore::journal::Frame& frame;
  eventstore::Bytes payload;
  eventstore::Verdict verdict;
  /// Of its partition, as the records before it leave it.
  const eventstore::PartitionState& before;
  /// A record before it is missing, as an operator accepted.
  bool after_loss;
  std::string topic;
  /// Whether `tm.log` gave the topic its number before, and has so many partitions.
  bool known;
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
  struct Options {
    /// Everything before is durable and nothing behind is looked at; else to the end, and then
    /// nobody may be writing.
    std::optional<std::uint64_t> limit;
    eventstore::journal::FrameReader::Source source =
        eventstore::journal::FrameReader::Source::cache;
  };

  /// `folder` is loaded; what the journal says of itself wrongly goes to `faults`.
  JournalScan(eventstore::journal::SegmentFolder& folder, Options options, Faults& faults)
      : folder_(folder), options_(options), frames_(folder, faults) {}

  /// Answers whether to go on.
  using Visit = std::function<bool(const ScannedRecord&)>;
  /// `position` of all bytes were looked at; called now and then.
  using Progress = std::function<void(std::uint64_t bytes_done, std::uint64_t bytes_total)>;
  schemas::Result<ScanReport> run(const Visit& visit, const Progress& progress = {});

 private:
  schemas::Result<void> begin();
  bool take(const eventstore::journal::GoodFrame& good, const Visit& visit);
  bool visit_record(const eventstore::journal::GoodFrame& good, const Visit& visit);
  void enter_segment(std::uint64_t base);
  /// Where to go on behind a bad place; empty when the journal ends there.
  schemas::Result<std::optional<std::uint64_t>> behind(std::uint64_t bad);
  schemas::Result<void> judge(std::uint64_t bad);
  std::uint64_t limit() const { return options_.limit.value_or(eventstore::journal::position_max); }

  eventstore::journal::SegmentFolder& folder_;
  const Options options_;
  FrameCheck frames_;
  ScannedRecord::Place segment_{.base = ~std::uint64_t{0}, .seed = 0, .sealed = false};
  ScanReport report_;
  std::uint64_t durable_end_ = 0;
  std::uint32_t open_count_ = 0;
  bool judged_ = false;
  bool passed_loss_ = false;
  eventstore::Topics topics_;
  eventstore::journal::States states_;
};

}  // namespace api::cli
