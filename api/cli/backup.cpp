#include <filesystem>
#include <memory>

#include <fmt/format.h>

#include "api/cli/journal_source.h"
#include "api/cli/progress.h"
#include "api/cli/verification.h"
#include "eventstore/clock.h"
#include "eventstore/journal_backup.h"
#include "schemas/json_writer.h"

namespace api::cli {
namespace {

namespace journal = eventstore::journal;

constexpr auto footer =
    R"(Copies the log of a running or stopped server, up to what is durable when this begins, and its keyring.
A second backup into the same directory adds what is new; whatever interrupts one, the backup before stays
valid, and the next one finishes it. Sealed segments are linked where DIR is on the same file system:
such a backup takes no space, and is lost with that disk; --copy copies them, those too that an earlier
backup into DIR linked.

Left out: root.key (keep it apart from the backups: it opens the keyring), nonces, rows, index.
`tidemark restore` makes a data directory of a backup.

Exit status 4: the log is damaged, or files of the backup before are missing or cut, and that backup is left
as it was; or --verify read damage in the backup that was just taken. 2: DIR holds something else, a backup
of another log, or one whose bytes are not this log's.

Examples:
  tidemark backup /mnt/backup --data ./data
  tidemark backup /mnt/backup --data ./data --verify --json)";

struct Options {
  SettingFlags flags;
  std::string target;
  bool verify = false;
  bool copy = false;
  bool json = false;
};

/// Paths of the seam never end in a slash.
std::string without_slash(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

Step<journal::BackupReport> take(const Options& options, const std::string& target) {
  auto data = existing_data(options.flags);
  if (!data) return std::unexpected(std::move(data).error());
  using Links = journal::BackupOptions::Links;
  ProgressLine line("backup", "bytes");
  auto done = journal::back_up(
      {.files = eventstore::posix_files(),
       .data = *data,
       .target = target,
       .wait = patience(),
       .now = eventstore::system_clock().wall(),
       .links = options.copy ? Links::never : Links::where_possible,
       .progress = [&](std::uint64_t bytes, std::uint64_t total) {
         line.show({bytes, static_cast<double>(bytes) / static_cast<double>(total)});
       }});
  if (!done) return stop_reading(done.error());
  return *done;
}

Step<Verification> check(const std::string& target) {
  auto backup = journal::open_backup(eventstore::posix_files(), target);
  if (!backup) return stop_reading(backup.error());
  return verify_backup(*backup, LogCheck::Versions::check);
}

void print_json(const journal::BackupReport& report, const std::optional<Verification>& checked) {
  std::string out;
  schemas::json::Writer writer(out);
  writer.begin_object().member("position", report.position);
  writer.member("position_before", report.position_before).member("segments", report.segments);
  writer.member("linked_bytes", report.linked_bytes).member("copied_bytes", report.copied_bytes);
  if (checked) {
    writer.name("verified").begin_object();
    write_json(writer, *checked);
    writer.end_object();
  }
  writer.end_object();
  fmt::print("{}\n", out);
}

void print_text(const journal::BackupReport& report, const std::optional<Verification>& checked,
                const std::string& target) {
  fmt::print("{} holds the log up to position {}: {} segments, {} bytes linked and {} copied now\n",
             target, report.position, report.segments, grouped(report.linked_bytes),
             grouped(report.copied_bytes));
  if (checked) fmt::print("read back:\n{}", verification_text(*checked));
  fmt::print("root.key is not in it; keep a copy elsewhere, a restore needs it\n");
}

Step<void> run(const Options& options) {
  const auto target = without_slash(options.target);
  auto report = take(options, target);
  if (!report) return std::unexpected(std::move(report).error());
  std::optional<Verification> checked;
  if (options.verify) {
    auto verified = check(target);
    if (!verified) return std::unexpected(std::move(verified).error());
    checked = std::move(*verified);
  }
  options.json ? print_json(*report, checked) : print_text(*report, checked, target);
  return checked ? sound_or_stop(*checked, Verified::backup) : Step<void>();
}

}  // namespace

void add_backup(CLI::App& program, Job& job) {
  auto options = std::make_shared<Options>();
  auto* app = program.add_subcommand("backup", "Copy the log of a running or stopped server");
  app->footer(footer);
  app->add_option("directory", options->target, "of the backup: a new one, or the last one's")
      ->required()
      ->type_name("DIR");
  options->flags.add_to(*app, {"data"});
  app->add_flag("--verify", options->verify, "read it back and check it as `log verify` does");
  app->add_flag("--copy", options->copy, "copy sealed segments too, even where they can be linked");
  app->add_flag("--json", options->json, "print a JSON object");
  app->callback([options, &job] { job = job_of([options] { return run(*options); }); });
}

}  // namespace api::cli
