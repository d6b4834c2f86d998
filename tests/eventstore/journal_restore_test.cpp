// Goal: a backup restores to exactly the beginning of the log that was asked for, or is refused.
// Method: one at the end of every record, at every event's time, with a fault at each call and with
// damage in each file.
#include "tests/eventstore/backup_fixture.h"

namespace eventstore {
namespace {

using journal::UntilPosition;
using journal::UntilTime;
using schemas::ErrorCode;

using JournalRestore = JournalBackup;

TEST_F(JournalRestore, every_position_restores_to_exactly_the_records_before_it) {
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

TEST_F(JournalRestore, a_fault_in_a_restore_leaves_a_whole_log_or_none_that_a_server_starts_on) {
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

TEST_F(JournalRestore, until_a_time_ends_before_the_first_event_record_that_is_later) {
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

TEST_F(JournalRestore, an_accepted_loss_is_restored_where_the_log_knows_of_it) {
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

TEST_F(JournalRestore, a_damaged_backup_is_refused) {
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
