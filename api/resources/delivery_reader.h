#pragma once

#include <functional>
#include <map>
#include <string>

#include "api/resources/feed.h"
#include "api/services.h"
#include "projections/timeline.h"
#include "webhooks/event_reader.h"

namespace api::resources {

struct CountedEvents {
  std::string mark;  // behind what was looked at
  std::uint64_t events = 0;
  std::map<std::string, std::uint64_t> types;
  bool complete = false;  // that is all
};

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
                                            schemas::Offset offset, std::uint32_t index,
                                            webhooks::Pinned& pinned) override;
  schemas::Result<projections::Places> places(const webhooks::Scope& scope,
                                              const std::string& mark) override;
  struct Walked {
    schemas::Result<void> end;  // an error: an event that cannot be read
    std::string mark;           // behind what was looked at
    bool reached_end = false;
    bool complete = false;
  };
  /// Passes the next few thousand that are wanted, as far as `take` says.
  schemas::Result<Walked> walk(const webhooks::Scope& scope, const webhooks::Wanted& wanted,
                               const std::string& mark, const Feed::Take& take) const;
  /// Counts the next few thousand that are wanted behind `counted.mark`, of those that `counts`
  /// says (empty: all).
  schemas::Result<void> count(const webhooks::Scope& scope, const webhooks::Wanted& wanted,
                              const std::function<bool(const projections::TimelineEvent&)>& counts,
                              CountedEvents& counted) const;

 private:
  webhooks::EventBody render(const webhooks::Wanted& wanted,
                             const projections::TimelineEvent& event,
                             std::string_view product) const;
  schemas::Result<webhooks::EventBody> make(const webhooks::Scope& scope,
                                            const webhooks::Wanted& wanted,
                                            const projections::TimelineEvent& event,
                                            std::string_view product,
                                            webhooks::Pinned& pinned) const;

  const Services& services_;
};

}  // namespace api::resources
