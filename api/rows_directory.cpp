#include "api/rows_directory.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <tuple>

#include <fmt/format.h>

#include "schemas/json.h"
#include "schemas/json_writer.h"

namespace api {
namespace {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;
namespace fs = std::filesystem;

constexpr std::string_view gone = ".gone";

std::optional<std::uint32_t> number_of(std::string_view text) {
  std::uint32_t number = 0;
  const auto* end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc() || last != end) return std::nullopt;
  return number;
}

/// Of whole rows of this version.
std::optional<std::uint32_t> number_in(std::string_view name) {
  const auto own = fmt::format("{}", rows_version);
  if (name == own) return 0;
  if (!name.starts_with(own + ".")) return std::nullopt;
  return number_of(name.substr(own.size() + 1));
}

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  std::error_code failed;
  for (fs::directory_iterator entry(path, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    names.push_back(entry->path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

std::optional<RowsBuild> read_build(std::string_view text) {
  const auto document = schemas::json::parse(text);
  if (!document) return std::nullopt;
  const auto number = [&](const char* name) {
    const auto value = document->root().find(name);
    const auto found = value ? value->as_uint64() : std::nullopt;
    return found.value_or(0);
  };
  return RowsBuild{.version = static_cast<std::uint32_t>(number("version")),
                   .records = number("records"),
                   .records_total = number("records_total"),
                   .events_per_second = number("events_per_second"),
                   .told = schemas::Time(std::chrono::milliseconds(number("told")))};
}

}  // namespace

std::string RowsDirectory::of_version(const char* what) const {
  return fmt::format("{}/{}{}", path_, rows_version, what);
}

std::vector<RowsDirectory::Whole> RowsDirectory::whole() const {
  std::vector<Whole> found;
  for (const auto& name : names_in(path_)) {
    if (auto number = number_in(name)) found.push_back({*number, path_ + "/" + name});
  }
  std::ranges::sort(found, {}, &Whole::number);
  return found;
}

Result<RowsDirectory::Whole> RowsDirectory::serving() {
  if (auto made = files_.make_directories(path_); !made) return fail(std::move(made).error());
  if (auto found = whole(); !found.empty()) return std::move(found.back());
  return Whole{0, of_version("")};
}

Result<RowsDirectory::Making> RowsDirectory::make() {
  if (auto made = files_.make_directories(path_); !made) return fail(std::move(made).error());
  auto lock = files_.lock(of_version(".lock"));
  if (!lock && lock.error().code == ErrorCode::in_use) {
    return fail(ErrorCode::in_use,
                fmt::format("another process makes the rows in {} already", path_));
  }
  if (!lock) return fail(std::move(lock).error());
  return Making(*this, std::move(*lock));
}

Result<void> RowsDirectory::destroy(const std::string& path) {
  if (!fs::exists(path)) return {};
  const auto aside = path + std::string(gone);
  if (auto erased = projections::destroy_rocks_store(aside); !erased) return erased;
  if (auto named = files_.rename(path, aside); !named) return named;
  return projections::destroy_rocks_store(aside);
}

Result<void> RowsDirectory::destroy_older(std::uint32_t than) {
  for (const auto& name : names_in(path_)) {
    if (!name.ends_with(gone)) continue;
    const auto of = std::string_view(name).substr(0, name.size() - gone.size());
    if (!number_in(of)) continue;  // somebody begins again with it
    if (auto erased = projections::destroy_rocks_store(path_ + "/" + name); !erased) return erased;
  }
  for (const auto& old : whole()) {
    if (old.number >= than) break;
    if (auto erased = destroy(old.path); !erased) return erased;
  }
  return {};
}

Result<void> RowsDirectory::destroy_all() {
  auto making = make();
  if (!making && making.error().code != ErrorCode::in_use) return fail(std::move(making).error());
  if (making) {
    if (auto erased = making->begin_again(); !erased) return erased;
  }
  for (const auto& rows : whole()) {
    if (auto erased = destroy(rows.path); !erased) return erased;
  }
  return {};
}

std::vector<RowsBuild> RowsDirectory::builds() const {
  std::vector<RowsBuild> found;
  for (const auto& name : names_in(path_)) {
    if (!name.ends_with(".progress")) continue;
    const auto bytes = eventstore::read_whole(files_, path_ + "/" + name);
    if (!bytes) continue;
    const std::string text(bytes->begin(), bytes->end());
    if (auto build = read_build(text)) found.push_back(*build);
  }
  return found;
}

/// Files may vanish meanwhile: a running program's rows are compacted.
std::uint64_t RowsDirectory::size_of(const std::string& path) {
  std::uint64_t bytes = 0;
  std::error_code failed;
  for (fs::recursive_directory_iterator entry(path, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    std::error_code vanished;
    const auto size = entry->is_regular_file(vanished) ? entry->file_size(vanished) : 0;
    if (!vanished) bytes += size;
  }
  return bytes;
}

std::vector<RowsDirectory::Entry> RowsDirectory::entries() const {
  std::vector<Entry> found;
  for (const auto& name : names_in(path_)) {
    const auto path = path_ + "/" + name;
    std::error_code unknown;
    if (fs::is_directory(path, unknown)) found.push_back({name, size_of(path)});
  }
  return found;
}

RowsDirectory::Making::Making(RowsDirectory& directory, std::unique_ptr<eventstore::FileLock> lock)
    : directory_(directory), path_(directory.of_version(".building")), lock_(std::move(lock)) {}

Result<void> RowsDirectory::Making::begin_again() {
  std::ignore = directory_.files_.remove(directory_.of_version(".progress"));
  return directory_.destroy(path_);
}

void RowsDirectory::Making::tell(const RowsBuild& build) {
  std::string text;
  schemas::json::Writer writer(text);
  writer.begin_object().member("version", std::uint64_t{build.version});
  writer.member("records", build.records).member("records_total", build.records_total);
  writer.member("events_per_second", build.events_per_second);
  writer.member("told", static_cast<std::uint64_t>(build.told.time_since_epoch().count()));
  writer.end_object();
  std::ignore =
      eventstore::replace_whole(directory_.files_, directory_.of_version(".progress"),
                                {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

Result<RowsDirectory::Whole> RowsDirectory::Making::finish() {
  const auto found = directory_.whole();
  const auto number = found.empty() ? 0 : found.back().number + 1;
  const auto name = number == 0 ? directory_.of_version("")
                                : fmt::format("{}.{}", directory_.of_version(""), number);
  if (auto named = directory_.files_.rename(path_, name); !named) {
    return fail(std::move(named).error());
  }
  if (auto synced = directory_.files_.sync_directory(directory_.path_); !synced) {
    return fail(std::move(synced).error());
  }
  std::ignore = directory_.files_.remove(directory_.of_version(".progress"));
  return Whole{number, name};
}

}  // namespace api
