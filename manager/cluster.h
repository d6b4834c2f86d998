#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "eventstore/heartbeat.h"

/// Which process of a cluster should write which partition, judged from heartbeats.
///
///     candidate ── heard ──▶ living ── silent for 2 s, or gone in peace ──▶ (forgotten)
///     (the past)             │  joining: nobody gives it anything yet
///                            │  leaving: keeps what it owns, gets nothing
///                            └─ serving manager: eligible
///
/// The preferred owner of a partition is the eligible process with the highest weight for it:
/// rendezvous hashing (Thaler and Ravishankar, "Using name-based mappings to increase hit rates",
/// IEEE/ACM Transactions on Networking 6(1), 1998), so that a process that comes or goes moves only
/// its own share.
///
/// Promises: hand-over is cooperative: the preferred one waits until the owner has released the
/// partition, but not for ever; and nobody is preferred before it can claim. Whoever was paused, or
/// cut off from the topic, judges nobody before it has listened again for as long as silence takes:
/// its own heartbeats, which come back by the same way, tell how long it has been listening.
///
/// Time is given in, of the local monotonic clock; others' clocks do not matter. Any thread.
/// Nothing rests on this but who tries: two that both think they should write a partition are told
/// apart by its claims.
namespace manager {

class Cluster {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Heartbeat = eventstore::Heartbeat;
  using LogId = schemas::LogId;

  static constexpr std::chrono::milliseconds silence_max{2'000};
  /// So long candidates may take to say something: three heartbeats.
  static constexpr std::chrono::milliseconds candidates_wait{1'500};
  /// So long an owner may take to release what it should not own any more.
  static constexpr std::chrono::milliseconds release_wait{1'000};

  /// A process that was silent for so long gets its record in the topic taken away by the others.
  static constexpr std::chrono::seconds record_kept{60};

  struct Self {
    schemas::Uuid process;
    std::string name;
    std::string address;
    eventstore::Roles roles;
  };
  explicit Cluster(Self self);

  // What was heard.
  void heard(const Heartbeat& heartbeat, Time now);
  /// In the topic before we came, or came back.
  void heard_of(const schemas::Uuid& process, Time now);
  void gone(const schemas::Uuid& process, Time now);
  void past_ended(Time now);

  // What we say: the next heartbeat, without its count.
  Heartbeat self() const;
  void own(LogId log);
  void release(LogId log);
  /// From now on we want nothing and release everything.
  void leave();

  struct Owner {
    schemas::Uuid process;
    std::string name;
    std::string address;
    bool is_self;
  };
  /// The preferred owner; empty when nobody is eligible.
  std::optional<Owner> owner_of(LogId log, Time now);
  /// Whether we are preferred, may rely on what we heard, and nobody else owns it, or should have
  /// released it by now.
  bool may_claim(LogId log, Time now);
  /// Whether we own what another should own.
  bool release_wanted(LogId log, Time now);
  /// Processes whose records are to be taken away; each is named once.
  std::vector<schemas::Uuid> long_silent(Time now);
  /// The last heartbeats of all that live, ourselves included, by process.
  std::vector<Heartbeat> living(Time now);

 private:
  struct Member {
    Heartbeat said;
    Time last;
    std::uint64_t weight_seed;
  };
  using Members = std::map<schemas::Uuid, Member>;

  bool is_listening(Time now) const;
  bool knows_the_others(Time now) const;
  void refresh(Time now);
  bool is_eligible(const Member& member) const;
  const Member* preferred(LogId log) const;

  mutable std::mutex mutex_;
  Member self_;
  std::set<LogId> owned_;
  Members others_;
  std::set<schemas::Uuid> candidates_;    // of the past, not heard since
  std::map<schemas::Uuid, Time> silent_;  // of whom a record may be there, and since when
  std::optional<Time> past_ended_;
  std::optional<Time> self_heard_;  // last
  std::optional<Time> listening_since_;
  Time eligible_since_;  // those who are eligible are the same since then
};

}  // namespace manager
