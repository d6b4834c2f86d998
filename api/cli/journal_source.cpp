#include "api/cli/journal_source.h"

#include <chrono>
#include <filesystem>
#include <thread>

#include <fmt/format.h>

namespace api::cli {

using schemas::ErrorCode;

eventstore::journal::Wait patience() {
  constexpr std::chrono::seconds long_enough{2};
  const auto until = std::chrono::steady_clock::now() + long_enough;
  return [until] {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return std::chrono::steady_clock::now() < until;
  };
}

std::unexpected<Stop> stop_reading(const schemas::Error& error) {
  if (error.code == ErrorCode::read_only) return stop(Exit::damaged, describe(error));
  if (error.code == ErrorCode::invalid_parameter) return stop(Exit::usage, describe(error));
  return stop(error);
}

Step<std::string> existing_data(const SettingFlags& flags) {
  auto configuration = flags.load();
  if (!configuration) return std::unexpected(std::move(configuration).error());
  auto path = std::move(configuration->settings.data);
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (std::filesystem::is_directory(path + "/journal")) return path;
  return stop(Exit::failed,
              fmt::format("{} is no data directory: there is no {}/journal", path, path));
}

Step<JournalSource> journal_source(const SettingFlags& flags) {
  auto data = existing_data(flags);
  if (!data) return std::unexpected(std::move(data).error());
  auto& files = eventstore::posix_files();
  JournalSource source{.locked = {},
                       .data = *data,
                       .folder = std::make_unique<eventstore::journal::SegmentFolder>(
                           files, *data + "/journal/permanent"),
                       .limit = {}};
  auto locked = DataDirectory::open(files, *data, DataDirectory::Missing::refuse);
  if (locked) {
    source.locked.emplace(std::move(*locked));
    if (auto loaded = source.folder->load(); !loaded) return stop(loaded.error());
    return source;
  }
  if (locked.error().code != ErrorCode::in_use) return stop(locked.error());
  const auto tail = find_durable_end(*source.folder, patience());
  if (!tail) return stop_reading(tail.error());
  source.limit = tail->durable_end;
  return source;
}

}  // namespace api::cli
