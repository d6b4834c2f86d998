#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "eventstore/journal.h"
#include "tests/support/fault_file.h"
#include "tests/support/log_fixture.h"

namespace eventstore {

/// A journal on a FaultDisk, in small segments and without threads, and the words to speak of it:
///
///     open(); write({"a", "b"}); kill(); open(); EXPECT_EQ(texts(), (Texts{"a", "b"}));
///
/// Partition 0 of topic 1 unless another one is named.
class JournalFixture : public testing::Test {
 protected:
  using Texts = std::vector<std::string>;
  static constexpr LogId log{TopicId{1}, 0};
  static constexpr LogId other{TopicId{1}, 1};
  static constexpr std::uint64_t segment_size = 32 * 1024;

  void SetUp() override { options_.files = &disk_; }

  void open();
  schemas::Result<void> try_open();
  /// As if the process died: the page cache stays.
  void kill();
  void kill_and_cut_power();
  void close();
  void reopen() {
    close();
    open();
  }

  /// One commit. Whether it was acknowledged.
  bool write(const Texts& texts, LogId id = log);
  /// Nothing to do for a while: a cover frame.
  void idle() { journal_->pump(); }

  Texts texts(LogId id = log);
  /// What a reader gets until it is stopped or at the end.
  struct Read {
    Texts texts;
    std::string error;
  };
  Read read(LogId id = log);
  Read read_through(Cursor& cursor);

  std::string segment(std::uint64_t base = 0) const;
  std::vector<std::string> segments() const;
  /// Frames of a segment file, by hand: where each begins in the file.
  struct Place {
    std::size_t at;
    journal::Frame frame;
  };
  std::vector<Place> places(const std::string& path) const;
  const journal::OpeningReport& report() const { return journal_->opening(); }

  FaultDisk disk_;
  JournalOptions options_{.directory = "/data",
                          .drive = JournalOptions::Drive::pump,
                          .first_segment_size = segment_size,
                          .segment_size_max = segment_size};
  std::unique_ptr<Witness> witness_;
  std::unique_ptr<Journal> journal_;
  std::map<LogId, PartitionWriter> writers_;
};

}  // namespace eventstore
