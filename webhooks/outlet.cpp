#include "webhooks/outlet.h"

#include <algorithm>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "projections/delivery_rows.h"
#include "projections/read_store.h"
#include "projections/reader.h"
#include "schemas/planted.h"

namespace webhooks {

using projections::Delivery;

std::string shown(const projections::Channel& channel) {
  if (channel.replay) return "replay=" + to_text(schemas::ReplayId(*channel.replay));
  if (channel.pipeline) return "pipeline=" + to_text(schemas::PipelineId(*channel.pipeline));
  return "endpoint=" + to_text(schemas::EndpointId(channel.endpoint));
}

Outlet::Outlet(const OutletParts& parts, OutletSetup setup)
    : parts_(parts),
      setup_(std::move(setup)),
      place_(setup_.place),
      check_until_(setup_.health.anything() ? parts.clock.wall() + std::chrono::seconds{5}
                                            : Time{}),
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

Outlet::~Outlet() {
  drop_queue();
}

void Outlet::drop_queue() {
  queue_.clear();
  parts_.queued_bytes -= std::exchange(queue_bytes_, 0);
}

void Outlet::start() {
  find_released();
  read_more();
  parts_.ready(shared_from_this());
}

void Outlet::wake() {
  if (read_all_) return;
  more_ = true;
  read_more();
}

void Outlet::look_at_due() {
  due_known_ = false;
  const auto row = reader().get<projections::EndpointHealth>(parts_.deliveries, {setup_.id(), {}});
  if (row) health_ = row->state;
  parts_.ready(shared_from_this());
}

Wanted Outlet::wanted() const {
  const bool own = setup_.channel == projections::Channel{setup_.id(), {}, {}};
  return {.tests_of = own ? setup_.id() : schemas::Uuid{},
          .types = setup_.config.types,
          .products = setup_.products,
          .filter = setup_.filter,
          .project = setup_.project,
          .order = setup_.config.order,
          .format = setup_.config.format,
          .until = setup_.until,
          .with_body = !setup_.is_written(),
          .pipeline = setup_.pipeline};
}

/// Lanes whose first event waits for nobody: their release was cut off.
void Outlet::find_released() {
  find_released_ = false;
  if (health_.pending == 0 || pulled()) return;
  const auto rows = reader();
  projections::ListOptions options{.after = {},
                                   .limit = 1'000,
                                   .as_of = {},
                                   .below = schemas::Entity{setup_.id(), {}},
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
  const bool enough = queue_.size() >= queue_max / 2 || window_.size() >= 4 * queue_max ||
                      queue_bytes_ >= queue_bytes_max ||
                      (!queue_.empty() && parts_.queued_bytes >= queued_bytes_max);
  if (reading_ || retiring_ || !more_ || enough || now() < not_before_) return;
  if (enough_wait()) return arm();
  reading_ = true;
  more_ = false;
  boost::asio::post(parts_.pool, [self = shared_from_this(), place = place_] {
    boost::asio::post(self->parts_.executor, [self, looked = self->look_at_log(place)]() mutable {
      self->on_read(std::move(looked));
    });
  });
}

/// On the pool: nothing here but what never changes.
Outlet::Looked Outlet::look_at_log(const std::string& place) const {
  try {
    auto read = parts_.events.read(setup_.scope, wanted(), place, queue_max, read_bytes_max);
    std::set<schemas::Uuid> passed_over;
    for (const auto& event : read ? read->events : std::vector<ReadEvent>()) {
      if (is_passed_over(event)) passed_over.insert(event.id);
    }
    return {std::move(read), std::move(passed_over)};
  } catch (const std::exception& failure) {
    return {schemas::fail(schemas::ErrorCode::internal, failure.what()), {}};
  }
}

bool Outlet::is_passed_over(const ReadEvent& event) const {
  if (setup_.failed_of) {
    const auto own = projections::delivery_id(*setup_.failed_of, event.id, event.recorded);
    const auto row = reader().get<Delivery>(parts_.deliveries, {own, {}});
    if (!row || row->state.state != schemas::DeliveryState::exhausted) return true;
  }
  if (event.recorded > check_until_) return false;
  const auto id = projections::delivery_id(setup_.id(), event.id, event.recorded);
  return reader().find(parts_.deliveries, Delivery::kind, schemas::Entity{id, {}}).has_value();
}

void Outlet::on_read(Looked looked) {
  reading_ = false;
  if (retiring_) return check_retired();
  auto& read = looked.read;
  if (!read) {
    spdlog::warn("events cannot be read {} detail=\"{}\"", shown(setup_.channel),
                 read.error().detail);
    more_ = true;
    return back_off(std::chrono::seconds{1});
  }
  for (auto& event : read->events) {
    const bool is_known = looked.passed_over.contains(event.id);
    window_.push_back({event.mark, is_known});
    if (!is_known) {
      queue_bytes_ += event.body.text.size();
      parts_.queued_bytes += event.body.text.size();
      queue_.push_back({read_, std::move(event)});
    }
    ++read_;
  }
  if (planted(schemas::Fault::move_cursor_over_unsettled)) {
    for (auto& passed : window_) passed.settled = true;
  }
  window_.push_back({read->mark, true});
  ++read_;
  place_ = std::move(read->mark);
  if (!read->reached_end) more_ = true;
  read_all_ = read->complete;
  settle(window_begin_ + window_.size() - 1);
  parts_.ready(shared_from_this());
  read_more();
  arm();
  check_complete();
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
  if (retiring_ || pause_wish_ || now() < not_before_) return false;
  // While nothing can be recorded, nothing is sent: it would be sent again.
  const bool is_refused = !is_recording_ && !recording_.empty();
  if (is_refused || unsettled_ >= unsettled_max || pace_.full()) return false;
  if (rate_ && rate_->next(now()) > now()) {
    arm();
    return false;
  }
  if (pulled()) return let_wait();
  // Retries have a share of their own: every other turn, while there is something new.
  prefers_again_ = !prefers_again_;
  const bool took = prefers_again_ ? take_again() || take_fresh() : take_fresh() || take_again();
  read_more();
  if (!took) arm();
  return took;
}

void Outlet::back_off(std::chrono::milliseconds time) {
  not_before_ = now() + time;
  due_known_ = false;
  arm();
}

void Outlet::retire(std::function<void()> done) {
  retiring_ = true;
  retired_ = std::move(done);
  drop_queue();
  idle_.clear();
  flush();
  arm();
  check_retired();
}

void Outlet::abandon() {
  retiring_ = true;
  abandoned_ = true;
  retired_ = nullptr;
  drop_queue();
  records_.clear();
  idle_.clear();
  timer_.cancel();
}

/// One timer for whatever comes first.
void Outlet::arm() {
  if (abandoned_) return;
  const auto current = now();
  const bool waits = not_before_ > current;
  if (retiring_ && !waits) return;
  auto at = current + std::chrono::milliseconds{cursor_every};
  if (waits) at = std::min(at, not_before_);
  const bool may_send = !waits && !pace_.full() && !pulled();
  if (enough_wait_) at = std::min(at, looked_at_waiting_ + look_at_waiting_every_);
  const bool is_due = !due_known_ || (next_due_ && *next_due_ <= current);
  if (may_send && due_known_ && next_due_) at = std::min(at, std::max(*next_due_, current));
  if (may_send && rate_ && (is_due || !queue_.empty() || !released_.empty())) {
    at = std::min(at, std::max(rate_->next(current), current));
  }
  const bool none_due = pulled() || (due_known_ && !next_due_);
  const bool idle = queue_.empty() && window_.empty() && cursor_ == cursor_recorded_ && none_due &&
                    !waits && records_.empty() && idle_.empty() && !pause_wish_ && !enough_wait_;
  if (idle) return;
  timer_.expires_after(std::max(at - current, std::chrono::milliseconds{1}));
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code failed) {
    const auto self = weak.lock();
    if (self && !failed) self->on_timer();
  });
}

void Outlet::on_timer() {
  try {
    std::erase_if(idle_, [this](const Idle& idle) { return idle.since + idle_for < now(); });
    flush();
    if (retiring_) return check_retired();
    ask_to_pause();
    if (find_released_) find_released();
    read_more();
    parts_.ready(shared_from_this());
    arm();
    check_complete();
  } catch (const projections::StoreFailure& failure) {
    spdlog::warn("deliveries wait for the rows detail=\"{}\"", failure.what());
    back_off(std::chrono::seconds{1});
  }
}

}  // namespace webhooks
