#include "api/cli/log_copy.h"

#include <filesystem>
#include <memory>

#include <fmt/format.h>

#include "api/cli/offline.h"
#include "api/cli/progress.h"
#include "api/data_directory.h"
#include "eventstore/kafka_keyring.h"
#include "eventstore/kafka_log.h"
#include "eventstore/log_copy.h"
#include "schemas/json_writer.h"

namespace api::cli {
namespace {

using eventstore::StoredKeys;
using schemas::ErrorCode;

constexpr auto footer =
    R"(Copies a whole history from a data directory to Kafka or back: every record at the same offset, so that
all marks stay valid, and the keyring. No process may use either meanwhile. The chain of every partition is
checked on the way, and what the target comes to is compared with its source.

In the end the source says where its log went, and from then on opens read-only; the keyring comes last, and
without it no server starts on the target. When it is interrupted, the same command goes on. The root key is
not copied: put root.key of the old server into each new data directory, or name it with --root-key.

Examples:
  tidemark log copy --from ./data --to kafka://kafka1:9092,kafka2:9092
  tidemark log copy --from kafka://kafka1:9092 --to ./data)";

struct Options {
  SettingFlags flags;
  std::string from;
  std::string to;
  bool json = false;
};

/// A log, wherever it is, and the keyring beside it.
struct Place {
  std::string name;  // as the source says of the target
  std::optional<eventstore::kafka::Options> kafka;
  std::optional<DataDirectory> directory;
  eventstore::RecordWriter writer;
  std::unique_ptr<eventstore::Log> log;

  ~Place() {
    // One that stopped does not come to the end of what it was given.
    if (log && !log->read_only()) log->close();
  }
  eventstore::LogCopy::Side side() { return {*log, writer}; }
};
using Opened = Step<std::unique_ptr<Place>>;

enum class End : std::uint8_t { source, target };

/// A target may hold what this very copy left when it was interrupted; whether that is what is
/// there, the records tell.
Step<void> check_directory(const std::string& path) {
  std::error_code failed;
  if (!std::filesystem::exists(path, failed)) return {};
  bool journal = false;
  bool keyring = false;
  bool empty = true;
  for (const auto& entry : std::filesystem::directory_iterator(path, failed)) {
    const auto name = entry.path().filename();
    journal |= name == "journal";
    keyring |= name == "keyring";
    empty &= name == "lock";
  }
  if (!failed && (empty || (journal && !keyring))) return {};
  return stop(Exit::usage,
              failed ? fmt::format("{}: {}", path, failed.message())
                     : fmt::format("{} is not empty; name a new or empty directory in --to", path));
}

Opened open_directory(const std::string& path, End end) {
  auto place = std::make_unique<Place>();
  std::error_code failed;
  place->name = std::filesystem::weakly_canonical(path, failed).string();
  if (failed) return stop(Exit::usage, fmt::format("{}: {}", path, failed.message()));
  if (end == End::target) {
    if (auto checked = check_directory(place->name); !checked) {
      return std::unexpected(std::move(checked).error());
    }
  }
  const auto missing =
      end == End::source ? DataDirectory::Missing::refuse : DataDirectory::Missing::create;
  auto directory = DataDirectory::open(eventstore::posix_files(), place->name, missing);
  if (!directory) return stop(directory.error());
  place->directory.emplace(std::move(*directory));
  auto journal = place->directory->open_journal(place->writer);
  if (!journal) return stop(journal.error());
  const auto& damages = (*journal)->opening().damages;
  if (!damages.empty()) {
    return stop(Exit::damaged,
                fmt::format("{} is damaged at positions {}; run `tidemark log verify --data {}`",
                            place->name, to_text(damages.front().range), path));
  }
  place->log = std::move(*journal);
  return place;
}

Opened open_kafka(const Settings& settings, const std::string& address) {
  auto options = reach_unused_log(settings, address);
  if (!options) return std::unexpected(std::move(options).error());
  auto place = std::make_unique<Place>();
  place->name = address;
  auto log = eventstore::KafkaLog::open(*options, place->writer);
  if (!log) return stop(log.error());
  place->kafka = std::move(*options);
  place->log = std::move(*log);
  return place;
}

Opened open(const Options& options, End end) {
  const auto& text = end == End::source ? options.from : options.to;
  auto configuration = options.flags.load();
  if (!configuration) return std::unexpected(std::move(configuration).error());
  auto place =
      text.contains("://") ? open_kafka(configuration->settings, text) : open_directory(text, end);
  if (place) (*place)->writer.attach(*(*place)->log);
  return place;
}

// ---- keys ----

Step<StoredKeys> read_keys(const Place& place) {
  if (place.kafka) {
    using eventstore::kafka::KeyringTopic;
    auto topic = KeyringTopic::open(*place.kafka, KeyringTopic::Missing::is_an_error);
    if (!topic) return stop(topic.error());
    auto reading = (*topic)->read();
    if (!reading) return stop(reading.error());
    if (!reading->keys) return stop(Exit::failed, (*topic)->name() + " holds no keys");
    return std::move(*reading->keys);
  }
  const auto path = place.name + "/keyring";
  auto bytes = read_whole(eventstore::posix_files(), path);
  if (!bytes) return stop(bytes.error());
  auto keys = eventstore::decode_keys(*bytes);
  if (!keys) return stop(Exit::failed, fmt::format("{}: {}", path, describe(keys.error())));
  return std::move(*keys);
}

Step<void> write_keys(const Place& place, const StoredKeys& keys) {
  const auto bytes = encode_keys(keys);
  if (!place.kafka) {
    auto written = replace_whole(eventstore::posix_files(), place.name + "/keyring", bytes);
    if (!written) return stop(written.error());
    return {};
  }
  auto topic = eventstore::kafka::KeyringTopic::open(*place.kafka);
  if (!topic) return stop(topic.error());
  auto there = (*topic)->found(keys);
  if (!there) return stop(there.error());
  if (encode_keys(*there) == bytes) return {};
  return stop(Exit::failed, (*topic)->name() +
                                " holds other keys than the log that was copied; "
                                "remove the topic and copy again");
}

// ---- the copy ----

std::unexpected<Stop> stopped(const schemas::Error& error) {
  switch (error.code) {
    case ErrorCode::invalid_parameter:
    case ErrorCode::invalid_transition:
      return stop(Exit::usage, describe(error));
    case ErrorCode::read_only:
      return stop(Exit::damaged, describe(error));
    default:
      return stop(error);
  }
}

void print(const eventstore::LogCopy::Report& report, const std::string& target,
           const Options& options) {
  if (options.json) {
    std::string out;
    schemas::json::Writer writer(out);
    writer.begin_object().member("to", target).member("records", report.records);
    writer.member("fillers", report.fillers).member("found", report.found).end_object();
    fmt::print("{}\n", out);
    return;
  }
  fmt::print("{}: {} records copied", target, grouped(report.records));
  if (report.found > 0) fmt::print(", {} were there", grouped(report.found));
  if (report.fillers > 0) fmt::print(", {} of them fillers", grouped(report.fillers));
  fmt::print("\n");
}

/// What a copy left that was interrupted behind its last step: all of it. The records that the
/// target had then; empty when there is no such copy.
Step<std::optional<std::uint64_t>> finished(Place& source, const std::string& target) {
  std::error_code failed;
  const auto name = std::filesystem::weakly_canonical(target, failed).string();
  if (failed || !std::filesystem::exists(name + "/keyring")) return std::nullopt;
  eventstore::Topics topics;
  if (auto loaded = load_topics(*source.log, topics); !loaded) return stopped(loaded.error());
  if (topics.moved_to() != name) return std::nullopt;
  std::uint64_t records = 0;
  for (const auto log : source.log->partitions()) records += source.log->durable_end(log);
  constexpr std::uint64_t that_end_it = 2;
  return records - that_end_it;
}

Step<void> run(const Options& options) {
  if (options.from == options.to) return stop(Exit::usage, "--from and --to are the same");
  auto source = open(options, End::source);
  if (!source) return std::unexpected(std::move(source).error());
  auto before = finished(**source, options.to);
  if (!before) return std::unexpected(std::move(before).error());
  if (*before) {
    print({.found = **before}, options.to, options);
    return {};
  }
  auto keys = read_keys(**source);
  if (!keys) return std::unexpected(std::move(keys).error());
  auto target = open(options, End::target);
  if (!target) return std::unexpected(std::move(target).error());
  ProgressLine line("copy", "records");
  const auto show = [&](std::uint64_t done, std::uint64_t total) {
    line.show({done, static_cast<double>(done) / static_cast<double>(total)});
  };
  eventstore::LogCopy copy((*source)->side(), (*target)->side(),
                           {.to = (*target)->name, .progress = show});
  auto done = copy.prepare();
  if (done) done = copy.copy();
  if (done) done = copy.end_source();
  if (!done) return stopped(done.error());
  if (auto written = write_keys(**target, *keys); !written) return written;
  print(copy.report(), (*target)->name, options);
  return {};
}

}  // namespace

void add_log_copy(CLI::App& log, Job& job) {
  auto options = std::make_shared<Options>();
  auto* app = log.add_subcommand("copy", "Move a log between a data directory and Kafka");
  app->footer(footer);
  app->add_option("--from", options->from, "a data directory, or kafka://HOST:PORT[,HOST:PORT…]")
      ->required()
      ->type_name("DIR|URL");
  app->add_option("--to", options->to, "another, new or empty")->required()->type_name("DIR|URL");
  options->flags.add_to(*app, {"kafka_security_protocol", "kafka_sasl_mechanism", "kafka_username",
                               "kafka_password_file", "kafka_ca", "kafka_certificate", "kafka_key",
                               "kafka_topic_prefix"});
  app->add_flag("--json", options->json, "print a JSON object");
  app->callback([options, &job] { job = job_of([options] { return run(*options); }); });
}

}  // namespace api::cli
