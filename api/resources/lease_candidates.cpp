#include "api/resources/lease_candidates.h"

#include <algorithm>
#include <random>
#include <set>

#include <spdlog/spdlog.h>

#include "api/resources/delivery_reader.h"
#include "projections/delivery_rows.h"

namespace api::resources {

using manager::DeliveryRecord;
using projections::Delivery;
using schemas::DeliveryState;
using schemas::Entity;
using schemas::Time;
using schemas::Uuid;
using std::chrono::seconds;

DeliveryRecord record_of(const Uuid& id, const Delivery& delivery, std::uint32_t number) {
  return {.id = id,
          .event = delivery.event,
          .type = delivery.type,
          .topic = delivery.topic,
          .offset = delivery.offset,
          .index = delivery.index,
          .lane = delivery.lane,
          .attempt = number};
}

void judge_failure(const Pulled& endpoint, const Delivery& delivery, Time now,
                   std::optional<seconds> delay, DeliveryRecord& record) {
  webhooks::AttemptResult result;
  const auto retry_after = delay ? std::to_string(delay->count()) : std::string();
  if (delay) result.retry_after = retry_after;
  const auto verdict = webhooks::judge(endpoint.policy,
                                       {.event_type = delivery.type,
                                        .number = record.attempt,
                                        .first_at = delivery.first_at.value_or(now),
                                        .ended_at = now},
                                       result, 0.5);
  if (const auto* retry = std::get_if<webhooks::RetryAt>(&verdict.delivery)) {
    record.state = DeliveryState::failing;
    record.next = delay ? now + *delay : retry->time;
  } else if (const auto* exhausted = std::get_if<webhooks::Exhausted>(&verdict.delivery)) {
    record.state = DeliveryState::exhausted;
    record.error = record.error.value_or("") + "; " + exhausted->detail;
  }
}

webhooks::Wanted wanted_of(const Pulled& endpoint) {
  return {.tests_of = endpoint.id,
          .types = {},
          .filter = {},
          .project = endpoint.state.project,
          .order = endpoint.config.order,
          .format = endpoint.config.format};
}

namespace {

constexpr std::size_t leased_bytes_max = std::size_t{4} << 20;

class Look {
 public:
  Look(const Ask& ask, const projections::Reader& reader, const Pulled& endpoint, std::size_t max,
       seconds lease)
      : reader_(reader),
        place_(ask.deliveries()),
        log_(ask.services),
        wanted_(wanted_of(endpoint)),
        endpoint_(endpoint),
        now_(ask.services.clock.wall()),
        lease_(lease),
        max_(max) {}

  Candidates take() {
    if (!anything_open() || is_behind()) return {};
    find_due((max_ + 1) / 2);  // not all of them: what is new has a share
    find_in_lanes();
    if (!found_.next_due) find_due(max_);  // else all that are due were looked at
    return std::move(found_);
  }

 private:
  projections::ListOptions page(std::size_t limit, Entity below) const {
    return {.after = {}, .limit = limit, .as_of = {}, .below = std::move(below), .filter = {}};
  }
  bool enough(std::size_t max) const {
    return found_.leases.size() >= max || bytes_ >= leased_bytes_max;
  }
  bool anything_open() const {
    const auto row = reader_.get<projections::EndpointHealth>(place_.topic, {endpoint_.id, {}});
    return row && row->state.pending + row->state.failing > 0;
  }
  /// It was resumed at another place, and what is open is skipped in a moment.
  bool is_behind() const {
    const auto row = reader_.get<projections::DeliveryCursor>(place_.topic, {endpoint_.id, {}});
    return (row ? row->state.generation : 0) < endpoint_.state.generation;
  }

  /// Those whose lease ran out, that were given back, or asked for again.
  void find_due(std::size_t max) {
    const auto due =
        reader_.list(place_.topic, projections::due_kind, true, page(2 * max, {endpoint_.id, {}}));
    for (const auto& row : due.rows) {
      if (projections::due_in(row.entity) > now_) {
        found_.next_due = projections::due_in(row.entity);
        return;
      }
      if (enough(max)) return;
      consider(projections::delivery_in(row.entity));
    }
  }

  /// Of each lane its first. Not always from the same lane on, so that each gets its turn.
  void find_in_lanes() {
    thread_local std::minstd_rand random(std::random_device{}());
    const auto begin = std::uniform_int_distribution<std::uint64_t>()(random);
    auto options = page(1, {endpoint_.id, {}});
    options.after = projections::lane_of(endpoint_.id, begin);
    bool wrapped = false;
    constexpr int fruitless_max = 500;  // the next look begins elsewhere
    for (int fruitless = 0; fruitless < fruitless_max && !enough(max_);) {
      const auto before = found_.leases.size();
      const auto found = reader_.list(place_.topic, projections::lane_kind, true, options);
      if (found.rows.empty()) {
        if (std::exchange(wrapped, true)) return;
        options.after.reset();
        continue;
      }
      const auto& entity = found.rows.front().entity;
      if (wrapped && entity.name >= projections::lane_text(begin)) return;
      consider(projections::delivery_in(entity));
      if (found_.leases.size() == before) ++fruitless;
      options.after = projections::end_of_lane(entity);
    }
  }

  void consider(const Uuid& id) {
    if (!seen_.insert(id).second) return;
    const auto row = reader_.get<Delivery>(place_.topic, {id, {}});
    if (!row || !row->state.open() || (row->state.next && *row->state.next > now_)) return;
    const auto& delivery = row->state;
    if (!has_its_turn(id, delivery)) return;
    if (is_leased(delivery)) {
      auto ended = record_of(id, delivery, delivery.attempts);
      ended.started = now_;
      ended.error = "its lease ran out";
      judge_failure(endpoint_, delivery, *delivery.next, {}, ended);
      if (ended.state == DeliveryState::exhausted) return found_.ended.push_back(std::move(ended));
    }
    webhooks::Pinned pinned;
    auto body = log_.body({place_.organization, place_.space}, wanted_, delivery.topic,
                          delivery.offset, delivery.index, pinned);
    if (!body) {
      spdlog::warn("an event cannot be leased detail=\"{}\"", body.error().detail);
      return;
    }
    auto record = record_of(id, delivery, delivery.attempts + 1);
    record.started = now_;
    record.state = DeliveryState::pending;
    record.next = now_ + lease_;
    bytes_ += body->text.size();
    found_.leases.push_back({std::move(record), delivery.attempts_in_all + 1, std::move(*body)});
  }

  /// The first of its lane; of one that was asked for again also that nobody has one behind it.
  bool has_its_turn(const Uuid& id, const Delivery& delivery) const {
    constexpr std::size_t some = 100;
    const bool is_asked_for = delivery.next && delivery.attempts == 0;
    const auto found = reader_.list(
        place_.topic, projections::lane_kind, true,
        page(is_asked_for ? some : 1, projections::lane_of(endpoint_.id, delivery.lane)));
    if (found.rows.empty() || projections::delivery_in(found.rows.front().entity) != id) {
      return false;
    }
    return std::ranges::none_of(found.rows, [&](const auto& behind) {
      const auto other = projections::delivery_in(behind.entity);
      if (other == id) return false;
      const auto row = reader_.get<Delivery>(place_.topic, {other, {}});
      return row && is_leased(row->state) && *row->state.next > now_;
    });
  }

  const projections::Reader& reader_;
  Place place_;
  DeliveryReader log_;
  webhooks::Wanted wanted_;
  const Pulled& endpoint_;
  Time now_;
  seconds lease_;
  std::size_t max_;
  std::size_t bytes_ = 0;
  Candidates found_;
  std::set<Uuid> seen_;
};

}  // namespace

Candidates find_candidates(const Ask& ask, const projections::Reader& reader,
                           const Pulled& endpoint, std::size_t max, seconds lease) {
  return Look(ask, reader, endpoint, max, lease).take();
}

}  // namespace api::resources
