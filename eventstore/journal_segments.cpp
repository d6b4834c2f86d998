#include "eventstore/journal_segments.h"

#include <algorithm>

#include <fmt/core.h>

namespace eventstore::journal {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

Result<void> SegmentFolder::load() {
  auto listed = files_.list(path_);
  if (!listed) return fail(std::move(listed).error());
  const std::lock_guard lock(mutex_);
  entries_.clear();
  for (const auto& entry : *listed) {
    if (const auto base = parse_segment_name(entry.name)) entries_.push_back({*base, {}});
  }
  return {};
}

std::optional<std::uint64_t> SegmentFolder::base_of(std::uint64_t position) const {
  const std::lock_guard lock(mutex_);
  const auto behind = std::ranges::upper_bound(entries_, position, {}, &Entry::base);
  if (behind == entries_.begin()) return std::nullopt;
  return std::prev(behind)->base;
}

Result<Segment> SegmentFolder::containing(std::uint64_t position) {
  const auto base = base_of(position);
  if (!base) {
    return fail(ErrorCode::not_found, fmt::format("no segment holds position {}", position));
  }
  return open(*base);
}

Result<Segment> SegmentFolder::open(std::uint64_t base) {
  const std::lock_guard lock(mutex_);
  const auto entry = std::ranges::lower_bound(entries_, base, {}, &Entry::base);
  if (entry == entries_.end() || entry->base != base) {
    return fail(ErrorCode::not_found, fmt::format("segment {} is missing", path_of(base)));
  }
  if (auto file = entry->file.lock()) return Segment{base, std::move(file)};
  auto opened = files_.open(path_of(base), FileSystem::Open::existing_for_reading);
  if (!opened) return fail(std::move(opened).error());
  std::shared_ptr<File> file = std::move(*opened);
  entry->file = file;
  return Segment{base, std::move(file)};
}

Result<SegmentHeader> SegmentFolder::header(std::uint64_t base) {
  auto segment = open(base);
  if (!segment) return fail(std::move(segment).error());
  std::array<std::uint8_t, segment_header_size> bytes;
  auto got = segment->file->read(0, bytes);
  if (!got) return fail(std::move(got).error());
  const auto header = decode_segment_header(Bytes(bytes).first(*got));
  if (!header || header->base != base) {
    return fail(ErrorCode::internal,
                fmt::format("{} does not begin with a segment header of its own", path_of(base)));
  }
  return *header;
}

std::vector<std::uint64_t> SegmentFolder::bases() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint64_t> bases;
  for (const auto& entry : entries_) bases.push_back(entry.base);
  return bases;
}

std::optional<std::uint64_t> SegmentFolder::successor(std::uint64_t base) const {
  const std::lock_guard lock(mutex_);
  const auto behind = std::ranges::upper_bound(entries_, base, {}, &Entry::base);
  return behind == entries_.end() ? std::nullopt : std::optional(behind->base);
}

bool SegmentFolder::has(std::uint64_t base) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::binary_search(entries_, base, {}, &Entry::base);
}

void SegmentFolder::add(std::uint64_t base, std::shared_ptr<File> file) {
  const std::lock_guard lock(mutex_);
  ENSURE(entries_.empty() || entries_.back().base < base);
  entries_.push_back({base, file});
}

Result<void> SegmentFolder::remove_last() {
  const std::lock_guard lock(mutex_);
  ENSURE(!entries_.empty());
  auto removed = files_.remove(path_of(entries_.back().base));
  if (!removed) return removed;
  entries_.pop_back();
  return files_.sync_directory(path_);
}

}  // namespace eventstore::journal
