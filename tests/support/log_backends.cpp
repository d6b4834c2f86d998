#include <cstdlib>
#include <filesystem>

#include "eventstore/journal.h"
#include "eventstore/memory_log.h"
#include "tests/support/kafka_harness.h"
#include "tests/support/log_fixture.h"

namespace eventstore {

namespace {

class MemoryHarness final : public LogHarness {
 public:
  std::unique_ptr<Log> open(LogObserver& observer) override {
    auto log = std::make_unique<MemoryLog>(observer, MemoryLog::Drive::thread, storage_);
    open_ = log.get();
    return log;
  }
  void kill(std::unique_ptr<Log> log) override { log.reset(); }
  void refuse_next_commit() override {
    open_->refuse_next({schemas::ErrorCode::disk_full, "no space", {}, {}});
  }
  void lose_next_outcome() override { open_->lose_next_outcome(1); }

 private:
  std::shared_ptr<MemoryStorage> storage_ = std::make_shared<MemoryStorage>();
  MemoryLog* open_ = nullptr;
};

/// Files of the operating system in a directory of their own, and faults on demand.
class BreakableFile final : public File {
 public:
  struct Faults {
    std::atomic<bool> no_space = false;
    std::atomic<bool> sync_fails = false;
  };
  BreakableFile(std::unique_ptr<File> file, Faults& faults)
      : file_(std::move(file)), faults_(faults) {}

  schemas::Result<std::size_t> read(std::uint64_t at, std::span<std::uint8_t> out) override {
    return file_->read(at, out);
  }
  schemas::Result<std::size_t> read_from_disk(std::uint64_t at,
                                              std::span<std::uint8_t> out) override {
    return file_->read_from_disk(at, out);
  }
  schemas::Result<std::size_t> write(std::uint64_t at,
                                     std::span<const std::uint8_t> bytes) override {
    if (faults_.no_space.exchange(false)) {
      return schemas::fail(schemas::ErrorCode::disk_full, "no space");
    }
    return file_->write(at, bytes);
  }
  schemas::Result<void> sync() override {
    if (faults_.sync_fails.exchange(false)) {
      return schemas::fail(schemas::ErrorCode::internal, "sync failed");
    }
    return file_->sync();
  }
  schemas::Result<void> resize(std::uint64_t size_bytes) override {
    return file_->resize(size_bytes);
  }
  schemas::Result<std::uint64_t> size() override { return file_->size(); }

 private:
  std::unique_ptr<File> file_;
  Faults& faults_;
};

class BreakableFiles final : public FileSystem {
 public:
  BreakableFile::Faults faults;

  schemas::Result<std::unique_ptr<File>> open(const std::string& path, Open how) override {
    auto file = posix_files().open(path, how);
    // What is being prepared for later is another matter than a commit.
    if (!file || path.ends_with("/next")) return file;
    return std::make_unique<BreakableFile>(std::move(*file), faults);
  }
  schemas::Result<void> rename(const std::string& from, const std::string& to) override {
    return posix_files().rename(from, to);
  }
  schemas::Result<void> remove(const std::string& path) override {
    return posix_files().remove(path);
  }
  schemas::Result<void> make_directories(const std::string& path) override {
    return posix_files().make_directories(path);
  }
  schemas::Result<void> sync_directory(const std::string& path) override {
    return posix_files().sync_directory(path);
  }
  schemas::Result<std::vector<DirectoryEntry>> list(const std::string& path) override {
    return posix_files().list(path);
  }
  schemas::Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    return posix_files().lock(path);
  }
};

/// On real files, with segments so small that they end often.
class JournalHarness final : public LogHarness {
 public:
  JournalHarness() {
    std::string name = (std::filesystem::temp_directory_path() / "journal-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
  }
  ~JournalHarness() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<Log> open(LogObserver& observer) override {
    auto journal = Journal::open({.directory = directory_,
                                  .files = &files_,
                                  .first_segment_size = 32 * 1024,
                                  .segment_size_max = 64 * 1024,
                                  .idle_before_cover = std::chrono::hours(1)},
                                 observer);
    ENSURE(journal);
    return std::move(*journal);
  }
  void kill(std::unique_ptr<Log> log) override { log.reset(); }
  void refuse_next_commit() override { files_.faults.no_space = true; }
  void lose_next_outcome() override { files_.faults.sync_fails = true; }

 private:
  std::string directory_;
  BreakableFiles files_;
};

}  // namespace

std::vector<Backend> all_backends() {
  std::vector<Backend> backends = {
      {"memory", [] { return std::unique_ptr<LogHarness>(new MemoryHarness); }},
      {"journal", [] { return std::unique_ptr<LogHarness>(new JournalHarness); }}};
  // The thread sanitizer does not know threads of C11, which librdkafka has.
#if !__has_feature(thread_sanitizer)
  backends.push_back(
      {"kafka_mock", [] { return std::unique_ptr<LogHarness>(new KafkaMockHarness); }});
  if (KafkaHarness::brokers() != nullptr) {
    backends.push_back({"kafka", [] { return std::unique_ptr<LogHarness>(new KafkaHarness); }});
  }
#endif
  return backends;
}

}  // namespace eventstore
