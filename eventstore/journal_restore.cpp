#include "eventstore/journal_restore.h"

#include <algorithm>
#include <optional>

#include <fmt/core.h>

#include "eventstore/journal_walk.h"
#include "schemas/batch.h"

namespace eventstore::journal {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

namespace {

constexpr std::size_t piece_size = 1024 * 1024;

/// Finds where to end: reads every record before that place, so none is restored unread.
class EndFinder {
 public:
  EndFinder(const RestoreOptions& options, OpenedBackup& backup)
      : options_(options), backup_(backup) {}

  Result<void> run(RestoreReport& report);

 private:
  /// Whether the frame is still before the end.
  bool take(const GoodFrame& good, RestoreReport& report);
  Result<std::uint64_t> behind(std::uint64_t bad);
  Result<void> check_losses(std::uint64_t end) const;

  const RestoreOptions& options_;
  OpenedBackup& backup_;
  std::uint32_t open_count_ = 0;
  std::uint64_t durable_end_ = 0;
  std::optional<WalkState> judged_;
  std::vector<Range> passed_;  // losses that were jumped over
  std::vector<Range> named_;   // losses that a frame before the end accepts
};

Result<void> EndFinder::run(RestoreReport& report) {
  auto& folder = *backup_.folder;
  const auto end = backup_.manifest.position;
  const auto first = folder.bases().front();
  report.position = durable_end_ = first;
  report.backup_end = end;
  JournalReader reader(folder, backup_.seed(), FrameReader::Source::disk);
  if (auto there = reader.seek(first, end); !there) return there;
  while (true) {
    auto step = reader.next();
    if (!step) return fail(std::move(step).error());
    if (std::holds_alternative<AtLimit>(*step)) break;
    const auto* good = std::get_if<GoodFrame>(&*step);
    if (good != nullptr && good->frame.open_count >= open_count_) {
      if (!take(*good, report)) break;
      if (options_.progress) options_.progress(report.position - first, 2 * (end - first));
      continue;
    }
    const auto bad = good != nullptr ? good->frame.position : reader.position();
    const auto* until = std::get_if<UntilPosition>(&options_.until);
    if (until != nullptr && bad + frame_size > until->position) break;
    auto next = behind(bad);
    if (!next) return fail(std::move(next).error());
    if (auto there = reader.seek(*next, end); !there) return there;
  }
  return check_losses(report.position);
}

bool EndFinder::take(const GoodFrame& good, RestoreReport& report) {
  const auto& frame = good.frame;
  const auto end = frame.position + frame.size_bytes();
  if (const auto* until = std::get_if<UntilPosition>(&options_.until)) {
    if (end > until->position) return false;
  }
  if (!frame.own() && frame.head.kind == RecordKind::events) {
    const auto batch = schemas::BatchView::verify(good.payload);
    const auto recorded = batch ? batch->recorded() : schemas::Time{};
    const auto* until = std::get_if<UntilTime>(&options_.until);
    if (until != nullptr && recorded > until->time) return false;
    report.recorded = std::max(report.recorded, recorded);
  }
  if (frame.is(OwnFrame::loss)) {
    if (const auto range = decode_range(good.payload)) named_.push_back(*range);
  }
  open_count_ = frame.open_count;
  durable_end_ = std::max(durable_end_, frame.durable_end);
  report.position = end;
  report.records += frame.own() ? 0 : 1;
  return true;
}

/// Behind a loss that was accepted; everything else that cannot be read ends the restore.
Result<std::uint64_t> EndFinder::behind(std::uint64_t bad) {
  if (!judged_) {
    auto walked = Walk(*backup_.folder, backup_.seed(), {})
                      .to_end({.end = bad, .durable_end = durable_end_, .open_count = open_count_});
    if (!walked) return fail(std::move(walked).error());
    judged_ = std::move(*walked);
  }
  if (const auto next = behind_unread(judged_->losses, {}, bad)) {
    const auto loss = std::ranges::find_if(judged_->losses,
                                           [&](const Range& some) { return some.contains(bad); });
    passed_.push_back(*loss);
    return *next;
  }
  return fail(ErrorCode::read_only,
              fmt::format("the backup is damaged at position {0}; --until {0} restores what stands "
                          "before it",
                          bad));
}

/// What was lost is known only from the frame that accepts it.
Result<void> EndFinder::check_losses(std::uint64_t end) const {
  for (const auto& loss : passed_) {
    const bool known = std::ranges::find(named_, loss) != named_.end();
    if (known || end <= loss.from) continue;
    return fail(ErrorCode::invalid_parameter,
                fmt::format("up to position {} the log does not know yet that positions {} are "
                            "lost; --until {} restores what stands before them",
                            end, to_text(loss), loss.from));
  }
  return {};
}

class Restore {
 public:
  Restore(const RestoreOptions& options, OpenedBackup& backup, const RestoreReport& report)
      : options_(options), backup_(backup), report_(report) {}

  Result<std::uint64_t> run();

 private:
  Result<void> copy_segment(std::uint64_t base);
  Result<void> copy(File& from, File& to, std::uint64_t size_bytes);
  std::string folder() const { return options_.target + "/journal/permanent"; }
  std::string path_of(std::uint64_t base) const { return folder() + "/" + segment_name(base); }

  const RestoreOptions& options_;
  OpenedBackup& backup_;
  const RestoreReport& report_;
  std::uint64_t copied_ = 0;
};

/// Segments get their names when all are whole, from the first to the last: in between the last one
/// names a successor that is missing, and is not taken for the end of the log.
Result<std::uint64_t> Restore::run() {
  auto& files = options_.files;
  if (auto made = files.make_directories(folder()); !made) return fail(std::move(made).error());
  // Where the end is a segment's begin, that segment belongs to it: the one before names it.
  auto bases = backup_.folder->bases();
  std::erase_if(bases, [&](std::uint64_t base) { return base > report_.position; });
  for (const auto base : bases) {
    if (auto copied = copy_segment(base); !copied) return fail(std::move(copied).error());
  }
  for (const auto base : bases) {
    auto named = files.rename(path_of(base) + ".part", path_of(base));
    if (!named) return fail(std::move(named).error());
  }
  if (auto synced = files.sync_directory(folder()); !synced) {
    return fail(std::move(synced).error());
  }
  auto whole = replace_whole(files, options_.target + "/keyring", backup_.keyring);
  if (!whole) return fail(std::move(whole).error());
  return bases.size();
}

Result<void> Restore::copy_segment(std::uint64_t base) {
  auto header = backup_.folder->header(base);
  if (!header) return fail(std::move(header).error());
  auto segment = backup_.folder->open(base);
  if (!segment) return fail(std::move(segment).error());
  auto file = options_.files.open(path_of(base) + ".part", FileSystem::Open::create_new);
  if (!file) return fail(std::move(file).error());
  const auto successor = backup_.folder->successor(base);
  const auto end = std::min(report_.position, successor.value_or(report_.position));
  const auto size = segment->file_offset(end);
  if (auto copied = copy(*segment->file, **file, size); !copied) return copied;
  if (auto zeroed = write_zeros(**file, size, header->size_bytes); !zeroed) return zeroed;
  return (*file)->sync();
}

Result<void> Restore::copy(File& from, File& to, std::uint64_t size_bytes) {
  std::vector<std::uint8_t> piece(piece_size);
  const auto first = backup_.folder->bases().front();
  const auto total = 2 * (report_.backup_end - first);
  for (std::uint64_t at = 0; at < size_bytes;) {
    const auto size =
        static_cast<std::size_t>(std::min<std::uint64_t>(piece_size, size_bytes - at));
    auto got = from.read(at, std::span(piece).first(size));
    if (!got) return fail(std::move(got).error());
    if (*got != size) return fail(ErrorCode::internal, "a segment became shorter while copying");
    if (auto written = write_all(to, at, std::span(piece).first(size)); !written) return written;
    at += size;
    copied_ += size;
    if (options_.progress) options_.progress(total / 2 + copied_, total);
  }
  return {};
}

constexpr std::string_view lock_name = "lock";  // that of a data directory

Result<void> check_target(const RestoreOptions& options) {
  for (const auto& path : {options.target, options.target + "/journal/permanent"}) {
    auto listed = options.files.list(path);
    if (!listed && listed.error().code == ErrorCode::not_found) continue;
    if (!listed) return fail(std::move(listed).error());
    std::erase_if(*listed, [](const auto& entry) { return entry.name == lock_name; });
    if (listed->empty()) continue;
    return fail(ErrorCode::invalid_parameter,
                fmt::format("{} is not empty ({}); a log is restored into a new or empty directory",
                            path, listed->front().name));
  }
  return {};
}

}  // namespace

Result<RestoreReport> restore(const RestoreOptions& options) {
  auto backup = open_backup(options.files, options.backup);
  if (!backup) return fail(std::move(backup).error());
  const auto* until = std::get_if<UntilPosition>(&options.until);
  if (until != nullptr && until->position > backup->manifest.position) {
    return fail(ErrorCode::invalid_parameter,
                fmt::format("the backup ends at position {}; {} is beyond it",
                            backup->manifest.position, until->position));
  }
  // Nobody starts a server there meanwhile.
  if (auto made = options.files.make_directories(options.target); !made) {
    return fail(std::move(made).error());
  }
  const auto lock = options.files.lock(options.target + "/" + std::string(lock_name));
  if (!lock) return fail(lock.error());
  if (auto empty = check_target(options); !empty) return fail(std::move(empty).error());
  RestoreReport report;
  if (auto found = EndFinder(options, *backup).run(report); !found) {
    return fail(std::move(found).error());
  }
  auto restored = Restore(options, *backup, report).run();
  if (!restored) return fail(std::move(restored).error());
  report.segments = *restored;
  return report;
}

}  // namespace eventstore::journal
