#include <algorithm>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "projections/delivery_rows.h"
#include "projections/reader.h"
#include "schemas/planted.h"
#include "webhooks/outlet.h"
#include "webhooks/pool.h"

/// Sending: what is sent next, and one attempt.
namespace webhooks {

namespace asio = boost::asio;
using manager::DeliveryRecord;
using projections::Delivery;
using schemas::DeliveryState;
using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

std::uint32_t count_of(microseconds time) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(time.count(), 0, UINT32_MAX));
}

/// A text that may stand in an answer: valid UTF-8, cut where a character begins.
std::string shown_text(std::string_view bytes, std::size_t max) {
  auto text = std::string(bytes.substr(0, max));
  for (int cut = 0; cut < 4 && !text.empty() && !schemas::json::valid_utf8(text); ++cut) {
    text.pop_back();
  }
  if (schemas::json::valid_utf8(text)) return text;
  std::string replaced;
  for (const char c : bytes.substr(0, max)) {
    replaced += static_cast<unsigned char>(c) < 0x80 ? c : '?';
  }
  return replaced;
}

}  // namespace

/// Whether something of the lane is still to be delivered, by the rows.
bool Outlet::lane_is_open(std::uint64_t lane) const {
  if (health_.pending + health_.failing == 0) return false;
  if (planted(schemas::Fault::lose_order_on_retry)) return false;
  return first_open(lane).has_value();
}

/// The first of the lane that is still to be delivered.
std::optional<schemas::Uuid> Outlet::first_open(std::uint64_t lane) const {
  const auto page = reader().list(parts_.deliveries, projections::lane_kind, true,
                                  {.after = {},
                                   .limit = 1,
                                   .as_of = {},
                                   .below = projections::lane_of(setup_.id(), lane),
                                   .filter = {}});
  if (page.rows.empty()) return std::nullopt;
  return projections::delivery_in(page.rows.front().entity);
}

/// The first event of the queue whose lane is free is sent, or held when an earlier one of its lane
/// is not through.
bool Outlet::take_fresh() {
  const auto order = setup_.config.order;
  // One lane, which a failing one holds: what is behind it waits in the log.
  if (order == DeliveryOrder::endpoint && (!busy_.empty() || lane_is_open(0))) return false;
  const auto free = std::ranges::find_if(
      queue_, [this](const Item& item) { return !busy_.contains(item.event.lane); });
  if (free == queue_.end()) return false;
  auto item = std::move(*free);
  queue_.erase(free);
  auto attempting = first_attempt(std::move(item));
  auto& record = attempting.record;
  busy_.insert(record.lane);
  if (order == DeliveryOrder::entity && lane_is_open(record.lane)) {
    record.held = true;
    this->record({attempting.sequence, std::move(record)});
    return true;
  }
  send(std::move(attempting));
  return true;
}

/// Of what was taken out of the queue.
Outlet::Attempting Outlet::first_attempt(Item item) {
  auto& event = item.event;
  queue_bytes_ -= event.body.text.size();
  parts_.queued_bytes -= event.body.text.size();
  ++unsettled_;
  return {.sequence = item.sequence,
          .record = {.id = projections::delivery_id(setup_.id(), event.id, event.recorded),
                     .event = event.id,
                     .type = std::move(event.type),
                     .topic = event.topic,
                     .offset = event.offset,
                     .index = event.index,
                     .lane = event.lane,
                     .attempt = 1,
                     .version = event.pinned.version,
                     .found = std::move(event.pinned.found)},
          .body = std::move(event.body),
          .first_at = now()};
}

/// A delivery whose turn in its lane has come, or whose next attempt is due. Those of lanes that
/// are busy are passed over: of two of one lane only one is on its way.
std::optional<Outlet::Found> Outlet::next_again() {
  constexpr std::size_t looks = 32;
  for (std::size_t left = std::min(released_.size(), looks); left > 0; --left) {
    const auto id = released_.front();
    released_.pop_front();
    auto row = reader().get<Delivery>(parts_.deliveries, {id, {}});
    const bool waits = !row || !row->state.open() || (row->state.next && *row->state.next > now());
    if (waits || again_.contains(id)) continue;
    if (!busy_.contains(row->state.lane)) return Found{id, std::move(*row)};
    released_.push_back(id);
  }
  if (due_known_ && (!next_due_ || *next_due_ > now())) return std::nullopt;
  const auto page = reader().list(parts_.deliveries, projections::due_kind, true,
                                  {.after = {},
                                   .limit = again_.size() + looks,
                                   .as_of = {},
                                   .below = schemas::Entity{setup_.id(), {}},
                                   .filter = {}});
  due_known_ = true;
  next_due_.reset();
  for (const auto& row : page.rows) {
    const auto id = projections::delivery_in(row.entity);
    if (again_.contains(id)) continue;
    const auto due = projections::due_in(row.entity);
    if (due > now()) {
      next_due_ = next_due_ ? std::min(*next_due_, due) : due;
      return std::nullopt;
    }
    auto delivery = reader().get<Delivery>(parts_.deliveries, {id, {}});
    if (delivery && delivery->state.open() && !busy_.contains(delivery->state.lane)) {
      next_due_ = due;
      return Found{id, std::move(*delivery)};
    }
    next_due_ = now() + milliseconds{50};
  }
  if (page.more && !next_due_) next_due_ = now() + milliseconds{50};
  return std::nullopt;
}

bool Outlet::take_again() {
  const auto found = next_again();
  if (!found) return false;
  const auto& delivery = found->row.state;
  again_.insert(found->id);
  busy_.insert(delivery.lane);
  ++unsettled_;
  DeliveryRecord record{.id = found->id,
                        .event = delivery.event,
                        .type = delivery.type,
                        .topic = delivery.topic,
                        .offset = delivery.offset,
                        .index = delivery.index,
                        .lane = delivery.lane,
                        .attempt = delivery.attempts + 1,
                        .version = delivery.version,
                        .found = delivery.found};
  send({std::nullopt, std::move(record), {}, delivery.first_at.value_or(now())});
  return true;
}

void Outlet::send(Attempting attempting) {
  attempting.send = pace_.begin();
  if (rate_) rate_->take(rate_->next(now()));
  parts_.began(setup_.scope.organization);
  asio::co_spawn(parts_.executor, attempt(shared_from_this(), std::move(attempting)),
                 asio::detached);
}

/// Static, so that the outlet lives as long as its attempts.
awaitable<void> Outlet::attempt(std::shared_ptr<Outlet> self, Attempting attempting) {
  const auto begun = self->parts_.clock.monotonic();
  attempting.record.started = self->now();
  std::optional<Answered> answered;
  std::string failed;
  try {
    answered = co_await self->try_once(attempting);
  } catch (const std::exception& failure) {
    failed = failure.what();
  }
  if (!answered && !attempting.sequence) {
    spdlog::warn("a delivery waits detail=\"{}\"", failed);
    co_return self->end_unsent(attempting);
  }
  if (!answered) answered.emplace(std::unexpected(HttpFailure{HttpFailure::Kind::broken, failed}));
  const auto took = duration_cast<microseconds>(self->parts_.clock.monotonic() - begun);
  self->on_answer(std::move(attempting), std::move(*answered), took);
}

/// Throws where our side could not.
awaitable<Outlet::Answered> Outlet::try_once(Attempting& attempting) {
  if (setup_.is_written()) co_return co_await republish(attempting.record);
  if (attempting.body.text.empty() && !attempting.body.fault) {
    auto body = co_await body_of(attempting.record);
    if (!body) throw std::runtime_error(body.error().detail);
    attempting.body = std::move(*body);
  }
  if (attempting.body.fault) {
    co_return Answered{
        std::unexpected(HttpFailure{HttpFailure::Kind::refused, *attempting.body.fault}), {}};
  }
  const auto& rules = rules_for(setup_.policy, attempting.record.type);
  co_return co_await post(attempting, rules.timeout);
}

/// Written, and answered as whoever had sent it would have been.
awaitable<Outlet::Answered> Outlet::republish(DeliveryRecord& record) {
  std::optional<schemas::Uuid> pipeline;
  if (setup_.pipeline) pipeline = setup_.pipeline->id;
  auto written = co_await parts_.writer.write({.scope = setup_.scope,
                                               .topic = record.topic,
                                               .offset = record.offset,
                                               .index = record.index,
                                               .product = setup_.to_product,
                                               .replay = setup_.channel.replay,
                                               .delivery = record.id,
                                               .pipeline = pipeline,
                                               .pinned = {record.version, record.found}},
                                              parts_.pool);
  record.found = std::move(written.found);
  if (!written.reason.empty()) record.error = shown_text(written.reason, error_kept);
  co_return Answered{
      HttpAnswerHead{
          .answer = {.status = written.status, .headers = {}, .body = std::move(written.body)},
          .cut = false,
          .reusable = false},
      {}};
}

/// Our side could not: what the rows say holds.
void Outlet::end_unsent(const Attempting& attempting) {
  pace_.end(attempting.send, Pace::Outcome::failed);
  parts_.ended(setup_.scope.organization);
  busy_.erase(attempting.record.lane);
  again_.erase(attempting.record.id);
  released_.push_back(attempting.record.id);  // if it is due instead, that is seen there
  --unsettled_;
  back_off(std::chrono::seconds{1});
  check_retired();
}

awaitable<schemas::Result<EventBody>> Outlet::body_of(DeliveryRecord& record) {
  Pinned pinned{record.version, record.found};
  auto read = [&] {
    return parts_.events.body(setup_.scope, wanted(), record.topic, record.offset, record.index,
                              pinned);
  };
  auto body = co_await answer_on(parts_.pool, read);
  record.found = std::move(pinned.found);
  co_return body;
}

awaitable<HttpResult<HttpConnection>> Outlet::connection(
    std::chrono::steady_clock::time_point until, bool& kept) {
  std::erase_if(idle_, [this](const Idle& idle) { return idle.since + idle_for < now(); });
  kept = !idle_.empty();
  if (kept) {
    auto connection = std::move(idle_.back().connection);
    idle_.pop_back();
    connection.wait_until(until);
    co_return connection;
  }
  co_return co_await HttpConnection::open_guarded(setup_.url, parts_.guard, {.until = until});
}

HttpRequest Outlet::request_of(const Attempting& attempting) const {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now().time_since_epoch());
  const auto timestamp = std::to_string(seconds.count());
  auto id = to_text(schemas::EventId(attempting.body.id.value_or(attempting.record.event)));
  if (planted(schemas::Fault::retry_under_another_id) && attempting.record.attempt > 1) {
    id = to_text(schemas::EventId(attempting.record.id));
  }
  std::string signatures;
  for (const auto& [signer, expires] : setup_.signers) {
    if (expires && *expires <= now()) continue;
    if (!signatures.empty()) signatures += ' ';
    const bool timed = !planted(schemas::Fault::sign_without_time);
    signatures += signature_header({&signer, 1}, id, timed ? timestamp : "", attempting.body.text);
  }
  const bool structured = setup_.config.format == DeliveryFormat::structured;
  HttpRequest request{
      .method = "POST", .target = setup_.url.target, .headers = setup_.headers, .body = {}};
  auto& headers = request.headers;
  headers.emplace_back("Content-Type",
                       structured ? "application/cloudevents+json" : "application/json");
  headers.emplace_back("User-Agent", parts_.user_agent);
  headers.emplace_back("webhook-id", id);
  headers.emplace_back("webhook-timestamp", timestamp);
  headers.emplace_back("webhook-signature", signatures);
  if (setup_.is_replay()) {
    headers.emplace_back("tidemark-replay", to_text(schemas::ReplayId(setup_.id())));
  }
  request.body = attempting.body.text;
  return request;
}

/// One request and its answer. A kept connection may just have been let go: then, and only then,
/// once more over a new one. All of it has the time of one attempt.
awaitable<Outlet::Answered> Outlet::post(const Attempting& attempting, milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  for (bool again = false;; again = true) {
    bool kept = false;
    auto connection = co_await this->connection(until, kept);
    if (!connection) co_return Answered{std::unexpected(connection.error()), {}};
    const auto timing = kept ? HttpTiming{} : connection->timing();
    auto answer = co_await connection->ask_head(request_of(attempting), body_kept);
    const bool let_go = !answer && answer.error().kind == HttpFailure::Kind::closed && kept;
    if (let_go && !again) {
      idle_.clear();
      continue;
    }
    if (answer && answer->reusable && idle_.size() < pace_.limit()) {
      idle_.push_back({std::move(*connection), now()});
    }
    co_return Answered{std::move(answer), timing};
  }
}

void Outlet::on_answer(Attempting attempting, Answered answered, microseconds took) {
  auto& record = attempting.record;
  const auto& [answer, timing] = answered;
  AttemptResult result;
  std::string retry_after;
  if (answer) {
    record.status = static_cast<std::uint16_t>(answer->answer.status);
    result.status = answer->answer.status;
    retry_after = answer->answer.header("retry-after");
    if (!retry_after.empty()) result.retry_after = retry_after;
    if (!answer->answer.body.empty()) record.body = shown_text(answer->answer.body, body_kept);
  } else {
    record.error = answer.error().detail;
  }
  record.resolve_us = count_of(timing.resolve);
  record.connect_us = count_of(timing.connect);
  record.tls_us = count_of(timing.tls);
  record.answer_us = count_of(took - timing.resolve - timing.connect - timing.tls);
  const double random = std::uniform_real_distribution<double>(0, 1)(random_);
  const auto verdict = judge(setup_.policy,
                             {.event_type = record.type,
                              .number = record.attempt,
                              .first_at = attempting.first_at,
                              .ended_at = now()},
                             result, random);
  auto outcome = record.attempt == 1 ? Pace::Outcome::good : Pace::Outcome::good_retry;
  if (const auto* retry = std::get_if<RetryAt>(&verdict.delivery)) {
    record.state = DeliveryState::failing;
    record.next = retry->time;
    outcome = Pace::Outcome::failed;
  } else if (const auto* exhausted = std::get_if<Exhausted>(&verdict.delivery)) {
    record.state = DeliveryState::exhausted;
    const bool says_why = record.error && setup_.is_written();
    if (!says_why) {
      record.error = record.error ? *record.error + "; " + exhausted->detail : exhausted->detail;
    }
    outcome = Pace::Outcome::failed;
  }
  if (planted(schemas::Fault::record_success_whatever_came)) {
    record.state = DeliveryState::succeeded;
  }
  if (verdict.slow_down) outcome = Pace::Outcome::too_much;
  if (attempting.body.parks) {  // no word of the receiver's
    record.state = DeliveryState::exhausted;
    record.error = shown_text(*attempting.body.fault, error_kept);
    outcome = Pace::Outcome::good_retry;
  }
  pace_.end(attempting.send, outcome);
  parts_.ended(setup_.scope.organization);
  this->record({attempting.sequence, std::move(record), verdict.disable_endpoint});
}

}  // namespace webhooks
