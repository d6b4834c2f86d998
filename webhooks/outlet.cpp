#include "webhooks/outlet.h"

#include <algorithm>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "projections/delivery_rows.h"
#include "projections/reader.h"
#include "schemas/planted.h"

namespace webhooks {

using projections::Delivery;

Outlet::Outlet(const OutletParts& parts, OutletSetup setup)
    : parts_(parts),
      setup_(std::move(setup)),
      place_(setup_.place),
      pace_(static_cast<unsigned>(setup_.config.max_in_flight)),
      random_(std::random_device()()),
      cursor_(setup_.place),
      cursor_recorded_(setup_.place),
      cursor_at_(parts.clock.wall()),
      health_(setup_.health),
      timer_(parts.executor) {
  if (setup_.config.rate_per_second) {
    rate_.emplace(static_cast<double>(*setup_.config.rate_per_second));
  }
}

void Outlet::start() {
  find_released();
  read_more();
  parts_.ready(shared_from_this());
}

void Outlet::wake() {
  more_ = true;
  read_more();
}

void Outlet::look_at_due() {
  due_known_ = false;
  parts_.ready(shared_from_this());
}

Wanted Outlet::wanted() const {
  return {.endpoint = setup_.id,
          .types = setup_.config.types,
          .filter = setup_.filter,
          .project = setup_.project,
          .order = setup_.config.order,
          .format = setup_.config.format};
}

/// Lanes whose first event waits for nobody: their release was cut off by a restart.
void Outlet::find_released() {
  if (health_.pending == 0) return;
  const auto rows = reader();
  projections::ListOptions options{.after = {},
                                   .limit = 1'000,
                                   .as_of = {},
                                   .below = schemas::Entity{setup_.id, {}},
                                   .filter = {}};
  std::string lane;
  for (bool more = true; more;) {
    const auto page = rows.list(parts_.deliveries, projections::lane_kind, true, options);
    for (const auto& row : page.rows) {
      auto its_lane = row.entity.name.substr(0, row.entity.name.find('/'));
      if (std::exchange(lane, its_lane) == its_lane) continue;
      const auto id = projections::delivery_in(row.entity);
      const auto delivery = rows.get<Delivery>(parts_.deliveries, {id, {}});
      if (delivery && !delivery->state.next) released_.push_back(id);
    }
    more = page.more;
    if (more) options.after = page.rows.back().entity;
  }
}

void Outlet::read_more() {
  const bool enough = queue_.size() >= queue_max / 2 || window_.size() >= 4 * queue_max;
  if (reading_ || retiring_ || abandoned_ || !more_ || enough || now() < not_before_) return;
  reading_ = true;
  more_ = false;
  // Snapshot of what the pool needs: the outlet goes on meanwhile.
  boost::asio::post(parts_.pool, [self = shared_from_this(), place = place_, wanted = wanted(),
                                  checking = checking_] {
    auto read =
        self->parts_.events.read(self->setup_.scope, wanted, place, queue_max, read_bytes_max);
    std::set<schemas::Uuid> known;
    if (read && checking) {
      const auto rows = self->reader();
      for (const auto& event : read->events) {
        const auto id = projections::delivery_id(wanted.endpoint, event.id, event.recorded);
        const schemas::Entity entity{id, {}};
        if (rows.find(self->parts_.deliveries, Delivery::kind, entity)) known.insert(event.id);
      }
    }
    boost::asio::post(self->parts_.executor,
                      [self, read = std::move(read), known = std::move(known)]() mutable {
                        self->on_read(std::move(read), std::move(known));
                      });
  });
}

void Outlet::on_read(schemas::Result<ReadEvents> read, std::set<schemas::Uuid> known) {
  reading_ = false;
  if (retiring_ || abandoned_) return check_retired();
  if (!read) {
    spdlog::warn("events for an endpoint cannot be read endpoint={} detail=\"{}\"",
                 to_text(schemas::EndpointId(setup_.id)), read.error().detail);
    more_ = true;
    not_before_ = now() + std::chrono::seconds{1};
    return arm();
  }
  for (auto& event : read->events) {
    const bool is_known = known.contains(event.id);
    window_.push_back({event.mark, is_known});
    if (!is_known) queue_.push_back({read_, std::move(event)});
    ++read_;
  }
  if (planted(schemas::Fault::move_cursor_over_unsettled)) {
    for (auto& passed : window_) passed.settled = true;
  }
  window_.push_back({read->mark, true});
  ++read_;
  place_ = std::move(read->mark);
  if (!read->reached_end) more_ = true;
  if (read->reached_end && !more_) checking_ = false;
  settle(window_begin_ + window_.size() - 1);
  parts_.ready(shared_from_this());
  read_more();
  arm();
}

/// What was read is sent, held or known, and recorded; the cursor moves over all such.
void Outlet::settle(Sequence sequence) {
  window_[sequence - window_begin_].settled = true;
  while (!window_.empty() && window_.front().settled) {
    cursor_ = std::move(window_.front().mark);
    window_.pop_front();
    ++window_begin_;
    ++passed_since_cursor_;
  }
}

bool Outlet::take_turn() {
  if (retiring_ || abandoned_ || pause_asked_ || now() < not_before_) return false;
  if (pace_.full()) return false;
  if (rate_ && rate_->next(now()) > now()) {
    arm();
    return false;
  }
  // Retries have a share of their own: every other turn, while there is something new.
  prefers_again_ = !prefers_again_;
  const bool took = prefers_again_ ? take_again() || take_fresh() : take_fresh() || take_again();
  read_more();
  if (!took) arm();
  return took;
}

void Outlet::retire(std::function<void()> done) {
  retiring_ = true;
  retired_ = std::move(done);
  queue_.clear();
  timer_.cancel();
  flush();
  check_retired();
}

void Outlet::abandon() {
  retiring_ = true;
  abandoned_ = true;
  retired_ = nullptr;
  queue_.clear();
  records_.clear();
  idle_.clear();
  timer_.cancel();
}

/// One timer for whatever comes first.
void Outlet::arm() {
  if (retiring_ || abandoned_) return;
  const auto current = now();
  auto at = current + std::chrono::milliseconds{cursor_every};
  if (not_before_ > current) at = std::min(at, not_before_);
  if (due_known_ && next_due_) at = std::min(at, std::max(*next_due_, current));
  if (rate_ && (!queue_.empty() || !released_.empty())) {
    at = std::min(at, std::max(rate_->next(current), current));
  }
  const bool idle = queue_.empty() && window_.empty() && cursor_ == cursor_recorded_ &&
                    due_known_ && !next_due_ && not_before_ <= current && records_.empty();
  if (idle) return;
  timer_.expires_after(std::max(at - current, std::chrono::milliseconds{1}));
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code failed) {
    const auto self = weak.lock();
    if (self && !failed) self->on_timer();
  });
}

void Outlet::on_timer() {
  std::erase_if(idle_, [this](const Idle& idle) { return idle.since + idle_for < now(); });
  flush();
  read_more();
  parts_.ready(shared_from_this());
  arm();
}

}  // namespace webhooks
