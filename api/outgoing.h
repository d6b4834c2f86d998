#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "api/config.h"
#include "api/resources/delivery_reader.h"
#include "api/resources/event_writer.h"
#include "api/services.h"
#include "webhooks/deliverer.h"

namespace api {

/// What leaves the house: the guard that says where to, and the deliverer.
class Outgoing {
 public:
  /// An error: a setting that names what is not there.
  static schemas::Result<std::unique_ptr<Outgoing>> make(const Settings& settings);

  const webhooks::Egress& egress() const { return guard_.egress; }

  /// Delivers from now on, where this process has that role. `ownership`: null where this process
  /// writes everything.
  void start(const Services& services, const manager::Ownership* ownership);
  void stop();

  /// Core thread.
  void applied(const std::vector<eventstore::StoredRecord>& group);
  void tick();

 private:
  Outgoing(webhooks::HttpGuard guard, bool delivers, std::chrono::seconds keep)
      : guard_(std::move(guard)), delivers_(delivers), keep_(keep) {}

  webhooks::HttpGuard guard_;
  bool delivers_;
  std::chrono::seconds keep_;  // deliveries that have ended
  std::optional<resources::DeliveryReader> reader_;
  std::optional<resources::EventWriter> writer_;
  /// Set once, before which the core thread has nothing to tell it.
  std::atomic<webhooks::Deliverer*> running_ = nullptr;
  std::unique_ptr<webhooks::Deliverer> deliverer_;
};

}  // namespace api
