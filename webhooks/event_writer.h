#pragma once

#include <cstdint>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include "schemas/ids.h"
#include "webhooks/event_reader.h"

namespace webhooks {

/// Where events go that a replay or a pipeline writes: to a declared product, or by an operation of
/// a built-in one. The api has products, and implements this.
class EventWriter {
 public:
  virtual ~EventWriter() = default;

  struct Republished {
    Scope scope;
    schemas::TopicId topic{};  // where the event stands
    schemas::Offset offset = 0;
    std::uint32_t index = 0;
    std::string product;  // where it is written again; empty: what the pipeline's sink says
    std::optional<schemas::Uuid> replay;
    schemas::Uuid delivery;  // written once, however often it is tried within a day
    std::optional<schemas::Uuid> pipeline = {};  // that makes of it what is written,
    Pinned pinned = {};                          // as it did before
  };
  /// As a request to write it would be answered: a status, and of a refusal the problem as JSON.
  struct Answer {
    unsigned status = 201;
    std::string body;
    std::string reason = {};                // of a refusal, in short
    std::vector<std::uint64_t> found = {};  // the pipeline: schemas::DeliveredEvent
  };
  /// Reads the event on the pool, and goes on where it was awaited. Throws where our side cannot:
  /// that is no answer, and is tried again.
  virtual boost::asio::awaitable<Answer> write(Republished event,
                                               boost::asio::thread_pool& pool) = 0;
};

}  // namespace webhooks
