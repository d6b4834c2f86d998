#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "schemas/result.h"

/// The seam to the disk: what the journal and the keyring need of files and directories, and no
/// more. tests/support/fault_file.h stands in for it and loses, tears, flips and fails.
///
/// Errors: disk_full for ENOSPC and EDQUOT, not_found for a missing file, in_use for a lock that
/// another process holds, `internal` for everything else; the detail names call, path and reason.
/// Paths are absolute or relative to the working directory, and never end in a slash.
namespace eventstore {

/// One open file. Reads from any thread; one thread writes.
class File {
 public:
  virtual ~File() = default;

  /// Reads until `out` is full or the file ends; returns how much was read.
  virtual schemas::Result<std::size_t> read(std::uint64_t at, std::span<std::uint8_t> out) = 0;

  /// The same, past the page cache where the file system can: what the disk holds.
  virtual schemas::Result<std::size_t> read_from_disk(std::uint64_t at,
                                                      std::span<std::uint8_t> out) = 0;

  /// One write; may be short, which the return value says. The file grows when needed.
  virtual schemas::Result<std::size_t> write(std::uint64_t at,
                                             std::span<const std::uint8_t> bytes) = 0;

  /// Makes everything written so far, and the size, survive a power cut (fdatasync).
  virtual schemas::Result<void> sync() = 0;

  /// Cuts or extends with zeros. Durable after `sync`.
  virtual schemas::Result<void> resize(std::uint64_t size_bytes) = 0;

  virtual schemas::Result<std::uint64_t> size() = 0;
};

/// Held until destroyed, by one process at a time.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

struct DirectoryEntry {
  std::string name;
  std::uint64_t size_bytes;
};

/// Files by path. Any thread.
class FileSystem {
 public:
  enum class Open { existing_for_reading, existing, create_new };

  virtual ~FileSystem() = default;
  virtual schemas::Result<std::unique_ptr<File>> open(const std::string& path, Open how) = 0;
  /// Replaces `to`. Durable after `sync_directory`, as are create_new and remove.
  virtual schemas::Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual schemas::Result<void> remove(const std::string& path) = 0;
  /// A second name for a file that is never written to again; `to` must be new. Durable after
  /// `sync_directory`. An error where there can be none, such as on another file system: copy then.
  virtual schemas::Result<void> link(const std::string& from, const std::string& to);
  /// Whether both paths are names of one file.
  virtual schemas::Result<bool> same_file(const std::string& one, const std::string& other);
  /// Makes the directory and those above it, and makes them durable.
  virtual schemas::Result<void> make_directories(const std::string& path) = 0;
  virtual schemas::Result<void> sync_directory(const std::string& path) = 0;
  /// Regular files, sorted by name.
  virtual schemas::Result<std::vector<DirectoryEntry>> list(const std::string& path) = 0;
  virtual schemas::Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

/// The operating system's files. Lives for ever.
FileSystem& posix_files();

/// Writes all of `bytes`, in as many writes as it takes.
schemas::Result<void> write_all(File& file, std::uint64_t at, std::span<const std::uint8_t> bytes);

/// Writes zeros over [from, to).
schemas::Result<void> write_zeros(File& file, std::uint64_t from, std::uint64_t to);

/// Reads a whole file.
schemas::Result<std::vector<std::uint8_t>> read_whole(FileSystem& files, const std::string& path);

/// Writes a new file beside `path`, syncs it, puts it in place and syncs the directory: a crash
/// leaves the old file or the new one.
schemas::Result<void> replace_whole(FileSystem& files, const std::string& path,
                                    std::span<const std::uint8_t> bytes);

}  // namespace eventstore
