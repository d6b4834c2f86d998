#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "api/config.h"
#include "eventstore/kafka_options.h"
#include "manager/command_server.h"
#include "manager/core.h"
#include "manager/membership.h"
#include "manager/remote_commands.h"
#include "manager/routed_commands.h"

namespace api {

/// This process among those that share a log: says which partitions it should write, and brings
/// commands to whoever should.
///
///     HTTP ─► commands() ─┬─► the core here
///                         └─► gRPC ─► another process's CommandServer ─► its core
///
/// Made before the core, which asks it (Ownership); starts once the rows have caught up.
class ClusterNode final : public manager::Ownership {
 public:
  ClusterNode(const Settings& settings, eventstore::kafka::Options kafka)
      : settings_(settings), kafka_(std::move(kafka)) {}
  ~ClusterNode() override;

  /// Begins to serve other processes and to be one of them. Errors name the setting.
  schemas::Result<void> start(manager::Core& core, boost::asio::any_io_executor executor,
                              const std::string& name);
  Standing of(schemas::LogId log) const override;
  /// Any thread, after start().
  manager::Commands& commands() { return *routed_; }
  std::vector<eventstore::Heartbeat> living() const;
  /// Whether somebody else would write partitions that this process leaves.
  bool has_deputy() const;
  /// Whether this process should write the partition.
  bool prefers(schemas::LogId log) const;

  /// To be called often, on the core thread: moves partitions, and says what is owned.
  void tick();
  /// Others take over; true once all is released. Core thread.
  bool leave();
  /// Nothing is heard, and nobody is served any more.
  void stop();

 private:
  std::shared_ptr<manager::Commands> owner_of(schemas::LogId log);
  std::vector<manager::SeenPosition> seen(schemas::OrganizationId organization) const;
  void forget_the_dead();

  const Settings& settings_;
  const eventstore::kafka::Options kafka_;
  manager::Core* core_ = nullptr;
  manager::PeerSecurityPtr security_;
  std::unique_ptr<manager::CommandServer> server_;
  std::unique_ptr<manager::Membership> membership_;
  std::atomic<manager::Membership*> joined_ = nullptr;  // the core asks from its start on
  std::unique_ptr<manager::RoutedCommands> routed_;
  std::set<schemas::LogId> owned_;  // as we said last; core thread

  std::mutex mutex_;  // over what follows
  std::map<schemas::Uuid, std::shared_ptr<manager::RemoteCommands>> peers_;
};

}  // namespace api
