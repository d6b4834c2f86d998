#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "eventstore/journal_frames.h"
#include "eventstore/journal_segments.h"

/// Where records stand: a sparse index from (partition, offset) to positions. It only makes reading
/// faster; what it says is checked against the frame that stands there, and a missing or damaged
/// index file is made anew from its segment.
///
/// A partition's record gets an entry when it is the partition's first in its segment, or when 64
/// KiB of journal have passed since the partition's last entry. So from the entry at or before an
/// offset, the record is less than 64 KiB away.
namespace eventstore::journal {

inline constexpr std::uint64_t index_step = 64 * 1024;

struct IndexEntry {
  LogId log;
  Offset offset;
  std::uint64_t position;
};

/// The index of one whole segment; immutable.
class SegmentIndex {
 public:
  /// Entries in journal order.
  explicit SegmentIndex(std::vector<IndexEntry> entries);

  /// The last entry at or before `offset`.
  std::optional<IndexEntry> find(LogId log, Offset offset) const;

  std::vector<std::uint8_t> encode(std::uint32_t seed, std::uint64_t base) const;
  static std::optional<SegmentIndex> decode(Bytes bytes, std::uint32_t seed, std::uint64_t base);
  /// Hops over the segment's frames up to `limit`, or to the first bad place.
  static schemas::Result<SegmentIndex> build(Segment segment, std::uint32_t seed,
                                             std::uint64_t limit);

 private:
  std::vector<IndexEntry> entries_;  // by partition, then offset
};

/// Decides which of one partition's records get an entry. One user at a time.
class IndexSampler {
 public:
  /// Whether the record at `position` gets one; if so, remembers it.
  bool wants(std::uint64_t segment_base, std::uint64_t position) {
    if (segment_base == segment_ && position < next_) return false;
    segment_ = segment_base;
    next_ = position + index_step;
    return true;
  }
  /// What was sampled last was not written after all.
  void reset() { next_ = 0; }

 private:
  std::uint64_t segment_ = 0;
  std::uint64_t next_ = 0;
};

/// What was used last, by segment. One user at a time.
template <typename Value>
class RecentlyUsed {
 public:
  explicit RecentlyUsed(std::size_t max) : max_(max) {}

  /// Empty when it is not here (any more).
  std::shared_ptr<const Value> find(std::uint64_t base) {
    const auto found = std::ranges::find(values_, base, &Entry::first);
    if (found == values_.end()) return nullptr;
    std::rotate(found, found + 1, values_.end());
    return values_.back().second;
  }
  void keep(std::uint64_t base, std::shared_ptr<const Value> value) {
    std::erase_if(values_, [&](const Entry& entry) { return entry.first == base; });
    if (values_.size() == max_) values_.erase(values_.begin());
    values_.emplace_back(base, std::move(value));
  }

 private:
  using Entry = std::pair<std::uint64_t, std::shared_ptr<const Value>>;
  const std::size_t max_;
  std::vector<Entry> values_;  // the last one was used last
};

/// All segments' indexes. Any thread; `add` and `begin_segment` are the writer's.
class Index {
 public:
  /// `path`: a directory for index files, which need not exist before `seal` first needs it.
  enum class Files : std::uint8_t { made_anew, only_read };
  Index(SegmentFolder& segments, std::string path, std::uint32_t seed,
        Files files = Files::made_anew);

  /// The segment that is written from now on, and the entries that it has already.
  void begin_segment(std::uint64_t base, const std::vector<IndexEntry>& entries);
  void add(const std::vector<IndexEntry>& entries);
  /// Writes the index file of a segment that is closed, if there is none. Any thread; best effort.
  void save(std::uint64_t base);

  /// Where to begin to read for the record at `offset`, and the offset of the partition's record
  /// there or next behind. Empty when no record stands at `offset` yet.
  schemas::Result<std::optional<IndexEntry>> locate(LogId log, Offset offset);

 private:
  using Starts = std::vector<std::pair<LogId, Offset>>;

  std::optional<IndexEntry> find_active(LogId log, Offset offset) const;
  schemas::Result<std::shared_ptr<const SegmentIndex>> index_of(std::uint64_t base);
  std::shared_ptr<const SegmentIndex> keep(std::uint64_t base, SegmentIndex index);
  /// The partitions' next offsets at the beginning of a segment, from the closing table before it.
  schemas::Result<std::shared_ptr<const Starts>> starts_of(std::uint64_t base);
  std::string file_of(std::uint64_t base) const {
    return path_ + "/" + segment_name(base) + ".idx";
  }

  SegmentFolder& segments_;
  const std::string path_;
  const std::uint32_t seed_;
  const Files files_;

  mutable std::shared_mutex mutex_;
  std::uint64_t active_base_ = 0;
  std::unordered_map<LogId, std::vector<IndexEntry>> active_;
  // A closed segment's index is at most a few MiB, its starts at most half of one.
  RecentlyUsed<SegmentIndex> closed_;
  RecentlyUsed<Starts> starts_;
};

/// What ends a segment.
struct Closing {
  Frame frame;
  ClosingTable table;
};

/// Reads and decodes the closing frame that ends the segment before `base`. not_found when there is
/// no such segment or its end is not as `base`'s header says.
schemas::Result<Closing> read_closing_before(SegmentFolder& segments, std::uint64_t base,
                                             std::uint32_t seed);

}  // namespace eventstore::journal
