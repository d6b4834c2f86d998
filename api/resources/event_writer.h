#pragma once

#include <string>
#include <string_view>

#include "api/services.h"
#include "manager/commands.h"
#include "projections/timeline.h"
#include "webhooks/event_writer.h"
#include "webhooks/transform.h"

namespace api::resources {

/// What a pipeline made, checked as what a client sends is. `clear`: its data, nothing sealed.
schemas::Result<manager::AppendEvents> command_of(const webhooks::Transform::Made& made,
                                                  std::string_view clear,
                                                  const std::string& product);
/// Whether the event may go through one more pipeline into a product.
schemas::Result<void> check_hops(const projections::TimelineEvent& event);

/// Writes a declared product's events to another one, and what pipelines make, as a caller would.
class EventWriter final : public webhooks::EventWriter {
 public:
  explicit EventWriter(const Services& services) : services_(services) {}

  boost::asio::awaitable<Answer> write(Republished event, boost::asio::thread_pool& pool) override;

 private:
  const Services& services_;
};

}  // namespace api::resources
