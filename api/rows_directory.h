#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "eventstore/clock.h"
#include "eventstore/file.h"
#include "projections/read_store.h"

namespace api {

/// Which encoding of rows this program writes; names their directory. It goes up with every change
/// of a fold, a row or a key that would give other rows for the same log: the next start then folds
/// the log into a new directory.
inline constexpr std::uint32_t rows_version = 6;

/// How far rows that are made beside others have come, as whoever makes them says.
struct RowsBuild {
  std::uint32_t version = 0;
  std::uint64_t records = 0;
  std::uint64_t records_total = 0;  // in the log when it was looked at last
  std::uint64_t events_per_second = 0;
  schemas::Time told{};

  /// Nobody has told of it for a while.
  bool interrupted(schemas::Time now) const { return now - told > std::chrono::seconds{10}; }
};

/// The directory of the rows. It may hold several whole ones of a version, and one that is made:
///
///     <version>            made by the first start of a program of this version
///     <version>.<n>        made beside those before; the highest n serves, the others go
///     <version>.building   being made beside them
///     <version>.progress   how far that is
///     <version>.lock       held by whoever makes it
///     ….gone               being erased
///
/// What is made beside takes its place by one rename: whoever is killed at any time leaves what was
/// there before, or what is there now, whole. Knows names; one process serves, another one makes.
class RowsDirectory {
 public:
  RowsDirectory(eventstore::FileSystem& files, std::string path)
      : files_(files), path_(std::move(path)) {}

  /// One of this version.
  struct Whole {
    std::uint32_t number;  // 0: by the first start
    std::string path;
  };
  /// Of this version, oldest first.
  std::vector<Whole> whole() const;
  /// What is to serve: the newest whole ones; else new ones.
  schemas::Result<Whole> serving();
  /// Those that are being made, to be gone on with or begun. Holds the lock: in_use when another
  /// process makes them.
  class Making;
  schemas::Result<Making> make();
  /// Whole ones that are older than these, and what was left of others.
  schemas::Result<void> destroy_older(std::uint32_t than);
  schemas::Result<void> destroy(const std::string& path);
  /// All whole ones, which must not be open, and what is being made, unless somebody is at it.
  schemas::Result<void> destroy_all();
  /// Of every version.
  std::vector<RowsBuild> builds() const;

  /// Everything that is there, for people.
  struct Entry {
    std::string name;
    std::uint64_t size_bytes = 0;
  };
  std::vector<Entry> entries() const;
  static std::uint64_t size_of(const std::string& path);

 private:
  std::string of_version(const char* what) const;

  eventstore::FileSystem& files_;
  std::string path_;
};

class RowsDirectory::Making {
 public:
  const std::string& path() const { return path_; }
  /// Of what an earlier one left, nothing is of use.
  schemas::Result<void> begin_again();
  /// Best effort.
  void tell(const RowsBuild& build);
  /// They are whole, and closed: puts them in their place.
  schemas::Result<Whole> finish();

 private:
  friend class RowsDirectory;
  Making(RowsDirectory& directory, std::unique_ptr<eventstore::FileLock> lock);

  RowsDirectory& directory_;
  std::string path_;
  std::unique_ptr<eventstore::FileLock> lock_;
};

}  // namespace api
