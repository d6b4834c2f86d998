#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/thread_pool.hpp>

#include "api/edge/key_cache.h"
#include "api/rows_directory.h"
#include "eventstore/clock.h"
#include "eventstore/heartbeat.h"
#include "eventstore/log.h"
#include "eventstore/sealing.h"
#include "eventstore/topics.h"
#include "manager/command_handler.h"
#include "projections/progress.h"
#include "projections/projector.h"
#include "projections/read_store.h"
#include "schemas/cursors.h"
#include "schemas/marks.h"
#include "webhooks/egress.h"

namespace api {

namespace resources {
class Metrics;
class SealedCache;
class StreamHub;
class PipelineCache;
}  // namespace resources

/// What `/readyz` says: ready when there is no reason against it. A frozen organization is listed
/// and is no reason, for everyone else goes on; nor is what is degraded.
struct Readiness {
  struct Frozen {
    schemas::OrganizationId organization;
    schemas::Space space;
    std::string product;
    std::string reason;
  };
  std::vector<std::string> reasons;
  std::vector<Frozen> frozen;
  /// What does not work while everything else does.
  std::vector<std::string> degraded;
};

/// Which rows serve, and those that are being made beside them.
struct RowsStatus {
  std::uint32_t version = 0;
  std::uint32_t number = 0;
  std::vector<RowsBuild> builds;
};

/// Everything a request handler may use, wired by main. References outlive every session.
struct Services {
  manager::Commands& commands;
  const projections::ReadStore& rows;
  projections::Progress& progress;
  eventstore::Log& log;
  const eventstore::Topics& topics;
  const schemas::MarkCodec& marks;
  const schemas::CursorCodec& cursors;
  /// Keys the digests that an Idempotency-Key leaves in the log.
  const schemas::HmacKey& hmac;
  /// Seals and opens what is never in clear in the log; may block, so not on a connection's thread.
  eventstore::Sealing& sealing;
  const eventstore::Clock& clock;
  /// Where webhooks may be sent.
  const webhooks::Egress& egress;
  /// Where lists and events are read, so that a long scan does not hold up a connection's thread.
  /// Joined after the server has stopped and before it is destroyed.
  boost::asio::thread_pool& scans;
  /// Where records are read that the rows no longer know, for as long as brokers take: apart, so
  /// that what the rows do know is answered meanwhile. Joined as `scans` is.
  boost::asio::thread_pool& records;
  resources::SealedCache& sealed;
  resources::PipelineCache& pipelines;
  resources::StreamHub& streams;
  resources::Metrics& metrics;
  /// Any thread.
  std::function<Readiness()> readiness;
  /// Those that share the log, this one included; empty where it is embedded. Any thread.
  std::function<std::vector<eventstore::Heartbeat>()> processes;
  const projections::Projector& projector;  // what it skipped
  /// Any thread.
  std::function<RowsStatus()> rows_status;
  /// Of the program.
  std::string_view version;
  /// Whether this process answers for products; else only what looks after the process itself.
  bool gateway = true;
  std::unique_ptr<edge::KeyCache> keys = std::make_unique<edge::KeyCache>();
};

}  // namespace api
