#include "manager/membership.h"

namespace manager {
namespace {

using Heartbeats = eventstore::kafka::Heartbeats;
using schemas::LogId;
using schemas::Result;

Cluster::Time now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

Result<std::unique_ptr<Membership>> Membership::join(const eventstore::kafka::Options& options,
                                                     Cluster::Self self,
                                                     std::function<void()> heard) {
  std::unique_ptr<Membership> made(new Membership(std::move(self), std::move(heard)));
  auto* raw = made.get();
  auto opened = Heartbeats::open(options, [raw] { return raw->say(); }, *raw);
  if (!opened) return schemas::fail(std::move(opened).error());
  made->heartbeats_ = std::move(*opened);
  made->heartbeats_->start();
  return made;
}

void Membership::own(LogId log) {
  cluster_.own(log);
  heartbeats_->changed();
}

void Membership::release(LogId log) {
  cluster_.release(log);
  heartbeats_->changed();
}

void Membership::leave() {
  if (cluster_.self().state == Cluster::Heartbeat::State::leaving) return;
  cluster_.leave();
  heartbeats_->changed();
}

void Membership::stop() {
  if (heartbeats_) heartbeats_->stop();
}

Cluster::Heartbeat Membership::say() {
  auto heartbeat = cluster_.self();
  said_ = heartbeat.state;
  return heartbeat;
}

/// What was heard may have made us join.
void Membership::tell_if_changed() {
  if (cluster_.self().state != said_) heartbeats_->changed();
}

void Membership::on_heartbeat(const Cluster::Heartbeat& heartbeat, When when) {
  if (when == When::past) return cluster_.heard_of(heartbeat.process, now());
  cluster_.heard(heartbeat, now());
  tell_if_changed();
  for (const auto& process : cluster_.long_silent(now())) heartbeats_->take_away(process);
  heard_();
}

void Membership::on_gone(const schemas::Uuid& process) {
  cluster_.gone(process, now());
  heard_();
}

void Membership::on_past_ended() {
  cluster_.past_ended(now());
  heartbeats_->changed();  // our first one may have come as part of the past
}

}  // namespace manager
