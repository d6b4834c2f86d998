#include <memory>

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "api/cli/offline.h"
#include "api/cli/progress.h"
#include "api/kafka_settings.h"
#include "eventstore/kafka_log.h"
#include "projections/projector.h"
#include "schemas/json_writer.h"

namespace api::cli {
namespace {

constexpr auto rebuild_footer =
    R"(Destroys the rows and folds the whole log again; the server must be stopped. Prints the state hash of
what came out, which is that of the rows before, if they were right. When it is interrupted, the next
start goes on where it was.

Examples:
  tidemark projections rebuild --data ./data)";

constexpr auto hash_footer =
    R"(Folds what the rows lack, then prints a hash over all rows; the server must be stopped. Equal histories
have equal hashes.

Examples:
  tidemark projections hash --data ./data
  tidemark projections hash --data ./data --log kafka://localhost:9092)";

struct Options {
  SettingFlags flags;
  bool json = false;
};

enum class Rows : std::uint8_t { keep, destroy };

struct Folded {
  std::string hash;
  projections::Projector::CaughtUp counts;
  std::size_t frozen = 0;
  double seconds = 0;
};

Step<Folded> fold(eventstore::Log& log, const eventstore::Topics& topics,
                  projections::ReadStore& rows) {
  std::uint64_t records = 0;
  for (const auto id : log.partitions()) records += log.durable_end(id);
  projections::Progress progress;
  projections::Projector projector(rows, progress, &topics);
  ProgressLine line("fold", "events");
  const auto begun = eventstore::system_clock().monotonic();
  auto caught_up = projector.catch_up(log, [&](const auto& done) {
    line.show({.done = done.events,
               .fraction = static_cast<double>(done.records) / static_cast<double>(records)});
  });
  if (!caught_up && caught_up.error().code == schemas::ErrorCode::lost_mark) {
    return stop(Exit::failed, caught_up.error().detail + "; run `tidemark projections rebuild`");
  }
  if (!caught_up) return stop(caught_up.error());
  constexpr std::size_t piece_rows = 10'000;
  for (bool done = false; !done;) {
    auto built = projector.build_indexes(piece_rows);
    if (!built) return stop(built.error());
    done = *built;
  }
  if (auto flushed = rows.flush(); !flushed) return stop(flushed.error());
  const auto took = eventstore::system_clock().monotonic() - begun;
  return Folded{.hash = projections::state_hash(rows),
                .counts = *caught_up,
                .frozen = progress.frozen().size(),
                .seconds = std::chrono::duration<double>(took).count()};
}

Step<void> destroy(const DataDirectory& directory) {
  auto gone = directory.destroy_rows();
  return gone ? Step<void>() : stop(gone.error());
}

Step<Folded> fold_journal(const SettingFlags& flags, Rows rows_are) {
  auto directory = lock_data(flags);
  if (!directory) return std::unexpected(std::move(directory).error());
  auto data = open_data(std::move(*directory));
  if (!data) return std::unexpected(std::move(data).error());
  if (rows_are == Rows::destroy) {
    if (auto gone = destroy((*data)->directory); !gone) return std::unexpected(gone.error());
  }
  auto rows = (*data)->directory.open_rows();
  if (!rows) return stop(rows.error());
  return fold(*(*data)->log, (*data)->topics, **rows);
}

/// The log goes on meanwhile; what comes after the beginning is left for the next time.
Step<Folded> fold_kafka(const SettingFlags& flags, const Settings& settings, Rows rows_are) {
  auto directory = lock_data(flags, DataDirectory::Missing::refuse_rows);
  if (!directory) return std::unexpected(std::move(directory).error());
  auto kafka = kafka_options(settings, settings.log);
  if (!kafka) return stop(kafka.error());
  if (rows_are == Rows::destroy) {
    if (auto gone = destroy(*directory); !gone) return std::unexpected(gone.error());
  }
  auto rows = directory->open_rows();
  if (!rows) return stop(rows.error());
  DeafObserver observer;
  auto log = eventstore::KafkaLog::open(
      *kafka, observer, [&](schemas::LogId id) { return projections::folded_of(**rows, id); });
  if (!log) return stop(log.error());
  eventstore::Topics topics;
  if (auto loaded = load_topics(**log, topics); !loaded) return stop(loaded.error());
  auto folded = fold(**log, topics, **rows);
  (*log)->close();
  return folded;
}

Step<Folded> fold(const SettingFlags& flags, Rows rows_are) {
  auto configuration = flags.load();
  if (!configuration) return std::unexpected(std::move(configuration).error());
  const auto& settings = configuration->settings;
  if (log_is_on_kafka(settings)) return fold_kafka(flags, settings, rows_are);
  return fold_journal(flags, rows_are);
}

void print(const Folded& folded, const Options& options) {
  const auto& [records, events] = folded.counts;
  if (records > 0) {
    fmt::print(stderr, "folded {} events in {} records, {:.1f} s: {} events/s\n", grouped(events),
               grouped(records), folded.seconds,
               grouped(static_cast<std::uint64_t>(static_cast<double>(events) / folded.seconds)));
  }
  if (folded.frozen > 0) {
    fmt::print(stderr, "{} products of organizations stand still; the lines above say why\n",
               folded.frozen);
  }
  if (!options.json) {
    fmt::print("{}\n", folded.hash);
    return;
  }
  std::string out;
  schemas::json::Writer writer(out);
  writer.begin_object().member("state_hash", folded.hash).member("records", records);
  writer.member("events", events).member("frozen", folded.frozen);
  writer.member("seconds", folded.seconds).end_object();
  fmt::print("{}\n", out);
}

Step<void> run(const Options& options, Rows rows) {
  // The projector's own words are no data.
  spdlog::set_default_logger(spdlog::stderr_logger_mt("tidemark"));
  auto folded = fold(options.flags, rows);
  if (!folded) return std::unexpected(std::move(folded).error());
  print(*folded, options);
  return {};
}

}  // namespace

void add_projections(CLI::App& program, Job& job) {
  auto options = std::make_shared<Options>();
  auto* projections = program.add_subcommand("projections", "Rows folded from the log");
  projections->require_subcommand(1);
  auto add = [&](const char* name, const char* what, const char* footer, Rows rows) {
    auto* app = projections->add_subcommand(name, what);
    app->footer(footer);
    options->flags.add_to(*app, {"data", "log", "kafka_security_protocol", "kafka_sasl_mechanism",
                                 "kafka_username", "kafka_password_file", "kafka_ca",
                                 "kafka_certificate", "kafka_key", "kafka_topic_prefix"});
    app->add_flag("--json", options->json, "print a JSON object");
    app->callback(
        [options, rows, &job] { job = job_of([options, rows] { return run(*options, rows); }); });
  };
  add("rebuild", "Fold the whole log again", rebuild_footer, Rows::destroy);
  add("hash", "Print a hash over all rows", hash_footer, Rows::keep);
}

}  // namespace api::cli
