#include "api/resources/stream.h"

#include <memory>

#include <spdlog/spdlog.h>

#include "api/resources/event_json.h"
#include "api/resources/pool.h"
#include "api/resources/stream_hub.h"

namespace api::resources {
namespace {

using http::Sent;
using http::Stream;
using http::Wake;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::size_t chunk_bytes_max = std::size_t{64} << 10;
constexpr milliseconds position_every{15'000};
/// A reader that takes longer than this for one chunk is told and let go.
constexpr milliseconds slow_after{5'000};

/// What a stream knows between its reads: kept small, for there may be thousands.
struct Follower {
  const Services& services;
  edge::Caller caller;
  EventFilter filter;
  Passed passed;

  MarkOwner scope() const { return {caller.organization, caller.space}; }
};

void append_control(std::string& out, std::string_view name, std::string_view mark,
                    std::string_view data) {
  out.append("event: ").append(name).append("\nid: ").append(mark);
  out.append("\ndata: ").append(data).append("\n\n");
}

/// JSON as the writer gives it has no line ends, so one data line is enough.
void append_domain_event(std::string& out, const TimelineEvent& event, std::string_view product,
                         const std::string& mark) {
  out.append("id: ").append(mark).append("\ndata: ");
  append_event(out, event, product, mark);
  out.append("\n\n");
}

struct Chunk {
  std::string text;
  bool more = false;  // there may be events behind it
};

/// The next events, a chunk of them at most. On the pool.
Result<Chunk> read_chunk(Follower& follower) {
  auto snapshot = follower.services.rows.snapshot();
  const Feed feed(follower.services, *snapshot, follower.scope(), follower.filter);
  Chunk chunk;
  auto take = [&](const TimelineEvent& event, std::string_view product, const std::string& mark) {
    append_domain_event(chunk.text, event, product, mark);
    return chunk.text.size() < chunk_bytes_max;
  };
  auto end = feed.forward(follower.passed, {}, take);
  if (!end) return std::unexpected(std::move(end).error());
  chunk.more = *end == Feed::End::enough;
  return chunk;
}

std::string control_here(const Follower& follower, std::string_view name, std::string_view data) {
  std::string text;
  append_control(text, name,
                 mark_of(follower.services, follower.scope(), follower.filter, follower.passed),
                 data);
  return text;
}

/// How long to sleep: until the next position, or until the key expires.
milliseconds sleep_time(const Follower& follower, Clock::time_point next_position) {
  auto left = std::chrono::ceil<milliseconds>(next_position - Clock::now());
  if (const auto& expires = follower.caller.access->expires) {
    left = std::min(left, *expires - follower.services.clock.wall());
  }
  return std::max(left, milliseconds{0});
}

enum class Outcome : std::uint8_t { go_on, gone, slow };

awaitable<Outcome> send(Stream& stream, std::string_view text) {
  const auto begun = Clock::now();
  const auto sent = co_await stream.write(text);
  if (sent != Sent::ok) co_return Outcome::gone;
  co_return Clock::now() - begun > slow_after ? Outcome::slow : Outcome::go_on;
}

/// Sends everything that there is now; the place moves on with it.
awaitable<Outcome> send_events(Stream& stream, Follower& follower) {
  for (;;) {
    auto read = [&follower] { return read_chunk(follower); };
    auto chunk = co_await answer_on(follower.services.scans, read);
    if (!chunk) {
      spdlog::error("stream cannot read on organization={} error=\"{}\"",
                    to_text(follower.caller.organization), chunk.error().detail);
      co_return Outcome::gone;
    }
    if (!chunk->text.empty()) {
      const auto outcome = co_await send(stream, chunk->text);
      if (outcome != Outcome::go_on) co_return outcome;
    }
    if (!chunk->more || stream.stopping()) co_return Outcome::go_on;
    if (!edge::still_welcome(follower.services, follower.caller)) co_return Outcome::go_on;
  }
}

/// Follows until something ends it; the reason to be told, or nothing when nobody is there to hear.
awaitable<std::string_view> follow(Stream& stream, Follower& follower) {
  {  // an idle stream does not keep this text
    const auto first = "retry: 1000\n\n" + control_here(follower, "position", "{}");
    if (co_await send(stream, first) == Outcome::gone) co_return "";
  }
  auto next_position = Clock::now() + position_every;
  for (;;) {
    if (!edge::still_welcome(follower.services, follower.caller)) co_return "revoked";
    if (stream.stopping()) co_return "shutdown";
    auto outcome = co_await send_events(stream, follower);
    if (outcome == Outcome::slow) co_return "slow-reader";
    if (outcome == Outcome::gone) co_return "";
    if (Clock::now() >= next_position) {
      outcome = co_await send(stream, control_here(follower, "position", "{}"));
      if (outcome != Outcome::go_on) co_return outcome == Outcome::slow ? "slow-reader" : "";
      next_position = Clock::now() + position_every;
    }
    switch (co_await stream.wait(sleep_time(follower, next_position))) {
      case Wake::gone:
        co_return "";
      case Wake::stopping:
        co_return "shutdown";
      case Wake::signal:
      case Wake::timeout:
        break;
    }
  }
}

awaitable<void> run(Stream stream, std::shared_ptr<Follower> follower) {
  const auto executor = co_await asio::this_coro::executor;
  const auto membership = follower->services.streams.join(executor, follower->caller.organization,
                                                          follower->caller.space, stream.waker());
  const auto reason = co_await follow(stream, *follower);
  if (reason.empty()) co_return;
  const auto data = R"({"reason":")" + std::string(reason) + R"("})";
  const auto goodbye = control_here(*follower, "closing", data);
  co_await stream.write(goodbye);
}

/// Where to begin: Last-Event-ID, then ?after=, then now. `beginning` is an empty place.
struct Begin {
  std::vector<MarkedPosition> mark;
  bool now = false;
};
Result<Begin> parse_begin(const Ask& ask) {
  auto text = ask.request.header("Last-Event-ID");
  if (!text || text->empty()) text = ask.request.parameter("after").value_or("now");
  if (*text == "now") return Begin{{}, true};
  if (*text == "beginning") return Begin{};
  auto mark = decode_mark(ask.services, ask.caller(), *text);
  if (!mark) return std::unexpected(std::move(mark).error());
  return Begin{std::move(*mark), false};
}

}  // namespace

// GET /v2/events/stream
Answer stream_events(Ask& ask) {
  auto begin = parse_begin(ask);
  if (!begin) co_return std::unexpected(std::move(begin).error());
  auto filter = parse_event_filter(ask);
  if (!filter) co_return std::unexpected(std::move(filter).error());
  auto reached = co_await reach_followed(ask, *filter, begin->mark);
  if (!reached) co_return std::unexpected(std::move(reached).error());
  auto follower = std::make_shared<Follower>(
      Follower{ask.services, ask.caller(), std::move(*filter), Passed{}});
  auto place = [&] {
    auto snapshot = ask.services.rows.snapshot();
    const Feed feed(ask.services, *snapshot, follower->scope(), follower->filter);
    follower->passed = begin->now ? feed.passed_now() : feed.passed_at(begin->mark);
    return true;
  };
  co_await answer_on(ask.services.scans, place);
  auto response = http::streamed("text/event-stream",
                                 [follower](Stream stream) { return run(stream, follower); });
  response.add_header("Cache-Control", "no-store");
  co_return response;
}

}  // namespace api::resources
