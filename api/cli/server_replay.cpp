#include "api/cli/server_replay.h"

#include <chrono>
#include <cstdio>
#include <thread>

#include <fmt/format.h>

#include "api/cli/progress.h"
#include "schemas/ids.h"
#include "schemas/json.h"
#include "schemas/json_writer.h"

namespace api::cli {
namespace {

using schemas::json::Document;
using schemas::json::Value;
using schemas::json::Writer;

constexpr std::chrono::milliseconds look_every{500};
constexpr int away_max = 120;  // looks

std::string body_of(const ServerReplay& replay) {
  std::string json;
  Writer writer(json);
  const auto given = [&](std::string_view name, const std::string& text) {
    if (!text.empty()) writer.member(name, text);
  };
  const auto all = [&](std::string_view name, const std::vector<std::string>& texts) {
    if (texts.empty()) return;
    writer.name(name).begin_array();
    for (const auto& text : texts) writer.value(text);
    writer.end_array();
  };
  writer.begin_object().name("sink").begin_object();
  given("endpoint_id", replay.endpoint);
  given("product", replay.product);
  writer.end_object().member("from", replay.from.empty() ? "beginning" : replay.from);
  given("to", replay.to);
  all("types", replay.types);
  all("products", replay.products);
  given("filter", replay.filter);
  given("only", replay.only_failed || !replay.failed_of.empty() ? "failed" : "");
  given("of", replay.failed_of);
  writer.member("rate_per_second", replay.per_second)
      .member("dry_run", replay.dry_run)
      .end_object();
  return json;
}

Step<Document> parsed(const webhooks::HttpAnswer& answer) {
  auto document = schemas::json::parse(answer.body);
  if (!document) {
    return stop(Exit::failed, "the server's answer is no JSON: " + document.error().detail);
  }
  return std::move(*document);
}

std::string text_in(Value object, std::string_view name) {
  const auto member = object.find(name);
  return std::string(member ? member->as_string().value_or("") : "");
}

std::uint64_t number_in(Value object, std::string_view name) {
  const auto member = object.find(name);
  return static_cast<std::uint64_t>(member ? member->as_int64().value_or(0) : 0);
}

Step<void> print(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) != EOF) return {};
  return stop(Exit::failed, "stdout cannot be written");
}

Step<void> print_count(Value count, const ServerReplay& replay) {
  if (replay.json) return print(schemas::json::minify(count) + "\n");
  const auto is_complete = count.find("complete");
  const bool complete = is_complete && is_complete->as_bool().value_or(false);
  auto text = fmt::format("{} events{}\n", grouped(number_in(count, "events")),
                          complete ? "" : " or more: there was time to count so many");
  if (const auto types = count.find("types")) {
    for (const auto& [type, ignored] : types->members()) {
      text += fmt::format("{:>12}  {}\n", grouped(number_in(*types, type)), type);
    }
  }
  return print(text);
}

/// How it ended.
Step<void> print_end(Value replay, const std::string& id, bool json) {
  const auto progress = replay.find("progress");
  const auto succeeded = progress ? number_in(*progress, "succeeded") : 0;
  const auto exhausted = progress ? number_in(*progress, "exhausted") : 0;
  const auto state = text_in(replay, "state");
  if (json) {
    if (auto printed = print(schemas::json::minify(replay) + "\n"); !printed) return printed;
  } else {
    auto printed = print(fmt::format("{} {}: {} events, {} failed\n", id, state, grouped(succeeded),
                                     grouped(exhausted)));
    if (!printed) return printed;
  }
  if (state == "cancelled") {
    return stop(Exit::failed, "the replay was cancelled: " + text_in(replay, "reason"));
  }
  if (exhausted == 0) return {};
  return stop(Exit::failed,
              fmt::format("{} events failed: GET /v2/webhooks/deliveries?replay_id={}&"
                          "state=exhausted tells why",
                          grouped(exhausted), id));
}

/// What stops it for now is told once.
/// `seen`: the server has answered before.
Step<void> follow(const Remote& remote, const std::string& id, bool json, bool seen) {
  ProgressLine line{"replay", "events"};
  std::string told;
  int away_for = 0;
  for (;; std::this_thread::sleep_for(look_every)) {
    auto answer = ask(remote, {"GET", "/v2/replays/" + id, {}, {}});
    const bool is_away = !answer && seen;
    if (is_away && away_for == 0) {
      fmt::print(stderr, "{}; asked again for a minute\n", answer.error().message);
    }
    if (is_away && ++away_for < away_max) continue;
    if (!answer) return std::unexpected(std::move(answer).error());
    away_for = 0;
    seen = true;
    const auto document = parsed(*answer);
    if (!document) return std::unexpected(document.error());
    const auto replay = document->root();
    const auto state = text_in(replay, "state");
    if (state != "running" && state != "paused") return print_end(replay, id, json);
    const auto reason = text_in(replay, "reason");
    if (!reason.empty() && reason != told) {
      fmt::print(stderr, "{} waits: {}\n", id, reason);
    }
    told = reason;
    const auto progress = replay.find("progress");
    if (!progress) continue;
    const auto fraction = progress->find("fraction");
    line.show({.done = number_in(*progress, "succeeded") + number_in(*progress, "exhausted"),
               .fraction = fraction ? fraction->as_double() : std::nullopt});
  }
}

}  // namespace

Step<void> run_at_server(const Remote& remote, const ServerReplay& replay) {
  if (!replay.follow.empty()) {
    if (!schemas::parse_id<schemas::ReplayTag>(replay.follow)) {
      return stop(Exit::usage, "--follow takes the id of a replay, rpl_…");
    }
    return follow(remote, replay.follow, replay.json, false);
  }
  auto answer = ask(remote, {"POST", "/v2/replays", json_headers, body_of(replay)});
  if (!answer) return std::unexpected(std::move(answer).error());
  const auto document = parsed(*answer);
  if (!document) return std::unexpected(document.error());
  if (replay.dry_run) return print_count(document->root(), replay);
  const auto id = text_in(document->root(), "id");
  fmt::print(stderr, "{} goes on at the server, also without this command; --follow {} looks on\n",
             id, id);
  return follow(remote, id, replay.json, true);
}

}  // namespace api::cli
