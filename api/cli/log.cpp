#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "api/cli/log_dump.h"
#include "api/cli/log_verify.h"
#include "api/cli/offline.h"
#include "api/cli/progress.h"
#include "schemas/json_writer.h"

namespace api::cli {
namespace {

using eventstore::journal::Range;

constexpr auto verify_footer =
    R"(Reads the whole journal of a stopped server and checks checksums, chains, claims, sequences, offsets and
times; nothing is changed. Exit status 4: it is damaged. Void records (of a writer that had lost its
partition, or behind a hole) are harmless and only counted. A torn tail is what a kill or a power cut
leaves; the next start cuts it off and keeps it aside.

Examples:
  tidemark log verify --data ./data
  tidemark log verify --data ./data --versions --json)";

constexpr auto dump_footer =
    R"(Prints the records of a stopped server in the order of the journal, void ones included. Digests of keys
are left out.

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
  bool versions = false;
  std::optional<std::string> topic;
  std::optional<std::uint16_t> partition;
  std::uint64_t from = 0;
  std::optional<std::uint64_t> limit;
  std::string range;
};

JournalScan scan_of(const DataDirectory& directory) {
  return {eventstore::posix_files(), directory.journal_path() + "/permanent"};
}

std::vector<std::string> damage_texts(const ScanReport& report) {
  std::vector<std::string> texts;
  texts.reserve(report.damages.size());
  for (const auto& damage : report.damages) texts.push_back(to_text(damage.range));
  return texts;
}

void print_json(const ScanReport& report, const LogCheck& check) {
  const auto& counts = check.counts();
  std::string out;
  schemas::json::Writer writer(out);
  writer.begin_object().member("segments", report.segments).member("size_bytes", report.size_bytes);
  writer.member("records", counts.total()).member("events", counts.events);
  writer.name("by_verdict").begin_object();
  for (const auto& [verdict, count] : counts.records) writer.member(to_text(verdict), count);
  writer.end_object().member("partitions", counts.partitions.size());
  writer.member("end_position", report.end).member("torn_bytes", report.torn_bytes);
  auto write_all = [&](std::string_view name, const std::vector<std::string>& texts) {
    writer.name(name).begin_array();
    for (const auto& text : texts) writer.value(text);
    writer.end_array();
  };
  std::vector<std::string> losses;
  losses.reserve(report.losses.size());
  for (const auto& loss : report.losses) losses.push_back(to_text(loss));
  write_all("accepted_losses", losses);
  write_all("damages", damage_texts(report));
  write_all("faults", check.faults());
  writer.member("fault_count", check.fault_count()).end_object();
  fmt::print("{}\n", out);
}

void print_text(const ScanReport& report, const LogCheck& check) {
  const auto& counts = check.counts();
  fmt::print("{} segments, {} bytes, end at position {}\n", report.segments,
             grouped(report.size_bytes), report.end);
  fmt::print("{} records of {} topics in {} partitions, {} events\n", grouped(counts.total()),
             counts.topics.size(), counts.partitions.size(), grouped(counts.events));
  for (const auto& [verdict, count] : counts.records) {
    fmt::print("  {:14} {:>14}\n", to_text(verdict), grouped(count));
  }
  if (report.torn_bytes > 0) {
    fmt::print("torn tail: {} bytes that the next start cuts off\n", report.torn_bytes);
  }
  for (const auto& loss : report.losses) fmt::print("accepted loss: {}\n", to_text(loss));
  for (const auto& damage : damage_texts(report)) fmt::print("damaged: positions {}\n", damage);
  for (const auto& fault : check.faults()) fmt::print("wrong: {}\n", fault);
}

Step<void> verify(const Options& options) {
  auto directory = lock_data(options.flags);
  if (!directory) return std::unexpected(std::move(directory).error());
  LogCheck check(options.versions ? LogCheck::Versions::check : LogCheck::Versions::skip);
  ProgressLine line("verify", "records");
  std::uint64_t records = 0;
  auto visit = [&](const ScannedRecord& record) {
    ++records;
    check.take(record);
    return true;
  };
  auto progress = [&](std::uint64_t done, std::uint64_t total) {
    line.show({records, static_cast<double>(done) / static_cast<double>(total)});
  };
  auto report = scan_of(*directory).run(visit, progress);
  if (!report) return stop(report.error());
  options.json ? print_json(*report, check) : print_text(*report, check);
  if (report->damages.empty() && check.fault_count() == 0) return {};
  return stop(
      Exit::damaged,
      report->damages.empty()
          ? fmt::format("the log is wrong in {} places", check.fault_count())
          : "the log is damaged; restore it from a backup, or accept the loss with `tidemark "
            "log accept-loss`");
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
  auto directory = lock_data(options.flags);
  if (!directory) return std::unexpected(std::move(directory).error());
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
  auto report = scan_of(*directory).run(visit);
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
  auto report = scan_of(*directory).run([](const ScannedRecord&) { return true; });
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
  if (auto gone = (*data)->directory.destroy_rows(); !gone) return stop(gone.error());
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
  auto* log = program.add_subcommand("log", "Look into the log of a stopped server");
  log->require_subcommand(1);

  auto* verifying = add(*log, *options, "verify", "Check the whole log", verify_footer);
  verifying->add_flag("--versions", options->versions,
                      "check every entity's versions too; needs memory for all of them");
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
}

}  // namespace api::cli
