#pragma once

#include <string>
#include <string_view>
#include <vector>

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
/// Whether the event may go through one more pipeline that writes something.
schemas::Result<void> check_hops(const projections::TimelineEvent& event);
/// Built-in products seal nothing of what an operation is given.
schemas::Result<void> check_nothing_sealed(const std::vector<std::string>& sealed_places);

/// Writes a declared product's events to another one, and what pipelines make, as a caller would.
class EventWriter final : public webhooks::EventWriter {
 public:
  explicit EventWriter(const Services& services) : services_(services) {}

  boost::asio::awaitable<Answer> write(Republished event, boost::asio::thread_pool& pool) override;

 private:
  const Services& services_;
};

}  // namespace api::resources
