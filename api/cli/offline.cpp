#include "api/cli/offline.h"

#include <fmt/format.h>

namespace api::cli {

OfflineData::~OfflineData() {
  if (log) log->close();
}

Step<DataDirectory> lock_data(const SettingFlags& flags, DataDirectory::Missing missing) {
  auto configuration = flags.load();
  if (!configuration) return std::unexpected(std::move(configuration).error());
  auto directory =
      DataDirectory::open(eventstore::posix_files(), configuration->settings.data, missing);
  if (!directory) return stop(directory.error());
  return std::move(*directory);
}

Step<std::unique_ptr<OfflineData>> open_data(DataDirectory directory,
                                             eventstore::JournalOptions options) {
  auto data = std::unique_ptr<OfflineData>(
      new OfflineData{.directory = std::move(directory), .observer = {}, .log = {}, .topics = {}});
  options.drive = eventstore::JournalOptions::Drive::pump;
  auto log = data->directory.open_journal(data->observer, std::move(options));
  if (!log) return stop(log.error());
  data->log = std::move(*log);
  if (const auto& cut = data->log->opening().cut) {
    fmt::print(stderr, "the end of the log was torn: {} bytes {} kept in {}\n", cut->size_bytes,
               cut->waits ? "wait for space to be" : "are", cut->kept_in);
  }
  if (auto loaded = load_topics(*data->log, data->topics); !loaded) return stop(loaded.error());
  return data;
}

}  // namespace api::cli
