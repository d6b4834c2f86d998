#include "api/resources/leases.h"

#include <map>
#include <random>
#include <set>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "api/resources/answers.h"
#include "api/resources/delivery_reader.h"
#include "api/resources/pool.h"
#include "api/resources/reading.h"
#include "api/resources/webhooks.h"
#include "projections/delivery_rows.h"
#include "schemas/json_writer.h"

namespace api::resources {
namespace {

using manager::DeliveryRecord;
using manager::RecordDeliveries;
using projections::Delivery;
using schemas::DeliveryId;
using schemas::DeliveryState;
using schemas::Entity;
using schemas::Time;
using schemas::Uuid;
using schemas::json::Writer;
using std::chrono::seconds;
using webhooks::DeliveryOrder;
using webhooks::EndpointConfig;

constexpr std::int64_t lease_usual_seconds = 60;
/// Between two looks of one request.
constexpr std::chrono::milliseconds look_every{10};

/// The endpoint that deliveries are leased of.
struct Pulled {
  Uuid id;
  std::uint32_t generation = 0;
  projections::Endpoint::Status status{};
  std::optional<Uuid> project;
  EndpointConfig config;
  webhooks::RetryPolicy policy;
};

awaitable<Result<Pulled>> pulled_endpoint(Ask& ask) {
  auto id = endpoint_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto now = co_await endpoint_now(ask, *id);
  if (!now) co_return std::unexpected(std::move(now).error());
  auto config = webhooks::parse_endpoint_config(now->state.config);
  if (!config) co_return std::unexpected(std::move(config).error());
  if (config->kind != webhooks::EndpointKind::pull) {
    co_return schemas::fail(schemas::ErrorCode::invalid_transition,
                            "events are sent to this endpoint; only one of kind pull is leased of");
  }
  const auto place = ask.webhooks();
  const projections::Reader reader(ask.services.rows, place.organization, place.space);
  auto policy = webhooks::retry_policy_of(reader, place.topic, *config);
  co_return Pulled{.id = *id,
                   .generation = now->state.generation,
                   .status = now->state.status,
                   .project = now->state.project,
                   .config = std::move(*config),
                   .policy = std::move(policy)};
}

/// More of what is known of a delivery: its attempt `number`.
DeliveryRecord record_of(const Uuid& id, const Delivery& delivery, std::uint32_t number,
                         Time started) {
  return {.id = id,
          .event = delivery.event,
          .type = delivery.type,
          .topic = delivery.topic,
          .offset = delivery.offset,
          .index = delivery.index,
          .lane = delivery.lane,
          .attempt = number,
          .started = started};
}

/// What the attempt that a worker had comes to when it failed.
void judge_failure(const Pulled& endpoint, const Delivery& delivery, Time now,
                   DeliveryRecord& record) {
  const auto verdict = webhooks::judge(endpoint.policy,
                                       {.event_type = delivery.type,
                                        .number = record.attempt,
                                        .first_at = delivery.first_at.value_or(now),
                                        .ended_at = now},
                                       {}, 0.5);
  if (const auto* retry = std::get_if<webhooks::RetryAt>(&verdict.delivery)) {
    record.state = DeliveryState::failing;
    record.next = retry->time;
  } else if (const auto* exhausted = std::get_if<webhooks::Exhausted>(&verdict.delivery)) {
    record.state = DeliveryState::exhausted;
    record.error = record.error.value_or("") + "; " + exhausted->detail;
  }
}

// ---- what can be leased ----

class Candidates {
 public:
  Candidates(const projections::Reader& reader, schemas::TopicId deliveries, const Pulled& endpoint,
             Time now, seconds lease)
      : reader_(reader), deliveries_(deliveries), endpoint_(endpoint), now_(now), lease_(lease) {}

  /// The records that lease up to `max` of them; of those whose last lease ran out, the records
  /// that end them.
  std::vector<DeliveryRecord> find(std::size_t max) {
    max_ = max;
    find_due();
    find_in_lanes();
    return std::move(records_);
  }
  /// When the next of those that wait for a moment is due.
  std::optional<Time> next_due() const { return next_due_; }

 private:
  projections::ListOptions page(std::size_t limit) const {
    return {
        .after = {}, .limit = limit, .as_of = {}, .below = Entity{endpoint_.id, {}}, .filter = {}};
  }
  bool enough() const { return leased_ >= max_; }

  /// Those whose lease ran out, that were given back, or asked for again.
  void find_due() {
    const auto due = reader_.list(deliveries_, projections::due_kind, true, page(2 * max_));
    for (const auto& row : due.rows) {
      if (projections::due_in(row.entity) > now_) {
        next_due_ = projections::due_in(row.entity);
        return;
      }
      if (enough()) return;
      take(projections::delivery_in(row.entity), false);
    }
  }

  /// Of each lane its first. Not always from the same lane on, so that each gets its turn.
  void find_in_lanes() {
    thread_local std::minstd_rand random(std::random_device{}());
    const auto begin = std::uniform_int_distribution<std::uint64_t>()(random);
    auto options = page(1);
    options.after = projections::lane_of(endpoint_.id, begin);
    bool wrapped = false;
    constexpr int looks = 5'000;
    for (int i = 0; i < looks && !enough(); ++i) {
      const auto found = reader_.list(deliveries_, projections::lane_kind, true, options);
      if (found.rows.empty()) {
        if (std::exchange(wrapped, true)) return;
        options.after.reset();
        continue;
      }
      const auto& entity = found.rows.front().entity;
      if (wrapped && entity.name >= projections::lane_text(begin)) return;
      take(projections::delivery_in(entity), true);
      options.after = projections::end_of_lane(entity);
    }
  }

  void take(const Uuid& id, bool is_first) {
    if (!seen_.insert(id).second) return;
    const auto row = reader_.get<Delivery>(deliveries_, {id, {}});
    if (!row || !row->state.open() || (row->state.next && *row->state.next > now_)) return;
    const auto& delivery = row->state;
    if (!is_first && !is_first_of_lane(id, delivery.lane)) return;
    if (projections::is_leased(delivery)) {
      auto ended = record_of(id, delivery, delivery.attempts, now_);
      ended.error = "its lease ran out";
      judge_failure(endpoint_, delivery, now_, ended);
      if (ended.state == DeliveryState::exhausted) return records_.push_back(std::move(ended));
    }
    auto record = record_of(id, delivery, delivery.attempts + 1, now_);
    record.state = DeliveryState::pending;
    record.next = now_ + lease_;
    records_.push_back(std::move(record));
    ++leased_;
  }

  bool is_first_of_lane(const Uuid& id, std::uint64_t lane) const {
    auto options = page(1);
    options.below = projections::lane_of(endpoint_.id, lane);
    const auto found = reader_.list(deliveries_, projections::lane_kind, true, options);
    return !found.rows.empty() && projections::delivery_in(found.rows.front().entity) == id;
  }

  const projections::Reader& reader_;
  schemas::TopicId deliveries_;
  const Pulled& endpoint_;
  Time now_;
  seconds lease_;
  std::size_t max_ = 0;
  std::size_t leased_ = 0;
  std::vector<DeliveryRecord> records_;
  std::set<Uuid> seen_;
  std::optional<Time> next_due_;
};

// ---- lease ----

/// On the pool: the events are read from the log. What is no longer leased (the answer is of
/// before, asked for again) is left out.
std::string render_leased(const Ask& ask, const Pulled& endpoint,
                          const std::vector<manager::WrittenEvent>& events) {
  const auto place = ask.deliveries();
  const projections::Reader reader(ask.services.rows, place.organization, place.space);
  DeliveryReader log(ask.services);
  const webhooks::Wanted wanted{.endpoint = endpoint.id,
                                .types = {},
                                .filter = {},
                                .project = endpoint.project,
                                .order = endpoint.config.order,
                                .format = endpoint.config.format};
  std::string json;
  Writer writer(json);
  writer.begin_object().name("deliveries").begin_array();
  for (const auto& event : events) {
    const auto row = reader.get<Delivery>(place.topic, {event.entity.id, {}});
    if (!row || !projections::is_leased(row->state)) continue;
    const auto& delivery = row->state;
    const auto body = log.body({place.organization, place.space}, wanted, delivery.topic,
                               delivery.offset, delivery.index);
    const auto fault = body ? body->fault : std::optional(body.error().detail);
    writer.begin_object()
        .member("id", to_text(DeliveryId(event.entity.id)))
        .member("event_id", to_text(schemas::EventId(delivery.event)))
        .member("event_type", delivery.type)
        .member("product", ask.services.topics.name(delivery.topic))
        .member("attempt", delivery.attempts)
        .member("leased_until", delivery.next)
        .name("event");
    fault ? writer.null() : writer.raw(body->text);
    writer.member("error", fault).end_object();
  }
  writer.end_array().end_object();
  return json;
}

struct LeaseAsked {
  std::size_t max;
  std::chrono::steady_clock::duration wait;
  seconds lease;
};

Result<LeaseAsked> parse_lease(const Ask& ask) {
  ObjectReader reader(ask.body());
  const auto max = reader.optional_integer("max", {.min = 1, .max = leased_at_once_max});
  const auto wait =
      reader.optional_integer("wait_seconds", {.min = 0, .max = lease_wait_max_seconds});
  const auto lease = reader.optional_integer("lease_seconds", {.min = 1, .max = lease_max_seconds});
  if (auto read = reader.finish(); !read) return std::unexpected(std::move(read).error());
  return LeaseAsked{static_cast<std::size_t>(max.value_or(100)), seconds(wait.value_or(0)),
                    seconds(lease.value_or(lease_usual_seconds))};
}

/// Until there are more rows of deliveries than were seen, something is due, or the time is over.
awaitable<void> wait_for_more(const Ask& ask, schemas::LogId log, schemas::Offset seen,
                              std::optional<Time> due, std::chrono::steady_clock::duration left) {
  using std::chrono::milliseconds;
  boost::asio::steady_timer pause(co_await boost::asio::this_coro::executor, look_every);
  co_await pause.async_wait(as_result);
  auto wait = std::min(std::chrono::ceil<milliseconds>(left), milliseconds(1'000));
  if (due) {
    const auto until_due = std::chrono::ceil<milliseconds>(*due - ask.services.clock.wall());
    wait = std::clamp(until_due, milliseconds(0), wait);
  }
  (void)co_await reach(ask.services, log, {.end = seen + 1, .marks = {}}, wait);
}

// ---- ack, nack, extend ----

struct IdsAsked {
  std::vector<Uuid> ids;
  std::optional<seconds> time;
};

Result<IdsAsked> parse_ids(const Ask& ask, std::string_view time = {}, std::int64_t time_min = 0) {
  ObjectReader reader(ask.body());
  IdsAsked asked;
  const auto texts = reader.texts("deliveries", leased_at_once_max, {.characters_max = 100});
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto id = schemas::parse_id<schemas::DeliveryTag>(texts[i]);
    if (id) {
      asked.ids.push_back(id->uuid());
    } else {
      reader.wrong("deliveries", i, "must be the id of a delivery, dlv_…");
    }
  }
  if (!time.empty()) {
    const auto given = reader.optional_integer(time, {.min = time_min, .max = lease_max_seconds});
    if (given) asked.time = seconds(*given);
  }
  if (auto read = reader.finish(); !read) return std::unexpected(std::move(read).error());
  return asked;
}

using Settle = std::function<void(const Pulled&, const Delivery&, Time, DeliveryRecord&)>;

/// Says of each delivery that is leased what `settle` makes of its attempt.
Answer settle_leases(Ask& ask, IdsAsked asked, Settle settle) {
  if (auto may = may_read_events(ask); !may) co_return std::unexpected(std::move(may).error());
  auto endpoint = co_await pulled_endpoint(ask);
  if (!endpoint) co_return std::unexpected(std::move(endpoint).error());
  auto reading = co_await open_reading(ask, ask.deliveries(), View::row);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  const auto now = ask.services.clock.wall();
  RecordDeliveries command{
      .endpoint = endpoint->id, .generation = endpoint->generation, .deliveries = {}, .cursor = {}};
  for (const auto& id : asked.ids) {
    const auto row = reading->reader().get<Delivery>(reading->place().topic, {id, {}});
    const bool has = row && row->state.endpoint == endpoint->id && is_leased(row->state);
    if (!has) continue;
    auto record = record_of(id, row->state, row->state.attempts, now);
    settle(*endpoint, row->state, now, record);
    command.deliveries.push_back(std::move(record));
  }
  auto outcome = co_await write(ask, ask.here(), std::move(command));
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  std::set<Uuid> done;
  for (const auto& event : outcome->events) done.insert(event.entity.id);
  std::string json;
  Writer writer(json);
  const auto write_ids = [&](std::string_view name, bool were_done) {
    writer.name(name).begin_array();
    for (const auto& id : asked.ids) {
      if (done.contains(id) == were_done) writer.value(to_text(DeliveryId(id)));
    }
    writer.end_array();
  };
  writer.begin_object();
  write_ids("deliveries", true);
  write_ids("not_leased", false);
  writer.end_object();
  auto response = http::json_response(200, std::move(json));
  if (outcome->replayed) response.add_header("Idempotent-Replayed", "true");
  co_return response;
}

}  // namespace

// POST /v2/webhooks/endpoints/{endpoint_id}/lease
Answer lease_deliveries(Ask& ask) {
  if (auto may = may_read_events(ask); !may) co_return std::unexpected(std::move(may).error());
  auto asked = parse_lease(ask);
  if (!asked) co_return std::unexpected(std::move(asked).error());
  auto endpoint = co_await pulled_endpoint(ask);
  if (!endpoint) co_return std::unexpected(std::move(endpoint).error());
  const auto end = std::chrono::steady_clock::now() + asked->wait;
  const auto log = ask.services.topics.log_of(ask.deliveries().topic, ask.here().organization);
  // A request that is repeated has to be decided: what it leased then is its answer.
  for (bool decide = ask.conditions.idempotency_key.has_value();; decide = false) {
    if (endpoint->status != projections::Endpoint::Status::active) {
      co_return schemas::fail(
          schemas::Error{schemas::ErrorCode::invalid_transition,
                         "only of an active endpoint is leased; resume it first",
                         {},
                         {{"state", schemas::json::quote(to_text(endpoint->status))}}});
    }
    const auto seen = ask.services.progress.applied_end(log);
    auto reading = co_await open_reading(ask, ask.deliveries(), View::row);
    if (!reading) co_return std::unexpected(std::move(reading).error());
    const auto reader = reading->reader();
    Candidates candidates(reader, reading->place().topic, *endpoint, ask.services.clock.wall(),
                          asked->lease);
    auto find = [&] { return candidates.find(asked->max); };
    RecordDeliveries command{.endpoint = endpoint->id,
                             .generation = endpoint->generation,
                             .deliveries = co_await answer_on(ask.services.scans, find),
                             .cursor = {}};
    std::vector<manager::WrittenEvent> leased;
    if (decide || !command.deliveries.empty()) {
      auto outcome = co_await write(ask, ask.here(), std::move(command));
      if (!outcome) co_return std::unexpected(std::move(outcome).error());
      leased = std::move(outcome->events);
    }
    const auto left = end - std::chrono::steady_clock::now();
    if (!leased.empty() || left <= left.zero()) {
      auto render = [&] { return render_leased(ask, *endpoint, leased); };
      auto json = co_await answer_on(ask.services.scans, render);
      co_return http::json_response(200, std::move(json));
    }
    co_await wait_for_more(ask, log, seen, candidates.next_due(), left);
    endpoint = co_await pulled_endpoint(ask);
    if (!endpoint) co_return std::unexpected(std::move(endpoint).error());
  }
}

// POST /v2/webhooks/endpoints/{endpoint_id}/ack
Answer ack_deliveries(Ask& ask) {
  auto asked = parse_ids(ask);
  if (!asked) co_return std::unexpected(std::move(asked).error());
  co_return co_await settle_leases(
      ask, std::move(*asked), [](const Pulled&, const Delivery&, Time, DeliveryRecord& record) {
        record.state = DeliveryState::succeeded;
      });
}

// POST /v2/webhooks/endpoints/{endpoint_id}/nack
Answer nack_deliveries(Ask& ask) {
  auto asked = parse_ids(ask, "delay_seconds");
  if (!asked) co_return std::unexpected(std::move(asked).error());
  const auto delay = asked->time;
  co_return co_await settle_leases(
      ask, std::move(*asked),
      [delay](const Pulled& endpoint, const Delivery& delivery, Time now, DeliveryRecord& record) {
        record.error = "a worker gave it back";
        judge_failure(endpoint, delivery, now, record);
        if (delay && record.state == DeliveryState::failing) record.next = now + *delay;
      });
}

// POST /v2/webhooks/endpoints/{endpoint_id}/extend
Answer extend_leases(Ask& ask) {
  auto asked = parse_ids(ask, "lease_seconds", 1);
  if (!asked) co_return std::unexpected(std::move(asked).error());
  const auto lease = asked->time.value_or(seconds(lease_usual_seconds));
  co_return co_await settle_leases(
      ask, std::move(*asked),
      [lease](const Pulled&, const Delivery&, Time now, DeliveryRecord& record) {
        record.state = DeliveryState::pending;
        record.next = now + lease;
      });
}

}  // namespace api::resources
