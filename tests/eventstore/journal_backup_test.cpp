// Goal: a backup of a log that is written to restores to a prefix of it, at any place of one's
// choice; whatever fails on the way, the log is untouched, and what was made is whole or refused.
// Method: journals on a FaultDisk, backed up after every commit, restored at every record's end,
// and with a fault at each call; then the real file system for links.
#include "eventstore/journal_backup.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include "eventstore/journal_restore.h"
#include "tests/support/journal_fixture.h"
#include "tests/support/temporary_directory.h"

namespace eventstore {
namespace {

using journal::BackupOptions;
using journal::BackupReport;
using journal::Everything;
using journal::RestoreReport;
using journal::UntilPosition;
using journal::UntilTime;
using schemas::ErrorCode;
using schemas::Result;

class JournalBackup : public JournalFixture {
 protected:
  void SetUp() override {
    JournalFixture::SetUp();
    options_.first_segment_size = options_.segment_size_max = 16 * 1024;
    disk_.set_contents("/data/keyring", {1, 2, 3});
  }

  static Result<BackupReport> try_back_up(
      FileSystem& files, journal::Wait wait = [] { return false; }) {
    return journal::back_up(
        {.files = files, .data = "/data", .target = "/backup", .wait = std::move(wait)});
  }
  BackupReport back_up() {
    auto done = try_back_up(disk_);
    EXPECT_TRUE(done) << done.error().detail;
    return done.value_or(BackupReport{});
  }
  Result<RestoreReport> try_restore(journal::Until until = Everything{}) {
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

TEST_F(JournalBackup, every_position_restores_to_exactly_the_records_before_it) {
  open();
  fill(0, 120);
  close();
  const auto end = back_up().position;
  struct Stored {
    std::uint64_t end;
    LogId log;
    std::string text;
  };
  std::vector<std::uint64_t> ends = {0};
  std::vector<Stored> records;
  for (const auto& path : segments()) {
    const auto bytes = disk_.contents(path);
    for (const auto& place : places(path)) {
      ends.push_back(place.frame.position + place.frame.size_bytes());
      if (place.frame.own() || ends.back() > end) continue;
      const auto* payload = reinterpret_cast<const char*>(bytes.data()) + place.at;
      records.push_back({ends.back(), place.frame.log,
                         std::string(payload + journal::frame_size, place.frame.head.length)});
    }
  }
  ASSERT_GT(segments().size(), 2);
  ASSERT_EQ(records.size(), 120);
  auto expected = [&](std::uint64_t position) {
    Texts texts;
    for (const auto id : {log, other}) {
      for (const auto& record : records) {
        if (record.log == id && record.end <= position) texts.push_back(record.text);
      }
    }
    return texts;
  };
  for (const auto record_end : ends) {
    for (const auto position : {record_end, record_end + 8, record_end + 95}) {
      if (position > end) continue;
      const auto restored = try_restore(UntilPosition{position});
      ASSERT_TRUE(restored) << position << ": " << restored.error().detail;
      EXPECT_EQ(restored->position, record_end);
      EXPECT_EQ(disk_.contents("/restored/keyring"), (std::vector<std::uint8_t>{1, 2, 3}));
      for (const auto& [path, bytes] : files_below("/restored/journal").files) {
        EXPECT_EQ(bytes.size(), journal::decode_segment_header(bytes)->size_bytes) << path;
      }
      ASSERT_EQ(texts_of_restored(), expected(position)) << position;
      remove_below("/restored");
    }
  }
  const auto beyond = try_restore(UntilPosition{end + 8});
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code, ErrorCode::invalid_parameter);
}

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

TEST_F(JournalBackup, a_fault_in_a_restore_leaves_a_whole_log_or_none_that_a_server_starts_on) {
  open();
  fill(0, 100);
  const auto all = both();
  kill();
  back_up();
  ASSERT_GT(segments().size(), 2);
  const auto image = disk_.image();
  const auto backup = files_below("/backup").files;
  for (const bool power_cut : {false, true}) {
    for (std::size_t call = 1;; ++call) {
      disk_.start_over(static_cast<std::uint32_t>(call));
      disk_.restore(image);
      power_cut ? disk_.power_off_at(call) : disk_.fail_call(call, ErrorCode::disk_full);
      const auto calls_before = disk_.calls();
      const auto done = try_restore();
      const bool all_calls_made = disk_.calls() - calls_before < call;
      if (power_cut) disk_.cut_power();
      mend();
      ASSERT_EQ(files_below("/backup").files, backup) << call;
      const auto paths = disk_.paths();
      const bool has_keyring = std::ranges::count(paths, "/restored/keyring") == 1;
      ASSERT_TRUE(has_keyring || !done) << call;
      if (has_keyring) {
        ASSERT_EQ(texts_of_restored(), all) << call;
      } else if (std::ranges::any_of(
                     paths, [](const auto& path) { return path.starts_with("/restored/"); })) {
        const auto again = try_restore();
        ASSERT_FALSE(again);
        ASSERT_EQ(again.error().code, ErrorCode::invalid_parameter);
        // Some segments may have their names: then one is named that is missing.
        options_.directory = "/restored";
        if (std::ranges::count(paths, "/restored/journal/permanent/" + journal::segment_name(0))) {
          ASSERT_TRUE(try_open());
          ASSERT_TRUE(journal_->read_only() || both() == all) << call;
          kill();
        }
        options_.directory = "/data";
      }
      if (all_calls_made) break;
      ASSERT_LT(call, 500);
    }
  }
}

TEST_F(JournalBackup, until_a_time_ends_before_the_first_event_record_that_is_later) {
  open();
  std::vector<std::uint64_t> ends;
  for (int i = 1; i <= 6; ++i) {
    auto& writer = writers_.at(log);
    const auto claimed = writer.state().epoch.offset >= 0;
    if (!claimed) journal_->append({writer.claim(7)});
    journal_->append({writer.events("\"event\"")});  // a millisecond behind the one before
    journal_->pump();
    ends.push_back(journal_->durable_position());
  }
  idle();
  close();
  const auto end = back_up().position;
  auto at = [](int milliseconds) {
    return UntilTime{schemas::Time{std::chrono::milliseconds(milliseconds)}};
  };
  for (int i = 1; i < 6; ++i) {
    const auto restored = try_restore(at(i));
    ASSERT_TRUE(restored) << restored.error().detail;
    EXPECT_EQ(restored->position, ends[i - 1]);
    EXPECT_EQ(restored->recorded, at(i).time);
    remove_below("/restored");
  }
  EXPECT_EQ(try_restore(at(6))->position, end);
  remove_below("/restored");
  const auto nothing = try_restore(at(0));
  ASSERT_TRUE(nothing);
  EXPECT_EQ(nothing->records, 1) << "the claim";
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

TEST_F(JournalBackup, of_a_log_with_an_accepted_loss_restores_where_the_loss_is_known) {
  open();
  fill(0, 10);
  kill();
  const auto frames = places(segment());
  const auto& lost = frames[frames.size() - 4];
  disk_.flip_bit(segment(), 8 * (lost.at + 100));
  open();
  ASSERT_EQ(report().damages.size(), 1);
  const auto range = report().damages.front().range;
  kill();
  options_.accept_losses = {range};
  open();
  options_.accept_losses.clear();
  ASSERT_FALSE(journal_->read_only());
  const auto all = both();
  int patience = 5;
  ASSERT_TRUE(try_back_up(disk_, [&] { return --patience > 0; }));
  kill();
  EXPECT_TRUE(try_restore(UntilPosition{range.to + 8})) << "ends before the loss";
  remove_below("/restored");
  const auto behind = try_restore(UntilPosition{frames.back().frame.position});
  ASSERT_FALSE(behind);
  EXPECT_EQ(behind.error().code, ErrorCode::invalid_parameter);
  ASSERT_TRUE(try_restore(UntilPosition{range.from}));
  remove_below("/restored");
  ASSERT_TRUE(try_restore());
  options_.directory = "/restored";
  open();
  EXPECT_FALSE(journal_->read_only());
  EXPECT_EQ(both(), all);
  options_.directory = "/data";
}

TEST_F(JournalBackup, a_damaged_one_is_not_restored) {
  open();
  fill(0, 100);
  close();
  back_up();
  const auto image = disk_.image();
  for (const auto& [path, bytes] : files_below("/backup").files) {
    for (const bool missing : {false, true}) {
      disk_.restore(image);
      if (missing) {
        ASSERT_TRUE(disk_.remove(path));
      } else {
        const bool segment = path.starts_with("/backup/segments/");
        disk_.flip_bit(path, 8 * (segment ? journal::segment_header_size + 100 : bytes.size() / 2));
      }
      const auto restored = try_restore();
      ASSERT_FALSE(restored) << path;
      const bool none = missing && path.ends_with("/manifest");
      EXPECT_EQ(restored.error().code, none ? ErrorCode::not_found : ErrorCode::read_only) << path;
      EXPECT_TRUE(files_below("/restored").files.empty()) << path;
    }
  }
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
  EXPECT_GT(second.copied_bytes, 0);
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

TEST(BackupManifest, survives_writing_and_reading_and_tells_every_change) {
  const journal::BackupManifest manifest{.journal = {1, 2, 3},
                                         .position = 300'000,
                                         .taken = schemas::Time{std::chrono::milliseconds(5)},
                                         .sealed = {{0, 65'536}, {61'440, 131'072}},
                                         .tail_base = 188'416,
                                         .keyring = {9, 8, 7}};
  const auto text = encode(manifest);
  EXPECT_EQ(journal::decode_manifest(text), manifest);
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_NE(journal::decode_manifest(changed), manifest) << i;
    EXPECT_FALSE(journal::decode_manifest(text.substr(0, i))) << i;
  }
}

}  // namespace
}  // namespace eventstore
