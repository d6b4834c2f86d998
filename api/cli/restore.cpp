#include <algorithm>
#include <charconv>
#include <filesystem>
#include <memory>

#include <fmt/format.h>

#include "api/cli/journal_source.h"
#include "api/cli/progress.h"
#include "eventstore/journal_restore.h"
#include "schemas/json_writer.h"
#include "schemas/time.h"

namespace api::cli {
namespace {

namespace journal = eventstore::journal;

constexpr auto footer =
    R"(Makes a data directory of a backup: everything in it, or the log as it was at some place.

--until POSITION keeps the records that lie wholly before this journal position, as `log dump`, `log verify`
and `backup` print them. --until TIME (RFC 3339) keeps the longest beginning of the journal in which no
event was recorded later: recorded time never falls within a partition, so what was recorded after TIME is
never kept, and of other partitions a record may be missing that was recorded up to TIME but written behind
a later one.

The backup has no root key: put root.key of the old server into the new directory (mode 0600), or name
it with `tidemark serve --root-key PATH`. The log goes on under new claims, so a mark of what is lost
answers 410. Two servers must not go on from one backup: clients would hold marks of both.

Exit status 4: the backup is damaged before the place where the log is to end; nothing was restored.

Examples:
  tidemark restore /mnt/backup --data ./restored
  tidemark restore /mnt/backup --data ./restored --until 2026-11-21T07:00:00Z
  tidemark restore /mnt/backup --data ./restored --until 4190208)";

struct Options {
  SettingFlags flags;
  std::string backup;
  std::optional<std::string> until;
  bool json = false;
};

Step<journal::Until> parse_until(const std::optional<std::string>& text) {
  if (!text) return journal::Everything{};
  std::uint64_t position = 0;
  const auto* end = text->data() + text->size();
  const auto [read, code] = std::from_chars(text->data(), end, position);
  if (code == std::errc() && read == end) return journal::UntilPosition{position};
  if (const auto time = schemas::parse_time(*text)) return journal::UntilTime{*time};
  return stop(Exit::usage,
              fmt::format("--until {}: a journal position such as 4190208 or a time such as "
                          "2026-11-21T07:00:00Z is expected",
                          *text));
}

/// A directory that holds anything at all may be somebody's.
Step<std::string> empty_target(const SettingFlags& flags) {
  auto configuration = flags.load();
  if (!configuration) return std::unexpected(std::move(configuration).error());
  auto path = std::move(configuration->settings.data);
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  std::error_code failed;
  std::filesystem::directory_iterator entries(path, failed);
  // What a restore that was refused leaves.
  const auto is_lock = [](const auto& entry) { return entry.path().filename() == "lock"; };
  if (failed || std::all_of(begin(entries), end(entries), is_lock)) return path;
  return stop(
      Exit::usage,
      fmt::format("{} is not empty; name a new or empty directory in --data (a restore that "
                  "was interrupted leaves one that is to be removed)",
                  path));
}

Step<void> run(const Options& options) {
  auto until = parse_until(options.until);
  if (!until) return std::unexpected(std::move(until).error());
  auto target = empty_target(options.flags);
  if (!target) return std::unexpected(std::move(target).error());
  auto backup = options.backup;
  while (backup.size() > 1 && backup.ends_with('/')) backup.pop_back();
  auto restored = [&] {
    ProgressLine line("restore", "bytes");
    return journal::restore({.files = eventstore::posix_files(),
                             .backup = backup,
                             .target = *target,
                             .until = *until,
                             .progress = [&](std::uint64_t done, std::uint64_t total) {
                               line.show(
                                   {done, static_cast<double>(done) / static_cast<double>(total)});
                             }});
  }();
  if (!restored) return stop_reading(restored.error());
  const bool events = restored->recorded != schemas::Time{};
  const auto recorded = events ? std::optional(restored->recorded) : std::nullopt;
  if (options.json) {
    std::string out;
    schemas::json::Writer writer(out);
    writer.begin_object().member("position", restored->position);
    writer.member("backup_position", restored->backup_end).member("records", restored->records);
    writer.member("segments", restored->segments).member("recorded", recorded).end_object();
    fmt::print("{}\n", out);
  } else {
    fmt::print("{}: {} records up to position {} of the backup's {}, the last event recorded {}\n",
               *target, grouped(restored->records), restored->position, restored->backup_end,
               recorded ? schemas::to_text(*recorded) : "never");
  }
  fmt::print(stderr,
             "before it is served, put root.key of the old server there:\n"
             "  install -m 0600 OLD/root.key {0}/root.key\n"
             "or name it: tidemark serve --data {0} --root-key PATH\n",
             *target);
  return {};
}

}  // namespace

void add_restore(CLI::App& program, Job& job) {
  auto options = std::make_shared<Options>();
  auto* app = program.add_subcommand("restore", "Make a data directory of a backup");
  app->footer(footer);
  app->add_option("directory", options->backup, "of the backup")->required()->type_name("DIR");
  options->flags.add_to(*app, {"data"});
  app->add_option("--until", options->until, "the log up to there only")
      ->type_name("POSITION|TIME");
  app->add_flag("--json", options->json, "print a JSON object");
  app->callback([options, &job] { job = job_of([options] { return run(*options); }); });
}

}  // namespace api::cli
