#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "api/cli/journal_source.h"
#include "api/cli/log_copy.h"
#include "api/cli/log_dump.h"
#include "api/cli/offline.h"
#include "api/cli/verification.h"
#include "schemas/json_writer.h"

namespace api::cli {
namespace {

using eventstore::journal::Range;

constexpr auto verify_footer =
    R"(Reads the whole journal and checks what it promises: checksums, chains, claims, sequences, offsets,
versions, times, topics, segments and their closing tables, cover frames, index files. Nothing is changed.
Of a running server it looks at what is durable when it begins, and says up to where; the server goes on.
Exit status 4: the log is damaged or wrong. Void records (of a writer that had lost its partition, or
behind a hole) are harmless and only counted. A torn tail is what a kill or a power cut leaves; the next
start cuts it off and keeps it aside.

Examples:
  tidemark log verify --data ./data
  tidemark log verify --data ./data --no-versions --json
  tidemark log verify --backup /mnt/backup)";

constexpr auto dump_footer =
    R"(Prints the records of a stopped server, or those that are durable of a running one, in the order of the
journal, void ones included. Digests of keys are left out.

Examples:
  tidemark log dump --data ./data --topic projects --limit 10
  tidemark log dump --data ./data --topic git --partition 17 --from 1000 --json | jq .events[].subject)";

constexpr auto accept_footer =
    R"(Damage makes the log read-only, and is never repaired by itself. Restore the bytes from a backup if there
is one. If not, this says for ever that a range of positions is lost, as `log verify` names it; the server
goes on without the records that were there.

Examples:
  tidemark log accept-loss 81920..82304 --data ./data)";

struct Options {
  SettingFlags flags;
  bool json = false;
  bool versions = true;
  std::optional<std::string> backup;
  std::optional<std::string> topic;
  std::optional<std::uint16_t> partition;
  std::uint64_t from = 0;
  std::optional<std::uint64_t> limit;
  std::string range;
};

/// Of a backup, whose segments were read past the page cache; else of a data directory.
struct Looked {
  Verification found;
  std::optional<std::uint64_t> limit;
};

Step<Looked> look(const Options& options) {
  const auto versions = options.versions ? LogCheck::Versions::check : LogCheck::Versions::skip;
  if (options.backup) {
    auto backup = eventstore::journal::open_backup(eventstore::posix_files(), *options.backup);
    if (!backup) return stop_reading(backup.error());
    auto found = verify_backup(*backup, versions);
    if (!found) return std::unexpected(std::move(found).error());
    return Looked{std::move(*found), backup->manifest.position};
  }
  auto source = journal_source(options.flags);
  if (!source) return std::unexpected(std::move(source).error());
  auto found = verify_journal(*source->folder, {.scan = {.limit = source->limit},
                                                .index_path = source->data + "/index/permanent",
                                                .versions = versions});
  if (!found) return std::unexpected(std::move(found).error());
  return Looked{std::move(*found), source->limit};
}

Step<void> verify(const Options& options) {
  auto looked = look(options);
  if (!looked) return std::unexpected(std::move(looked).error());
  const auto& [found, limit] = *looked;
  if (options.json) {
    std::string out;
    schemas::json::Writer writer(out);
    writer.begin_object();
    write_json(writer, found);
    writer.member("running", limit && !options.backup).end_object();
    fmt::print("{}\n", out);
  } else {
    fmt::print("{}", verification_text(found));
    if (limit && !options.backup) {
      fmt::print(
          "another process is writing: looked at what was durable when this began, up to "
          "position {}\n",
          *limit);
    }
  }
  return sound_or_stop(found, options.backup ? Verified::backup : Verified::log);
}

bool wanted(const Options& options, const ScannedRecord& record) {
  return (!options.topic || *options.topic == record.topic) &&
         (!options.partition || *options.partition == record.frame.log.partition) &&
         record.frame.offset >= options.from;
}

/// The names of topics that a scan comes by: those with records, and those that were added.
class TopicNames {
 public:
  void take(const ScannedRecord& record) {
    names_.emplace(record.topic);
    const auto control = schemas::read_control(record.payload);
    if (!control) return;
    if (const auto* added = std::get_if<schemas::TopicAdded>(&*control))
      names_.emplace(added->name);
  }
  bool has(const std::string& name) const { return names_.contains(name); }
  std::string text() const { return fmt::format("{}", fmt::join(names_, ", ")); }

 private:
  std::set<std::string> names_;
};

Step<void> dump(const Options& options) {
  auto source = journal_source(options.flags);
  if (!source) return std::unexpected(std::move(source).error());
  auto left = options.limit.value_or(~std::uint64_t{0});
  bool writable = true;
  TopicNames topics;
  auto visit = [&](const ScannedRecord& record) {
    if (options.topic) topics.take(record);
    if (left == 0) return false;
    if (!wanted(options, record)) return true;
    const auto text = options.json ? record_json(record) : record_text(record);
    writable = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    return --left > 0 && writable;
  };
  Faults ignored;
  auto report = JournalScan(*source->folder, {.limit = source->limit}, ignored).run(visit);
  if (!report) return stop(report.error());
  if (!writable) return stop(Exit::failed, "stdout cannot be written");
  if (options.topic && left > 0 && !topics.has(*options.topic)) {
    return stop(Exit::usage,
                fmt::format("there is no topic {}; there are {}", *options.topic, topics.text()));
  }
  if (report->damages.empty()) return {};
  return stop(Exit::damaged, fmt::format("damaged, and left out: positions {}",
                                         fmt::join(damage_texts(*report), ", ")));
}

std::optional<Range> parse_range(std::string_view text) {
  Range range{};
  const auto dots = text.find("..");
  if (dots == text.npos) return std::nullopt;
  auto read = [](std::string_view digits, std::uint64_t& number) {
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return code == std::errc() && end == digits.data() + digits.size();
  };
  if (!read(text.substr(0, dots), range.from) || !read(text.substr(dots + 2), range.to)) {
    return std::nullopt;
  }
  return range;
}

Step<void> accept_loss(const Options& options) {
  const auto range = parse_range(options.range);
  if (!range) return stop(Exit::usage, options.range + " is no range such as 81920..82304");
  auto directory = lock_data(options.flags);
  if (!directory) return std::unexpected(std::move(directory).error());
  eventstore::journal::SegmentFolder folder(eventstore::posix_files(),
                                            directory->journal_path() + "/permanent");
  if (auto loaded = folder.load(); !loaded) return stop(loaded.error());
  Faults ignored;
  auto report = JournalScan(folder, {}, ignored).run([](const ScannedRecord&) { return true; });
  if (!report) return stop(report.error());
  const bool damaged = std::ranges::any_of(
      report->damages, [&](const auto& damage) { return damage.range == *range; });
  if (!damaged) {
    return stop(Exit::usage,
                fmt::format("{} is not damaged; damaged positions: {}", options.range,
                            report->damages.empty()
                                ? "none"
                                : fmt::format("{}", fmt::join(damage_texts(*report), ", "))));
  }
  eventstore::JournalOptions journal;
  journal.accept_losses = {*range};
  auto data = open_data(std::move(*directory), std::move(journal));
  if (!data) return std::unexpected(std::move(data).error());
  // The rows may hold what is lost now, and what only followed from it: the next start folds anew.
  if (auto gone = (*data)->directory.rows().destroy_all(); !gone) return stop(gone.error());
  fmt::print(stderr, "accepted: positions {} are lost; the next start folds the rows anew\n",
             options.range);
  if (const auto error = (*data)->log->read_only()) return stop(Exit::damaged, error->detail);
  return {};
}

CLI::App* add(CLI::App& log, Options& options, const char* name, const char* what,
              const char* footer) {
  auto* app = log.add_subcommand(name, what);
  app->footer(footer);
  options.flags.add_to(*app, {"data"});
  return app;
}

}  // namespace

void add_log(CLI::App& program, Job& job) {
  auto options = std::make_shared<Options>();
  auto* log = program.add_subcommand("log", "Look into the log of a server");
  log->require_subcommand(1);

  auto* verifying = add(*log, *options, "verify", "Check the whole log", verify_footer);
  verifying->add_flag("--versions,!--no-versions", options->versions,
                      "check every entity's versions, which needs some 50 bytes of memory for each "
                      "(yes)");
  verifying->add_option("--backup", options->backup, "a backup instead of a data directory")
      ->type_name("DIR");
  verifying->add_flag("--json", options->json, "print a JSON object");
  verifying->callback([options, &job] { job = job_of([options] { return verify(*options); }); });

  auto* dumping = add(*log, *options, "dump", "Print records", dump_footer);
  dumping->add_option("--topic", options->topic, "only of this topic (a product, or log)")
      ->type_name("NAME");
  dumping->add_option("--partition", options->partition, "only of this partition")->type_name("N");
  dumping->add_option("--from", options->from, "only from this offset on (0)")->type_name("OFFSET");
  dumping->add_option("--limit", options->limit, "at most so many records")->type_name("N");
  dumping->add_flag("--json", options->json, "a line of JSON for each record");
  dumping->callback([options, &job] { job = job_of([options] { return dump(*options); }); });

  auto* accepting =
      add(*log, *options, "accept-loss", "Go on without damaged records", accept_footer);
  accepting->add_option("range", options->range, "positions, as `log verify` names them")
      ->required()
      ->type_name("RANGE");
  accepting->callback(
      [options, &job] { job = job_of([options] { return accept_loss(*options); }); });

  add_log_copy(*log, job);
}

}  // namespace api::cli
