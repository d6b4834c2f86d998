#include "api/resources/bulk_events.h"

#include <deque>
#include <memory>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "api/http/problem.h"
#include "api/resources/answers.h"
#include "api/resources/pool.h"
#include "api/resources/product_events.h"
#include "api/resources/sealed_fields.h"
#include "schemas/json_writer.h"

namespace api::resources {
namespace {

using http::Stream;
using schemas::json::ObjectReader;

constexpr std::size_t lines_max = 256;
constexpr std::size_t bytes_max = std::size_t{16} << 20;

/// What every line of one request has in common.
struct Origin {
  const Services& services;
  edge::Caller caller;
  http::Request request;  // its head: method, path and query count for idempotency
  manager::CommandContext context;
  MarkOwner owner;
  std::string product;
  std::optional<std::string> idempotency_key;  // of the whole request
};

/// A line on its way: submitted, and answered when those before it are.
struct Line {
  std::size_t number = 0;  // where it stands in the body, from 1
  std::size_t bytes = 0;
  std::optional<Result<manager::Outcome>> outcome;
};

/// The lines between the reader and the writer of one connection; on its thread only. Shared with
/// the commands in flight, which may be answered after the connection is gone.
class Pipe : public std::enable_shared_from_this<Pipe> {
 public:
  explicit Pipe(asio::any_io_executor executor)
      : executor_(std::move(executor)), answered_(executor_), room_(executor_) {}

  awaitable<void> wait_for_room() {
    while (!stopped_ && (lines_.size() >= lines_max || bytes_ >= bytes_max)) {
      co_await wait(room_);
    }
  }
  awaitable<void> wait_until_all_are_answered() {
    while (!stopped_ && !lines_.empty()) co_await wait(room_);
  }
  /// A place for a line, to be answered by `answer`.
  std::size_t add(std::size_t number, std::size_t bytes) {
    bytes_ += bytes;
    lines_.push_back({number, bytes, {}});
    return first_ + lines_.size() - 1;
  }
  void answer(std::size_t place, Result<manager::Outcome> outcome) {
    if (place < first_) return;
    lines_[place - first_].outcome = std::move(outcome);
    answered_.cancel();
  }
  /// For the core thread: brings the outcome here. `key` is what a retry is to be made with.
  manager::Commands::Done answer_later(std::size_t place, std::optional<std::string> key) {
    return [self = shared_from_this(), place,
            key = std::move(key)](Result<manager::Outcome> outcome) mutable {
      if (!outcome) name_key_to_retry_with(key, outcome.error());
      auto executor = self->executor_;
      asio::post(executor, [self = std::move(self), place, outcome = std::move(outcome)]() mutable {
        self->answer(place, std::move(outcome));
      });
    };
  }
  void no_more_lines() {
    ended_ = true;
    answered_.cancel();
  }
  /// Until the first line is answered; false when there are no more.
  awaitable<bool> wait_for_answer() {
    while (!first_is_answered() && !(ended_ && lines_.empty())) co_await wait(answered_);
    co_return first_is_answered();
  }
  bool first_is_answered() const { return !lines_.empty() && lines_.front().outcome.has_value(); }
  /// Number and outcome of the first line.
  std::pair<std::size_t, Result<manager::Outcome>> take() {
    auto line = std::move(lines_.front());
    bytes_ -= line.bytes;
    lines_.pop_front();
    ++first_;
    room_.cancel();
    return {line.number, std::move(*line.outcome)};
  }
  void stop() {
    stopped_ = true;
    room_.cancel();
  }
  bool stopped() const { return stopped_; }

 private:
  /// Timers that never run down stand in for conditions: cancelling wakes.
  static awaitable<void> wait(asio::steady_timer& condition) {
    condition.expires_at(asio::steady_timer::time_point::max());
    // Cancelled is what it is for.
    [[maybe_unused]] auto [ec] = co_await condition.async_wait(as_result);
  }

  asio::any_io_executor executor_;
  asio::steady_timer answered_;
  asio::steady_timer room_;
  std::deque<Line> lines_;
  std::size_t first_ = 0;  // place of the line at the front
  std::size_t bytes_ = 0;
  bool ended_ = false;
  bool stopped_ = false;
};

struct Submission {
  manager::CommandContext context;
  manager::AppendEvents command;
  std::optional<std::string> key;
};

/// The line's own key; else one that the request's key and the line's number make.
std::optional<std::string> key_of_line(const Origin& origin, std::optional<std::string> own,
                                       std::size_t number) {
  if (own || !origin.idempotency_key) return own;
  return *origin.idempotency_key + "\n" + std::to_string(number);
}

Result<Submission> parse_line(const Origin& origin, const SealedKinds& sealed_kinds,
                              std::string_view line, std::size_t number) {
  auto welcome = edge::still_welcome(origin.services, origin.caller);
  if (!welcome) return std::unexpected(std::move(welcome).error());
  auto document = schemas::json::parse(line);
  if (!document) return std::unexpected(std::move(document).error());
  ObjectReader reader(document->root());
  Submission submission{origin.context, read_batch(reader, origin.product), {}};
  auto key = reader.optional_text("idempotency_key", {.characters_max = 255});
  if (key && !key->empty() && !edge::is_idempotency_key(*key)) {
    reader.wrong("idempotency_key", "must be 1 to 255 visible ASCII characters");
  }
  auto read = reader.finish();
  if (!read) return std::unexpected(std::move(read).error());
  submission.key = key_of_line(origin, std::move(key), number);
  std::optional<schemas::HmacKey> digest_key;
  if (!sealed_kinds.empty()) {
    const auto& owner = origin.owner;
    auto sealed =
        seal_events({origin.services.sealing, sealed_kinds, owner.organization, owner.space},
                    submission.command);
    if (!sealed) return std::unexpected(std::move(sealed).error());
    digest_key = std::move(*sealed);
  }
  if (submission.key) {
    submission.context.idempotency =
        edge::idempotency_proof({origin.services.hmac, digest_key.value_or(origin.services.hmac)},
                                {origin.caller.organization, origin.caller.space}, *submission.key,
                                origin.request, document->root());
  }
  return submission;
}

/// A line is answered, whatever becomes of it: those behind it wait for that.
Result<Submission> guarded_parse(const Origin& origin, const SealedKinds& sealed_kinds,
                                 std::string_view line, std::size_t number) {
  try {
    return parse_line(origin, sealed_kinds, line, number);
  } catch (const projections::StoreFailure& failure) {
    return rows_unreadable(origin.request.id, failure);
  }
}

Result<std::shared_ptr<const SealedKinds>> sealed_kinds_of(const Origin& origin) {
  try {
    return origin.services.sealed.of(origin.services, origin.product);
  } catch (const projections::StoreFailure& failure) {
    return rows_unreadable(origin.request.id, failure);
  }
}

/// Off the connection's thread where that may have to make a key.
awaitable<Result<Submission>> parse(const Origin& origin, std::string_view line,
                                    std::size_t number) {
  const auto sealed_kinds = sealed_kinds_of(origin);
  if (!sealed_kinds) co_return std::unexpected(sealed_kinds.error());
  auto work = [&] { return guarded_parse(origin, **sealed_kinds, line, number); };
  const bool is_quick =
      (*sealed_kinds)->empty() || origin.services.sealing.has_key(origin.owner.organization);
  if (is_quick) co_return work();
  co_return co_await answer_on(origin.services.records, work);
}

/// Reads and submits until the body ends or a line cannot be submitted.
awaitable<void> read_lines(Stream stream, std::shared_ptr<const Origin> origin,
                           std::shared_ptr<Pipe> pipe) {
  for (;;) {
    co_await pipe->wait_for_room();
    if (pipe->stopped()) break;
    auto line = co_await stream.read_line();
    if (pipe->stopped() || (line && !*line)) break;
    const auto number = stream.line_number();
    const auto place = pipe->add(number, line ? (*line)->size() : 0);
    auto submission =
        line ? co_await parse(*origin, **line, number) : std::unexpected(line.error());
    if (!submission) {
      pipe->answer(place, std::unexpected(std::move(submission).error()));
      break;
    }
    // Who writes these events may have to be found out, and may change meanwhile: a single command
    // waits for that, a sequence does not. So the first line goes alone.
    const bool alone = place == 0 && origin->services.log.shared();
    if (alone) submission->context.sequence = nullptr;
    origin->services.commands.submit(std::move(submission->context), std::move(submission->command),
                                     pipe->answer_later(place, std::move(submission->key)));
    if (alone) co_await pipe->wait_until_all_are_answered();
  }
  pipe->no_more_lines();
  // The writer ends both.
  asio::steady_timer never(co_await asio::this_coro::executor,
                           asio::steady_timer::time_point::max());
  [[maybe_unused]] auto [ec] = co_await never.async_wait(as_result);
}

void render(std::string& out, const Origin& origin, std::size_t number,
            const Result<manager::Outcome>& outcome) {
  schemas::json::Writer writer(out);
  writer.begin_object().member("line", number);
  if (outcome) {
    const auto position = schemas::marked(outcome->position);
    writer
        .member("mark", origin.services.marks.encode(origin.owner.organization, origin.owner.space,
                                                     {&position, 1}))
        .member("events", outcome->events.size());
    if (outcome->replayed) writer.member("replayed", true);
  } else {
    writer.name("problem").raw(http::problem_json(outcome.error(), origin.request.id));
  }
  writer.end_object();
  out.push_back('\n');
}

/// Answers lines in order, as many at a time as are ready, up to the first refusal.
awaitable<void> write_answers(Stream stream, std::shared_ptr<const Origin> origin,
                              std::shared_ptr<Pipe> pipe) {
  bool refused = false;
  while (!refused && co_await pipe->wait_for_answer()) {
    std::string text;
    while (!refused && pipe->first_is_answered()) {
      auto [number, outcome] = pipe->take();
      render(text, *origin, number, outcome);
      refused = !outcome;
    }
    if (co_await stream.write(text) != http::Sent::ok) break;
  }
  pipe->stop();
}

awaitable<void> run(Stream stream, std::shared_ptr<const Origin> origin) {
  using namespace asio::experimental::awaitable_operators;
  auto pipe = std::make_shared<Pipe>(co_await asio::this_coro::executor);
  co_await (read_lines(stream, origin, pipe) || write_answers(stream, origin, pipe));
}

}  // namespace

Response bulk_answer(Ask& ask, const Place& place) {
  const MarkOwner owner{place.organization, place.space};
  auto context = command_context(ask, owner);
  context.sequence = std::make_shared<manager::Sequence>();
  std::string product(ask.request.captured("product"));
  std::optional<std::string> key(ask.conditions.idempotency_key);
  auto origin = std::make_shared<Origin>(Origin{ask.services, ask.caller(), std::move(ask.request),
                                                std::move(context), owner, std::move(product),
                                                std::move(key)});
  return http::streamed("application/x-ndjson",
                        [origin](Stream stream) { return run(stream, origin); });
}

}  // namespace api::resources
