#include <algorithm>

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "projections/delivery_rows.h"
#include "projections/read_store.h"
#include "projections/reader.h"
#include "schemas/planted.h"
#include "webhooks/outlet.h"

/// Recording: what became of what was sent, in batches, and the cursor behind it.
namespace webhooks {

using manager::RecordDeliveries;
using projections::Delivery;
using schemas::DeliveryState;
using schemas::ErrorCode;

namespace {

/// About so many in the log.
std::size_t bytes_of(const manager::DeliveryRecord& record) {
  constexpr std::size_t fixed = 300;
  return fixed + record.type.size() + (record.error ? record.error->size() : 0) +
         (record.body ? record.body->size() : 0);
}

}  // namespace

manager::CommandContext own_context(const Scope& scope) {
  return {.organization = scope.organization,
          .space = scope.space,
          .actor = {},
          .rights = {},
          .correlation = {},
          .traceparent = {},
          .idempotency = {},
          .if_match = {},
          .sequence = {}};
}

void Outlet::record(Recording recording) {
  if (abandoned_) return;
  records_.push_back(std::move(recording));
  flush();
}

bool Outlet::cursor_is_due() const {
  if (cursor_ == cursor_recorded_) return false;
  return retiring_ || passed_since_cursor_ >= cursor_every_events ||
         now() >= cursor_at_ + cursor_every;
}

/// One command at a time: what comes meanwhile goes with the next, so that batches are as large as
/// the log is slow.
void Outlet::flush() {
  if (is_recording_ || abandoned_ || now() < not_before_) return;
  const bool cursor = cursor_is_due();
  if (records_.empty() && !cursor && recording_.empty()) return;
  std::size_t bytes = 0;
  for (const auto& recording : recording_) bytes += bytes_of(recording.record);
  while (!records_.empty() && recording_.size() < records_max && bytes < records_bytes_max) {
    bytes += bytes_of(records_.front().record);
    recording_.push_back(std::move(records_.front()));
    records_.pop_front();
  }
  RecordDeliveries command{.endpoint = setup_.channel.endpoint,
                           .generation = setup_.generation,
                           .deliveries = {},
                           .cursor = {},
                           .replay = setup_.channel.replay,
                           .pipeline = setup_.channel.pipeline};
  if (setup_.pipeline) command.version = setup_.pipeline->version.value_or(schemas::Version{});
  for (const auto& recording : recording_) command.deliveries.push_back(recording.record);
  if (cursor) {
    command.cursor = cursor_;
    cursor_recording_ = cursor_;
  }
  is_recording_ = true;
  parts_.commands.submit(
      own_context(setup_.scope), std::move(command),
      [self = shared_from_this()](schemas::Result<manager::Outcome> outcome) {
        boost::asio::post(self->parts_.executor,
                          [self, outcome = std::move(outcome)] { self->on_recorded(outcome); });
      });
}

/// What was not taken is given again: what is in the log already is left out there.
void Outlet::on_recorded(const schemas::Result<manager::Outcome>& outcome) {
  is_recording_ = false;
  if (abandoned_) return;
  if (!outcome) {
    spdlog::warn("outcomes of deliveries wait to be recorded detail=\"{}\"",
                 outcome.error().detail);
    return back_off(std::chrono::milliseconds{500});
  }
  if (!cursor_recording_.empty()) {
    cursor_recorded_ = std::exchange(cursor_recording_, {});
    passed_since_cursor_ = 0;
    cursor_at_ = now();
  }
  const auto recorded = std::exchange(recording_, {});
  try {
    const auto row =
        reader().get<projections::EndpointHealth>(parts_.deliveries, {setup_.id(), {}});
    if (row) health_ = row->state;
  } catch (const projections::StoreFailure&) {
    ++health_.pending;  // there may be some: whoever asks looks at the rows
  }
  if (!recorded.empty()) due_known_ = false;
  for (const auto& recording : recorded) follow(recording);
  const bool failed = std::ranges::any_of(recorded, [](const Recording& recording) {
    return !recording.record.held && recording.record.state != DeliveryState::succeeded;
  });
  if (failed) pause_if_failing();
  ask_to_pause();
  flush();
  if (!retiring_) {
    read_more();
    parts_.ready(shared_from_this());
    arm();
    check_complete();
  }
  check_retired();
}

/// A record is in the rows: its lane goes on.
void Outlet::follow(const Recording& recording) {
  const auto& record = recording.record;
  busy_.erase(record.lane);
  again_.erase(record.id);
  --unsettled_;
  if (recording.sequence && *recording.sequence >= window_begin_) settle(*recording.sequence);
  if (recording.disable) pause_wish_ = {true, "the receiver answered 410 Gone"};
  const bool through =
      record.state == DeliveryState::succeeded || record.state == DeliveryState::exhausted;
  if (!record.held && through) release(record.lane);
}

/// The next one that waits in the lane is sent now.
void Outlet::release(std::uint64_t lane) {
  if (health_.pending == 0) return;
  if (planted(schemas::Fault::never_release_lanes)) return;
  try {
    const auto id = first_open(lane);
    if (!id) return;
    const auto delivery = reader().get<Delivery>(parts_.deliveries, {*id, {}});
    if (delivery && !delivery->state.next) released_.push_back(*id);
  } catch (const projections::StoreFailure&) {
    find_released_ = true;
    back_off(std::chrono::seconds{1});
  }
}

/// Since when: not before it was made, or last resumed.
void Outlet::pause_if_failing() {
  if (!health_.failing_since || pause_wish_) return;
  const auto since = now() - std::max(*health_.failing_since, setup_.active_since);
  if (since < setup_.config.pause_after) return;
  pause_wish_ = {false, fmt::format("nothing has succeeded for {} seconds",
                                    setup_.config.pause_after.count())};
}

/// What is asked of the endpoint or the replay comes back as another state of it, which ends this
/// outlet. Refused, it is asked again by the timer.
void Outlet::ask(manager::Command command, bool Outlet::* asked) {
  if (std::exchange(this->*asked, true)) return;
  parts_.commands.submit(
      own_context(setup_.scope), std::move(command),
      [self = shared_from_this(), asked](const schemas::Result<manager::Outcome>& outcome) {
        const bool is_settled = outcome || outcome.error().code == ErrorCode::not_found ||
                                outcome.error().code == ErrorCode::invalid_transition;
        if (is_settled) return;
        boost::asio::post(self->parts_.executor, [self, asked] {
          (*self).*asked = false;
          self->back_off(std::chrono::seconds{1});
        });
      });
}

/// A receiver that is gone is so for everything that is sent there; a replay that comes to nothing
/// stops alone.
void Outlet::ask_to_pause() {
  if (!pause_wish_) return;
  const auto& [disable, reason] = *pause_wish_;
  const auto& [endpoint, replay, pipeline] = setup_.channel;
  if (disable && setup_.endpoint) {
    return ask(manager::PauseEndpoint{*setup_.endpoint, true, reason}, &Outlet::pause_asked_);
  }
  if (replay) return ask(manager::PauseReplay{*replay, reason}, &Outlet::pause_asked_);
  if (pipeline) return ask(manager::PausePipeline{*pipeline, reason}, &Outlet::pause_asked_);
  ask(manager::PauseEndpoint{endpoint, false, reason}, &Outlet::pause_asked_);
}

/// Everything of the replay's range has an outcome.
void Outlet::check_complete() {
  const bool works = reading_ || is_recording_ || unsettled_ > 0 || !queue_.empty() ||
                     !window_.empty() || !recording_.empty();
  if (!setup_.is_replay() || !read_all_ || works || retiring_ || pause_wish_) return;
  projections::EndpointHealth health;
  try {
    const auto row =
        reader().get<projections::EndpointHealth>(parts_.deliveries, {setup_.id(), {}});
    if (row) health = row->state;
  } catch (const projections::StoreFailure&) {
    return back_off(std::chrono::seconds{1});
  }
  if (health.pending + health.failing > 0) return;
  ask(manager::CompleteReplay{.id = setup_.id(),
                              .succeeded = health.succeeded,
                              .exhausted = health.exhausted,
                              .skipped = health.skipped},
      &Outlet::completion_asked_);
}

void Outlet::check_retired() {
  if (!retiring_ || !retired_ || reading_ || is_recording_ || unsettled_ > 0) return;
  if (cursor_is_due()) return flush();
  std::exchange(retired_, nullptr)();
}

}  // namespace webhooks
