#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "eventstore/file.h"
#include "eventstore/journal_format.h"

namespace eventstore::journal {

/// One segment's file, open for reading (the writer's own is open for both). Shared, because
/// readers keep it while they stand in it.
struct Segment {
  std::uint64_t base;
  std::shared_ptr<File> file;

  std::uint64_t file_offset(std::uint64_t position) const {
    return segment_header_size + (position - base);
  }
};

/// The folder of one retention class: which segments there are. Any thread.
class SegmentFolder {
 public:
  SegmentFolder(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

  /// Looks at the directory. Once, before everything else.
  schemas::Result<void> load();

  /// The segment in which `position` lies; positions behind the last segment's base lie in it.
  schemas::Result<Segment> containing(std::uint64_t position);
  schemas::Result<Segment> open(std::uint64_t base);
  schemas::Result<SegmentHeader> header(std::uint64_t base);

  std::vector<std::uint64_t> bases() const;
  /// Base of the segment behind this one.
  std::optional<std::uint64_t> successor(std::uint64_t base) const;
  bool has(std::uint64_t base) const;
  void add(std::uint64_t base, std::shared_ptr<File> file);
  /// Removes the file of the last segment.
  schemas::Result<void> remove_last();

  FileSystem& files() const { return files_; }
  const std::string& path() const { return path_; }
  std::string path_of(std::uint64_t base) const { return path_ + "/" + segment_name(base); }

 private:
  struct Entry {
    std::uint64_t base;
    std::weak_ptr<File> file;
  };
  std::optional<std::uint64_t> base_of(std::uint64_t position) const;

  FileSystem& files_;
  const std::string path_;
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;  // sorted by base
};

}  // namespace eventstore::journal
