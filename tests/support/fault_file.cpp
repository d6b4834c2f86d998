#include "tests/support/fault_file.h"

#include <algorithm>
#include <cstring>

namespace eventstore {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

class FaultFile final : public File {
 public:
  FaultFile(FaultDisk& disk, std::shared_ptr<FaultDisk::Inode> inode)
      : disk_(disk), inode_(std::move(inode)) {}

  Result<std::size_t> read(std::uint64_t at, std::span<std::uint8_t> out) override {
    const std::lock_guard lock(disk_.mutex_);
    return copy(inode_->cache, at, out);
  }

  Result<std::size_t> read_from_disk(std::uint64_t at, std::span<std::uint8_t> out) override {
    const std::lock_guard lock(disk_.mutex_);
    // Written back, but in the disk's own cache only: a power cut may still lose it, so the
    // versions stay. What the disk would answer is the page cache's bytes where those are dirty.
    auto now = inode_->disk;
    now.resize(inode_->cache.size());
    for (const auto& [sector, bytes] : inode_->shaky) FaultDisk::put_sector(now, sector, bytes);
    for (const auto& [sector, versions] : inode_->dirty) {
      FaultDisk::put_sector(now, sector, versions.back());
    }
    return copy(now, at, out);
  }

  Result<std::size_t> write(std::uint64_t at, std::span<const std::uint8_t> bytes) override {
    const std::lock_guard lock(disk_.mutex_);
    return disk_.write(*inode_, at, bytes);
  }

  Result<void> sync() override {
    const std::lock_guard lock(disk_.mutex_);
    return disk_.sync(*inode_);
  }

  Result<void> resize(std::uint64_t size_bytes) override {
    const std::lock_guard lock(disk_.mutex_);
    auto code = ErrorCode::internal;
    if (disk_.next_call(code) == FaultDisk::Fate::fails) return fail(code, "resize failed");
    inode_->cache.resize(size_bytes);
    return {};
  }

  Result<std::uint64_t> size() override {
    const std::lock_guard lock(disk_.mutex_);
    return inode_->cache.size();
  }

 private:
  static std::size_t copy(const std::vector<std::uint8_t>& from, std::uint64_t at,
                          std::span<std::uint8_t> out) {
    if (at >= from.size()) return 0;
    const auto size = std::min<std::size_t>(out.size(), from.size() - at);
    std::copy_n(from.begin() + static_cast<long>(at), size, out.begin());
    return size;
  }

  FaultDisk& disk_;
  std::shared_ptr<FaultDisk::Inode> inode_;
};

class FaultLock final : public FileLock {
 public:
  FaultLock(FaultDisk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}
  ~FaultLock() override {
    const std::lock_guard lock(disk_.mutex_);
    disk_.locks_.erase(path_);
  }

 private:
  FaultDisk& disk_;
  std::string path_;
};

namespace {

std::string directory_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

}  // namespace

bool FaultDisk::chance(double probability) {
  return std::bernoulli_distribution(probability)(random_);
}

FaultDisk::Fate FaultDisk::next_call(ErrorCode& code) {
  ++calls_;
  if (on_call_) on_call_();
  if (off_at_ && calls_ >= *off_at_) return Fate::fails;
  if (!fail_at_ || calls_ != fail_at_->first) return Fate::works;
  code = fail_at_->second;
  fail_at_.reset();
  return Fate::fails;
}

void FaultDisk::change_names(const std::string& path, std::function<void(Names&)> apply) {
  apply(names_);
  name_changes_.push_back({directory_of(path), std::move(apply)});
}

Result<std::unique_ptr<File>> FaultDisk::open(const std::string& path, Open how) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(path);
  if (how != Open::create_new) {
    if (found == names_.end()) return fail(ErrorCode::not_found, "open " + path + ": missing");
    return std::make_unique<FaultFile>(*this, found->second);
  }
  auto code = ErrorCode::internal;
  if (next_call(code) == Fate::fails) return fail(code, "create " + path + " failed");
  if (found != names_.end()) return fail(ErrorCode::internal, "create " + path + ": exists");
  auto inode = std::make_shared<Inode>();
  change_names(path, [path, inode](Names& names) { names[path] = inode; });
  return std::make_unique<FaultFile>(*this, std::move(inode));
}

Result<void> FaultDisk::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  auto code = ErrorCode::internal;
  if (next_call(code) == Fate::fails) return fail(code, "rename " + from + " failed");
  if (!names_.contains(from)) return fail(ErrorCode::not_found, "rename " + from + ": missing");
  change_names(from, [from, to](Names& names) {
    const auto entry = names.find(from);
    if (entry == names.end()) return;
    auto inode = entry->second;
    names.erase(entry);
    names[to] = inode;
  });
  return {};
}

Result<void> FaultDisk::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!names_.contains(path)) return fail(ErrorCode::not_found, "remove " + path + ": missing");
  auto code = ErrorCode::internal;
  if (next_call(code) == Fate::fails) return fail(code, "remove " + path + " failed");
  change_names(path, [path](Names& names) { names.erase(path); });
  return {};
}

Result<void> FaultDisk::make_directories(const std::string& path) {
  const std::lock_guard lock(mutex_);
  directories_.insert(path);
  return {};
}

Result<void> FaultDisk::sync_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  auto code = ErrorCode::internal;
  if (next_call(code) == Fate::fails) return fail(code, "sync " + path + " failed");
  std::erase_if(name_changes_, [&](const NameChange& change) {
    if (change.directory != path) return false;
    change.apply(durable_names_);
    return true;
  });
  return {};
}

Result<std::vector<DirectoryEntry>> FaultDisk::list(const std::string& path) {
  const std::lock_guard lock(mutex_);
  std::vector<DirectoryEntry> entries;
  for (const auto& [name, inode] : names_) {
    if (directory_of(name) == path) {
      entries.push_back({name.substr(path.size() + 1), inode->cache.size()});
    }
  }
  return entries;
}

Result<std::unique_ptr<FileLock>> FaultDisk::lock(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!locks_.insert(path).second) return fail(ErrorCode::in_use, path + " is locked");
  return std::make_unique<FaultLock>(*this, path);
}

std::uint64_t FaultDisk::used() const {
  std::uint64_t used = 0;
  for (const auto& [name, inode] : names_) used += inode->cache.size();
  return used;
}

Result<std::size_t> FaultDisk::write(Inode& inode, std::uint64_t at,
                                     std::span<const std::uint8_t> bytes) {
  auto code = ErrorCode::internal;
  if (next_call(code) == Fate::fails) {
    const auto sectors = (at + bytes.size()) / sector_size - at / sector_size;
    const auto whole = std::uniform_int_distribution<std::uint64_t>(0, sectors)(random_);
    const auto end = (at / sector_size + whole) * sector_size;
    const std::size_t some = end > at ? std::min<std::size_t>(end - at, bytes.size()) : 0;
    write_cache(inode, at, bytes.first(some));
    if (some == bytes.size() || chance(0.5)) return fail(code, "write failed");
    return some;
  }
  const auto growth =
      std::max<std::uint64_t>(at + bytes.size(), inode.cache.size()) - inode.cache.size();
  if (growth > 0 && used() + growth > capacity_) {
    return fail(ErrorCode::disk_full, "write: no space left");
  }
  write_cache(inode, at, bytes);
  return bytes.size();
}

void FaultDisk::write_cache(Inode& inode, std::uint64_t at, std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return;
  if (inode.cache.size() < at + bytes.size()) inode.cache.resize(at + bytes.size());
  std::ranges::copy(bytes, inode.cache.begin() + static_cast<long>(at));
  for (auto sector = at / sector_size; sector * sector_size < at + bytes.size(); ++sector) {
    Sector now{};
    const auto begin = sector * sector_size;
    const auto size = std::min<std::size_t>(sector_size, inode.cache.size() - begin);
    std::copy_n(inode.cache.begin() + static_cast<long>(begin), size, now.begin());
    inode.dirty[sector].push_back(now);
  }
}

void FaultDisk::put_sector(std::vector<std::uint8_t>& file, std::uint64_t sector,
                           const Sector& bytes) {
  const auto begin = sector * sector_size;
  if (begin >= file.size()) return;
  const auto size = std::min<std::size_t>(sector_size, file.size() - begin);
  std::copy_n(bytes.begin(), size, file.begin() + static_cast<long>(begin));
}

Result<void> FaultDisk::sync(Inode& inode) {
  auto code = ErrorCode::internal;
  const bool works = next_call(code) == Fate::works;
  const bool off = off_at_ && calls_ >= *off_at_;
  if (!works && off) return fail(code, "sync failed");
  inode.disk.resize(inode.cache.size());
  for (const auto& [sector, versions] : inode.dirty) {
    if (works) {
      put_sector(inode.disk, sector, versions.back());
      inode.shaky.erase(sector);
    } else if (chance(0.5)) {
      inode.shaky[sector] = versions.back();
    }
  }
  inode.dirty.clear();
  if (works) return {};
  return fail(code, "sync failed");
}

void FaultDisk::start_over(std::uint32_t seed) {
  restore({});
  random_.seed(seed);
  capacity_ = ~std::uint64_t{0};
}

void FaultDisk::cut_power() {
  const std::lock_guard lock(mutex_);
  const auto kept = std::uniform_int_distribution<std::size_t>(0, name_changes_.size())(random_);
  for (std::size_t i = 0; i < kept; ++i) name_changes_[i].apply(durable_names_);
  name_changes_.clear();
  names_ = durable_names_;
  for (auto& [name, inode] : names_) {
    if (inode->disk.size() != inode->cache.size() && chance(0.5)) {
      inode->disk.resize(inode->cache.size());
    }
    for (const auto& [sector, bytes] : inode->shaky) {
      if (chance(0.5)) put_sector(inode->disk, sector, bytes);
    }
    inode->shaky.clear();
    for (const auto& [sector, versions] : inode->dirty) {
      const auto pick = std::uniform_int_distribution<std::size_t>(0, 2 * versions.size())(random_);
      if (pick < versions.size()) put_sector(inode->disk, sector, versions[pick]);
      if (pick == 2 * versions.size()) put_sector(inode->disk, sector, versions.back());
    }
    inode->dirty.clear();
    inode->cache = inode->disk;
  }
  off_at_.reset();
  fail_at_.reset();
}

void FaultDisk::fail_call(std::size_t calls_from_now, ErrorCode code) {
  const std::lock_guard lock(mutex_);
  fail_at_ = {calls_ + calls_from_now, code};
}

void FaultDisk::power_off_at(std::size_t calls_from_now) {
  const std::lock_guard lock(mutex_);
  off_at_ = calls_ + calls_from_now;
}

void FaultDisk::disarm() {
  const std::lock_guard lock(mutex_);
  fail_at_.reset();
  off_at_.reset();
}

bool FaultDisk::armed() const {
  const std::lock_guard lock(mutex_);
  return fail_at_ || off_at_;
}

void FaultDisk::on_call(std::function<void()> slow) {
  const std::lock_guard lock(mutex_);
  on_call_ = std::move(slow);
}

std::size_t FaultDisk::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

void FaultDisk::set_capacity(std::uint64_t size_bytes) {
  const std::lock_guard lock(mutex_);
  capacity_ = size_bytes;
}

std::vector<std::uint8_t> FaultDisk::contents(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  return names_.at(path)->cache;
}

void FaultDisk::set_contents(const std::string& path, std::vector<std::uint8_t> bytes) {
  const std::lock_guard lock(mutex_);
  auto inode =
      std::make_shared<Inode>(Inode{.cache = bytes, .disk = bytes, .dirty = {}, .shaky = {}});
  names_[path] = inode;
  durable_names_[path] = inode;
}

void FaultDisk::flip_bit(const std::string& path, std::uint64_t bit) {
  auto bytes = contents(path);
  bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
  set_contents(path, std::move(bytes));
}

std::vector<std::string> FaultDisk::paths() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> paths;
  for (const auto& [name, inode] : names_) paths.push_back(name);
  return paths;
}

FaultDisk::Image FaultDisk::image() const {
  const std::lock_guard lock(mutex_);
  Image image;
  for (const auto& [name, inode] : names_) image.files[name] = inode->cache;
  return image;
}

void FaultDisk::restore(const Image& image) {
  {
    const std::lock_guard lock(mutex_);
    names_.clear();
    durable_names_.clear();
    name_changes_.clear();
    fail_at_.reset();
    off_at_.reset();
  }
  for (const auto& [name, bytes] : image.files) set_contents(name, bytes);
}

}  // namespace eventstore
