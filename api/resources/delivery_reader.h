#pragma once

#include "api/services.h"
#include "projections/timeline.h"
#include "webhooks/event_reader.h"

namespace api::resources {

/// The deliverer's view of the log: the same feed that lists and streams read.
class DeliveryReader final : public webhooks::EventReader {
 public:
  explicit DeliveryReader(const Services& services) : services_(services) {}

  schemas::Result<webhooks::ReadEvents> read(const webhooks::Scope& scope,
                                             const webhooks::Wanted& wanted,
                                             const std::string& mark, std::size_t events_max,
                                             std::size_t bytes_max) override;
  schemas::Result<webhooks::EventBody> body(const webhooks::Scope& scope,
                                            const webhooks::Wanted& wanted, schemas::TopicId topic,
                                            schemas::Offset offset, std::uint32_t index) override;

 private:
  webhooks::EventBody render(const webhooks::Wanted& wanted,
                             const projections::TimelineEvent& event,
                             std::string_view product) const;

  const Services& services_;
};

}  // namespace api::resources
