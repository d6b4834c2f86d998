#include "api/resources/stream.h"

#include <memory>

#include <spdlog/spdlog.h>

#include "api/resources/chunk_cache.h"
#include "api/resources/event_json.h"
#include "api/resources/parameters.h"
#include "api/resources/pool.h"
#include "api/resources/stream_hub.h"

namespace api::resources {
namespace {

using http::Burst;
using http::Pushed;
using http::Sent;
using http::Stream;
using http::Wake;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::size_t chunk_bytes_max = std::size_t{64} << 10;
constexpr std::size_t piece_bytes_max = std::size_t{8} << 10;
constexpr milliseconds position_every{15'000};
/// A reader that takes longer than this for one chunk is told and let go, where an event ends.
constexpr milliseconds slow_after{5'000};
/// One that takes longer than this for a large event is let go within it, where nothing can be
/// told. Not a time alone: over a slow link the same event would be cut at the same place for ever,
/// and what comes behind it never be reached. So a rate is asked for, behind a while for everybody.
milliseconds gone_after(std::size_t bytes_sent) {
  return milliseconds{60'000} + milliseconds{bytes_sent * 1'000 / (std::size_t{16} << 10)};
}

/// What a stream knows between its reads: kept small, for there may be thousands.
struct Follower {
  const Services& services;
  edge::Caller caller;
  std::vector<std::string> types;
  std::shared_ptr<const schemas::cel::Filter> where;
  Passed passed;
  std::string text;  // a control event on its way out; nothing while it sleeps
  /// Of the event behind that place, when its beginning is out. It is read again for the rest, and
  /// must be the same then.
  struct Begun {
    std::size_t sent;
    std::size_t hash;
    Clock::time_point since;
  };
  std::optional<Begun> begun;
  Clock::time_point next_position{};

  MarkOwner scope() const { return {caller.organization, caller.space}; }
  EventFilter filter() const { return {.types = types, .where = where, .access = caller.access}; }
};

enum class State : std::uint8_t { goes_on, peer_gone, slow_reader, revoked, shutdown };

std::string_view reason_of(State state) {
  switch (state) {
    case State::slow_reader:
      return "slow-reader";
    case State::revoked:
      return "revoked";
    case State::shutdown:
      return "shutdown";
    case State::goes_on:
    case State::peer_gone:
      break;
  }
  return {};
}

void append_control(Follower& follower, std::string_view name, std::string_view data) {
  const auto mark =
      mark_of(follower.services, follower.scope(), follower.filter(), follower.passed);
  follower.text.append("event: ").append(name).append("\nid: ").append(mark);
  follower.text.append("\ndata: ").append(data).append("\n\n");
}

/// JSON as the writer gives it has no line ends, so one data line is enough.
Result<void> append_domain_event(const Follower& follower, std::string& out,
                                 const TimelineEvent& event, std::string_view product,
                                 const std::string& mark) {
  out.append("id: ").append(mark).append("\ndata: ");
  auto appended =
      append_event(out, event.batch, event.index, product, mark, &follower.services.sealing);
  out.append("\n\n");
  return appended;
}

using ChunkPtr = std::shared_ptr<const Chunk>;  // shared with other streams at the same place

ChunkCache::Key key_of(const Follower& follower) {
  return {follower.scope(), follower.types, follower.where ? follower.where->source() : "",
          follower.passed};
}

/// The chunk if another stream has read it. What a restricted key sees is its own.
ChunkPtr find_chunk(const Follower& follower) {
  if (follower.caller.restricted()) return nullptr;
  return follower.services.streams.chunks().find(key_of(follower));
}

/// Reads the next events, a chunk of them at most. On the pool.
Result<ChunkPtr> read_chunk(const Follower& follower) {
  if (auto found = find_chunk(follower)) return found;
  auto chunk = std::make_shared<Chunk>();
  chunk->after = follower.passed;
  chunk->generation = follower.services.streams.generation();
  auto snapshot = follower.services.rows.snapshot();
  const auto filter = follower.filter();
  const Feed feed(follower.services, *snapshot, follower.scope(), filter);
  Result<void> appended;
  auto take = [&](const TimelineEvent& event, std::string_view product, const std::string& mark) {
    const auto start = chunk->text.size();
    appended = append_domain_event(follower, chunk->text, event, product, mark);
    if (!appended) return false;
    const auto text = std::string_view(chunk->text).substr(start);
    // Here and not where it is sent: a connection's thread has others to serve.
    const auto hash = text.size() > piece_bytes_max ? std::hash<std::string_view>{}(text) : 0;
    chunk->stops.push_back({chunk->text.size(), event.position, hash});
    return chunk->text.size() < chunk_bytes_max;
  };
  auto end = feed.forward(chunk->after, {}, take);
  if (end && !appended) end = std::unexpected(std::move(appended).error());
  if (!end && chunk->stops.empty()) return std::unexpected(std::move(end).error());
  if (!end) {
    // What stands before it is sent.
    chunk->text.resize(chunk->stops.back().end);
    chunk->after = follower.passed;
    for (const auto& stop : chunk->stops) chunk->after.set(stop.position);
  }
  chunk->end = end.value_or(Feed::End::enough);
  if (!follower.caller.restricted()) {
    follower.services.streams.chunks().put(key_of(follower), chunk);
  }
  return chunk;
}

std::size_t start_of_event(const Chunk& chunk, std::size_t index) {
  return index == 0 ? 0 : chunk.stops[index - 1].end;
}

/// How long to sleep: until the next position, or until the key expires.
milliseconds sleep_time(const Follower& follower) {
  auto left = std::chrono::ceil<milliseconds>(follower.next_position - Clock::now());
  if (const auto& expires = follower.caller.access->expires) {
    left = std::min(left, *expires - follower.services.clock.wall());
  }
  return std::max(left, milliseconds{0});
}

State standing(const Stream& stream, const Follower& follower) {
  if (!edge::still_welcome(follower.services, follower.caller)) return State::revoked;
  return stream.stopping() ? State::shutdown : State::goes_on;
}

State after(Wake wake) {
  switch (wake) {
    case Wake::gone:
      return State::peer_gone;
    case Wake::stopping:
      return State::shutdown;
    case Wake::signal:
    case Wake::timeout:
      break;
  }
  return State::goes_on;
}

awaitable<State> send(Stream& stream, std::string_view text) {
  const auto begun = Clock::now();
  const auto sent = co_await stream.write(text);
  if (sent != Sent::ok) co_return State::peer_gone;
  co_return Clock::now() - begun > slow_after ? State::slow_reader : State::goes_on;
}

/// What follows the follower's place; nothing when it cannot be read, or is not wanted any more. As
/// long as it is held, its reader stands in the turnstile.
awaitable<ChunkPtr> next_chunk(const Stream& stream, const Follower& follower) {
  if (auto found = find_chunk(follower)) co_return found;
  struct Reading {
    ChunkPtr chunk;
    Turnstile::Inside inside;
  };
  auto inside = co_await follower.services.streams.readers().enter(follower.caller.organization);
  // The line may have been long.
  if (stream.gone() || standing(stream, follower) != State::goes_on) co_return nullptr;
  auto reading = std::make_shared<Reading>(nullptr, std::move(inside));
  auto read = [&follower] { return read_chunk(follower); };
  Result<ChunkPtr> chunk = co_await answer_on(follower.services.scans, read);
  if (chunk) {
    reading->chunk = std::move(*chunk);
    const auto* text = reading->chunk.get();
    co_return ChunkPtr(std::move(reading), text);
  }
  spdlog::error("stream cannot read on organization={} error=\"{}\"",
                to_text(follower.caller.organization), chunk.error().detail);
  co_return nullptr;
}

/// Where in the chunk the follower goes on; nothing when the event that it has the beginning of is
/// not what comes next any more.
std::optional<std::size_t> place_in(const Chunk& chunk, const Follower& follower) {
  if (!follower.begun) return 0;
  if (chunk.stops.empty() || chunk.stops[0].hash != follower.begun->hash) return std::nullopt;
  return follower.begun->sent;
}

/// Sends a chunk, or as much of it as the peer takes: the place moves on with it, within a large
/// event too. So a peer that does not read, or drop by drop, holds one small piece.
awaitable<State> send_chunk(Stream& stream, Follower& follower, ChunkPtr chunk) {
  const auto place = place_in(*chunk, follower);
  if (!place) co_return State::peer_gone;
  const auto since = follower.begun ? follower.begun->since : Clock::now();
  auto from = *place;
  std::size_t next = 0;  // the first event that is not out as a whole
  while (chunk && from < chunk->text.size()) {
    const auto first = next;
    auto end = from + piece_bytes_max;
    while (next < chunk->stops.size() && chunk->stops[next].end <= end) {
      follower.passed.set(chunk->stops[next++].position);
    }
    const bool is_whole = next > first;
    if (is_whole) {
      end = chunk->stops[next - 1].end;
      follower.begun.reset();
    } else {
      follower.begun = {end - start_of_event(*chunk, next), chunk->stops[next].hash, since};
    }
    const auto piece = std::string_view(chunk->text).substr(from, end - from);
    const auto burst = end < chunk->text.size() ? Burst::goes_on : Burst::ends;
    if (stream.push(piece, burst) != Pushed::all) {
      chunk.reset();
      if (co_await stream.room() != Sent::ok) co_return State::peer_gone;
    }
    from = end;
    const auto took = Clock::now() - since;
    if (is_whole && took > slow_after) co_return State::slow_reader;
    if (follower.begun && took > gone_after(follower.begun->sent)) co_return State::peer_gone;
  }
  if (!chunk) co_return State::goes_on;
  if (co_await stream.room() != Sent::ok) co_return State::peer_gone;
  follower.passed = chunk->after;
  co_return State::goes_on;
}

/// Where the follower is, if it is time to say so: also to who catches up and is sent nothing, for
/// its condition takes nothing.
awaitable<State> tell_position(Stream& stream, Follower& follower) {
  if (follower.begun || Clock::now() < follower.next_position) co_return State::goes_on;
  follower.next_position = Clock::now() + position_every;
  append_control(follower, "position", "{}");
  const auto state = co_await send(stream, follower.text);
  follower.text = std::string();
  co_return state;
}

/// Sends everything that there is now; the place moves on with it.
awaitable<State> send_events(Stream& stream, Follower& follower) {
  const auto now = follower.services.streams.generation();
  auto state = State::goes_on;
  while (state == State::goes_on) {
    auto chunk = co_await next_chunk(stream, follower);
    if (!chunk) {
      state = standing(stream, follower);
      co_return state == State::goes_on ? State::peer_gone : state;
    }
    // Another stream's chunk may have been read before the last events came.
    const bool is_last = chunk->end == Feed::End::reached && chunk->generation >= now;
    const auto after = chunk->after;
    if (chunk->text.empty() && !follower.begun) {
      follower.passed = after;
    } else {
      state = co_await send_chunk(stream, follower, std::move(chunk));
    }
    if (state != State::goes_on) co_return state;
    if (is_last && follower.passed.positions == after.positions) co_return state;
    state = standing(stream, follower);
    if (state == State::goes_on) state = co_await tell_position(stream, follower);
  }
  co_return state;
}

/// Follows until something ends it, and says goodbye when somebody is there to hear it.
awaitable<void> run(Stream stream, std::unique_ptr<Follower> follower) {
  const auto membership = follower->services.streams.join(co_await asio::this_coro::executor,
                                                          follower->caller.organization,
                                                          follower->caller.space, stream.waker());
  follower->text = "retry: 1000\n\n";
  auto state = co_await tell_position(stream, *follower);
  while (state == State::goes_on) {
    state = standing(stream, *follower);
    if (state == State::goes_on) state = co_await send_events(stream, *follower);
    if (state == State::goes_on) state = co_await tell_position(stream, *follower);
    if (state == State::goes_on) {
      state = after(co_await stream.wait(sleep_time(*follower)));
    }
  }
  // Within an event nothing can be told: the reader shall not take it for whole.
  if (state == State::peer_gone || follower->begun) co_return stream.break_off();
  append_control(*follower, "closing", R"({"reason":")" + std::string(reason_of(state)) + R"("})");
  co_await send(stream, follower->text);
}

/// Where to begin: Last-Event-ID, then ?after=, then now. `beginning` is an empty place.
struct Begin {
  std::vector<MarkedPosition> mark;
  bool now = false;
};
Result<Begin> parse_begin(const Ask& ask) {
  using In = schemas::FieldError::In;
  auto text = ask.request.header("Last-Event-ID");
  const bool resumes = text && !text->empty();
  if (!resumes) text = ask.request.parameter("after").value_or("now");
  if (*text == "now") return Begin{{}, true};
  if (*text == "beginning") return Begin{};
  auto mark =
      parse_mark(ask, resumes ? In::header : In::parameter, resumes ? "Last-Event-ID" : "after",
                 *text, "must be now, beginning or a mark");
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
  auto follower = std::make_unique<Follower>(Follower{.services = ask.services,
                                                      .caller = ask.caller(),
                                                      .types = std::move(filter->types),
                                                      .where = std::move(filter->where),
                                                      .passed = {},
                                                      .text = {},
                                                      .begun = {}});
  auto place = [&] {
    auto snapshot = ask.services.rows.snapshot();
    const auto followed_events = follower->filter();
    const Feed feed(ask.services, *snapshot, follower->scope(), followed_events);
    follower->passed = begin->now ? feed.passed_now() : feed.passed_at(begin->mark);
    return true;
  };
  co_await answer_on(begin->now ? ask.services.scans : ask.services.records, place);
  follower->passed.positions.shrink_to_fit();
  auto response =
      http::streamed("text/event-stream", [follower = std::move(follower)](Stream stream) mutable {
        return run(stream, std::move(follower));
      });
  response.add_header("Cache-Control", "no-store");
  co_return response;
}

}  // namespace api::resources
