#pragma once

#include "eventstore/log.h"
#include "eventstore/topics.h"
#include "manager/command_handler.h"
#include "projections/progress.h"
#include "projections/read_store.h"
#include "schemas/marks.h"

/// Everything a request handler may use, wired by main. References outlive every session.
namespace api {

struct Services {
  manager::Commands& commands;
  const projections::ReadStore& rows;
  projections::Progress& progress;
  eventstore::Log& log;
  const eventstore::Topics& topics;
  const schemas::MarkCodec& marks;
  /// Keys the digests that an Idempotency-Key leaves in the log.
  const schemas::HmacKey& hmac;
};

}  // namespace api
