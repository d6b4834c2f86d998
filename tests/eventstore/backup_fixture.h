#pragma once

#include <algorithm>
#include <iterator>
#include <string>

#include "eventstore/journal_backup.h"
#include "eventstore/journal_restore.h"
#include "tests/support/journal_fixture.h"

namespace eventstore {

/// A journal in `/data`, a backup of it in `/backup`, a restored one in `/restored`, all on one
/// FaultDisk:
///
///     open(); fill(0, 50); back_up(); EXPECT_EQ(texts_of_backup(), both());
class JournalBackup : public JournalFixture {
 protected:
  void SetUp() override {
    JournalFixture::SetUp();
    options_.first_segment_size = options_.segment_size_max = 16 * 1024;
    disk_.set_contents("/data/keyring", {1, 2, 3});
  }

  static schemas::Result<journal::BackupReport> try_back_up(
      FileSystem& files, journal::Wait wait = [] { return false; }) {
    return journal::back_up(
        {.files = files, .data = "/data", .target = "/backup", .wait = std::move(wait)});
  }
  journal::BackupReport back_up() {
    auto done = try_back_up(disk_);
    EXPECT_TRUE(done) << done.error().detail;
    return done.value_or(journal::BackupReport{});
  }
  schemas::Result<journal::RestoreReport> try_restore(
      journal::Until until = journal::Everything{}) {
    return journal::restore(
        {.files = disk_, .backup = "/backup", .target = "/restored", .until = until});
  }

  /// Nothing fails any more.
  void mend() {
    const auto image = disk_.image();
    disk_.start_over(1);
    disk_.restore(image);
  }
  /// What stands in a directory, without what a crash leaves beside.
  FaultDisk::Image files_below(const std::string& directory) const {
    auto image = disk_.image();
    std::erase_if(image.files,
                  [&](const auto& entry) { return !entry.first.starts_with(directory + "/"); });
    return image;
  }
  void remove_below(const std::string& directory) {
    for (const auto& path : disk_.paths()) {
      if (path.starts_with(directory + "/")) ASSERT_TRUE(disk_.remove(path));
    }
  }

  /// Both partitions' records behind each other, as the restored journal has them; it must be
  /// writable, and must have had nothing to cut.
  Texts texts_of_restored() {
    kill();
    options_.directory = "/restored";
    open();
    options_.directory = "/data";
    EXPECT_FALSE(journal_->read_only());
    EXPECT_FALSE(report().cut);
    auto found = texts();
    std::ranges::copy(texts(other), std::back_inserter(found));
    EXPECT_TRUE(write({"one more"}));
    kill();
    return found;
  }
  Texts texts_of_backup() {
    const auto restored = try_restore();
    EXPECT_TRUE(restored) << restored.error().detail;
    auto found = texts_of_restored();
    remove_below("/restored");
    return found;
  }

  /// A record of its own for each number, some of them in another partition and of another size.
  void fill(int from, int to) {
    for (int i = from; i < to; ++i) {
      ASSERT_TRUE(
          write({std::to_string(i) + std::string(i * 37 % 500, '.')}, i % 5 == 0 ? other : log));
      if (i % 16 == 3) idle();
    }
  }
  Texts both() {
    auto all = texts();
    std::ranges::copy(texts(other), std::back_inserter(all));
    return all;
  }
};

}  // namespace eventstore
