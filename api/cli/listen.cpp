#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "api/cli/command.h"
#include "api/cli/remote.h"
#include "api/version.h"
#include "eventstore/clock.h"
#include "schemas/json.h"
#include "schemas/time.h"
#include "webhooks/event_source.h"
#include "webhooks/signature.h"

namespace api::cli {
namespace {

using webhooks::EventSource;
using webhooks::HttpConnection;
using webhooks::HttpFailure;
using webhooks::HttpUrl;
using webhooks::SigningSecret;
using Clock = std::chrono::steady_clock;

constexpr auto footer =
    R"(Follows an organization's events and posts each to a URL, one after the other, signed as a webhook is
(Standard Webhooks): webhook-id, webhook-timestamp and webhook-signature, the CloudEvent as body. Every
delivery is a line on stdout: when, the receiver's status, how long it took, type, subject, id. What fails
is told and left behind; only where a kept connection ends before any answer is the event sent once more,
with the same webhook-id. When the server is away it is asked again, and nothing between is left out.

Examples:
  tidemark listen --forward http://localhost:3000/hook
  tidemark listen --forward http://localhost:3000/hook --type 'project.*' --secret whsec_…
  tidemark listen --forward http://localhost:3000/hook --after beginning --filter "event.kind == 'file'")";

constexpr std::chrono::milliseconds again_after_min{250};
constexpr std::chrono::milliseconds again_after_max{10'000};

struct Options {
  SettingFlags flags;
  std::string forward;
  std::string secret;
  std::string after = "now";
  std::vector<std::string> types;
  std::string filter;
  double timeout_seconds = 15;
};

/// Sends one event after the other to the developer's machine.
class Forwarder {
 public:
  Forwarder(HttpUrl url, std::string path, SigningSecret secret, double timeout_seconds)
      : url_(std::move(url)),
        path_(std::move(path)),
        secret_(std::move(secret)),
        timeout_(static_cast<std::int64_t>(timeout_seconds * 1'000)) {
    url_.path.clear();
    limits_.connect = limits_.write = limits_.read = timeout_;
  }

  /// Posts an event, and says how that went.
  awaitable<Step<void>> forward(std::string body) {
    const auto event = schemas::json::parse(body);
    if (!event)
      co_return stop(Exit::failed, "the server's event is no JSON: " + event.error().detail);
    const auto id = member(event->root(), "id");
    const auto now = eventstore::system_clock().wall();
    const auto begun = Clock::now();
    const auto answer = co_await post(id, std::move(body), now);
    const auto took = std::chrono::duration<double, std::milli>(Clock::now() - begun).count();
    const auto line =
        fmt::format("{}  {}  {:.0f} ms  {}  {}  {}\n", schemas::to_text(now),
                    answer ? std::to_string(answer->status) : "failed", took,
                    member(event->root(), "type"), member(event->root(), "subject"), id);
    if (!answer) fmt::print(stderr, "{}\n", answer.error().detail);
    if (std::fputs(line.c_str(), stdout) == EOF || std::fflush(stdout) != 0) {
      co_return stop(Exit::failed, "stdout cannot be written");
    }
    co_return Step<void>();
  }

 private:
  static std::string member(schemas::json::Value event, std::string_view name) {
    const auto found = event.find(name);
    return std::string(found ? found->as_string().value_or("") : "");
  }

  using Answer = webhooks::HttpResult<webhooks::HttpAnswer>;

  awaitable<Answer> post(const std::string& id, std::string body, schemas::Time now) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
    const auto timestamp = std::to_string(seconds);
    webhooks::HttpRequest request{
        .method = "POST",
        .target = path_,
        .headers = {{"Content-Type", "application/cloudevents+json"},
                    {"User-Agent", fmt::format("tidemark/{}", version)},
                    {"webhook-id", id},
                    {"webhook-timestamp", timestamp},
                    {"webhook-signature", secret_.sign(id, timestamp, body)}},
        .body = std::move(body)};
    if (connection_) {
      auto answer = co_await exchange(request);
      if (answer || answer.error().kind != HttpFailure::Kind::closed) co_return answer;
    }
    auto opened = co_await HttpConnection::open(url_, limits_);
    if (!opened) co_return std::unexpected(std::move(opened).error());
    connection_ = std::move(*opened);
    auto answer = co_await exchange(std::move(request));
    co_return answer;
  }

  /// On the connection, which is kept if the answer was read whole. All of it takes no longer than
  /// the time-out.
  awaitable<Answer> exchange(webhooks::HttpRequest request) {
    boost::asio::steady_timer deadline(co_await boost::asio::this_coro::executor, timeout_);
    bool late = false;
    deadline.async_wait([this, &late, post = ++posts_](const boost::system::error_code& stopped) {
      if (stopped || post != posts_) return;
      late = true;
      connection_->cancel();
    });
    auto sent = co_await connection_->send(std::move(request));
    auto answer =
        sent ? co_await connection_->read_head() : Answer(std::unexpected(std::move(sent).error()));
    const bool whole = answer && co_await read_body(*connection_);
    ++posts_;
    deadline.cancel();
    if (!whole || says_close(*answer)) connection_.reset();
    if (!answer && late) {
      co_return std::unexpected(
          HttpFailure{HttpFailure::Kind::timeout, "no answer in time; what was sent may be done"});
    }
    co_return answer;
  }

  /// Whether it ended within what anyone would answer to a webhook; nobody looks at it.
  static awaitable<bool> read_body(HttpConnection& connection) {
    std::array<char, 4096> piece;
    for (int pieces = 0; pieces < 64; ++pieces) {
      const auto got = co_await connection.read_some(piece);
      if (!got) co_return false;
      if (*got == 0) co_return true;
    }
    co_return false;
  }

  static bool says_close(const webhooks::HttpAnswer& answer) {
    const auto same = [](char a, char b) { return (a | 0x20) == b; };
    return std::ranges::equal(answer.header("Connection"), std::string_view("close"), same);
  }

  HttpUrl url_;
  std::string path_;
  SigningSecret secret_;
  std::chrono::milliseconds timeout_;
  webhooks::HttpLimits limits_;
  std::optional<HttpConnection> connection_;
  std::uint64_t posts_ = 0;  // tells a deadline that it is over
};

/// Follows the stream of events, over as many connections as it takes.
class Listener {
 public:
  Listener(const Options& options, Remote remote, Forwarder forwarder)
      : options_(options), remote_(std::move(remote)), forwarder_(std::move(forwarder)) {}

  awaitable<Step<void>> run() {
    auto again_after = again_after_min;
    for (;;) {
      heard_ = false;
      const auto ended = co_await follow();
      if (!ended) co_return ended;
      if (!begun_) co_return stop(Exit::failed, ended_);
      again_after = heard_ ? again_after_min : std::min(again_after * 2, again_after_max);
      fmt::print(stderr, "{}; again in {} ms\n", ended_, again_after.count());
      boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, again_after);
      co_await timer.async_wait(boost::asio::use_awaitable);
    }
  }

 private:
  std::string target() const {
    Query query;
    query.add("after", options_.after);
    query.add("type", options_.types);
    if (!options_.filter.empty()) query.add("filter", options_.filter);
    return "/v2/events/stream" + query.text();
  }

  /// One connection: until it ends, for a reason that goes into ended_, or something is wrong that
  /// will be wrong the next time too.
  awaitable<Step<void>> follow() {
    auto connection = co_await HttpConnection::open(remote_.url);
    if (!connection) co_return ends(connection.error().detail);
    webhooks::HttpRequest request{
        .method = "GET", .target = target(), .headers = remote_.headers, .body = {}};
    request.headers.emplace_back("Accept", "text/event-stream");
    if (!last_id_.empty()) request.headers.emplace_back("Last-Event-ID", last_id_);
    auto sent = co_await connection->send(std::move(request));
    if (!sent) co_return ends(sent.error().detail);
    auto answer = co_await connection->read_head();
    if (!answer) co_return ends(answer.error().detail);
    if (answer->status != 200) {
      auto body = co_await connection->read_rest();
      answer->body = body ? std::move(*body) : "";
      const auto why = "the server refused: " + describe_refusal(*answer);
      const bool may_pass = answer->status >= 500 || answer->status == 429;
      co_return may_pass ? ends(why) : stop(Exit::refused, why);
    }
    co_return co_await read(*connection);
  }

  awaitable<Step<void>> read(HttpConnection& connection) {
    EventSource source;
    std::vector<char> piece(std::size_t{16} << 10);
    for (;;) {
      auto got = co_await connection.read_some(piece);
      if (!got) co_return ends(got.error().detail);
      if (*got == 0) co_return ends("the server closed the stream");
      std::vector<EventSource::Event> events;
      source.feed({piece.data(), *got}, [&](const EventSource::Event& event) {
        events.push_back(event);
        return true;
      });
      for (auto& event : events) {
        if (auto done = co_await take(std::move(event)); !done) co_return done;
      }
    }
  }

  awaitable<Step<void>> take(EventSource::Event event) {
    if (event.name.empty()) {
      if (auto forwarded = co_await forwarder_.forward(std::move(event.data)); !forwarded) {
        co_return forwarded;
      }
    } else if (event.name == "gap") {
      fmt::print(stderr, "events are missing: {}\n", event.data);
    } else if (event.name == "closing" && event.data.contains("revoked")) {
      co_return stop(Exit::refused, "the key is not valid any more");
    } else if (event.name == "position" && !begun_) {
      fmt::print(stderr, "listening\n");
    }
    begun_ = heard_ = true;
    last_id_ = std::move(event.id);
    co_return Step<void>();
  }

  Step<void> ends(std::string why) {
    ended_ = std::move(why);
    return {};
  }

  const Options& options_;
  Remote remote_;
  Forwarder forwarder_;
  std::string last_id_;
  std::string ended_;
  bool begun_ = false;
  bool heard_ = false;  // anything, on this connection
};

Step<SigningSecret> secret_of(const Options& options) {
  if (options.secret.empty()) {
    auto made = SigningSecret::make();
    fmt::print(stderr, "signing with {}\n", made.text());
    return made;
  }
  auto secret = SigningSecret::parse(options.secret);
  if (!secret) return stop(Exit::usage, "--secret: " + secret.error().detail);
  return std::move(*secret);
}

/// As it was given, with the slash at its end.
std::string path_of(std::string_view url) {
  const auto slash = url.find('/', std::string_view("http://").size());
  return slash == url.npos ? "/" : std::string(url.substr(slash));
}

Step<void> listen(const Options& options) {
  auto url = webhooks::parse_http_url(options.forward);
  if (!url) return stop(Exit::usage, "--forward: " + url.error().detail);
  auto remote = remote_of(options.flags);
  if (!remote) return std::unexpected(std::move(remote).error());
  auto secret = secret_of(options);
  if (!secret) return std::unexpected(std::move(secret).error());
  Listener listener(options, std::move(*remote),
                    Forwarder(std::move(*url), path_of(options.forward), std::move(*secret),
                              options.timeout_seconds));
  return run_to_end(listener.run());
}

}  // namespace

void add_listen(CLI::App& program, Job& job) {
  auto options = std::make_shared<Options>();
  auto* app =
      program.add_subcommand("listen", "Forward events to a URL of this machine as they happen");
  app->footer(footer);
  options->flags.add_to(*app, client_settings);
  app->add_option("--forward", options->forward, "where to post events")
      ->type_name("URL")
      ->required();
  app->add_option("--secret", options->secret, "what to sign with (one is made and told)")
      ->type_name("SECRET");
  app->add_option("--after", options->after, "where to begin: now, beginning, or a mark")
      ->type_name("PLACE")
      ->capture_default_str();
  app->add_option("--type", options->types,
                  "only events of this type; * at its end for all that begin so")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  app->add_option("--filter", options->filter, "only events for which this condition holds")
      ->type_name("CEL");
  app->add_option("--timeout", options->timeout_seconds, "how long a receiver may take")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.1, 300.0))
      ->capture_default_str();
  app->callback([options, &job] { job = job_of([options] { return listen(*options); }); });
}

}  // namespace api::cli
