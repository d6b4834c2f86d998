#pragma once

#include "api/services.h"
#include "webhooks/event_writer.h"

namespace api::resources {

/// Writes a declared product's events to another one, as a caller would.
class EventWriter final : public webhooks::EventWriter {
 public:
  explicit EventWriter(const Services& services) : services_(services) {}

  boost::asio::awaitable<Answer> write(Republished event, boost::asio::thread_pool& pool) override;

 private:
  const Services& services_;
};

}  // namespace api::resources
