#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "api/http/coroutine.h"
#include "api/http/stream.h"
#include "api/resources/turnstile.h"
#include "eventstore/record.h"
#include "schemas/ids.h"

namespace api::resources {

class ChunkCache;

/// Tells open event streams that there is something new for them.
///
///     core: applied(group) ──► per API thread, once ──► its streams of the organizations touched
///
/// The core does a little work per thread, never per stream. The platform's own events (a suspended
/// organization, a revoked platform key) concern streams of every organization: those wake all, at
/// most ten times a second.
///
/// A stream joins on its connection's thread and leaves there. The hub outlives every stream.
class StreamHub {
  struct Shard;
  struct Group {
    schemas::OrganizationId organization;
    schemas::Space space;
    friend bool operator==(const Group&, const Group&) = default;
  };
  struct GroupHash {
    std::size_t operator()(const Group& group) const {
      return std::hash<schemas::OrganizationId>{}(group.organization) ^
             static_cast<std::size_t>(group.space);
    }
  };
  using Members = std::list<http::Waker>;

 public:
  /// As long as it lives, the stream is woken.
  class Membership {
   public:
    Membership(Shard& shard, Group group, http::Waker waker);
    ~Membership();
    Membership(const Membership&) = delete;
    Membership& operator=(const Membership&) = delete;

   private:
    Shard& shard_;
    Group group_;
    Members::iterator member_;
  };

  StreamHub();
  ~StreamHub();

  /// `executor` is the connection's.
  Membership join(const asio::any_io_executor& executor, schemas::OrganizationId organization,
                  schemas::Space space, http::Waker waker);

  /// These records are in the rows now; none named: any may be. Core thread.
  void applied(const std::vector<eventstore::StoredRecord>& group);

  /// How many groups have been applied: a view made after asking shows them all. Any thread.
  std::uint64_t generation() const { return generation_; }

  /// What streams read last, for those at the same place.
  ChunkCache& chunks() { return *chunks_; }
  /// Who reads a chunk enters here before, and leaves when it has been sent or let go of: else
  /// those that are read faster than they are sent would pile up.
  Turnstile& readers() { return readers_; }

  /// Open streams, for metrics. Any thread.
  std::size_t count() const;

  /// The server stops: who waits in a request answers now. Any thread.
  void begin_stop() { stopping_ = true; }
  bool stopping() const { return stopping_; }

  /// Lets go of the streams that wait to read. When the connections' threads have ended, and their
  /// contexts still live.
  void close() { readers_.close(); }

 private:
  /// Each of one organization may keep a thread of the pool busy: few, for others wait behind them.
  static constexpr Turnstile::Room readers_max{.all = 16, .each = 4};

  Shard& shard_of(const asio::any_io_executor& executor);

  std::atomic<std::uint64_t> generation_{0};
  std::atomic<bool> stopping_{false};
  std::unique_ptr<ChunkCache> chunks_;
  mutable std::mutex mutex_;  // guards shards_, which only grows
  std::vector<std::unique_ptr<Shard>> shards_;
  Turnstile readers_{readers_max};
};

}  // namespace api::resources
