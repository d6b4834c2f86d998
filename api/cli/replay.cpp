#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "api/cli/command.h"
#include "api/cli/progress.h"
#include "api/cli/remote.h"
#include "schemas/json.h"

namespace api::cli {
namespace {

using schemas::json::Value;
using webhooks::HttpConnection;

constexpr auto footer =
    R"(Every event is a line of JSON on stdout, a CloudEvent as GET /v2/events gives it. It ends with the last
event that was there when it got there. --from is inclusive, --to exclusive; both are a mark, or the
time when the log accepted an event. Types may end in *; filters may be repeated.

Examples:
  tidemark replay --type 'project.*' --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z
  tidemark replay --product git --kind file --subject db/builder.cc | jq .data)";

constexpr std::size_t page_max = 1000;

struct Options {
  SettingFlags flags;
  std::string from;
  std::string to;
  std::vector<std::string> types;
  std::vector<std::string> products;
  std::vector<std::string> kinds;
  std::vector<std::string> subjects;
  std::optional<std::uint64_t> limit;
};

/// Everything but unreserved characters (RFC 3986 2.3) is encoded.
std::string percent_encoded(std::string_view text) {
  constexpr std::string_view unreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string out;
  for (const char c : text) {
    if (unreserved.find(c) != unreserved.npos) {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

class Query {
 public:
  void add(std::string_view name, std::string_view value) {
    text_ += fmt::format("{}{}={}", text_.empty() ? "?" : "&", name, percent_encoded(value));
  }
  void add(std::string_view name, const std::vector<std::string>& values) {
    for (const auto& value : values) add(name, value);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
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
  query.add("limit", std::to_string(std::min<std::uint64_t>(wanted, page_max)));
  return "/v2/events" + query.text();
}

/// Prints a page; its `next`, or nothing when it was the last.
Step<std::optional<std::string>> print_page(Value page, std::uint64_t& printed) {
  const auto data = page.find("data");
  const auto next = page.find("next");
  const auto caught_up = page.find("caught_up");
  if (!data || !data->is_array() || !next || !caught_up) {
    return stop(Exit::failed, "the server's answer is no page of events");
  }
  std::string lines;
  for (const auto event : data->elements()) lines += schemas::json::minify(event) + "\n";
  if (std::fwrite(lines.data(), 1, lines.size(), stdout) != lines.size()) {
    return stop(Exit::failed, "stdout cannot be written");
  }
  printed += data->size();
  if (caught_up->as_bool().value_or(true)) return std::nullopt;
  return std::string(next->as_string().value_or(""));
}

awaitable<Step<void>> replay(const Options& options, Remote remote) {
  auto connection = co_await HttpConnection::open(remote.url);
  if (!connection) co_return stop(connection.error());
  const auto limit = options.limit.value_or(~std::uint64_t{0});
  ProgressLine progress("replay", "events");
  std::uint64_t printed = 0;
  std::string after;
  while (printed < limit) {
    auto answer = co_await ask_on(*connection, remote,
                                  {"GET", target_of(options, after, limit - printed), {}, {}});
    if (!answer) co_return std::unexpected(std::move(answer).error());
    const auto page = schemas::json::parse(answer->body);
    if (!page)
      co_return stop(Exit::failed, "the server's answer is no JSON: " + page.error().detail);
    auto next = print_page(page->root(), printed);
    if (!next) co_return std::unexpected(std::move(next).error());
    progress.show({.done = printed, .fraction = std::nullopt});
    if (!*next) break;
    if (**next == after) co_return stop(Exit::failed, "the server's `next` does not go on");
    after = std::move(**next);
  }
  co_return Step<void>();
}

}  // namespace

void add_replay(CLI::App& program, Job& job) {
  auto options = std::make_shared<Options>();
  auto* app = program.add_subcommand("replay", "Print past events of a running server");
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
  app->add_option("--limit", options->limit, "at most so many events")->type_name("N");
  app->callback([options, &job] {
    job = job_of([options]() -> Step<void> {
      auto remote = remote_of(options->flags);
      if (!remote) return std::unexpected(std::move(remote).error());
      return run_to_end(replay(*options, std::move(*remote)));
    });
  });
}

}  // namespace api::cli
