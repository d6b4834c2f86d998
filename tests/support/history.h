#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "eventstore/memory_log.h"
#include "projections/memory_store.h"
#include "projections/projector.h"
#include "schemas/batch.h"
#include "tests/support/log_fixture.h"

/// Logs written by hand, as managers of several organizations would have, and rows folded from
/// them: the ground of tests below `manager`.
namespace projections {

using schemas::EventData;
using schemas::Version;

struct Happened {
  std::string kind;
  Entity entity;
  std::uint64_t version;
  EventData data;
  std::string type = {};  // of a declared event; built-in ones know theirs
};

/// One event of a declared kind `file`.
Happened file(std::string name, std::uint64_t version, std::string_view json,
              schemas::Fold fold = schemas::Fold::replace);
/// One event of a project.
Happened project(const schemas::Uuid& id, std::uint64_t version, EventData data);
/// An event that a newer version of the program wrote: it verifies and nobody can apply it.
Happened unknown(std::string kind, Entity entity, std::uint64_t version);

class History {
 public:
  struct Head {
    LogId log;
    OrganizationId organization;
    Space space = Space::live;
    std::int64_t recorded = 0;  // milliseconds; 0: one after the last
    std::optional<schemas::IdempotencyProof> idempotency = {};
  };

  /// Appends a record; the partition is claimed before its first one. Answers its offset.
  Offset add(const Head& head, const std::vector<Happened>& events);
  /// Records that are no events.
  void claim(LogId log, std::uint64_t nonce);
  void noop(LogId log);
  void zombie(LogId log);
  /// Cuts the log, as restoring an older copy does, and goes on from there.
  void lose_tail(LogId log, Offset from);

  /// A log over what is written so far.
  std::unique_ptr<eventstore::MemoryLog> open();
  const eventstore::MemoryStorage& storage() const { return *storage_; }

 private:
  eventstore::PartitionWriter& writer(LogId log);
  void store(eventstore::Append append);

  std::shared_ptr<eventstore::MemoryStorage> storage_ =
      std::make_shared<eventstore::MemoryStorage>();
  std::map<LogId, eventstore::PartitionWriter> writers_;
  eventstore::Witness witness_;
};

/// Rows folded from a history's logs, by one process after another.
class Folded {
 public:
  explicit Folded(History& history) : history_(history) {}

  /// A process starts and catches up; the one before it ends. `kept`: how many of the rows'
  /// unflushed writes survive that.
  schemas::Result<Projector::CaughtUp> start(std::uint64_t kept = UINT64_MAX);
  MemoryStore& rows() { return rows_; }
  Projector& projector() { return *projector_; }
  Progress& progress() { return *progress_; }
  std::string hash() const { return state_hash(rows_); }
  eventstore::Log& log() { return *log_; }

 private:
  History& history_;
  MemoryStore rows_;
  std::unique_ptr<eventstore::MemoryLog> log_;
  std::unique_ptr<Progress> progress_;
  std::unique_ptr<Projector> projector_;
};

}  // namespace projections
