#pragma once

#include <functional>
#include <memory>

#include "eventstore/kafka_heartbeats.h"
#include "manager/cluster.h"

/// A process's place in its cluster: says what it owns by heartbeats and lets the cluster judge by
/// those it hears. Any thread.
namespace manager {

class Membership final : private eventstore::kafka::Heartbeats::Listener {
 public:
  /// `heard` is called when another process said something, on the heartbeats' thread.
  static schemas::Result<std::unique_ptr<Membership>> join(
      const eventstore::kafka::Options& options, Cluster::Self self, std::function<void()> heard);
  ~Membership() override { stop(); }

  /// Only to be asked; what changes goes through here, so that others hear of it at once.
  Cluster& cluster() { return cluster_; }
  void own(schemas::LogId log);
  void release(schemas::LogId log);
  /// Others take over what is released from now on.
  void leave();
  /// Takes our record away; nothing is heard any more.
  void stop();

 private:
  Membership(Cluster::Self self, std::function<void()> heard)
      : cluster_(std::move(self)), heard_(std::move(heard)) {}
  Cluster::Heartbeat say();
  void on_heartbeat(const Cluster::Heartbeat& heartbeat, When when) override;
  void on_gone(const schemas::Uuid& process) override;
  void on_past_ended() override;
  void tell_if_changed();

  Cluster cluster_;
  const std::function<void()> heard_;
  Cluster::Heartbeat::State said_ = Cluster::Heartbeat::State::joining;  // heartbeats' thread
  std::unique_ptr<eventstore::kafka::Heartbeats> heartbeats_;
};

}  // namespace manager
