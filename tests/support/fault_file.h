#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "eventstore/file.h"

/// A disk in memory that behaves as badly as a real one may. The fault model:
///
/// - Writes go to a page cache. Only `sync` brings a file's bytes and size to the disk, only
///   `sync_directory` brings names there (made, renamed, removed).
/// - A power cut (`cut_power`) empties the cache. Of what was not synced each 512-byte sector
///   independently is lost, or there as written last, or as written at any time since the last
///   sync: so writes are dropped, reordered and torn between sectors, never within one. The size is
///   the old one or the new one. Names: a prefix of what was done to them since the last sync of
///   theirs.
/// - A killed process (`kill` is: just drop everything open) loses nothing: the cache stays.
/// - A sync that fails brings any part of the sectors as far as the disk's own cache: there they
///   can be read from the disk, but a power cut may lose them. All of them are clean in the page
///   cache afterwards, so the next sync succeeds and does nothing for them (fsyncgate): only
///   writing them again does.
/// - A write that fails, or is short, wrote some first part of it, up to a sector's end (a kernel
///   stops between pages).
/// - `fail_call(n)` fails the n-th changing call from now on, once; `power_off_at(n)` lets it and
///   every call after it fail, as if the machine died inside it. Calls are counted, so a test can
///   go through every n. A full disk (`set_capacity`) refuses growth until it is larger again.
/// - A slow disk: `on_call` is called at every changing call and may let time pass.
/// - read_from_disk gives what the disk holds, after writing back what is dirty (as O_DIRECT does).
/// - What it promises: sectors are whole, sync means sync, names and data do not get mixed up.
///
/// Random choices come from the seed. Any thread; one lock.
namespace eventstore {

class FaultDisk final : public FileSystem {
 public:
  explicit FaultDisk(std::uint32_t seed = 1) : random_(seed) {}

  schemas::Result<std::unique_ptr<File>> open(const std::string& path, Open how) override;
  schemas::Result<void> rename(const std::string& from, const std::string& to) override;
  schemas::Result<void> remove(const std::string& path) override;
  schemas::Result<void> make_directories(const std::string& path) override;
  schemas::Result<void> sync_directory(const std::string& path) override;
  schemas::Result<std::vector<DirectoryEntry>> list(const std::string& path) override;
  schemas::Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

  /// An empty disk.
  void start_over(std::uint32_t seed);
  /// Everything open must be closed. Power is on afterwards.
  void cut_power();
  void fail_call(std::size_t calls_from_now, schemas::ErrorCode code);
  void power_off_at(std::size_t calls_from_now);
  /// Takes back what is armed.
  void disarm();
  /// Whether a call is still to fail.
  bool armed() const;
  /// Changing calls so far.
  std::size_t calls() const;
  /// Called inside every changing call, with the disk's lock held.
  void on_call(std::function<void()> slow);
  void set_capacity(std::uint64_t size_bytes);

  /// Whole files behind the cache's back; both cache and disk.
  std::vector<std::uint8_t> contents(const std::string& path) const;
  void set_contents(const std::string& path, std::vector<std::uint8_t> bytes);
  void flip_bit(const std::string& path, std::uint64_t bit);
  std::vector<std::string> paths() const;

  /// The whole disk, to start from again and again.
  struct Image {
    std::map<std::string, std::vector<std::uint8_t>> files;
  };
  Image image() const;
  void restore(const Image& image);

 private:
  friend class FaultFile;
  friend class FaultLock;
  static constexpr std::size_t sector_size = 512;
  using Sector = std::array<std::uint8_t, sector_size>;

  struct Inode {
    std::vector<std::uint8_t> cache;
    std::vector<std::uint8_t> disk;
    std::map<std::uint64_t, std::vector<Sector>> dirty;  // versions since the last sync
    std::map<std::uint64_t, Sector> shaky;  // in the disk's own cache after a failed sync
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  struct NameChange {
    std::string directory;
    std::function<void(Names&)> apply;
  };
  enum class Fate { works, fails };

  /// Counts a changing call and says whether it works.
  Fate next_call(schemas::ErrorCode& code);
  void change_names(const std::string& path, std::function<void(Names&)> apply);
  schemas::Result<std::size_t> write(Inode& inode, std::uint64_t at,
                                     std::span<const std::uint8_t> bytes);
  void write_cache(Inode& inode, std::uint64_t at, std::span<const std::uint8_t> bytes);
  schemas::Result<void> sync(Inode& inode);
  static void put_sector(std::vector<std::uint8_t>& file, std::uint64_t sector,
                         const Sector& bytes);
  std::uint64_t used() const;
  bool chance(double probability);

  mutable std::mutex mutex_;
  std::mt19937 random_;
  Names names_;
  Names durable_names_;
  std::vector<NameChange> name_changes_;
  std::set<std::string> locks_;
  std::set<std::string> directories_;
  std::size_t calls_ = 0;
  std::function<void()> on_call_;
  std::optional<std::pair<std::size_t, schemas::ErrorCode>> fail_at_;
  std::optional<std::size_t> off_at_;
  std::uint64_t capacity_ = ~std::uint64_t{0};
};

}  // namespace eventstore
