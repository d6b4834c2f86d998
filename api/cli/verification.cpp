#include "api/cli/verification.h"

#include <fmt/format.h>

#include "api/cli/journal_source.h"
#include "api/cli/progress.h"
#include "schemas/json_writer.h"

namespace api::cli {

Step<Verification> verify_journal(eventstore::journal::SegmentFolder& folder,
                                  const VerifyOptions& options) {
  Verification verification;
  LogCheck check(options.versions, verification.faults);
  std::optional<IndexCheck> index;
  if (options.index_path) {
    index.emplace(folder.files(), *options.index_path, verification.faults);
  }
  ProgressLine line("verify", "records");
  std::uint64_t records = 0;
  auto visit = [&](const ScannedRecord& record) {
    ++records;
    check.take(record);
    if (index) index->take(record);
    return true;
  };
  auto progress = [&](std::uint64_t done, std::uint64_t total) {
    line.show({records, static_cast<double>(done) / static_cast<double>(total)});
  };
  auto scanned = JournalScan(folder, options.scan, verification.faults).run(visit, progress);
  if (!scanned) return stop_reading(scanned.error());
  verification.scan = std::move(*scanned);
  verification.counts = check.counts();
  if (index) verification.index = index->counts();
  return verification;
}

Step<Verification> verify_backup(const eventstore::journal::OpenedBackup& backup,
                                 LogCheck::Versions versions) {
  return verify_journal(*backup.folder,
                        {.scan = {.limit = backup.manifest.position,
                                  .source = eventstore::journal::FrameReader::Source::disk},
                         .index_path = {},
                         .versions = versions});
}

Step<void> sound_or_stop(const Verification& verification, Verified what) {
  if (verification.sound()) return {};
  const bool damaged = !verification.scan.damages.empty();
  const auto faults = verification.faults.count();
  const auto how =
      damaged ? "damaged" : fmt::format("wrong in {} {}", faults, faults == 1 ? "place" : "places");
  const auto* remedy =
      "restore it from a backup in which `tidemark log verify --backup` finds nothing";
  if (damaged) {
    remedy = "restore it from a backup, or accept the loss with `tidemark log accept-loss`";
  }
  if (what == Verified::backup) {
    remedy =
        "look at the log with `tidemark log verify`, and take a backup of it into another "
        "directory";
  }
  return stop(Exit::damaged, fmt::format("the {} is {}; {}",
                                         what == Verified::log ? "log" : "backup", how, remedy));
}

std::vector<std::string> damage_texts(const ScanReport& report) {
  std::vector<std::string> texts;
  texts.reserve(report.damages.size());
  for (const auto& damage : report.damages) texts.push_back(to_text(damage.range));
  return texts;
}

void write_json(schemas::json::Writer& writer, const Verification& verification) {
  const auto& [scan, counts, index, faults] = verification;
  writer.member("segments", scan.segments).member("size_bytes", scan.size_bytes);
  writer.member("records", counts.total()).member("events", counts.events);
  writer.name("by_verdict").begin_object();
  for (const auto& [verdict, count] : counts.records) writer.member(to_text(verdict), count);
  writer.end_object().member("partitions", counts.partitions.size());
  writer.member("end_position", scan.end).member("torn_bytes", scan.torn_bytes);
  writer.member("covers", scan.covers).member("closings", scan.closings);
  if (index) {
    writer.name("indexes").begin_object().member("checked", index->checked);
    writer.member("missing", index->missing).member("unreadable", index->unreadable).end_object();
  }
  auto write_all = [&](std::string_view name, const std::vector<std::string>& texts) {
    writer.name(name).begin_array();
    for (const auto& text : texts) writer.value(text);
    writer.end_array();
  };
  std::vector<std::string> losses;
  losses.reserve(scan.losses.size());
  for (const auto& loss : scan.losses) losses.push_back(to_text(loss));
  write_all("accepted_losses", losses);
  write_all("damages", damage_texts(scan));
  write_all("faults", faults.texts());
  writer.member("fault_count", faults.count());
}

std::string verification_text(const Verification& verification) {
  const auto& [scan, counts, index, faults] = verification;
  std::string text;
  auto out = std::back_inserter(text);
  fmt::format_to(out, "{} segments, {} bytes, end at position {}\n", scan.segments,
                 grouped(scan.size_bytes), scan.end);
  fmt::format_to(out, "{} records of {} topics in {} partitions, {} events\n",
                 grouped(counts.total()), counts.topics.size(), counts.partitions.size(),
                 grouped(counts.events));
  for (const auto& [verdict, count] : counts.records) {
    fmt::format_to(out, "  {:14} {:>14}\n", to_text(verdict), grouped(count));
  }
  if (index) {
    fmt::format_to(out, "{} index files; {} missing and {} unreadable, made anew when needed\n",
                   index->checked, index->missing, index->unreadable);
  }
  if (scan.torn_bytes > 0) {
    fmt::format_to(out, "torn tail: {} bytes that the next start cuts off\n", scan.torn_bytes);
  }
  for (const auto& loss : scan.losses) fmt::format_to(out, "accepted loss: {}\n", to_text(loss));
  for (const auto& damage : damage_texts(scan)) {
    fmt::format_to(out, "damaged: positions {}\n", damage);
  }
  for (const auto& fault : faults.texts()) fmt::format_to(out, "wrong: {}\n", fault);
  return text;
}

}  // namespace api::cli
