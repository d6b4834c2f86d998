#include "api/resources/leases.h"

#include <charconv>
#include <set>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "api/resources/answers.h"
#include "api/resources/delivery_reader.h"
#include "api/resources/lease_candidates.h"
#include "api/resources/pool.h"
#include "api/resources/reading.h"
#include "api/resources/stream_hub.h"
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
using schemas::Time;
using schemas::Uuid;
using schemas::json::Writer;
using std::chrono::seconds;

constexpr std::int64_t lease_usual_seconds = 60;
/// Between two looks of one request: the partition is others' too.
constexpr std::chrono::milliseconds look_again_min{10};
constexpr std::chrono::milliseconds look_again_max{200};

awaitable<Result<Pulled>> pulled_endpoint(Ask& ask, const Uuid& id) {
  auto now = co_await endpoint_now(ask, id);
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
  co_return Pulled{id, now->version, std::move(now->state), std::move(*config), std::move(policy)};
}

// ---- lease ----

/// What names a lease: the delivery, and which of all its attempts.
std::string lease_text(const Candidate& leased) {
  return fmt::format("{}/{}", to_text(DeliveryId(leased.record.id)), leased.number);
}

void render_leased(Writer& writer, const Ask& ask, const Candidate& leased) {
  const auto& record = leased.record;
  const auto& body = leased.body;
  writer.begin_object()
      .member("id", to_text(DeliveryId(record.id)))
      .member("lease_id", lease_text(leased))
      .member("event_id", to_text(schemas::EventId(record.event)))
      .member("event_type", record.type)
      .member("product", ask.services.topics.name(record.topic))
      .member("attempt", record.attempt)
      .member("leased_until", record.next)
      .name("event");
  body.fault ? writer.null() : writer.raw(body.text);
  writer.member("error", body.fault).end_object();
}

std::string render_all(const Ask& ask, const std::vector<Candidate>& leased) {
  std::string json;
  Writer writer(json);
  writer.begin_object().name("deliveries").begin_array();
  for (const auto& one : leased) render_leased(writer, ask, one);
  writer.end_array().end_object();
  return json;
}

/// What a request leased that is repeated, as far as nothing has been said of it since. On the
/// pool.
std::vector<Candidate> leased_before(const Ask& ask, const Pulled& endpoint,
                                     const std::vector<manager::WrittenEvent>& events) {
  const auto place = ask.deliveries();
  const projections::Reader reader(ask.services.rows, place.organization, place.space);
  DeliveryReader log(ask.services);
  std::vector<Candidate> leased;
  for (const auto& event : events) {
    const auto row = reader.get<Delivery>(place.topic, {event.entity.id, {}});
    if (!row || row->head.version != event.version || !is_leased(row->state)) continue;
    const auto& delivery = row->state;
    if (*delivery.next <= ask.services.clock.wall()) continue;
    webhooks::Pinned pinned;
    auto body = log.body({place.organization, place.space}, wanted_of(endpoint), delivery.topic,
                         delivery.offset, delivery.index, pinned);
    if (!body) continue;
    auto record = record_of(event.entity.id, delivery, delivery.attempts);
    record.next = *delivery.next;
    leased.push_back({std::move(record), delivery.attempts_in_all, std::move(*body)});
  }
  return leased;
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

/// One request for leases on its way. Its caller may have gone meanwhile, which is not known here:
/// what is leased then comes back when its lease runs out.
class Leasing {
 public:
  Leasing(Ask& ask, LeaseAsked asked, Pulled endpoint)
      : ask_(ask),
        asked_(asked),
        endpoint_(std::move(endpoint)),
        log_(ask.services.topics.log_of(ask.deliveries().topic, ask.here().organization)),
        end_(std::chrono::steady_clock::now() + asked.wait) {}

  Answer run() {
    for (bool first = true;; first = false) {
      if (endpoint_.state.status != projections::Endpoint::Status::active) co_return not_active();
      const auto seen = ask_.services.progress.applied_end(log_);
      auto looked = co_await look();
      if (!looked) co_return std::unexpected(std::move(looked).error());
      const auto left = end_ - std::chrono::steady_clock::now();
      const bool last = left <= left.zero() || ask_.services.streams.stopping();
      // One that is repeated has to be decided: what it leased then is its answer.
      const bool must = ask_.conditions.idempotency_key && (first || last);
      const auto next_due = looked->next_due;
      co_await end_lapsed(std::move(looked->ended));
      if (must || !looked->leases.empty()) {
        auto answer = co_await lease(std::move(looked->leases), last);
        if (answer) co_return std::move(*answer);
      } else if (last) {
        co_return http::json_response(200, render_all(ask_, {}));
      }
      co_await wait(seen, next_due, left);
      if (auto there = co_await look_at_endpoint(); !there) {
        co_return std::unexpected(std::move(there).error());
      }
    }
  }

 private:
  std::unexpected<schemas::Error> not_active() const {
    return schemas::fail(
        schemas::Error{schemas::ErrorCode::invalid_transition,
                       "only of an active endpoint is leased; resume it first",
                       {},
                       {{"state", schemas::json::quote(to_text(endpoint_.state.status))}}});
  }

  awaitable<Result<Candidates>> look() {
    auto reading = co_await open_reading(ask_, ask_.deliveries(), View::row);
    if (!reading) co_return std::unexpected(std::move(reading).error());
    const auto reader = reading->reader();
    auto find = [&] { return find_candidates(ask_, reader, endpoint_, asked_.max, asked_.lease); };
    co_return co_await answer_on(ask_.services.scans, find);
  }

  RecordDeliveries command(std::vector<DeliveryRecord> records) const {
    return {.endpoint = endpoint_.id,
            .generation = endpoint_.state.generation,
            .deliveries = std::move(records),
            .cursor = {}};
  }

  /// Not under the request's key, whose outcome is what it leases. Refused, it is asked again by
  /// whoever looks next.
  awaitable<void> end_lapsed(std::vector<DeliveryRecord> ended) {
    if (ended.empty()) co_return;
    auto context = command_context(ask_, ask_.here());
    context.idempotency.reset();
    (void)co_await ask_.services.commands.execute(std::move(context), command(std::move(ended)));
  }

  /// Empty: others were first, and there is time left.
  awaitable<std::optional<Result<Response>>> lease(std::vector<Candidate> leases, bool last) {
    std::vector<DeliveryRecord> records;
    for (const auto& one : leases) records.push_back(one.record);
    auto outcome = co_await write(ask_, ask_.here(), command(std::move(records)));
    if (!outcome) co_return std::unexpected(std::move(outcome).error());
    if (outcome->replayed) {
      auto read = [&] { return leased_before(ask_, endpoint_, outcome->events); };
      auto before = co_await answer_on(ask_.services.scans, read);
      auto response = http::json_response(200, render_all(ask_, before));
      response.add_header("Idempotent-Replayed", "true");
      co_return response;
    }
    std::set<Uuid> written;
    for (const auto& event : outcome->events) written.insert(event.entity.id);
    std::erase_if(leases, [&](const Candidate& one) { return !written.contains(one.record.id); });
    if (leases.empty() && !last) co_return std::nullopt;
    co_return http::json_response(200, render_all(ask_, leases));
  }

  /// Until there are more rows of deliveries than were seen, something is due, or the time is over.
  awaitable<void> wait(schemas::Offset seen, std::optional<Time> due,
                       std::chrono::steady_clock::duration left) {
    using std::chrono::milliseconds;
    boost::asio::steady_timer pause(co_await boost::asio::this_coro::executor, pause_);
    pause_ = std::min(2 * pause_, look_again_max);
    co_await pause.async_wait(as_result);
    auto longest = std::min(std::chrono::ceil<milliseconds>(left), milliseconds(500));
    if (due) {
      const auto until_due = std::chrono::ceil<milliseconds>(*due - ask_.services.clock.wall());
      longest = std::clamp(until_due, milliseconds(0), longest);
    }
    (void)co_await reach(ask_.services, log_, {.end = seen + 1, .marks = {}}, longest);
  }

  /// Neither the caller's key nor the endpoint is what it was for ever.
  awaitable<Result<void>> look_at_endpoint() {
    auto welcome = edge::still_welcome(ask_.services, ask_.caller());
    if (!welcome) co_return std::unexpected(std::move(welcome).error());
    auto now = co_await endpoint_now(ask_, endpoint_.id);
    if (!now) co_return std::unexpected(std::move(now).error());
    if (now->version == endpoint_.version) co_return Result<void>();
    auto again = co_await pulled_endpoint(ask_, endpoint_.id);
    if (!again) co_return std::unexpected(std::move(again).error());
    endpoint_ = std::move(*again);
    co_return Result<void>();
  }

  Ask& ask_;
  LeaseAsked asked_;
  Pulled endpoint_;
  schemas::LogId log_;
  std::chrono::steady_clock::time_point end_;
  std::chrono::milliseconds pause_ = look_again_min;
};

// ---- ack, nack, extend ----

struct Lease {
  std::string text;
  Uuid delivery;
  std::optional<std::uint32_t> number;  // empty: whichever it is
};
struct LeasesAsked {
  std::vector<Lease> leases;
  std::optional<seconds> time;
};

std::optional<Lease> parse_lease_id(std::string text) {
  const auto slash = text.find('/');
  const auto id = schemas::parse_id<schemas::DeliveryTag>(std::string_view(text).substr(0, slash));
  if (!id) return std::nullopt;
  Lease lease{.text = {}, .delivery = id->uuid(), .number = {}};
  if (slash != text.npos) {
    const auto digits = std::string_view(text).substr(slash + 1);
    std::uint32_t number = 0;
    const auto [end, failed] =
        std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (failed != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    lease.number = number;
  }
  lease.text = std::move(text);
  return lease;
}

Result<LeasesAsked> parse_leases(const Ask& ask, std::string_view time = {},
                                 std::int64_t time_min = 0) {
  ObjectReader reader(ask.body());
  LeasesAsked asked;
  std::set<Uuid> named;
  auto texts = reader.texts("deliveries", leased_at_once_max, {.characters_max = 100});
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto lease = parse_lease_id(std::move(texts[i]));
    if (!lease) {
      reader.wrong("deliveries", i, "must be a delivery's id, dlv_…, or its lease_id, dlv_…/1");
    } else if (!named.insert(lease->delivery).second) {
      reader.wrong("deliveries", i, "names a delivery for the second time");
    } else {
      asked.leases.push_back(std::move(*lease));
    }
  }
  if (!time.empty()) {
    const auto given = reader.optional_integer(time, {.min = time_min, .max = lease_max_seconds});
    if (given) asked.time = seconds(*given);
  }
  if (auto read = reader.finish(); !read) return std::unexpected(std::move(read).error());
  return asked;
}

/// What is made of an attempt that a worker has.
using Settle = std::function<void(const Pulled&, const Delivery&, Time, DeliveryRecord&)>;

std::vector<DeliveryRecord> settled_records(const Ask& ask, const projections::Reader& reader,
                                            const Pulled& endpoint, const LeasesAsked& asked,
                                            const Settle& settle) {
  const auto now = ask.services.clock.wall();
  std::vector<DeliveryRecord> records;
  for (const auto& lease : asked.leases) {
    const auto row = reader.get<Delivery>(ask.deliveries().topic, {lease.delivery, {}});
    const bool has = row && row->state.endpoint == endpoint.id && is_leased(row->state);
    const bool is_this =
        has && lease.number.value_or(row->state.attempts_in_all) == row->state.attempts_in_all;
    if (!is_this) continue;
    auto record = record_of(lease.delivery, row->state, row->state.attempts);
    settle(endpoint, row->state, now, record);
    records.push_back(std::move(record));
  }
  return records;
}

Answer settle_leases(Ask& ask, const Uuid& id, LeasesAsked asked, Settle settle) {
  auto endpoint = co_await pulled_endpoint(ask, id);
  if (!endpoint) co_return std::unexpected(std::move(endpoint).error());
  auto reading = co_await open_reading(ask, ask.deliveries(), View::row);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  const auto reader = reading->reader();
  auto read = [&] { return settled_records(ask, reader, *endpoint, asked, settle); };
  RecordDeliveries command{.endpoint = id,
                           .generation = endpoint->state.generation,
                           .deliveries = co_await answer_on(ask.services.scans, read),
                           .cursor = {}};
  auto outcome = co_await write(ask, ask.here(), std::move(command));
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  std::set<Uuid> done;
  for (const auto& event : outcome->events) done.insert(event.entity.id);
  std::string json;
  Writer writer(json);
  const auto write_texts = [&](std::string_view name, bool were_done) {
    writer.name(name).begin_array();
    for (const auto& lease : asked.leases) {
      if (done.contains(lease.delivery) == were_done) writer.value(lease.text);
    }
    writer.end_array();
  };
  writer.begin_object();
  write_texts("deliveries", true);
  write_texts("not_leased", false);
  writer.end_object();
  auto response = http::json_response(200, std::move(json));
  if (outcome->replayed) response.add_header("Idempotent-Replayed", "true");
  co_return response;
}

/// Whoever names what a worker has, has it to read.
Result<Uuid> endpoint_to_lease_of(const Ask& ask) {
  if (auto may = may_read_events(ask); !may) return std::unexpected(std::move(may).error());
  return endpoint_in_path(ask);
}

}  // namespace

// POST /v2/webhooks/endpoints/{endpoint_id}/lease
Answer lease_deliveries(Ask& ask) {
  auto id = endpoint_to_lease_of(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto asked = parse_lease(ask);
  if (!asked) co_return std::unexpected(std::move(asked).error());
  auto endpoint = co_await pulled_endpoint(ask, *id);
  if (!endpoint) co_return std::unexpected(std::move(endpoint).error());
  Leasing leasing(ask, *asked, std::move(*endpoint));
  co_return co_await leasing.run();
}

// POST /v2/webhooks/endpoints/{endpoint_id}/ack
Answer ack_deliveries(Ask& ask) {
  auto id = endpoint_to_lease_of(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto asked = parse_leases(ask);
  if (!asked) co_return std::unexpected(std::move(asked).error());
  co_return co_await settle_leases(
      ask, *id, std::move(*asked),
      [](const Pulled&, const Delivery&, Time, DeliveryRecord& record) {
        record.state = DeliveryState::succeeded;
      });
}

// POST /v2/webhooks/endpoints/{endpoint_id}/nack
Answer nack_deliveries(Ask& ask) {
  auto id = endpoint_to_lease_of(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto asked = parse_leases(ask, "delay_seconds");
  if (!asked) co_return std::unexpected(std::move(asked).error());
  const auto delay = asked->time;
  co_return co_await settle_leases(
      ask, *id, std::move(*asked),
      [delay](const Pulled& endpoint, const Delivery& delivery, Time now, DeliveryRecord& record) {
        record.error = "a worker gave it back";
        judge_failure(endpoint, delivery, now, delay, record);
      });
}

// POST /v2/webhooks/endpoints/{endpoint_id}/extend
Answer extend_leases(Ask& ask) {
  auto id = endpoint_to_lease_of(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto asked = parse_leases(ask, "lease_seconds", 1);
  if (!asked) co_return std::unexpected(std::move(asked).error());
  const auto lease = asked->time.value_or(seconds(lease_usual_seconds));
  co_return co_await settle_leases(
      ask, *id, std::move(*asked),
      [lease](const Pulled&, const Delivery&, Time now, DeliveryRecord& record) {
        record.state = DeliveryState::pending;
        record.next = now + lease;
      });
}

}  // namespace api::resources
