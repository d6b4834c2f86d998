#include <spdlog/spdlog.h>

#include "projections/delivery_rows.h"
#include "projections/read_store.h"
#include "projections/reader.h"
#include "webhooks/outlet.h"

/// A pull endpoint: its events wait in rows until workers lease them.
namespace webhooks {

using projections::Delivery;

/// The next of the queue is recorded as waiting; where one lane has all, when none waits.
bool Outlet::let_wait() {
  if (queue_.empty()) return false;
  const bool one_lane = setup_.config.order == DeliveryOrder::endpoint;
  if (one_lane && (!busy_.empty() || lane_is_open(0))) return false;
  auto item = std::move(queue_.front());
  queue_.pop_front();
  auto waiting = first_attempt(std::move(item));
  waiting.record.held = true;
  busy_.insert(waiting.record.lane);
  record({waiting.sequence, std::move(waiting.record)});
  return true;
}

void Outlet::look_at_waiting() {
  if (!pulled()) return;
  look_at_waiting_every_ = waiting_every;
  read_more();
  parts_.ready(shared_from_this());
}

/// Whether what waits in rows will do, and more may stay in the log. What waits behind others of
/// its lane is of no use to workers: while few could be leased, more is read, up to a bound.
bool Outlet::enough_wait() {
  if (!pulled() || now() < looked_at_waiting_ + look_at_waiting_every_) return enough_wait_;
  looked_at_waiting_ = now();
  try {
    const auto row =
        reader().get<projections::EndpointHealth>(parts_.deliveries, {setup_.id(), {}});
    if (row) health_ = row->state;
    const auto open = health_.pending + health_.failing + unsettled_ + queue_.size();
    enough_wait_ = open >= waiting_max_ever || (open >= waiting_max && many_could_be_leased());
  } catch (const projections::StoreFailure& failure) {
    spdlog::warn("events wait for the rows detail=\"{}\"", failure.what());
    enough_wait_ = true;
    back_off(std::chrono::seconds{1});
  }
  // While nobody leases there is no hurry.
  look_at_waiting_every_ =
      enough_wait_ ? std::min(2 * look_at_waiting_every_, waiting_every_max) : waiting_every;
  return enough_wait_;
}

/// Looks at the first of each lane.
bool Outlet::many_could_be_leased() const {
  constexpr int many = 100;
  constexpr int looks = 1'000;
  projections::ListOptions first{.after = {},
                                 .limit = 1,
                                 .as_of = {},
                                 .below = schemas::Entity{setup_.id(), {}},
                                 .filter = {}};
  int could = 0;
  for (int i = 0; i < looks && could < many; ++i) {
    const auto page = reader().list(parts_.deliveries, projections::lane_kind, true, first);
    if (page.rows.empty()) break;
    const auto& entity = page.rows.front().entity;
    const auto row =
        reader().get<Delivery>(parts_.deliveries, {projections::delivery_in(entity), {}});
    if (row && (!row->state.next || *row->state.next <= now())) ++could;
    first.after = projections::end_of_lane(entity);
  }
  return could == many;
}

}  // namespace webhooks
