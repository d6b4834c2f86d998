#pragma once

#include <memory>

#include "api/cli/command.h"
#include "api/data_directory.h"
#include "eventstore/kafka_log.h"
#include "eventstore/topics.h"

/// A stopped server's data directory, opened by a command; or only its log, beside the server.
namespace api::cli {

/// What the log has to tell is of no interest: nothing is written.
class DeafObserver final : public eventstore::LogObserver {
 public:
  void on_durable(eventstore::Group) override {}
  void on_failure(eventstore::AppendFailure) override {}
};

/// Holds the directory's lock, through the log, until it is gone.
struct OfflineData {
  DataDirectory directory;
  DeafObserver observer;
  std::unique_ptr<eventstore::Journal> log;
  eventstore::Topics topics;

  ~OfflineData();
};

/// A log that is only read, wherever it is, whether a server is running or not: of a journal what
/// was durable at the opening.
struct LogBeside {
  DeafObserver observer;
  std::unique_ptr<eventstore::Log> log;
  eventstore::Topics topics;

  ~LogBeside();
};
Step<std::unique_ptr<LogBeside>> open_beside(const Settings& settings,
                                             eventstore::KafkaLog::Folded folded = {});

/// How a log on Kafka is reached that no process uses.
Step<eventstore::kafka::Options> reach_unused_log(const Settings& settings,
                                                  const std::string& address);

/// The lock only.
Step<DataDirectory> lock_data(const SettingFlags& flags,
                              DataDirectory::Missing missing = DataDirectory::Missing::refuse);

/// Opening repairs what a kill left, as a server's start does.
Step<std::unique_ptr<OfflineData>> open_data(DataDirectory directory,
                                             eventstore::JournalOptions options = {});

}  // namespace api::cli
