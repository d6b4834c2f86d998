#include "api/cli/offline.h"

#include <fmt/format.h>

#include "api/cli/journal_source.h"
#include "api/kafka_settings.h"
#include "eventstore/kafka_living.h"

namespace api::cli {

OfflineData::~OfflineData() {
  if (log) log->close();
}

LogBeside::~LogBeside() {
  if (log) log->close();
}

namespace {

schemas::Result<std::unique_ptr<eventstore::Log>> open_log_beside(
    const Settings& settings, eventstore::LogObserver& observer,
    eventstore::KafkaLog::Folded folded) {
  if (!log_is_on_kafka(settings)) {
    eventstore::JournalOptions options;
    options.directory = settings.data;
    options.access = eventstore::JournalOptions::Access::beside;
    options.wait = patience();
    return eventstore::Journal::open(std::move(options), observer);
  }
  auto kafka = kafka_options(settings, settings.log);
  if (!kafka) return std::unexpected(std::move(kafka).error());
  return eventstore::KafkaLog::open(*kafka, observer, std::move(folded));
}

}  // namespace

Step<std::unique_ptr<LogBeside>> open_beside(const Settings& settings,
                                             eventstore::KafkaLog::Folded folded) {
  auto beside = std::make_unique<LogBeside>();
  auto log = open_log_beside(settings, beside->observer, std::move(folded));
  if (!log) return stop(log.error());
  beside->log = std::move(*log);
  if (auto loaded = load_topics(*beside->log, beside->topics); !loaded) return stop(loaded.error());
  return beside;
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

Step<eventstore::kafka::Options> reach_unused_log(const Settings& settings,
                                                  const std::string& address) {
  auto options = kafka_options(settings, address);
  if (!options) return stop(Exit::usage, describe(options.error()));
  if (auto reached = reach_kafka(*options); !reached) return stop(reached.error());
  const auto living = eventstore::kafka::hear_living_process(*options);
  if (!living) return stop(living.error());
  if (!*living) return std::move(*options);
  return stop(Exit::failed,
              fmt::format("process {} uses the log at {}; stop all of them first (a server ends on "
                          "SIGTERM)",
                          **living, address));
}

}  // namespace api::cli
