#include "api/outgoing.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace api {

schemas::Result<std::unique_ptr<Outgoing>> Outgoing::make(const Settings& settings) {
  auto egress = webhooks::Egress::parse(settings.egress_allow, settings.egress_ports);
  if (!egress) return std::unexpected(std::move(egress).error());
  std::optional<std::filesystem::path> ca;
  if (settings.egress_ca) ca = *settings.egress_ca;
  auto trust = webhooks::TlsTrust::load(ca);
  if (!trust) return std::unexpected(std::move(trust).error());
  const bool delivers = settings.roles.has(eventstore::Role::deliverer);
  if (!delivers && settings.roles.has(eventstore::Role::manager)) {
    spdlog::warn(
        "webhooks and pipelines of the organizations that this process writes wait: role "
        "deliverer is not among its roles={}",
        to_text(settings.roles));
  }
  return std::unique_ptr<Outgoing>(
      new Outgoing({.egress = std::move(*egress), .trust = std::move(*trust)}, delivers,
                   settings.keep_deliveries));
}

void Outgoing::start(const Services& services, const manager::Ownership* ownership) {
  if (!delivers_) return;
  reader_.emplace(services);
  writer_.emplace(services);
  deliverer_ = std::make_unique<webhooks::Deliverer>(
      webhooks::Deliverer::Parts{.events = *reader_,
                                 .writer = *writer_,
                                 .commands = services.commands,
                                 .rows = services.rows,
                                 .topics = services.topics,
                                 .sealing = services.sealing,
                                 .guard = guard_,
                                 .clock = services.clock,
                                 .user_agent = fmt::format("Tidemark/{}", services.version),
                                 .keep = keep_,
                                 .ownership = ownership});
  running_ = deliverer_.get();  // before it looks at the rows: what comes then is told
  deliverer_->start();
}

void Outgoing::stop() {
  if (deliverer_) deliverer_->stop();
}

void Outgoing::applied(const std::vector<eventstore::StoredRecord>& group) {
  if (auto* running = running_.load()) running->applied(group);
}

void Outgoing::tick() {
  if (auto* running = running_.load()) running->tick();
}

}  // namespace api
