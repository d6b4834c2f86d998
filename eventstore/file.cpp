#include "eventstore/file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <tuple>
#include <unistd.h>

#include <fmt/core.h>

namespace eventstore {

using schemas::Error;
using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

namespace {

std::unexpected<Error> failed(const char* call, const std::string& path) {
  const int reason = errno;
  auto code = ErrorCode::internal;
  if (reason == ENOSPC || reason == EDQUOT) code = ErrorCode::disk_full;
  if (reason == ENOENT) code = ErrorCode::not_found;
  return fail(code, fmt::format("{} {}: {}", call, path, std::strerror(reason)));
}

template <typename Call>
auto until_not_interrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int operator*() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }

 private:
  int number_;
};

/// Memory at the alignment that O_DIRECT asks for on every common disk.
class AlignedBuffer {
 public:
  static constexpr std::size_t alignment = 4096;
  explicit AlignedBuffer(std::size_t size_bytes)
      : bytes_(static_cast<std::uint8_t*>(std::aligned_alloc(alignment, size_bytes))) {
    ENSURE(bytes_ != nullptr);
  }
  ~AlignedBuffer() { std::free(bytes_); }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  std::uint8_t* data() { return bytes_; }

 private:
  std::uint8_t* bytes_;
};

class PosixFile final : public File {
 public:
  PosixFile(Descriptor descriptor, std::string path)
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  Result<std::size_t> read(std::uint64_t at, std::span<std::uint8_t> out) override {
    return read_by(*descriptor_, at, out);
  }

  Result<std::size_t> read_from_disk(std::uint64_t at, std::span<std::uint8_t> out) override {
    const Descriptor direct(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT));
    return direct ? read_direct(*direct, at, out) : read_after_dropping_cache(at, out);
  }

  Result<std::size_t> write(std::uint64_t at, std::span<const std::uint8_t> bytes) override {
    const auto written = until_not_interrupted(
        [&] { return ::pwrite(*descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(at)); });
    if (written < 0) return failed("write", path_);
    return static_cast<std::size_t>(written);
  }

  Result<void> sync() override {
    // Not repeated when interrupted: a second sync may report success for pages that the first
    // lost.
    if (::fdatasync(*descriptor_) != 0) return failed("sync", path_);
    return {};
  }

  Result<void> resize(std::uint64_t size_bytes) override {
    const auto done = until_not_interrupted(
        [&] { return ::ftruncate(*descriptor_, static_cast<off_t>(size_bytes)); });
    if (done != 0) return failed("resize", path_);
    return {};
  }

  Result<std::uint64_t> size() override {
    struct stat status{};
    if (::fstat(*descriptor_, &status) != 0) return failed("stat", path_);
    return static_cast<std::uint64_t>(status.st_size);
  }

 private:
  Result<std::size_t> read_by(int descriptor, std::uint64_t at, std::span<std::uint8_t> out) {
    std::size_t done = 0;
    while (done < out.size()) {
      const auto got = until_not_interrupted([&] {
        return ::pread(descriptor, out.data() + done, out.size() - done,
                       static_cast<off_t>(at + done));
      });
      if (got < 0) return failed("read", path_);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  /// Where there is no O_DIRECT (tmpfs and some network file systems): lets go of what is cached
  /// and clean, then reads.
  Result<std::size_t> read_after_dropping_cache(std::uint64_t at, std::span<std::uint8_t> out) {
    ::posix_fadvise(*descriptor_, 0, 0, POSIX_FADV_DONTNEED);
    return read_by(*descriptor_, at, out);
  }

  /// Through aligned memory of our own, so that callers need not know about alignment.
  Result<std::size_t> read_direct(int descriptor, std::uint64_t at, std::span<std::uint8_t> out) {
    constexpr std::size_t piece_max = 1024 * 1024;
    constexpr std::size_t alignment = AlignedBuffer::alignment;
    AlignedBuffer buffer(piece_max);
    std::size_t done = 0;
    while (done < out.size()) {
      const std::uint64_t from = (at + done) / alignment * alignment;
      const auto got = until_not_interrupted(
          [&] { return ::pread(descriptor, buffer.data(), piece_max, static_cast<off_t>(from)); });
      if (got < 0 && errno == EINVAL) return read_after_dropping_cache(at, out);
      if (got < 0) return failed("read", path_);
      const std::size_t skip = at + done - from;
      if (static_cast<std::size_t>(got) <= skip) break;
      const std::size_t usable = std::min(static_cast<std::size_t>(got) - skip, out.size() - done);
      std::memcpy(out.data() + done, buffer.data() + skip, usable);
      done += usable;
    }
    return done;
  }

  Descriptor descriptor_;
  std::string path_;
};

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  Descriptor descriptor_;
};

class PosixFiles final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, Open how) override {
    int flags = O_CLOEXEC;
    if (how == Open::existing_for_reading) flags |= O_RDONLY;
    if (how == Open::existing) flags |= O_RDWR;
    if (how == Open::create_new) flags |= O_RDWR | O_CREAT | O_EXCL;
    Descriptor descriptor(::open(path.c_str(), flags, 0600));
    if (!descriptor) return failed("open", path);
    return std::make_unique<PosixFile>(std::move(descriptor), path);
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return failed("rename", from);
    return {};
  }

  Result<void> remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return failed("remove", path);
    return {};
  }

  Result<void> link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) != 0) return failed("link", from);
    return {};
  }

  Result<bool> same_file(const std::string& one, const std::string& other) override {
    struct stat first{};
    struct stat second{};
    if (::stat(one.c_str(), &first) != 0) return failed("stat", one);
    if (::stat(other.c_str(), &second) != 0) return failed("stat", other);
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
  }

  Result<void> make_directories(const std::string& path) override {
    struct stat status{};
    if (::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return {};
    const std::string above = directory_of(path);
    if (above != path && above != ".") {
      if (auto made = make_directories(above); !made) return made;
    }
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return failed("mkdir", path);
    return sync_directory(above);
  }

  Result<void> sync_directory(const std::string& path) override {
    const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!descriptor) return failed("open", path);
    if (::fsync(*descriptor) != 0) return failed("sync", path);
    return {};
  }

  Result<std::vector<DirectoryEntry>> list(const std::string& path) override {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
    if (directory == nullptr) return failed("list", path);
    std::vector<DirectoryEntry> entries;
    errno = 0;
    while (const dirent* entry = ::readdir(directory.get())) {
      struct stat status{};
      const std::string name = entry->d_name;
      if (::fstatat(::dirfd(directory.get()), name.c_str(), &status, 0) != 0) continue;
      if (S_ISREG(status.st_mode)) {
        entries.push_back({name, static_cast<std::uint64_t>(status.st_size)});
      }
      errno = 0;
    }
    if (errno != 0) return failed("list", path);
    std::ranges::sort(entries, {}, &DirectoryEntry::name);
    return entries;
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    Descriptor descriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!descriptor) return failed("open", path);
    if (::flock(*descriptor, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return failed("lock", path);
      return fail(ErrorCode::in_use, fmt::format("{} is locked by another process", path));
    }
    return std::make_unique<PosixLock>(std::move(descriptor));
  }
};

}  // namespace

Result<void> FileSystem::link(const std::string& from, const std::string& /*to*/) {
  return fail(ErrorCode::internal, fmt::format("link {}: this file system has no links", from));
}

Result<bool> FileSystem::same_file(const std::string& one, const std::string& other) {
  return one == other;
}

FileSystem& posix_files() {
  static PosixFiles files;
  return files;
}

Result<void> write_all(File& file, std::uint64_t at, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    auto written = file.write(at, bytes);
    if (!written) return fail(std::move(written).error());
    if (*written == 0) return fail(ErrorCode::internal, "a write made no progress");
    at += *written;
    bytes = bytes.subspan(*written);
  }
  return {};
}

Result<void> write_zeros(File& file, std::uint64_t from, std::uint64_t to) {
  static std::array<std::uint8_t, 1024 * 1024> zeros;  // never written: not const, to cost no file
  while (from < to) {
    const auto piece = std::min<std::uint64_t>(zeros.size(), to - from);
    auto written = write_all(file, from, std::span(zeros).first(piece));
    if (!written) return written;
    from += piece;
  }
  return {};
}

Result<std::vector<std::uint8_t>> read_whole(FileSystem& files, const std::string& path) {
  auto file = files.open(path, FileSystem::Open::existing_for_reading);
  if (!file) return fail(std::move(file).error());
  auto size = (*file)->size();
  if (!size) return fail(std::move(size).error());
  std::vector<std::uint8_t> bytes(*size);
  auto got = (*file)->read(0, bytes);
  if (!got) return fail(std::move(got).error());
  bytes.resize(*got);
  return bytes;
}

namespace {

Result<void> write_new(FileSystem& files, const std::string& path,
                       std::span<const std::uint8_t> bytes) {
  auto file = files.open(path, FileSystem::Open::create_new);
  if (!file) return fail(std::move(file).error());
  if (auto written = write_all(**file, 0, bytes); !written) return written;
  return (*file)->sync();
}

}  // namespace

Result<void> replace_whole(FileSystem& files, const std::string& path,
                           std::span<const std::uint8_t> bytes) {
  const std::string beside = path + ".new";
  // What an earlier crash left beside it is worth nothing.
  if (auto gone = files.remove(beside); !gone && gone.error().code != ErrorCode::not_found) {
    return gone;
  }
  auto done = write_new(files, beside, bytes);
  if (done) done = files.rename(beside, path);
  if (!done) {
    std::ignore = files.remove(beside);  // it may have taken a full disk's last space
    return done;
  }
  return files.sync_directory(directory_of(path));
}

}  // namespace eventstore
