#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "api/cli/command.h"
#include "api/cli/progress.h"
#include "api/cli/remote.h"
#include "api/cli/replay_output.h"
#include "api/cli/server_replay.h"
#include "eventstore/clock.h"
#include "schemas/json.h"
#include "schemas/time.h"

namespace api::cli {
namespace {

using schemas::json::Value;
using webhooks::HttpConnection;

constexpr auto footer =
    R"(Every event is a line of JSON on stdout, a CloudEvent as GET /v2/events gives it. It ends with the last
event that was there when it got there. --from is inclusive, --to exclusive; both are a mark, or the
time when the log accepted an event. Types may end in *; filters may be repeated, but for --filter,
which is one condition in CEL over `event`. A replay into a file that was broken off goes on behind
its last whole line with --resume.

With --endpoint events are sent to that endpoint again, with --into they are written to that declared
product: the server does that, and goes on with it when this command ends. --follow looks on at one.

Examples:
  tidemark replay --type 'project.*' --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z
  tidemark replay --product git --kind file --subject db/builder.cc | jq .data
  tidemark replay --filter "event.data.size > 100" --dry-run
  tidemark replay --from 2026-11-01T00:00:00Z --speed 10x | my-consumer
  tidemark replay --rate 500/s --output events.jsonl --resume
  tidemark replay --endpoint we_01jc… --only-failed --rate 50/s
  tidemark replay --into git-copy --product git
  tidemark replay --into git-copy --product git --failed-of rpl_01jc…)";

constexpr std::size_t page_max = 1000;

struct Options {
  SettingFlags flags;
  std::string from;
  std::string to;
  std::vector<std::string> types;
  std::vector<std::string> products;
  std::vector<std::string> kinds;
  std::vector<std::string> subjects;
  std::string filter;
  std::optional<std::uint64_t> limit;
  std::string rate;
  std::string speed;
  std::string output;
  bool resume = false;
  bool dry_run = false;
  bool json = false;
  ServerReplay server;
};

std::string target_of(const Options& options, std::string_view after, std::uint64_t wanted) {
  Query query;
  if (!after.empty()) query.add("after", after);
  if (after.empty() && options.from.empty()) query.add("after", "beginning");
  if (after.empty() && !options.from.empty()) query.add("from", options.from);
  if (!options.to.empty()) query.add("to", options.to);
  query.add("type", options.types);
  query.add("product", options.products);
  query.add("kind", options.kinds);
  query.add("subject", options.subjects);
  if (!options.filter.empty()) query.add("filter", options.filter);
  query.add("limit", std::to_string(std::min<std::uint64_t>(wanted, page_max)));
  return "/v2/events" + query.text();
}

struct Page {
  schemas::json::Document document;
  Value data;
  std::string next;
  bool is_last;
};
Step<Page> read_page(std::string_view text) {
  auto document = schemas::json::parse(text);
  if (!document) {
    return stop(Exit::failed, "the server's answer is no JSON: " + document.error().detail);
  }
  const auto data = document->root().find("data");
  const auto next = document->root().find("next");
  const auto caught_up = document->root().find("caught_up");
  if (!data || !data->is_array() || !next || !caught_up) {
    return stop(Exit::failed, "the server's answer is no page of events");
  }
  return Page{.document = std::move(*document),
              .data = *data,
              .next = std::string(next->as_string().value_or("")),
              .is_last = caught_up->as_bool().value_or(true)};
}

/// Puts out events, each when it is due, and tells how far it is.
class Replay {
 public:
  Replay(const Options& options, ReplayTiming timing, ReplayOutput output)
      : options_(options), timing_(timing), output_(std::move(output)) {
    until_ = schemas::parse_time(options.to).value_or(eventstore::system_clock().wall());
  }

  const std::string& after() const { return output_.after(); }
  std::uint64_t count() const { return count_.events; }

  awaitable<Step<void>> put(Value event) {
    const auto recorded = schemas::parse_time(text_of(event, "recordedtime"));
    if (!recorded) co_return stop(Exit::failed, "an event of the server has no recordedtime");
    if (!options_.dry_run) {
      if (auto waited = co_await wait_until_due(*recorded); !waited) co_return waited;
      if (auto put = output_.print(schemas::json::minify(event)); !put) co_return put;
    }
    count_.add(text_of(event, "type"), *recorded);
    progress_.show({.done = count_.events, .fraction = fraction(*recorded)});
    co_return Step<void>();
  }

  Step<void> page_ends() { return options_.dry_run ? Step<void>() : output_.flush(); }

  Step<void> end() {
    if (!options_.dry_run) return {};
    const auto text = options_.json ? count_.json() : count_.text();
    if (std::fputs(text.c_str(), stdout) == EOF) {
      return stop(Exit::failed, "stdout cannot be written");
    }
    return {};
  }

 private:
  static std::string_view text_of(Value event, std::string_view name) {
    const auto member = event.find(name);
    return member ? member->as_string().value_or("") : "";
  }

  awaitable<Step<void>> wait_until_due(schemas::Time recorded) {
    if (!begun_) begun_ = std::chrono::steady_clock::now();
    const auto due =
        *begun_ + timing_.due(count_.events, count_.first.value_or(recorded), recorded);
    const auto now = std::chrono::steady_clock::now();
    if (due <= now) {
      if (timing_.per_second) *begun_ += now - due;  // what is late is not made up for in a rush
      co_return Step<void>();
    }
    if (auto seen = output_.flush(); !seen) co_return seen;
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, due);
    co_await timer.async_wait(boost::asio::use_awaitable);
    co_return Step<void>();
  }

  /// By the time of acceptance, from the first event to the end.
  std::optional<double> fraction(schemas::Time recorded) const {
    const auto whole = until_ - *count_.first;
    if (whole.count() <= 0) return std::nullopt;
    return std::chrono::duration<double>(recorded - *count_.first) / whole;
  }

  const Options& options_;
  ReplayTiming timing_;
  ReplayOutput output_;
  schemas::Time until_;
  ReplayCount count_;
  std::optional<std::chrono::steady_clock::time_point> begun_;
  ProgressLine progress_{"replay", "events"};
};

awaitable<Step<void>> replay(const Options& options, ReplayTiming timing, ReplayOutput output,
                             Remote remote) {
  const auto limit = options.limit.value_or(~std::uint64_t{0});
  Replay replay(options, timing, std::move(output));
  auto after = replay.after();
  while (replay.count() < limit) {
    // One for each page: it may be long until the next is wanted.
    auto connection = co_await HttpConnection::open(remote.url);
    if (!connection) co_return stop(connection.error());
    auto answer = co_await ask_on(
        *connection, remote, {"GET", target_of(options, after, limit - replay.count()), {}, {}});
    if (!answer) co_return std::unexpected(std::move(answer).error());
    auto page = read_page(answer->body);
    if (!page) co_return std::unexpected(std::move(page).error());
    for (const auto event : page->data.elements()) {
      if (auto put = co_await replay.put(event); !put) co_return put;
    }
    if (auto seen = replay.page_ends(); !seen) co_return seen;
    if (page->is_last) break;
    if (page->next == after) co_return stop(Exit::failed, "the server's `next` does not go on");
    after = std::move(page->next);
  }
  co_return replay.end();
}

Step<ReplayTiming> timing_of(const Options& options) {
  ReplayTiming timing;
  if (!options.rate.empty()) {
    timing.per_second = parse_rate(options.rate);
    if (!timing.per_second) return stop(Exit::usage, "--rate takes events a second, such as 500/s");
  }
  if (!options.speed.empty()) {
    timing.speed = parse_speed(options.speed);
    if (!timing.speed) {
      return stop(Exit::usage, "--speed takes how many times as fast as it was, such as 10x");
    }
  }
  return timing;
}

/// What is asked of the server, out of what both have.
Step<ServerReplay> server_replay(const Options& options) {
  const bool asks = !options.from.empty() || !options.to.empty() || !options.types.empty() ||
                    !options.products.empty() || !options.filter.empty() || !options.rate.empty() ||
                    options.dry_run;
  if (!options.server.follow.empty() && asks) {
    return stop(Exit::usage, "--follow looks on; what is replayed was said when it was asked for");
  }
  const bool has_more = !options.kinds.empty() || !options.subjects.empty() || options.limit;
  if (has_more) {
    return stop(Exit::usage,
                "--kind, --subject and --limit are of replays to stdout or a file; --type, "
                "--product and --filter choose events here too");
  }
  auto replay = options.server;
  replay.from = options.from;
  replay.to = options.to;
  replay.types = options.types;
  replay.products = options.products;
  replay.filter = options.filter;
  replay.dry_run = options.dry_run;
  replay.json = options.json;
  if (options.rate.empty()) return replay;
  const auto rate = parse_rate(options.rate);
  replay.per_second = static_cast<std::int64_t>(rate.value_or(0));
  if (!rate || static_cast<double>(*replay.per_second) != *rate) {
    return stop(Exit::usage, "--rate takes whole events a second here, such as 500/s");
  }
  return replay;
}

/// Sinks that the server serves.
void add_sinks(CLI::App& app, ServerReplay& server, std::initializer_list<CLI::Option*> others) {
  auto* endpoint = app.add_option("--endpoint", server.endpoint, "send them to this endpoint again")
                       ->type_name("ID");
  auto* into = app.add_option("--into", server.product, "write them to this declared product")
                   ->type_name("PRODUCT")
                   ->excludes(endpoint);
  auto* follow =
      app.add_option("--follow", server.follow, "tell how far one is that was asked for before")
          ->type_name("ID")
          ->excludes(endpoint)
          ->excludes(into);
  const CLI::Validator given(
      [](const std::string& text) { return std::string(text.empty() ? "must not be empty" : ""); },
      "");
  app.add_flag("--only-failed", server.only_failed,
               "only events whose own delivery to the endpoint is exhausted")
      ->needs(endpoint);
  app.add_option("--failed-of", server.failed_of, "only events that failed in this replay")
      ->type_name("ID")
      ->excludes(follow)
      ->check(given);
  for (auto* sink : {endpoint, into, follow}) {
    sink->check(given);
    for (auto* other : others) sink->excludes(other);
  }
}

}  // namespace

void add_replay(CLI::App& program, Job& job) {
  auto options = std::make_shared<Options>();
  auto* app = program.add_subcommand(
      "replay", "Print past events of a running server, or have it send them again");
  app->footer(footer);
  options->flags.add_to(*app, client_settings);
  app->add_option("--from", options->from, "where to begin (the beginning)")
      ->type_name("MARK|TIME");
  app->add_option("--to", options->to, "where to end (the present)")->type_name("MARK|TIME");
  auto filter = [&](const char* name, std::vector<std::string>& values, const char* help) {
    app->add_option(name, values, help)->type_name("TEXT")->allow_extra_args(false);
  };
  filter("--type", options->types, "only events of this type");
  filter("--product", options->products, "only events of this product");
  filter("--kind", options->kinds, "only events of this kind of entity");
  filter("--subject", options->subjects, "only events of this entity");
  app->add_option("--filter", options->filter, "only events for which this condition holds")
      ->type_name("CEL");
  app->add_option("--rate", options->rate, "at most so many events a second")->type_name("N/s");
  auto* speed =
      app->add_option("--speed", options->speed, "as they were accepted, so many times as fast")
          ->type_name("Nx");
  auto* output = app->add_option("--output", options->output, "into this file")->type_name("FILE");
  auto* resume =
      app->add_flag("--resume", options->resume, "go on behind the last event of the file")
          ->needs(output);
  auto* dry_run = app->add_flag("--dry-run", options->dry_run, "only count them, by type");
  dry_run->excludes(output);
  app->add_flag("--json", options->json,
                "print the count, or the server's replay, as a JSON object");
  add_sinks(*app, options->server, {output, resume, speed});
  app->add_option("--limit", options->limit, "at most so many events")
      ->type_name("N")
      ->excludes(resume);
  app->callback([options, &job] {
    job = job_of([options]() -> Step<void> {
      const auto timing = timing_of(*options);
      if (!timing) return std::unexpected(timing.error());
      const bool at_server = options->server.is_asked_for();
      if (!options->server.failed_of.empty() && !at_server) {
        return stop(Exit::usage, "--failed-of goes with --endpoint or --into");
      }
      if (options->json && !options->dry_run && !at_server) {
        return stop(Exit::usage, "--json is of --dry-run, and of what the server replays");
      }
      auto remote = remote_of(options->flags);
      if (!remote) return std::unexpected(std::move(remote).error());
      if (at_server) {
        const auto asked = server_replay(*options);
        if (!asked) return std::unexpected(asked.error());
        return run_at_server(*remote, *asked);
      }
      auto output = options->output.empty()
                        ? ReplayOutput::to_stdout()
                        : ReplayOutput::to_file(options->output, options->resume);
      if (!output) return std::unexpected(std::move(output).error());
      return run_to_end(replay(*options, *timing, std::move(*output), std::move(*remote)));
    });
  });
}

}  // namespace api::cli
