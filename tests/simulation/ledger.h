#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <utility>

#include "eventstore/log.h"
#include "schemas/batch.h"
#include "tests/simulation/model.h"

/// Who asked what, what came back, and what that makes the truth. Keeps the model twice: as it is
/// known, that is acknowledged or read back, and as planned, with everything in flight on top.
/// Every method throws Broken (life.h) when an answer or a record is not what it must be.
namespace simulation {

using eventstore::LogId;
using schemas::Result;

/// A record that counts: acknowledged, or found in the log after its answer was lost.
struct Accepted {
  schemas::Position position;
  Scope scope;
  std::size_t events = 0;
  State after;
};

class Ledger {
 public:
  /// A command is on its way; give its answer to what comes back. `now`: when it is decided.
  using Answer = std::function<void(Result<manager::Outcome>)>;
  Answer sent(Intent intent, LogId log, Time now);

  /// Answers are in. `all`: nothing is in flight any more; `trouble`: the disk may be blamed.
  void take_answers(bool all, bool trouble);
  /// The process died: nobody will be answered any more.
  void died();
  /// Compares the log with what is known, and finds out what became of unknown outcomes. `final`:
  /// what is not there now never will be.
  void read_back(eventstore::Log& log, bool final);

  const States& known() const { return known_; }
  States& planned() { return planned_; }
  bool in_flight() const;
  /// Every accepted record so far, partition after partition.
  std::vector<const Accepted*> accepted() const;
  /// Ids by project number, as far as somebody was told.
  const std::map<int, Uuid>& projects() const { return projects_; }
  std::optional<Scope> scope_of(int project) const;
  /// Commands whose outcome was unknown and that can be tried again; each is given once.
  std::vector<Intent> take_retries() { return std::exchange(retries_, {}); }

 private:
  struct Pending {
    Intent intent;
    Expectation expected;
    Time decided;
    std::optional<Result<manager::Outcome>> result = {};
    std::uint64_t answered_at = 0;
  };
  using PendingPtr = std::shared_ptr<Pending>;
  struct Lane {
    std::set<Scope> scopes;
    std::deque<PendingPtr> line;      // not yet taken, in the order of sending
    std::vector<PendingPtr> unknown;  // may have happened
    std::size_t presumed = 0;         // the first of them that an answer says did happen
    std::vector<Accepted> accepted;
    std::uint64_t last_answer = 0;
    Time recorded{};
  };

  void take(Lane& lane, const Pending& pending);
  void take_failure(Lane& lane, const PendingPtr& pending, bool trouble);
  void take_line(Lane& lane, bool all, bool trouble);
  void accept(Lane& lane, const Pending& pending, const schemas::Position& position, Time recorded);
  void learn_id(const Pending& pending, const Uuid& id);
  void read_lane(eventstore::Log& log, LogId id, Lane& lane);
  void read_record(Lane& lane, std::size_t index, const schemas::Position& position,
                   const schemas::BatchView& batch);
  void plan_again(const Lane& lane);

  std::map<LogId, Lane> lanes_;
  States known_;
  States planned_;
  std::map<int, Uuid> projects_;
  std::map<int, Scope> scopes_;
  std::vector<Intent> retries_;
  std::uint64_t answers_ = 0;
};

}  // namespace simulation
