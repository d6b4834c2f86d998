// Goal: a backup of a log that is written to holds what was acknowledged before it began; whatever
// fails on the way, the log is untouched and the backup before stays. Method: journals on a
// FaultDisk, backed up after every commit and with a fault at each call, then restored; the real
// file system for links and for a writer that never pauses.
#include <atomic>
#include <filesystem>
#include <functional>
#include <thread>

#include "tests/eventstore/backup_fixture.h"
#include "tests/support/temporary_directory.h"

namespace eventstore {
namespace {

using journal::BackupOptions;
using journal::BackupReport;
using journal::Everything;
using schemas::ErrorCode;

TEST_F(JournalBackup, after_every_commit_it_holds_what_was_acknowledged) {
  open();
  for (int i = 0; i < 90; ++i) {
    fill(i, i + 1);
    const auto acknowledged = both();
    const auto before = files_below("/data");
    back_up();
    ASSERT_EQ(files_below("/data").files, before.files) << "the log was changed";
    const auto image = disk_.image();
    auto journal = std::move(journal_);
    ASSERT_TRUE(try_restore());
    ASSERT_EQ(texts_of_restored(), acknowledged) << i;
    journal_.reset();
    journal.reset();
    disk_.restore(image);
    open();
  }
  EXPECT_GT(segments().size(), 2);
}

TEST_F(JournalBackup, waits_until_the_writer_says_that_the_last_record_is_durable) {
  open();
  fill(0, 3);
  ASSERT_TRUE(write({"acknowledged"}));
  int waited = 0;
  auto wait = [&] {
    if (++waited == 2) idle();
    return waited < 5;
  };
  const auto done = try_back_up(disk_, wait);
  ASSERT_TRUE(done) << done.error().detail;
  EXPECT_EQ(waited, 2);
  const auto all = both();
  EXPECT_EQ(texts_of_backup(), all);
}

TEST_F(JournalBackup, beside_a_writer_that_never_pauses_ends_where_all_is_durable) {
  const TemporaryDirectory directory;
  options_.files = &posix_files();
  options_.directory = (directory.path() / "data").string();
  // Long enough that looking for bytes behind the end takes longer than a write.
  options_.first_segment_size = options_.segment_size_max = 64 * 1024 * 1024;
  open();
  std::atomic<std::uint64_t> acknowledged = 0;
  std::atomic<bool> stopped = false;
  std::thread writing([&] {
    while (!stopped) {
      journal_->append({writers_.at(log).noop("again and again")});
      journal_->pump();
      acknowledged = journal_->durable_position();
    }
  });
  while (acknowledged == 0) std::this_thread::yield();
  for (int i = 0; i < 10; ++i) {
    int patience = 20;
    const auto wait = [&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      return --patience > 0;
    };
    const std::uint64_t before = acknowledged;
    journal::SegmentFolder folder(posix_files(), options_.directory + "/journal/permanent");
    const auto tail = journal::find_durable_end(folder, wait);
    const auto after = journal_->durable_position();
    EXPECT_TRUE(tail) << tail.error().detail;
    EXPECT_GT(patience, 0) << "a writer is at work, and says what is durable";
    if (!tail) break;
    EXPECT_GE(tail->durable_end, before);
    EXPECT_LE(tail->durable_end, after);
  }
  stopped = true;
  writing.join();
}

TEST_F(JournalBackup, ends_before_a_torn_record) {
  open();
  fill(0, 10);
  const auto all = both();
  ASSERT_TRUE(write({std::string(2000, 'x')}));
  kill();
  const auto last = places(segment()).back();
  auto bytes = disk_.contents(segment());
  std::fill_n(bytes.begin() + static_cast<long>((last.at + 1000) / 512 * 512), 512, 0);
  disk_.set_contents(segment(), bytes);
  EXPECT_EQ(back_up().position, last.frame.position);
  EXPECT_EQ(texts_of_backup(), all);
}

TEST_F(JournalBackup, a_second_one_only_adds) {
  open();
  fill(0, 64);
  const auto first = back_up();
  const auto files = files_below("/backup");
  const auto segments_before = segments().size();
  fill(64, 68);
  ASSERT_EQ(segments().size(), segments_before);
  const auto second = back_up();
  EXPECT_EQ(second.position_before, first.position);
  EXPECT_GT(second.position, first.position);
  EXPECT_EQ(second.copied_bytes, second.position - first.position);
  for (const auto& [path, bytes] : files.files) {
    if (path.ends_with("/manifest")) continue;
    ASSERT_TRUE(std::ranges::count(disk_.paths(), path)) << path;
    const auto now = disk_.contents(path);
    ASSERT_GE(now.size(), bytes.size()) << path;
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), now.begin())) << path;
  }
  EXPECT_EQ(back_up().copied_bytes, 0);
  fill(68, 140);
  EXPECT_GT(back_up().segments, second.segments);
  const auto all = both();
  EXPECT_EQ(
      std::ranges::count_if(disk_.paths(), [](const auto& p) { return p.ends_with(".tail"); }), 1);
  EXPECT_EQ(texts_of_backup(), all);
}

/// A disk where something happens before a file is opened.
class BusyDisk final : public FileSystem {
 public:
  using Before = std::function<void(const std::string&)>;
  BusyDisk(FileSystem& disk, Before before) : disk_(disk), before_(std::move(before)) {}
  schemas::Result<std::unique_ptr<File>> open(const std::string& path, Open how) override {
    before_(path);
    return disk_.open(path, how);
  }
  schemas::Result<void> rename(const std::string& from, const std::string& to) override {
    return disk_.rename(from, to);
  }
  schemas::Result<void> remove(const std::string& path) override { return disk_.remove(path); }
  schemas::Result<void> make_directories(const std::string& path) override {
    return disk_.make_directories(path);
  }
  schemas::Result<void> sync_directory(const std::string& path) override {
    return disk_.sync_directory(path);
  }
  schemas::Result<std::vector<DirectoryEntry>> list(const std::string& path) override {
    return disk_.list(path);
  }
  schemas::Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    return disk_.lock(path);
  }

 private:
  FileSystem& disk_;
  Before before_;
};

TEST_F(JournalBackup, is_opened_beside_one_that_ends_meanwhile) {
  open();
  fill(0, 20);
  const auto first = back_up();
  std::uint64_t second = 0;
  BusyDisk busy(disk_, [&](const std::string& path) {
    if (second != 0 || !path.ends_with(".tail")) return;
    fill(20, 150);
    disk_.set_contents("/data/keyring", {4, 5});
    second = back_up().position;
  });
  const auto opened = journal::open_backup(busy, "/backup");
  ASSERT_TRUE(opened) << opened.error().detail;
  EXPECT_GT(second, first.position);
  EXPECT_EQ(opened->manifest.position, second);
}

TEST_F(JournalBackup, that_is_replaced_again_and_again_is_not_called_damaged) {
  open();
  fill(0, 20);
  back_up();
  bool stands_still = false;
  BusyDisk busy(disk_, [&](const std::string& path) {
    if (stands_still || !path.starts_with("/backup/keyring-")) return;
    auto keyring = disk_.contents("/data/keyring");
    ++keyring.front();
    disk_.set_contents("/data/keyring", keyring);
    back_up();
  });
  const auto opened = journal::open_backup(busy, "/backup");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::in_use);
  stands_still = true;
  EXPECT_TRUE(journal::open_backup(busy, "/backup"));
}

TEST_F(JournalBackup, takes_the_keyring_after_the_durable_end_and_drops_the_one_before) {
  open();
  fill(0, 3);
  back_up();
  disk_.set_contents("/data/keyring", {4, 5});
  ASSERT_TRUE(write({"names the new key"}));
  back_up();
  ASSERT_TRUE(try_restore());
  EXPECT_EQ(disk_.contents("/restored/keyring"), (std::vector<std::uint8_t>{4, 5}));
  const auto paths = disk_.paths();
  EXPECT_EQ(std::ranges::count_if(
                paths, [](const auto& path) { return path.starts_with("/backup/keyring-"); }),
            1);
  for (const auto* left_out : {"/restored/nonces", "/restored/lock", "/restored/root.key"}) {
    EXPECT_EQ(std::ranges::count(paths, left_out), 0) << left_out;
  }
}

TEST_F(JournalBackup, a_fault_at_any_call_leaves_the_backup_before_and_the_log_as_it_was) {
  open();
  fill(0, 50);
  const auto first = both();
  kill();
  disk_.set_contents("/data/keyring", {1});
  const auto nothing = disk_.image();
  back_up();
  open();
  fill(50, 110);
  const auto second = both();
  kill();
  disk_.set_contents("/data/keyring", {2});
  const auto image = disk_.image();
  const auto source = files_below("/data").files;

  enum class How : std::uint8_t { error, disk_full, power_cut };
  for (const auto how : {How::error, How::disk_full, How::power_cut}) {
    for (std::size_t call = 1;; ++call) {
      disk_.start_over(static_cast<std::uint32_t>(call));
      disk_.restore(image);
      if (how == How::power_cut) {
        disk_.power_off_at(call);
      } else {
        disk_.fail_call(call, how == How::error ? ErrorCode::internal : ErrorCode::disk_full);
      }
      const auto calls_before = disk_.calls();
      const auto done = try_back_up(disk_);
      const bool all_calls_made = disk_.calls() - calls_before < call;
      if (how == How::power_cut) disk_.cut_power();
      mend();
      ASSERT_EQ(files_below("/data").files, source) << call;
      if (done) {
        ASSERT_EQ(texts_of_backup(), second) << call;
      } else {
        const auto found = texts_of_backup();
        ASSERT_TRUE(found == first || found == second) << call;
        back_up();
        ASSERT_EQ(texts_of_backup(), second) << call;
      }
      if (all_calls_made) break;
      ASSERT_LT(call, 500);
    }
  }
}

TEST_F(JournalBackup, a_fault_in_the_first_one_leaves_nothing_that_restores_or_all_of_it) {
  open();
  fill(0, 60);
  const auto all = both();
  kill();
  const auto image = disk_.image();
  for (std::size_t call = 1;; ++call) {
    disk_.start_over(static_cast<std::uint32_t>(call));
    disk_.restore(image);
    disk_.power_off_at(call);
    const auto calls_before = disk_.calls();
    const auto done = try_back_up(disk_);
    const bool all_calls_made = disk_.calls() - calls_before < call;
    disk_.cut_power();
    mend();
    const auto restored = try_restore();
    if (restored) {
      ASSERT_EQ(texts_of_restored(), all) << call;
      remove_below("/restored");
    } else {
      ASSERT_FALSE(done) << call;
      ASSERT_EQ(restored.error().code, ErrorCode::not_found) << restored.error().detail;
      ASSERT_TRUE(files_below("/restored").files.empty());
    }
    back_up();
    ASSERT_EQ(texts_of_backup(), all) << call;
    if (all_calls_made) break;
  }
}

class RefusedBackup : public JournalBackup {
 protected:
  void expect_refusal(ErrorCode code, const std::string& words) {
    const auto before = files_below("/backup").files;
    const auto done = try_back_up(disk_);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, code);
    EXPECT_NE(done.error().detail.find(words), std::string::npos) << done.error().detail;
    EXPECT_EQ(files_below("/backup").files, before);
  }
};

TEST_F(RefusedBackup, of_another_log) {
  open();
  fill(0, 5);
  close();
  back_up();
  for (const auto& path : segments()) ASSERT_TRUE(disk_.remove(path));
  open();
  fill(0, 50);
  close();
  expect_refusal(ErrorCode::invalid_parameter, "another log");
}

TEST_F(RefusedBackup, of_another_history_of_the_same_log) {
  for (const int start : {5, 90}) {  // in the first segment, and behind others
    disk_.restore({});
    disk_.set_contents("/data/keyring", {1});
    open();
    fill(0, start);
    const auto fork = disk_.image();
    fill(start, start + 8);
    back_up();
    kill();
    const auto backup = files_below("/backup");
    for (const int more : {2, 12, 200}) {  // shorter than the backup, longer, in more segments
      auto image = fork;
      for (const auto& [path, bytes] : backup.files) image.files[path] = bytes;
      disk_.restore(image);
      open();
      fill(1000, 1000 + more);
      kill();
      expect_refusal(ErrorCode::invalid_parameter, "not the beginning of this log");
    }
  }
}

TEST_F(RefusedBackup, behind_a_sealed_segment_that_is_not_the_log_s) {
  open();
  fill(0, 90);
  back_up();
  const auto source = segments()[segments().size() - 2];
  const auto copy = "/backup/segments" + source.substr(source.rfind('/'));
  const auto last = places(source).back();
  ASSERT_TRUE(last.frame.is(journal::OwnFrame::closing));
  disk_.flip_bit(copy, 8 * (last.at + journal::frame_size + 20));
  expect_refusal(ErrorCode::invalid_parameter, "not the beginning of this log");
}

TEST_F(RefusedBackup, into_a_directory_with_other_files) {
  open();
  fill(0, 5);
  disk_.set_contents("/backup/notes.txt", {1});
  expect_refusal(ErrorCode::invalid_parameter, "notes.txt");
  const auto into_itself = journal::back_up(
      {.files = disk_, .data = "/data", .target = "/data", .wait = [] { return false; }});
  ASSERT_FALSE(into_itself);
  EXPECT_EQ(into_itself.error().code, ErrorCode::invalid_parameter);
}

TEST_F(RefusedBackup, while_another_is_at_work_there) {
  open();
  fill(0, 5);
  back_up();
  const auto lock = disk_.lock("/backup/manifest.lock");
  ASSERT_TRUE(lock);
  expect_refusal(ErrorCode::in_use, "another backup into /backup is at work");
}

TEST_F(RefusedBackup, of_a_damaged_log) {
  open();
  fill(0, 5);
  back_up();
  fill(5, 10);
  idle();
  kill();
  const auto frames = places(segment());
  disk_.flip_bit(segment(), 8 * (frames[frames.size() - 3].at + 100));
  expect_refusal(ErrorCode::read_only, "damaged");
}

TEST_F(RefusedBackup, of_a_log_with_a_hole) {
  open();
  fill(0, 5);
  idle();
  const auto hole = places(segment()).size();
  fill(5, 12);
  idle();
  kill();
  const auto place = places(segment()).at(hole);
  auto bytes = disk_.contents(segment());
  std::fill_n(bytes.begin() + static_cast<long>(place.at), place.frame.size_bytes(), 0);
  disk_.set_contents(segment(), bytes);
  expect_refusal(ErrorCode::read_only, std::to_string(place.frame.position));
}

TEST_F(JournalBackup, links_what_is_sealed_and_copies_what_is_written_to) {
  const TemporaryDirectory directory;
  const auto data = (directory.path() / "data").string();
  const auto target = (directory.path() / "backup").string();
  auto& files = posix_files();
  options_.files = &files;
  options_.directory = data;
  open();
  ASSERT_TRUE(replace_whole(files, data + "/keyring", std::vector<std::uint8_t>{1}));
  fill(0, 100);
  auto take = [&](BackupOptions::Links links) {
    auto done = journal::back_up({.files = files,
                                  .data = data,
                                  .target = target,
                                  .wait = [] { return false; },
                                  .links = links});
    EXPECT_TRUE(done) << done.error().detail;
    return done.value_or(BackupReport{});
  };
  auto names = [](const std::string& path) { return std::filesystem::hard_link_count(path); };
  const auto first = take(BackupOptions::Links::where_possible);
  EXPECT_GT(first.linked_bytes, 0);
  EXPECT_EQ(names(data + "/journal/permanent/" + journal::segment_name(0)), 2);
  for (const auto& entry : std::filesystem::directory_iterator(target + "/segments")) {
    EXPECT_EQ(names(entry.path()), entry.path().extension() == ".tail" ? 1 : 2) << entry.path();
  }
  fill(100, 200);
  const auto all = both();
  const auto second = take(BackupOptions::Links::never);
  EXPECT_EQ(second.linked_bytes, 0);
  EXPECT_GT(second.copied_bytes, first.linked_bytes);
  for (const auto& entry : std::filesystem::directory_iterator(target + "/segments")) {
    EXPECT_EQ(names(entry.path()), 1) << "what was linked is a copy now: " << entry.path();
  }
  EXPECT_EQ(take(BackupOptions::Links::never).copied_bytes, 0) << "once";
  for (const auto& entry : std::filesystem::directory_iterator(target + "/segments")) {
    std::filesystem::create_hard_link(entry.path(), directory.path() / entry.path().filename());
  }
  EXPECT_EQ(take(BackupOptions::Links::never).copied_bytes, 0) << "these are no links to the log";
  kill();
  const auto restored = (directory.path() / "restored").string();
  ASSERT_TRUE(journal::restore(
      {.files = files, .backup = target, .target = restored, .until = Everything{}}));
  EXPECT_EQ(names(restored + "/journal/permanent/" + journal::segment_name(0)), 1);
  options_.directory = restored;
  open();
  EXPECT_EQ(both(), all);
  kill();
}

}  // namespace
}  // namespace eventstore
