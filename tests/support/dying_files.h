#pragma once

#include <memory>
#include <string>
#include <vector>

#include "eventstore/file.h"

namespace eventstore {

/// The real file system, on which everything fails from call number `calls_left` on, as after a
/// crash.
class DyingFiles final : public FileSystem {
 public:
  explicit DyingFiles(int calls_left) : calls_left_(calls_left) {}
  bool died() const { return calls_left_ < 0; }
  void die_after(int calls) { calls_left_ = calls; }

  schemas::Result<std::unique_ptr<File>> open(const std::string& path, Open how) override {
    if (dead()) return failure();
    auto file = posix_files().open(path, how);
    if (!file) return file;
    return std::make_unique<DyingFile>(*this, std::move(*file));
  }
  schemas::Result<void> rename(const std::string& from, const std::string& to) override {
    return dead() ? failure() : posix_files().rename(from, to);
  }
  schemas::Result<void> remove(const std::string& path) override {
    return dead() ? failure() : posix_files().remove(path);
  }
  schemas::Result<void> make_directories(const std::string& path) override {
    return dead() ? failure() : posix_files().make_directories(path);
  }
  schemas::Result<void> sync_directory(const std::string& path) override {
    return dead() ? failure() : posix_files().sync_directory(path);
  }
  schemas::Result<std::vector<DirectoryEntry>> list(const std::string& path) override {
    return posix_files().list(path);
  }
  schemas::Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    return posix_files().lock(path);
  }

 private:
  class DyingFile final : public File {
   public:
    DyingFile(DyingFiles& files, std::unique_ptr<File> file)
        : files_(files), file_(std::move(file)) {}
    schemas::Result<std::size_t> read(std::uint64_t at, std::span<std::uint8_t> out) override {
      return file_->read(at, out);
    }
    schemas::Result<std::size_t> read_from_disk(std::uint64_t at,
                                                std::span<std::uint8_t> out) override {
      return file_->read_from_disk(at, out);
    }
    /// Half of the bytes still arrive.
    schemas::Result<std::size_t> write(std::uint64_t at,
                                       std::span<const std::uint8_t> bytes) override {
      if (!files_.dead()) return file_->write(at, bytes);
      (void)file_->write(at, bytes.first(bytes.size() / 2));
      return failure();
    }
    schemas::Result<void> sync() override { return files_.dead() ? failure() : file_->sync(); }
    schemas::Result<void> resize(std::uint64_t size_bytes) override {
      return file_->resize(size_bytes);
    }
    schemas::Result<std::uint64_t> size() override { return file_->size(); }

   private:
    DyingFiles& files_;
    std::unique_ptr<File> file_;
  };

  bool dead() { return --calls_left_ < 0; }
  static std::unexpected<schemas::Error> failure() {
    return schemas::fail(schemas::ErrorCode::internal, "the disk is gone");
  }

  int calls_left_;
};

}  // namespace eventstore
