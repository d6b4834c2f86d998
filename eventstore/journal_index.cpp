#include "eventstore/journal_index.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include <fmt/core.h>

#include "schemas/crypto.h"
#include "schemas/packing.h"

namespace eventstore::journal {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

using schemas::get;
using schemas::put;

namespace {

constexpr std::array<std::uint8_t, 8> index_magic = {'T', 'M', 'J', 'I', 'D', 'X', '0', '1'};
constexpr std::size_t index_header_size = 24;  // magic, base, count, CRC of all but itself
constexpr std::size_t index_entry_size = 24;
constexpr std::size_t indexes_in_memory_max = 8;
constexpr std::size_t starts_in_memory_max = 64;  // looking for a place asks few: the middle ones

bool precedes(const IndexEntry& a, const IndexEntry& b) {
  return std::tie(a.log, a.offset) < std::tie(b.log, b.offset);
}

/// The last of sorted entries at or before (log, offset).
std::optional<IndexEntry> find_in(std::span<const IndexEntry> entries, LogId log, Offset offset) {
  const auto behind = std::ranges::upper_bound(entries, IndexEntry{log, offset, 0}, precedes);
  if (behind == entries.begin() || std::prev(behind)->log != log) return std::nullopt;
  return *std::prev(behind);
}

std::uint32_t index_crc(Bytes bytes, std::uint32_t seed) {
  return schemas::crc32c(bytes.subspan(index_header_size), schemas::crc32c(bytes.first(20), seed));
}

}  // namespace

SegmentIndex::SegmentIndex(std::vector<IndexEntry> entries) : entries_(std::move(entries)) {
  std::ranges::sort(entries_, precedes);
}

std::optional<IndexEntry> SegmentIndex::find(LogId log, Offset offset) const {
  return find_in(entries_, log, offset);
}

std::vector<std::uint8_t> SegmentIndex::encode(std::uint32_t seed, std::uint64_t base) const {
  std::vector<std::uint8_t> bytes(index_header_size + entries_.size() * index_entry_size);
  std::ranges::copy(index_magic, bytes.data());
  put(bytes.data() + 8, base);
  put(bytes.data() + 16, static_cast<std::uint32_t>(entries_.size()));
  auto* at = bytes.data() + index_header_size;
  for (const auto& entry : entries_) {
    put(at, static_cast<std::uint16_t>(entry.log.topic));
    put(at + 2, entry.log.partition);
    put(at + 8, entry.offset);
    put(at + 16, entry.position);
    at += index_entry_size;
  }
  put(bytes.data() + 20, index_crc(bytes, seed));
  return bytes;
}

std::optional<SegmentIndex> SegmentIndex::decode(Bytes bytes, std::uint32_t seed,
                                                 std::uint64_t base) {
  if (bytes.size() < index_header_size) return std::nullopt;
  const auto* at = bytes.data();
  const auto count = get<std::uint32_t>(at + 16);
  if (!std::equal(index_magic.begin(), index_magic.end(), at) ||
      get<std::uint64_t>(at + 8) != base ||
      bytes.size() != index_header_size + count * index_entry_size ||
      get<std::uint32_t>(at + 20) != index_crc(bytes, seed)) {
    return std::nullopt;
  }
  std::vector<IndexEntry> entries;
  entries.reserve(count);
  at += index_header_size;
  for (std::uint32_t i = 0; i < count; ++i, at += index_entry_size) {
    const auto position = get<std::uint64_t>(at + 16);
    if (position < base || position % 8 != 0) return std::nullopt;
    entries.push_back({{TopicId{get<std::uint16_t>(at)}, get<std::uint16_t>(at + 2)},
                       get<Offset>(at + 8),
                       position});
  }
  return SegmentIndex(std::move(entries));
}

Result<SegmentIndex> SegmentIndex::build(Segment segment, std::uint32_t seed, std::uint64_t limit) {
  FrameReader reader(seed, FrameReader::Source::cache, FrameReader::Payloads::skip);
  const auto base = segment.base;
  reader.seek(std::move(segment), base, limit);
  std::unordered_map<LogId, IndexSampler> samplers;
  std::vector<IndexEntry> entries;
  std::uint32_t open_count = 0;
  while (true) {
    auto step = reader.next();
    if (!step) return fail(std::move(step).error());
    if (std::holds_alternative<AtLimit>(*step)) return SegmentIndex(std::move(entries));
    if (const auto* bad = std::get_if<BadPlace>(&*step)) {
      // Not the index's to judge: go on behind it.
      auto behind = reader.find_head(bad->position + 8);
      if (!behind) return fail(std::move(behind).error());
      reader.seek(reader.segment(), *behind ? (*behind)->position : limit, limit);
      continue;
    }
    const auto& frame = std::get<GoodFrame>(*step).frame;
    if (frame.open_count < open_count) continue;  // an accepted loss: it was cut off once
    open_count = frame.open_count;
    if (!frame.own() && samplers[frame.log].wants(base, frame.position)) {
      entries.push_back({frame.log, frame.offset, frame.position});
    }
  }
}

Index::Index(SegmentFolder& segments, std::string path, std::uint32_t seed, Files files)
    : segments_(segments),
      path_(std::move(path)),
      seed_(seed),
      files_(files),
      closed_(indexes_in_memory_max),
      starts_(starts_in_memory_max) {}

void Index::begin_segment(std::uint64_t base, const std::vector<IndexEntry>& entries) {
  const std::unique_lock lock(mutex_);
  if (!active_.empty()) {
    std::vector<IndexEntry> whole;
    for (auto& [log, of_log] : active_) whole.insert(whole.end(), of_log.begin(), of_log.end());
    closed_.keep(active_base_, std::make_shared<const SegmentIndex>(std::move(whole)));
  }
  active_base_ = base;
  active_.clear();
  for (const auto& entry : entries) active_[entry.log].push_back(entry);
}

void Index::add(const std::vector<IndexEntry>& entries) {
  const std::unique_lock lock(mutex_);
  for (const auto& entry : entries) active_[entry.log].push_back(entry);
}

std::optional<IndexEntry> Index::find_active(LogId log, Offset offset) const {
  const std::shared_lock lock(mutex_);
  const auto of_log = active_.find(log);
  return of_log == active_.end() ? std::nullopt : find_in(of_log->second, log, offset);
}

Result<std::optional<IndexEntry>> Index::locate(LogId log, Offset offset) {
  if (auto entry = find_active(log, offset)) return entry;
  // The record stands in the last segment at whose beginning the partition's next offset was not
  // beyond it.
  const auto bases = segments_.bases();
  IndexEntry start{log, 0, bases.front()};
  std::size_t low = 0;
  for (std::size_t high = bases.size(); high - low > 1;) {
    const auto middle = low + (high - low) / 2;
    auto starts = starts_of(bases[middle]);
    // Without a readable closing table there, read all the way from the last one that is known.
    if (!starts) return start;
    const auto found = std::ranges::lower_bound(**starts, log, {}, &Starts::value_type::first);
    const bool begun = found != (*starts)->end() && found->first == log;
    const Offset next = begun ? found->second : 0;
    if (next > offset) {
      high = middle;
      continue;
    }
    low = middle;
    start = {log, next, bases[middle]};
  }
  if (low + 1 == bases.size()) return std::nullopt;
  auto index = index_of(bases[low]);
  if (!index) return fail(std::move(index).error());
  const auto entry = (*index)->find(log, offset);
  return entry ? entry : start;
}

std::shared_ptr<const SegmentIndex> Index::keep(std::uint64_t base, SegmentIndex index) {
  auto shared = std::make_shared<const SegmentIndex>(std::move(index));
  const std::unique_lock lock(mutex_);
  closed_.keep(base, shared);
  return shared;
}

Result<std::shared_ptr<const SegmentIndex>> Index::index_of(std::uint64_t base) {
  {
    const std::unique_lock lock(mutex_);
    if (auto known = closed_.find(base)) return known;
  }
  if (auto bytes = read_whole(segments_.files(), file_of(base))) {
    if (auto index = SegmentIndex::decode(*bytes, seed_, base)) {
      return keep(base, std::move(*index));
    }
  }
  auto segment = segments_.open(base);
  if (!segment) return fail(std::move(segment).error());
  const auto limit = segments_.successor(base);
  ENSURE(limit);
  auto index = SegmentIndex::build(std::move(*segment), seed_, *limit);
  if (!index) return fail(std::move(index).error());
  auto shared = keep(base, std::move(*index));
  save(base);
  return shared;
}

void Index::save(std::uint64_t base) {
  if (files_ == Files::only_read) return;
  std::shared_ptr<const SegmentIndex> index;
  {
    const std::unique_lock lock(mutex_);
    index = closed_.find(base);
  }
  if (index == nullptr) return;
  // Best effort, and unsynced: what a crash makes of it is told by its CRC and made anew.
  auto& files = segments_.files();
  const auto bytes = index->encode(seed_, base);
  if (!files.make_directories(path_)) return;
  files.remove(file_of(base));
  if (auto file = files.open(file_of(base), FileSystem::Open::create_new)) {
    write_all(**file, 0, bytes);
  }
}

Result<std::shared_ptr<const Index::Starts>> Index::starts_of(std::uint64_t base) {
  {
    const std::unique_lock lock(mutex_);
    if (auto known = starts_.find(base)) return known;
  }
  auto closing = read_closing_before(segments_, base, seed_);
  if (!closing) return fail(std::move(closing).error());
  auto starts = std::make_shared<Starts>();
  for (const auto& [log, state] : closing->table.states)
    starts->emplace_back(log, state.next_offset);
  const std::unique_lock lock(mutex_);
  starts_.keep(base, starts);
  return starts;
}

Result<Closing> read_closing_before(SegmentFolder& segments, std::uint64_t base,
                                    std::uint32_t seed) {
  auto header = segments.header(base);
  if (!header) return fail(std::move(header).error());
  const auto missing = [&] {
    return fail(ErrorCode::not_found,
                fmt::format("the segment before {} has no closing record", base));
  };
  if (header->previous_base == SegmentHeader::none) return missing();
  auto previous = segments.open(header->previous_base);
  if (!previous) return fail(std::move(previous).error());
  const bool placed = header->previous_closing >= previous->base && header->previous_closing < base;
  if (!placed || header->previous_closing % 8 != 0) return missing();
  FrameReader reader(seed);
  reader.seek(std::move(*previous), header->previous_closing, base);
  auto step = reader.next();
  if (!step) return fail(std::move(step).error());
  const auto* good = std::get_if<GoodFrame>(&*step);
  if (good == nullptr || !good->frame.is(OwnFrame::closing)) return missing();
  auto table = decode_closing_table(good->payload);
  if (!table || table->successor != base) return missing();
  return Closing{good->frame, std::move(*table)};
}

}  // namespace eventstore::journal
