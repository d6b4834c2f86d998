#include <memory>

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "api/cli/explain.h"
#include "api/cli/progress.h"
#include "api/cli/rows_making.h"
#include "schemas/json_writer.h"

namespace api::cli {
namespace {

constexpr auto rebuild_footer =
    R"(Folds the whole log again into new rows, beside those that are there. A server may go on serving
meanwhile: it takes the new rows over when they are whole. Else the next start does. Prints the state hash
of what came out, which is that of the rows before, if they were right. When it is interrupted, the same
command goes on where it was.

Before an upgrade to a program with another version of rows (`tidemark projections list`), run the new
program's rebuild beside the old server; the new one then starts without folding.

Examples:
  tidemark projections rebuild --data ./data)";

constexpr auto hash_footer =
    R"(Folds what the rows lack, then prints a hash over all rows; the server must be stopped. Equal histories
have equal hashes.

Examples:
  tidemark projections hash --data ./data
  tidemark projections hash --data ./data --log kafka://localhost:9092)";

constexpr auto list_footer =
    R"(Names the rows in a data directory: those that serve (or will, at the next start), those that are being
made beside them, those of other versions of the program, which may be erased when it is not to come back.

Examples:
  tidemark projections list --data ./data)";

constexpr auto explain_footer =
    R"(Prints the events that made a row, from the log, oldest first, as CloudEvents with --json. A server may
be running. PRODUCT and KIND as in the entity's event types and path.

Examples:
  tidemark projections explain projects project proj_… --organization org_… --data ./data
  tidemark projections explain nokuva agent billing-bot --organization org_… --space test --json)";

struct Options {
  SettingFlags flags;
  bool json = false;
  Explained explained;
};

void print(const Folded& folded, const Options& options) {
  const auto [records, events] = std::pair(folded.counts.records, folded.counts.events);
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

Step<void> run(const Options& options, Step<Folded> (*fold)(const SettingFlags&)) {
  // The projector's own words are no data.
  spdlog::set_default_logger(spdlog::stderr_logger_mt("tidemark"));
  auto folded = fold(options.flags);
  if (!folded) return std::unexpected(std::move(folded).error());
  print(*folded, options);
  return {};
}

std::string size_text(std::uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

Step<void> list(const Options& options) {
  auto configuration = options.flags.load();
  if (!configuration) return std::unexpected(std::move(configuration).error());
  const RowsDirectory directory(eventstore::posix_files(), configuration->settings.data + "/rows");
  const auto rows = listed(directory);
  if (!options.json) {
    fmt::print("{:<16} {:>12}  {}\n", "ROWS", "SIZE", "STATE");
    for (const auto& [name, size, state] : rows) {
      fmt::print("{:<16} {:>12}  {}\n", name, size_text(size), state);
    }
    return {};
  }
  std::string out;
  schemas::json::Writer writer(out);
  writer.begin_array();
  for (const auto& [name, size, state] : rows) {
    writer.begin_object().member("name", name).member("size_bytes", size).member("state", state);
    writer.end_object();
  }
  writer.end_array();
  fmt::print("{}\n", out);
  return {};
}

}  // namespace

void add_projections(CLI::App& program, Job& job) {
  auto options = std::make_shared<Options>();
  auto* projections = program.add_subcommand("projections", "Rows folded from the log");
  projections->require_subcommand(1);
  auto add = [&](const char* name, const char* what, const char* footer, auto command) {
    auto* app = projections->add_subcommand(name, what);
    app->footer(footer);
    options->flags.add_to(*app, {"data", "log", "kafka_security_protocol", "kafka_sasl_mechanism",
                                 "kafka_username", "kafka_password_file", "kafka_ca",
                                 "kafka_certificate", "kafka_key", "kafka_topic_prefix"});
    app->add_flag("--json", options->json, "print JSON");
    app->callback([options, command, &job] {
      job = job_of([options, command] { return command(*options); });
    });
    return app;
  };
  add("list", "What rows there are, and what is being made", list_footer, &list);
  add("rebuild", "Fold the whole log again, beside the rows that serve", rebuild_footer,
      [](const Options& chosen) { return run(chosen, &rebuild_rows); });
  add("hash", "Print a hash over all rows", hash_footer,
      [](const Options& chosen) { return run(chosen, &catch_up_rows); });
  auto* explain_app = add(
      "explain", "Print the events that made a row", explain_footer,
      [](const Options& chosen) { return explain(chosen.flags, chosen.explained, chosen.json); });
  explain_app->add_option("PRODUCT", options->explained.product, "projects, nokuva, …")->required();
  explain_app->add_option("KIND", options->explained.kind, "project, agent, …")->required();
  explain_app->add_option("ID", options->explained.id, "proj_…, or a declared entity's name")
      ->required();
  options->flags.add_to(*explain_app, {"organization", "space"});
}

}  // namespace api::cli
