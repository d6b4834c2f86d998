#include "eventstore/journal_backup.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>

#include <fmt/core.h>

namespace eventstore::journal {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

namespace {

constexpr std::size_t piece_size = 1024 * 1024;

/// Whether both files hold the same bytes in [from, to).
Result<bool> same_bytes(File& one, File& other, std::uint64_t from, std::uint64_t to) {
  std::vector<std::uint8_t> first(piece_size);
  std::vector<std::uint8_t> second(piece_size);
  while (from < to) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(piece_size, to - from));
    auto got = one.read(from, std::span(first).first(size));
    if (!got) return fail(std::move(got).error());
    auto got_other = other.read(from, std::span(second).first(size));
    if (!got_other) return fail(std::move(got_other).error());
    if (*got != size || *got_other != size) return false;
    if (!std::equal(first.begin(), first.begin() + static_cast<long>(size), second.begin())) {
      return false;
    }
    from += size;
  }
  return true;
}

constexpr std::string_view lock_name = "manifest.lock";

bool consists_of(std::string_view text, std::size_t size, std::string_view letters) {
  return text.size() == size && text.find_first_not_of(letters) == std::string_view::npos;
}

/// Nothing else stands in a backup's directory, finished or not; what replace_whole left too.
bool left_by_a_backup(std::string_view name) {
  if (name == lock_name) return true;
  if (name.ends_with(".new")) name.remove_suffix(4);
  if (name == "manifest") return true;
  constexpr std::string_view keyring = "keyring-";
  return name.starts_with(keyring) &&
         consists_of(name.substr(keyring.size()), 16, "0123456789abcdef");
}

/// A segment's copy under work, or the tail of an earlier backup.
bool is_passing(std::string_view name) {
  return (name.ends_with(".tail") || name.ends_with(".part")) &&
         consists_of(name.substr(0, name.size() - 5), 20, "0123456789");
}

class Backup {
 public:
  explicit Backup(const BackupOptions& options)
      : options_(options), source_(options.files, options.data + "/journal/permanent") {}

  Result<BackupReport> run();

 private:
  Result<void> look_at_source();
  Result<void> check_place() const;
  Result<void> lock_target();
  Result<void> look_at_target();
  Result<void> check_history(const BackupManifest& before);
  Result<void> put_segments();
  Result<void> put_sealed(std::uint64_t base);
  Result<void> put_tail();
  Result<void> put_keyring();
  Result<void> copy(File& from, File& to, Range offsets);
  void remove_leftovers();
  bool is_sealed_before(std::uint64_t base) const;
  Result<bool> has_own(std::uint64_t base) const;
  std::string target_path_of(std::uint64_t base) const {
    return segments_path(options_.target) + "/" + segment_name(base);
  }
  void show_progress();

  const BackupOptions& options_;
  SegmentFolder source_;
  std::unique_ptr<FileLock> lock_;
  std::optional<BackupManifest> before_;
  BackupManifest manifest_{};
  std::vector<std::uint8_t> keyring_;
  BackupReport report_;
  std::uint64_t bytes_total_ = 0;
  std::uint64_t bytes_kept_ = 0;  // were there already
};

Result<BackupReport> Backup::run() {
  if (auto checked = check_place(); !checked) return fail(std::move(checked).error());
  if (auto locked = lock_target(); !locked) return fail(std::move(locked).error());
  if (auto looked = look_at_source(); !looked) return fail(std::move(looked).error());
  if (auto looked = look_at_target(); !looked) return fail(std::move(looked).error());
  if (auto put = put_segments(); !put) return fail(std::move(put).error());
  if (auto put = put_keyring(); !put) return fail(std::move(put).error());
  const auto text = encode(manifest_);
  auto done =
      replace_whole(options_.files, manifest_path(options_.target), schemas::bytes_of(text));
  if (!done) return fail(std::move(done).error());
  remove_leftovers();
  report_.position = manifest_.position;
  report_.segments = manifest_.sealed.size() + 1;
  return report_;
}

Result<void> Backup::look_at_source() {
  auto tail = find_durable_end(source_, options_.wait);
  if (!tail) return fail(std::move(tail).error());
  auto keyring = read_whole(options_.files, options_.data + "/keyring");
  if (!keyring) return fail(std::move(keyring).error());
  keyring_ = std::move(*keyring);
  manifest_ = {.journal = tail->id,
               .position = tail->durable_end,
               .taken = options_.now,
               .sealed = {},
               .tail_base = 0,
               .keyring = schemas::sha256(keyring_)};
  for (const auto base : source_.bases()) {
    if (base > manifest_.position) break;
    manifest_.tail_base = base;
  }
  for (const auto base : source_.bases()) {
    if (base >= manifest_.tail_base) break;
    auto segment = source_.open(base);
    if (!segment) return fail(std::move(segment).error());
    auto size = segment->file->size();
    if (!size) return fail(std::move(size).error());
    manifest_.sealed.push_back({base, *size});
    bytes_total_ += *size;
  }
  bytes_total_ += manifest_.tail_size_bytes();
  return {};
}

/// Nothing is made in a directory that is not a backup's.
Result<void> Backup::check_place() const {
  auto listed = options_.files.list(options_.target);
  if (!listed && listed.error().code == ErrorCode::not_found) return {};
  if (!listed) return fail(std::move(listed).error());
  for (const auto& entry : *listed) {
    if (left_by_a_backup(entry.name)) continue;
    return fail(ErrorCode::invalid_parameter,
                fmt::format("{} holds {} and is no backup; name a new or empty directory",
                            options_.target, entry.name));
  }
  return {};
}

Result<void> Backup::lock_target() {
  if (auto made = options_.files.make_directories(options_.target); !made) return made;
  auto lock = options_.files.lock(options_.target + "/" + std::string(lock_name));
  if (!lock && lock.error().code == ErrorCode::in_use) {
    return fail(ErrorCode::in_use,
                fmt::format("another backup into {} is at work", options_.target));
  }
  if (!lock) return fail(std::move(lock).error());
  lock_ = std::move(*lock);
  return {};
}

Result<void> Backup::look_at_target() {
  auto found = read_manifest(options_.files, options_.target);
  if (!found && found.error().code == ErrorCode::not_found) return {};
  if (!found) return fail(std::move(found).error());
  before_ = std::move(*found);
  report_.position_before = before_->position;
  return check_history(*before_);
}

/// The backup before must be the beginning of this log. The last closing table speaks for all
/// before it, because it holds every partition's chain; behind it every byte is compared.
Result<void> Backup::check_history(const BackupManifest& before) {
  if (before.journal != manifest_.journal) {
    return fail(
        ErrorCode::invalid_parameter,
        fmt::format("{} holds a backup of another log; name another directory", options_.target));
  }
  const auto differs = [&] {
    return fail(ErrorCode::invalid_parameter,
                fmt::format("the backup in {} reaches position {} and is not the beginning of this "
                            "log: the log was restored from another one since, or one of the two "
                            "is damaged (`tidemark log verify` tells); keep this backup and name "
                            "another directory",
                            options_.target, before.position));
  };
  if (before.position > manifest_.position || !source_.has(before.tail_base)) return differs();
  auto opened = open_backup(options_.files, options_.target);
  if (!opened) return fail(std::move(opened).error());
  auto tail = source_.open(before.tail_base);
  if (!tail) return fail(std::move(tail).error());
  auto same = same_bytes(*tail->file, *opened->tail, 0, before.tail_size_bytes());
  if (!same) return fail(std::move(same).error());
  if (!*same) return differs();
  if (before.sealed.empty()) return {};
  const auto base = before.sealed.back().base;
  auto header = opened->folder->header(before.tail_base);
  if (!header) return fail(std::move(header).error());
  const auto theirs = opened->folder->open(base);
  const auto ours = source_.open(base);
  if (!theirs || !ours || header->previous_base != base) return differs();
  same = same_bytes(*ours->file, *theirs->file, ours->file_offset(header->previous_closing),
                    ours->file_offset(before.tail_base));
  if (!same) return fail(std::move(same).error());
  return *same ? Result<void>() : differs();
}

Result<void> Backup::put_segments() {
  const auto folder = segments_path(options_.target);
  if (auto made = options_.files.make_directories(folder); !made) return made;
  for (const auto& segment : manifest_.sealed) {
    const auto done = has_own(segment.base);
    if (!done) return fail(done.error());
    if (*done) {
      bytes_kept_ += segment.size_bytes;
    } else if (auto put = put_sealed(segment.base); !put) {
      return put;
    }
    show_progress();
  }
  if (auto put = put_tail(); !put) return put;
  return options_.files.sync_directory(folder);
}

bool Backup::is_sealed_before(std::uint64_t base) const {
  return before_ &&
         std::ranges::any_of(before_->sealed, [&](const BackupManifest::Sealed& segment) {
           return segment.base == base;
         });
}

/// Whether the backup before has all of a segment, and of its own where all are to be.
Result<bool> Backup::has_own(std::uint64_t base) const {
  if (!is_sealed_before(base)) return false;
  if (options_.links == BackupOptions::Links::where_possible) return true;
  const auto linked = options_.files.same_file(source_.path_of(base), target_path_of(base));
  if (!linked) return fail(linked.error());
  return !*linked;
}

/// Under its name stands a whole segment or nothing.
Result<void> Backup::put_sealed(std::uint64_t base) {
  auto& files = options_.files;
  const auto path = target_path_of(base);
  const auto part = path + ".part";
  if (auto gone = files.remove(part); !gone && gone.error().code != ErrorCode::not_found) {
    return gone;
  }
  auto segment = source_.open(base);
  if (!segment) return fail(std::move(segment).error());
  auto size = segment->file->size();
  if (!size) return fail(std::move(size).error());
  const bool linked = options_.links == BackupOptions::Links::where_possible &&
                      files.link(source_.path_of(base), part).has_value();
  if (linked) {
    report_.linked_bytes += *size;
  } else {
    auto file = files.open(part, FileSystem::Open::create_new);
    if (!file) return fail(std::move(file).error());
    if (auto copied = copy(*segment->file, **file, {0, *size}); !copied) return copied;
    if (auto synced = (*file)->sync(); !synced) return synced;
  }
  return files.rename(part, path);
}

/// Behind what the manifest before names the copy may be written, and only there.
Result<void> Backup::put_tail() {
  auto& files = options_.files;
  const auto base = manifest_.tail_base;
  const auto path = tail_path(options_.target, base);
  const bool goes_on = before_ && before_->tail_base == base;
  const std::uint64_t from = goes_on ? before_->tail_size_bytes() : 0;
  if (!goes_on) {
    if (auto gone = files.remove(path); !gone && gone.error().code != ErrorCode::not_found) {
      return gone;
    }
  }
  auto file = files.open(path, goes_on ? FileSystem::Open::existing : FileSystem::Open::create_new);
  if (!file) return fail(std::move(file).error());
  auto segment = source_.open(base);
  if (!segment) return fail(std::move(segment).error());
  bytes_kept_ += from;
  if (auto copied = copy(*segment->file, **file, {from, manifest_.tail_size_bytes()}); !copied) {
    return copied;
  }
  return (*file)->sync();
}

Result<void> Backup::copy(File& from, File& to, Range offsets) {
  std::vector<std::uint8_t> piece(piece_size);
  for (auto at = offsets.from; at < offsets.to;) {
    const auto size =
        static_cast<std::size_t>(std::min<std::uint64_t>(piece_size, offsets.to - at));
    auto got = from.read(at, std::span(piece).first(size));
    if (!got) return fail(std::move(got).error());
    if (*got != size) return fail(ErrorCode::internal, "a segment became shorter while copying");
    if (auto written = write_all(to, at, std::span(piece).first(size)); !written) return written;
    at += size;
    report_.copied_bytes += size;
    show_progress();
  }
  return {};
}

Result<void> Backup::put_keyring() {
  const auto path = options_.target + "/" + manifest_.keyring_name();
  if (before_ && before_->keyring == manifest_.keyring) return {};
  return replace_whole(options_.files, path, keyring_);
}

/// What only the backup before or an unfinished one needed. Best effort: the next one tries again.
void Backup::remove_leftovers() {
  auto& files = options_.files;
  if (auto listed = files.list(options_.target)) {
    for (const auto& entry : *listed) {
      const bool ours = entry.name == manifest_.keyring_name() || entry.name == "manifest" ||
                        entry.name == lock_name;
      if (!ours && left_by_a_backup(entry.name)) files.remove(options_.target + "/" + entry.name);
    }
  }
  const auto folder = segments_path(options_.target);
  if (auto listed = files.list(folder)) {
    const auto tail = segment_name(manifest_.tail_base) + ".tail";
    for (const auto& entry : *listed) {
      if (is_passing(entry.name) && entry.name != tail) files.remove(folder + "/" + entry.name);
    }
  }
}

void Backup::show_progress() {
  if (!options_.progress) return;
  options_.progress(bytes_kept_ + report_.linked_bytes + report_.copied_bytes, bytes_total_);
}

}  // namespace

Result<BackupReport> back_up(const BackupOptions& options) {
  return Backup(options).run();
}

}  // namespace eventstore::journal
