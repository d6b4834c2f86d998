#include "api/cli/import_session.h"

#include <array>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace api::cli {
namespace {

namespace asio = boost::asio;
namespace json = schemas::json;
using webhooks::HttpConnection;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

constexpr std::size_t pending_bytes_max = std::size_t{16} << 20;
constexpr std::size_t write_bytes = 64 * 1024;
constexpr std::chrono::milliseconds pause_min{100};
constexpr std::chrono::milliseconds pause_max{2000};
constexpr std::chrono::hours forever{24 * 365};

/// Problems that may have gone when the same is asked again.
bool is_passing(std::int64_t status, std::string_view type) {
  for (const std::string_view lasting : {"read-only", "clock-jump", "projection-frozen"}) {
    if (type.ends_with(lasting)) return false;
  }
  return status == 408 || status == 429 || status == 503;
}

eventstore::MonotonicTime now() {
  return eventstore::system_clock().monotonic();
}

}  // namespace

ImportSession::ImportSession(asio::any_io_executor executor, Options options, LineInput& input,
                             const Mapping& mapping)
    : options_(std::move(options)),
      input_(input),
      mapping_(mapping),
      imported_{.confirmed = options_.resume},
      room_(executor) {
  if (input_.may_wait()) waiting_.emplace(executor, input_.descriptor_to_wait_for());
}

awaitable<Step<void>> ImportSession::run() {
  auto pause = pause_min;
  for (;;) {
    while (pending_.empty() && !input_done()) {
      co_await wait_for_input();
      take_lines();
      last_progress_ = now();
    }
    if (pending_.empty() && input_fault_) co_return std::unexpected(*input_fault_);
    if (pending_.empty()) co_return Step<void>();
    const auto records_before = imported_.records;
    const auto ended = co_await attempt();
    if (ended == Ended::stopped) co_return std::unexpected(*stop_);
    if (ended == Ended::complete) continue;
    if (!reached_) co_return stop(Exit::failed, lost_why_);
    if (now() - last_progress_ > options_.patience) {
      co_return stop(Exit::failed,
                     fmt::format("gave up behind line {}, after {} s without a confirmation: {}",
                                 imported_.confirmed.line, options_.patience.count(), lost_why_));
    }
    pause = imported_.records > records_before ? pause_min : std::min(pause * 2, pause_max);
    room_.expires_after(pause);
    (void)co_await room_.async_wait(as_result);
  }
}

awaitable<ImportSession::Ended> ImportSession::attempt() {
  // Whoever types the lines may take a long time.
  const webhooks::HttpLimits limits{.read = input_.may_wait() ? forever : std::chrono::minutes(1)};
  auto connection = co_await HttpConnection::open(options_.remote.url, limits);
  if (!connection) co_return lost(connection.error().detail);
  reached_ = true;
  webhooks::HttpRequest request{"POST",
                                fmt::format("/v2/products/{}/events", mapping_.product()),
                                options_.remote.headers,
                                {}};
  request.headers.emplace_back("Content-Type", "application/x-ndjson");
  auto begun = co_await connection->begin(std::move(request));
  if (!begun) co_return lost(begun.error().detail);
  const auto ended = co_await exchange(*connection);
  co_return ended;
}

/// Sends and reads until the answer ends; then nothing of this connection is under way any more.
awaitable<ImportSession::Ended> ImportSession::exchange(HttpConnection& connection) {
  sent_ = 0;
  answered_ = 0;
  ending_ = false;
  half_line_.clear();
  bool sending = true;
  std::exception_ptr thrown;
  asio::steady_timer sender_done(room_.get_executor(), forever);
  asio::co_spawn(room_.get_executor(), send_all(connection), [&](std::exception_ptr error) {
    thrown = error;
    sending = false;
    sender_done.cancel();
  });
  const auto ended = co_await read_confirmations(connection);
  ending_ = true;
  room_.cancel();
  if (waiting_) waiting_->cancel();
  connection.cancel();
  while (sending) (void)co_await sender_done.async_wait(as_result);
  if (thrown) std::rethrow_exception(thrown);
  co_return ended;
}

awaitable<void> ImportSession::send_all(HttpConnection& connection) {
  while (!ending_) {
    if (sent_ < pending_.size()) {
      // That it failed is told by the reader, who may find the reason.
      if (!co_await send_pending(connection)) co_return;
    } else if (input_done()) {
      (void)co_await connection.end();
      co_return;
    } else if (pending_bytes_ >= pending_bytes_max) {
      room_.expires_after(forever);
      (void)co_await room_.async_wait(as_result);
    } else {
      co_await wait_for_input();
      if (!ending_) take_lines();
    }
  }
}

awaitable<bool> ImportSession::send_pending(HttpConnection& connection) {
  std::string piece;
  while (sent_ < pending_.size() && piece.size() < write_bytes) piece += pending_[sent_++].batch;
  auto written = co_await connection.write(piece);
  co_return written.has_value();
}

awaitable<void> ImportSession::wait_for_input() {
  if (!waiting_ || !input_dry_) co_return;
  (void)co_await waiting_->async_wait(asio::posix::stream_descriptor::wait_read, as_result);
}

/// Lines that are here, or one read further, until there is enough to send.
void ImportSession::take_lines() {
  const auto enough = pending_bytes_ + write_bytes;
  // Who may wait has waited only when nothing was left the last time.
  bool may_fill = !input_.may_wait() || input_dry_;
  while (pending_bytes_ < enough && !input_fault_) {
    const auto line = input_.next();
    input_dry_ = !line;
    if (line) {
      take_line(*line);
    } else if (input_.ended() || !may_fill) {
      break;
    } else if (auto more = input_.fill(); !more) {
      input_fault_ = Stop{Exit::failed, more.error().detail};
    } else {
      may_fill = !input_.may_wait();
    }
  }
  if (!input_done() || input_fault_ || imported_.lines >= options_.resume.line) return;
  input_fault_ = Stop{
      Exit::failed, fmt::format("{} has {} lines, but line {} is noted as confirmed: is it another "
                                "input? Remove the note to begin anew",
                                options_.input_name, imported_.lines, options_.resume.line)};
}

void ImportSession::take_line(const LineInput::Line& line) {
  imported_.lines = line.number;
  const ResumeFile::Note note{line.number, ResumeFile::check_of(line.text)};
  if (line.number <= options_.resume.line) {
    if (line.number < options_.resume.line || note.check == options_.resume.check) return;
    input_fault_ = Stop{Exit::failed,
                        fmt::format("{}:{}: this is not the line that is noted as confirmed: is it "
                                    "another input? Remove the note to begin anew",
                                    options_.input_name, line.number)};
    return;
  }
  if (line.text.find_first_not_of(" \t") == line.text.npos) return;
  Pending pending{note, 0, input_.fraction(), {}};
  // For a mapping without a key: the same line of the same text is the same command.
  const auto key = fmt::format("import-{}-{:08x}", note.line, note.check);
  auto events = mapping_.append_batch(line.text, key, pending.batch);
  if (!events) {
    input_fault_ = Stop{Exit::failed, fmt::format("{}:{}: {}", options_.input_name, line.number,
                                                  describe(events.error()))};
    return;
  }
  if (*events == 0) return;
  pending.events = *events;
  pending_bytes_ += pending.batch.size();
  pending_.push_back(std::move(pending));
}

awaitable<ImportSession::Ended> ImportSession::read_confirmations(HttpConnection& connection) {
  auto answer = co_await connection.read_head();
  if (!answer) co_return lost(answer.error().detail);
  if (answer->status != 200) {
    auto body = co_await connection.read_rest();
    answer->body = body ? std::move(*body) : "(the rest is missing)";
    const auto problem = json::parse(answer->body);
    if (problem && problem->root().is_object()) {
      co_return refused(problem->root(), "the server refused");
    }
    co_return stopped(Exit::refused, "the server refused: " + describe_refusal(*answer));
  }
  std::array<char, 16 * 1024> piece;
  for (;;) {
    auto got = co_await connection.read_some(piece);
    if (!got) co_return lost(got.error().detail);
    if (*got == 0) break;
    if (auto ended = take_answer({piece.data(), *got})) co_return *ended;
    options_.on_confirmed(imported_,
                          pending_.empty() ? input_.fraction() : pending_.front().fraction);
    room_.cancel();
  }
  if (!pending_.empty()) co_return lost("the server ended its answer early");
  co_return Ended::complete;
}

std::optional<ImportSession::Ended> ImportSession::take_answer(std::string_view bytes) {
  for (auto end = bytes.find('\n'); end != bytes.npos; end = bytes.find('\n')) {
    half_line_.append(bytes.substr(0, end));
    bytes.remove_prefix(end + 1);
    auto ended = confirm(half_line_);
    half_line_.clear();
    if (ended) return ended;
  }
  half_line_.append(bytes);
  return std::nullopt;
}

std::optional<ImportSession::Ended> ImportSession::confirm(std::string_view line) {
  const auto document = json::parse(line);
  if (!document)
    return lost(fmt::format("the server's answer is no JSON: {}", line.substr(0, 200)));
  const auto answer = document->root();
  const auto number = answer.find("line");
  const auto is_next = number && number->as_uint64() == answered_ + 1 && sent_ > 0;
  if (const auto problem = answer.find("problem")) {
    const auto where =
        is_next ? fmt::format("{}:{}: refused", options_.input_name, pending_.front().note.line)
                : std::string("the server refused");
    return refused(*problem, where);
  }
  if (!is_next) {
    return stopped(Exit::failed, fmt::format("the server confirmed what was not sent: {}", line));
  }
  auto& front = pending_.front();
  ++imported_.records;
  imported_.events += front.events;
  const auto replayed = answer.find("replayed");
  if (replayed && replayed->as_bool() == true) imported_.replayed_events += front.events;
  imported_.confirmed = front.note;
  pending_bytes_ -= front.batch.size();
  pending_.pop_front();
  --sent_;
  ++answered_;
  last_progress_ = now();
  return std::nullopt;
}

ImportSession::Ended ImportSession::refused(json::Value problem, std::string_view what) {
  const auto status = problem.find("status");
  const auto type = problem.find("type");
  auto message = fmt::format("{}: {}", what, describe_problem(problem));
  const bool passing = is_passing(status ? status->as_int64().value_or(0) : 0,
                                  type ? type->as_string().value_or("") : "");
  return passing ? lost(std::move(message)) : stopped(Exit::refused, std::move(message));
}

ImportSession::Ended ImportSession::lost(std::string message) {
  lost_why_ = std::move(message);
  return Ended::lost;
}

ImportSession::Ended ImportSession::stopped(Exit exit, std::string message) {
  stop_ = Stop{exit, std::move(message)};
  return Ended::stopped;
}

}  // namespace api::cli
