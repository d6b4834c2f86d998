#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "eventstore/file.h"
#include "eventstore/journal_format.h"
#include "eventstore/journal_opening.h"
#include "eventstore/journal_tail.h"
#include "eventstore/log.h"

/// The embedded log: the partitions of one retention class in one sequence of segment files.
///
/// Promises what log.h promises; an acknowledged record survives a power cut. One commit writes the
/// records of all partitions with one write and one sync; what is appended meanwhile becomes the
/// next commit. One process per directory, and any number beside it that only read
/// (Access::beside). Files:
///
///     <directory>/lock                            held while open
///     <directory>/journal/<class>/<position>      segments (journal_format.h)
///     <directory>/journal/<class>/next            the segment that is being prepared
///     <directory>/index/<class>/<position>.idx    made anew when missing
///     <directory>/cut-<position>                  torn tails, kept aside
///
/// Threads: one writer, which calls the observer, and one that prepares space; or none
/// (Drive::pump) and everything happens in `pump`, `close` and `open`. Does not judge records: void
/// ones and forks are stored and given back like all others.
namespace eventstore {

struct JournalOptions {
  enum class Drive { threads, pump };
  enum class Access {
    write,
    beside,  // reads what was durable when it was opened; another may be writing meanwhile
  };

  std::string directory;
  std::string retention_class = "permanent";
  FileSystem* files = &posix_files();
  Drive drive = Drive::threads;
  Access access = Access::write;
  /// Access::beside: until a writer has said how far its journal is durable.
  journal::Wait wait;

  /// Segments begin small and double, so that a small installation stays small.
  std::uint64_t first_segment_size = 4 * 1024 * 1024;
  std::uint64_t segment_size_max = 256 * 1024 * 1024;
  /// The journal says of itself that all before was durable after so long without records.
  std::chrono::milliseconds idle_before_cover{50};
  std::size_t write_size_max = 2 * 1024 * 1024;

  /// Damage that the operator accepts, as an earlier opening named it.
  std::vector<journal::Range> accept_losses;
};

class Journal final : public Log {
 public:
  /// The observer must outlive the journal. Damage is no error here: the journal opens read-only.
  static schemas::Result<std::unique_ptr<Journal>> open(JournalOptions options,
                                                        LogObserver& observer);
  /// Without `close` before it: as if the process died here.
  ~Journal() override;

  const journal::OpeningReport& opening() const { return report_; }
  /// Bytes up to which everything is durable.
  std::uint64_t durable_position() const;

  /// Drive::pump only: commits what was appended; covers it when nothing was.
  void pump();

  schemas::Result<void> open_topic(const Topic& topic) override;
  void append(std::vector<Append> records) override;
  schemas::Result<std::unique_ptr<Cursor>> read(std::vector<ReadFrom> from) override;
  std::unique_ptr<RecordReader> reader(LogId log) override;
  Offset durable_end(LogId log) const override;
  PartitionState state(LogId log) const override;
  std::vector<LogId> partitions() const override;
  std::optional<schemas::Error> read_only() const override;
  void turn_read_only(schemas::Error why) override;
  void close() override;

 private:
  struct Parts;
  Journal(JournalOptions options, std::unique_ptr<FileLock> lock);
  schemas::Result<void> start(LogObserver& observer);
  schemas::Result<void> start_beside();
  schemas::Result<void> load_folded(journal::Opening& opening,
                                    const journal::Opening::Settled& settled);
  schemas::Result<void> begin_writing(journal::Opening& opening,
                                      const journal::Opening::Settled& settled);
  void run();
  void stop(bool drain);

  const JournalOptions options_;
  std::unique_ptr<FileLock> lock_;
  journal::OpeningReport report_;
  std::unique_ptr<Parts> parts_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Append> queue_;
  bool stopping_ = false;
  bool draining_ = false;
  std::thread thread_;
};

}  // namespace eventstore
