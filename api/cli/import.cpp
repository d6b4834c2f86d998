#include <memory>
#include <optional>

#include <fmt/format.h>

#include "api/cli/import_session.h"
#include "api/cli/progress.h"
#include "eventstore/file.h"
#include "schemas/json_writer.h"

namespace api::cli {
namespace {

constexpr auto footer =
    R"(Every line of INPUT becomes one batch, which is one record of the log. MAPPING is a small JSON file:
  {"product":"git", "kind":"file",            where the events go
   "each":"/changes",                         an event for each item of this array of the line; without
                                              it, one event a line
   "entity":{"item":"/1"},                    a value from the item, or {"line":POINTER} from the line
   "type":{"item":"/0", "map":{"A":"file.added", "D":"file.deleted"}},
   "time":{"line":"/time", "unit":"seconds"}, or milliseconds, or a text; may be left out
   "data":{"commit":{"line":"/commit"}},      may be left out: the item itself
   "idempotency_key":{"line":"/commit"}}      may be left out: made from the line's number and text
What is repeated within a day adds nothing, because every batch has an idempotency key. --resume FILE
notes the last confirmed line, and the next time begins behind it. A connection that is lost is opened
again. A line that is refused ends the import: what came before it stays.

Examples:
  tidemark import --key-file key --mapping mapping.json history.jsonl.zst
  zcat history.gz | tidemark import --mapping mapping.json --resume history.resume -
  tidemark import --key-file platform.key --organization org_… --declare manifest.json \
      --mapping mapping.json history.jsonl)";

// Rarely enough to cost nothing, often enough that little is sent again.
constexpr std::chrono::milliseconds noted_every{200};

struct Options {
  SettingFlags flags;
  std::string mapping;
  std::string input;
  std::string manifest;
  std::string resume;
  std::uint32_t patience_seconds = 30;
  bool json = false;
};

Step<std::string> read_text(const std::string& path) {
  auto bytes = eventstore::read_whole(eventstore::posix_files(), path);
  if (!bytes) return stop(Exit::usage, bytes.error().detail);
  return std::string(schemas::text_of(*bytes));
}

Step<Mapping> read_mapping(const std::string& path) {
  auto text = read_text(path);
  if (!text) return std::unexpected(std::move(text).error());
  auto mapping = Mapping::parse(*text);
  if (!mapping) return stop(Exit::usage, fmt::format("{}: {}", path, describe(mapping.error())));
  return std::move(*mapping);
}

Step<void> declare(const Remote& remote, const std::string& product, const std::string& path) {
  auto manifest = read_text(path);
  if (!manifest) return std::unexpected(std::move(manifest).error());
  // A manifest is the platform's, whatever the organization that the events go to.
  Remote platform = remote;
  std::erase_if(platform.headers,
                [](const auto& header) { return header.first.starts_with("Tidemark-"); });
  auto answer =
      ask(platform, {"PUT", "/v2/products/" + product, json_headers, std::move(*manifest)});
  if (!answer) return std::unexpected(std::move(answer).error());
  return {};
}

/// Notes and shows how far the import is.
class Teller {
 public:
  explicit Teller(std::optional<ResumeFile> file) : file_(std::move(file)) {}

  void confirmed(const Imported& imported, std::optional<double> fraction) {
    line_.show({.done = imported.events, .fraction = fraction});
    const auto now = eventstore::system_clock().monotonic();
    if (!file_ || now < next_note_) return;
    next_note_ = now + noted_every;
    // Should it fail, the end will tell.
    (void)file_->write(imported.confirmed);
  }
  Step<void> note_end(const Imported& imported) const {
    if (!file_ || imported.confirmed.line == 0) return {};
    auto written = file_->write(imported.confirmed);
    if (!written) return stop(written.error());
    return {};
  }

 private:
  std::optional<ResumeFile> file_;
  ProgressLine line_{"import", "events"};
  eventstore::MonotonicTime next_note_{};
};

void print_summary(const Imported& imported, const Options& options, double seconds) {
  const auto rate = static_cast<std::uint64_t>(static_cast<double>(imported.events) / seconds);
  fmt::print(stderr, "{} events in {} records, {} lines, {:.1f} s: {} events/s\n",
             grouped(imported.events), grouped(imported.records), grouped(imported.lines), seconds,
             grouped(rate));
  if (imported.replayed_events > 0) {
    fmt::print(stderr, "{} of these events were there already\n",
               grouped(imported.replayed_events));
  }
  if (!options.json) return;
  std::string out;
  schemas::json::Writer writer(out);
  writer.begin_object().member("lines", imported.lines).member("records", imported.records);
  writer.member("events", imported.events).member("replayed_events", imported.replayed_events);
  writer.member("last_line", imported.confirmed.line);
  writer.member("seconds", seconds).end_object();
  fmt::print("{}\n", out);
}

Step<void> import(const Options& options) {
  auto remote = remote_of(options.flags);
  if (!remote) return std::unexpected(std::move(remote).error());
  auto mapping = read_mapping(options.mapping);
  if (!mapping) return std::unexpected(std::move(mapping).error());
  auto input = LineInput::open(options.input);
  if (!input) return stop(Exit::usage, input.error().detail);
  std::optional<ResumeFile> file;
  if (!options.resume.empty()) file.emplace(options.resume);
  const auto note = file ? file->read() : schemas::Result<ResumeFile::Note>();
  if (!note) return stop(note.error());
  if (!options.manifest.empty()) {
    auto declared = declare(*remote, mapping->product(), options.manifest);
    if (!declared) return declared;
  }
  const auto begun = eventstore::system_clock().monotonic();
  Teller teller(std::move(file));
  boost::asio::io_context context(1);
  ImportSession session(
      context.get_executor(),
      {.remote = std::move(*remote),
       .input_name = options.input == "-" ? "stdin" : options.input,
       .patience = std::chrono::seconds(options.patience_seconds),
       .resume = *note,
       .on_confirmed = [&](const auto& imported,
                           auto fraction) { teller.confirmed(imported, fraction); }},
      *input, *mapping);
  auto done = run_on(context, session.run());
  auto noted = teller.note_end(session.imported());
  const auto took = eventstore::system_clock().monotonic() - begun;
  print_summary(session.imported(), options, std::chrono::duration<double>(took).count());
  return done ? noted : done;
}

}  // namespace

void add_import(CLI::App& program, Job& job) {
  auto options = std::make_shared<Options>();
  auto* app = program.add_subcommand("import", "Bring a history of JSON lines into a product");
  app->footer(footer);
  options->flags.add_to(*app, client_settings);
  app->add_option("--mapping", options->mapping, "how a line becomes events")
      ->required()
      ->type_name("MAPPING");
  app->add_option("--declare", options->manifest, "declare the product by this manifest first")
      ->type_name("MANIFEST");
  app->add_option("--resume", options->resume, "where it is noted how far the import came")
      ->type_name("FILE");
  app->add_option("--patience", options->patience_seconds,
                  "seconds without a confirmation before it gives up (30)")
      ->type_name("N");
  app->add_flag("--json", options->json, "print a JSON object of counts at the end");
  app->add_option("input", options->input, "JSON lines, plain or compressed by zstd; - is stdin")
      ->required()
      ->type_name("INPUT");
  app->callback([options, &job] { job = job_of([options] { return import(*options); }); });
}

}  // namespace api::cli
