#include "api/cluster_node.h"

#include <algorithm>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

namespace api {

using schemas::LogId;
using schemas::Result;

namespace {

auto now() {
  return std::chrono::steady_clock::now();
}

std::string address_of(const http::ListenAddress& listen, std::uint16_t port) {
  const bool v6 = listen.host.contains(':') && !listen.host.starts_with('[');
  return fmt::format(fmt::runtime(v6 ? "[{}]:{}" : "{}:{}"), listen.host, port);
}

}  // namespace

ClusterNode::~ClusterNode() {
  stop();
}

Result<void> ClusterNode::start(manager::Core& core, boost::asio::any_io_executor executor,
                                const std::string& name) {
  core_ = &core;
  auto security =
      manager::read_peer_files({settings_.rpc_certificate, settings_.rpc_key, settings_.rpc_ca});
  if (!security) return std::unexpected(std::move(security).error());
  security_ = std::move(*security);
  auto wait = [&core](LogId log, schemas::Offset end, projections::Progress::Reached reached) {
    return core.progress().wait(log, end, std::move(reached)) != 0;
  };
  auto server = manager::CommandServer::start({.host = settings_.rpc_listen.host,
                                               .port = settings_.rpc_listen.port,
                                               .security = security_,
                                               .wait = std::move(wait)},
                                              core.commands());
  if (!server) return std::unexpected(std::move(server).error());
  server_ = std::move(*server);
  auto membership = manager::Membership::join(
      kafka_,
      {.process = schemas::make_uuid(eventstore::system_clock().wall()),
       .name = name,
       .address = address_of(settings_.rpc_listen, server_->port()),
       .roles = settings_.roles},
      [this, executor] { boost::asio::post(executor, [this] { tick(); }); });
  if (!membership) return std::unexpected(std::move(membership).error());
  membership_ = std::move(*membership);
  joined_ = membership_.get();
  routed_ = std::make_unique<manager::RoutedCommands>(
      manager::RoutedCommands::Parts{.executor = std::move(executor),
                                     .local = core.commands(),
                                     .topics = core.topics(),
                                     .progress = core.progress(),
                                     .where = [this](LogId log) { return owner_of(log); }});
  return {};
}

manager::Ownership::Standing ClusterNode::of(LogId log) const {
  auto* joined = joined_.load();
  if (joined == nullptr) return Standing::wait;
  auto& cluster = joined->cluster();
  const auto owner = cluster.owner_of(log, now());
  if (!owner || !owner->is_self) return Standing::others;
  return cluster.may_claim(log, now()) ? Standing::ours : Standing::wait;
}

bool ClusterNode::prefers(LogId log) const {
  const auto owner = membership_->cluster().owner_of(log, now());
  return owner && owner->is_self;
}

std::vector<eventstore::Heartbeat> ClusterNode::living() const {
  return membership_ ? membership_->cluster().living(now()) : std::vector<eventstore::Heartbeat>();
}

bool ClusterNode::has_deputy() const {
  const auto self = membership_->cluster().self().process;
  return std::ranges::any_of(living(), [&](const auto& other) {
    return other.process != self && other.state == eventstore::Heartbeat::State::serving &&
           other.roles.has(eventstore::Role::manager);
  });
}

/// Null: this process, or nobody, of which this process will tell.
std::shared_ptr<manager::Commands> ClusterNode::owner_of(LogId log) {
  const auto owner = membership_->cluster().owner_of(log, now());
  if (!owner || owner->is_self) return nullptr;
  const std::lock_guard lock(mutex_);
  auto& peer = peers_[owner->process];
  if (!peer) {
    peer = std::make_shared<manager::RemoteCommands>(manager::RemoteCommands::Options{
        .address = owner->address, .security = security_, .seen = [this](auto organization) {
          return seen(organization);
        }});
  }
  return peer;
}

/// What callers are authenticated by, and what commands refer to: the organization's own rows and
/// the platform's.
std::vector<manager::SeenPosition> ClusterNode::seen(schemas::OrganizationId organization) const {
  const auto& topics = core_->topics();
  const auto identity = topics.find(eventstore::identity_product);
  if (!identity) return {};
  const auto log_end = core_->progress().applied_end(eventstore::log_partition);
  std::vector<manager::SeenPosition> seen{{eventstore::log_partition, log_end}};
  for (const auto whose : {organization, schemas::platform_organization}) {
    const auto log = topics.log_of(*identity, whose);
    seen.push_back({log, core_->progress().applied_end(log)});
  }
  const auto projects = topics.find(eventstore::projects_product);
  const auto resources = topics.find(eventstore::resources_product);
  if (!projects || !resources) return seen;
  for (const auto log :
       {topics.log_of(*projects, organization), topics.log_of(*resources, organization),
        topics.log_of(*resources, schemas::platform_organization)}) {
    seen.push_back({log, core_->progress().applied_end(log)});
  }
  return seen;
}

void ClusterNode::forget_the_dead() {
  const auto living = membership_->cluster().living(now());
  std::vector<std::shared_ptr<manager::RemoteCommands>> dead;
  const std::lock_guard lock(mutex_);
  std::erase_if(peers_, [&](const auto& peer) {
    const bool lives =
        std::ranges::find(living, peer.first, &eventstore::Heartbeat::process) != living.end();
    if (!lives) dead.push_back(peer.second);
    return !lives;
  });
}

void ClusterNode::tick() {
  if (joined_.load() == nullptr) return;
  core_->rebalance();
  const auto logs = core_->owned();
  const std::set<LogId> owned(logs.begin(), logs.end());
  for (const auto log : owned_) {
    if (!owned.contains(log)) membership_->release(log);
  }
  for (const auto log : owned) {
    if (!owned_.contains(log)) membership_->own(log);
  }
  owned_ = owned;
  forget_the_dead();
}

bool ClusterNode::leave() {
  membership_->leave();
  tick();
  return owned_.empty();
}

void ClusterNode::stop() {
  if (membership_) membership_->stop();
  server_.reset();
  std::map<schemas::Uuid, std::shared_ptr<manager::RemoteCommands>> peers;
  {
    const std::lock_guard lock(mutex_);
    peers.swap(peers_);
  }
}

}  // namespace api
