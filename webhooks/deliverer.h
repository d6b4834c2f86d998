#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_set>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include "eventstore/log.h"
#include "eventstore/sealing.h"
#include "eventstore/topics.h"
#include "manager/ownership.h"
#include "webhooks/fair_turns.h"
#include "webhooks/outlet.h"
#include "webhooks/outlet_setup.h"

namespace webhooks {

/// Delivers events to endpoints: those of the organizations whose partition of `deliveries` this
/// process writes. It owns a thread, on which everything of it runs but reading the log, and three
/// to read, one of them for replays.
///
/// An endpoint's or a replay's events make and unmake its outlet: whenever it changes, the outlet
/// before ends (what it sent is recorded, and its cursor), and another one begins with what the
/// rows then say.
class Deliverer {
 public:
  struct Parts {
    EventReader& events;
    EventWriter& writer;
    manager::Commands& commands;
    const projections::ReadStore& rows;
    const eventstore::Topics& topics;
    eventstore::Sealing& sealing;
    HttpGuard guard;
    const eventstore::Clock& clock;
    std::string user_agent;
    std::chrono::seconds keep;                      // deliveries that have ended
    const manager::Ownership* ownership = nullptr;  // null: everything is ours
  };
  explicit Deliverer(Parts parts);
  ~Deliverer();

  /// Begins to deliver; once the rows are caught up.
  void start();
  /// Sends nothing more, and records what is on its way for a moment.
  void stop();

  /// A group is in the rows. Core thread.
  void applied(const std::vector<eventstore::StoredRecord>& group);
  /// About every second: partitions that came and went. Core thread.
  void tick();

  /// Attempts on their way at most, of all endpoints.
  static constexpr std::size_t in_flight_max = 2'000;
  /// Of one organization.
  static constexpr std::size_t in_flight_each = 500;

 private:
  struct ScopeHash {
    std::size_t operator()(const Scope& scope) const {
      return std::hash<schemas::OrganizationId>{}(scope.organization) ^
             static_cast<std::size_t>(scope.space);
    }
  };
  struct Place {
    std::shared_ptr<Outlet> outlet;  // null: on its way
    SourceVersions wanted;           // as the rows have them
    bool retiring = false;
  };
  using Outlets = std::map<schemas::Uuid, Place>;  // by the channel's id

  void run();
  void look_again();
  void look_at_all();
  void look_at_soon(const Scope& scope);
  void look_later(const Scope& scope);
  void after(std::chrono::milliseconds wait, std::function<void()> then);
  void look_at(const Scope& scope);
  bool is_suspended(schemas::OrganizationId organization) const;
  void place(const Scope& scope, const schemas::Uuid& id, const SourceVersions& versions,
             bool active);
  void begin(const Scope& scope, const schemas::Uuid& id);
  void begin_later(const Scope& scope, const schemas::Uuid& id, std::chrono::milliseconds wait);
  void set_up(const Scope& scope, const schemas::Uuid& id);
  void set_up_by_rows(const Scope& scope, const schemas::Uuid& id);

  // deliverer_skipping.cpp
  void begin_anew(const Scope& scope, const OutletSource& source);
  void take_up(const Scope& scope, const OutletSource& source, const std::string& place);
  struct Skipping {
    Scope scope;
    manager::SkipDeliveries command;        // but for which ones
    std::function<void(bool done)> then;    // nothing of it is open, or that cannot be recorded
    std::optional<schemas::Entity> behind;  // the row of a lane that was looked at last
  };
  void skip_open(Skipping skipping);
  struct Ended {
    projections::Channel channel;
    std::string reason;
  };
  std::optional<Ended> ended(const projections::Reader& reader, const schemas::Uuid& id) const;
  void skip_ended(const Scope& scope, const schemas::Uuid& id);
  void skip_all_ended(const Scope& scope);
  void stop(const Scope& scope, const OutletSource& orphan);

  // deliverer_forgetting.cpp
  struct Passed {
    bool all = false;
    projections::Places places = {};
  };
  /// Looking at all rows once: one step after the other, on this thread, the pool's or the core's.
  struct Forgetting {
    schemas::Time begun;
    schemas::Time ended_before;
    schemas::Time oldest_left;                      // nothing else of the scope ended before that
    std::vector<Scope> scopes = {};                 // to be looked at; the last one first
    std::optional<schemas::Entity> behind = {};     // the delivery of it that was looked at last
    bool done = false;                              // with it
    std::map<schemas::Uuid, Passed> channels = {};  // of it
    void next_scope();
  };
  void forget_later();
  void forget_old();
  void forget_page_after(std::chrono::milliseconds wait,
                         const std::shared_ptr<Forgetting>& forgetting);
  void forget_page(const std::shared_ptr<Forgetting>& forgetting);
  void forget(std::vector<schemas::Uuid> old, const std::shared_ptr<Forgetting>& forgetting);
  std::vector<schemas::Uuid> find_old(Forgetting& forgetting);
  std::set<schemas::Uuid> still_to_replay(const projections::Reader& reader) const;
  bool is_passed(Forgetting& forgetting, const Scope& scope,
                 const projections::Delivery& delivery) const;
  Passed passed_by(const Scope& scope, const projections::Channel& channel) const;

  void remove(const Scope& scope, const schemas::Uuid& id);
  void abandon(const Scope& scope);
  bool is_ours(schemas::OrganizationId organization) const;
  void turn_soon();
  void take_turns();
  bool may_send(const schemas::OrganizationId& organization) const;
  OutletParts outlet_parts(boost::asio::thread_pool& pool);

  Parts parts_;
  schemas::TopicId webhooks_{};
  schemas::TopicId deliveries_{};
  schemas::TopicId identity_{};
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::thread_pool pool_{2};
  boost::asio::thread_pool replay_pool_{1};  // what comes is not read behind what was
  boost::asio::thread_pool resolvers_{8};    // a name server that is silent holds up few
  std::thread thread_;
  bool stopping_ = false;

  std::unordered_map<Scope, Outlets, ScopeHash> scopes_;
  FairTurns turns_;
  std::size_t in_flight_ = 0;
  std::unordered_map<schemas::OrganizationId, std::size_t> in_flight_of_;
  std::size_t queued_bytes_ = 0;
  std::unordered_set<Scope, ScopeHash> looks_;
  std::unordered_set<Scope, ScopeHash> later_looks_;
  bool turning_ = false;
  bool forgetting_ = false;
  std::unordered_map<Scope, schemas::Time, ScopeHash> nothing_old_until_;

  // Core thread.
  std::set<std::uint16_t> ours_;
  std::atomic<bool> started_ = false;
  /// Organizations that have endpoints here: others' events wake nobody.
  std::mutex mutex_;
  std::unordered_set<Scope, ScopeHash> followed_;
};

}  // namespace webhooks
