#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "eventstore/event_store.h"
#include "eventstore/topics.h"
#include "manager/commands.h"
#include "manager/decide.h"
#include "manager/load.h"
#include "manager/overlay.h"
#include "manager/ownership.h"
#include "manager/turns.h"
#include "projections/fold.h"
#include "projections/progress.h"
#include "projections/projector.h"
#include "schemas/result.h"

namespace manager {

/// Where commands go: the handler of this process, later also one in another process.
class Commands {
 public:
  virtual ~Commands() = default;
  using Done = std::move_only_function<void(schemas::Result<Outcome>)>;
  /// Any thread. `done` is called exactly once, on the core thread, after everything that was
  /// submitted in the partition before the answer was decided is durable and visible in the rows.
  virtual void submit(CommandContext context, Command command, Done done) = 0;
  /// Why a command of this organization would be refused now, if it is because of the load: to be
  /// asked before work is put into one. Any thread.
  virtual std::optional<schemas::Error> overloaded(schemas::OrganizationId organization) = 0;

  /// The same for coroutines; resumes on the caller's executor.
  boost::asio::awaitable<schemas::Result<Outcome>> execute(CommandContext context, Command command);
};

/// The one impure place between a command and the log: idempotency, conditions, overlay, decide,
/// append, answers in order.
///
///     submit (any thread) ─► inbox ─► core: decide on rows under overlay ─► event store ─► overlay
///                                     │ refused, unchanged, replayed             │
///                                     ▼                                          ▼ durable
///                                   the partition's line of answers  ◄── rows written, overlay
///                                   cleared
///
/// No answer passes another of its partition, so nobody learns of what is not durable. One core
/// thread runs every partition; only `submit` may be called from others. Bounded: what is in flight
/// beyond `load_limits`, in all or of one organization, is answered `overloaded`, and so is what
/// would wait too long for its turn (turns.h).
class CommandHandler final : public Commands, public eventstore::EventStore::Owner {
 public:
  struct Parts {
    boost::asio::any_io_executor core;
    const eventstore::Clock& clock;
    eventstore::Log& log;
    eventstore::EventStore& store;
    eventstore::Topics& topics;
    const projections::ReadStore& rows;
    projections::Projector& projector;
    projections::Progress& progress;
    /// Called with every group once its records are in the rows; with an empty one when the rows
    /// have gone on after a standstill and anything may have changed. Core thread.
    std::function<void(const std::vector<eventstore::StoredRecord>&)> on_applied;
    /// Null: this process writes everything. Must outlive the handler.
    const Ownership* ownership = nullptr;
  };
  /// Bytes are those of commands and of the rows that they change.
  static constexpr Load::Limits load_limits{
      .all = {.commands = 10'000, .bytes = std::size_t{256} << 20},
      .of_one = {.commands = 5'000, .bytes = std::size_t{128} << 20}};
  /// What one command may do to rows (projections/fold.h), whatever it is in the log.
  static constexpr projections::FoldLimits fold_limits{.state_bytes = std::size_t{1} << 20,
                                                       .changed_bytes = std::size_t{64} << 20};
  /// A mark of everything that an organization has must hold a position of each product.
  static constexpr std::size_t topics_max = schemas::MarkCodec::positions_max - 3;

  /// In a shared log: so long a command waits for the brokers before it is told that its outcome is
  /// unknown, and so long a record of its own that counts proves that this process is the owner.
  static constexpr std::chrono::seconds patience{10};
  static constexpr std::chrono::seconds ownership_believed{1};

  explicit CommandHandler(Parts parts) : parts_(std::move(parts)) {}

  void submit(CommandContext context, Command command, Done done) override;
  std::optional<schemas::Error> overloaded(schemas::OrganizationId organization) override;

  /// Writes a control record to `tm.log` and folds it; used for the log's identity and for topics.
  void append_control(schemas::Control control, std::function<void(Result<void>)> done);

  /// To be called about every second, on the core thread: goes on after a full disk, claims again,
  /// and tells those who wait for brokers that do not answer.
  void tick();
  /// To be called when the ownership may have changed, on the core thread: lets go of partitions
  /// that others should write, and takes those that have become this process's.
  void rebalance();

  void durable(const std::vector<eventstore::StoredRecord>& group) override;
  void landed(schemas::LogId log, schemas::Offset offset) override;
  void failed(const eventstore::AppendFailure& failure) override;
  void voided(schemas::LogId log, const schemas::Error& why) override;
  void claimed(schemas::LogId log) override;

 private:
  /// A command on its way to decide.
  struct Asked {
    CommandContext context;
    Command command;
    Done done;
    std::size_t bytes = 0;
    eventstore::MonotonicTime since;
    Sequence::Number number = 0;  // in its sequence, if it has one
    schemas::OrganizationId organization = context.organization;
    bool bulk = context.sequence != nullptr;
    Load::Kind load() const { return bulk ? Load::Kind::bulk : Load::Kind::single; }
  };
  /// A record between submit and durable, with the rows it changes.
  struct InFlight {
    schemas::Offset offset;  // at which it is expected
    schemas::Epoch epoch;
    std::uint64_t sequence;
    std::uint64_t ticket;
    projections::WriteSet changes;
    schemas::OrganizationId organization;
    std::size_t bytes;          // of what it changes
    std::uint64_t indexes = 0;  // the generation of declared indexes that it was folded under
    Load::Kind load = Load::Kind::single;
    eventstore::MonotonicTime since = {};  // when it was submitted
  };
  /// An answer in its partition's line; without an offset it only waits for those before it.
  struct Answer {
    std::optional<schemas::Offset> offset;  // at which the record is expected
    schemas::Result<Outcome> result;
    Done done;  // null once it was called
    schemas::OrganizationId organization;
    std::size_t bytes = 0;  // of the command
    Load::Kind load = Load::Kind::single;
    std::shared_ptr<Sequence> sequence = {};
    Sequence::Number number = 0;
    bool needs_rows = true;  // a record without rows counts once it is durable
    eventstore::MonotonicTime since = {};
  };
  struct AskedControl {
    schemas::Control control;
    std::function<void(Result<void>)> done;
    eventstore::MonotonicTime since;
  };
  struct Partition {
    std::vector<Asked> unclaimed;  // until the claim stands
    std::deque<InFlight> records;
    std::size_t applied = 0;  // of records, during one durable()
    std::deque<Answer> line;
    bool in_doubt = false;  // what is in flight is not in the overlay, and may stand anywhere
    bool stalled = false;   // nothing lands
    eventstore::MonotonicTime confirmed = {};  // when the last record that counted was submitted
    std::deque<AskedControl> controls;
  };

  void drain();
  void take(Asked asked);
  void run(schemas::LogId log, Asked asked);
  Result<schemas::LogId> route(const Asked& asked) const;
  std::optional<schemas::Error> refuse_to_write(const Asked& asked, schemas::LogId log) const;
  Result<Outcome> handle(schemas::LogId log, const Asked& asked,
                         std::optional<schemas::Offset>& written);
  std::optional<Result<Outcome>> repeat(schemas::LogId log, const Asked& asked,
                                        const projections::RowReader& rows, Time now);
  Result<Outcome> read_outcome(schemas::LogId log, schemas::Offset offset,
                               const projections::RowReader& rows) const;
  Result<Outcome> read_first(schemas::LogId log, schemas::Offset offset,
                             const projections::RowReader& rows) const;
  Result<Outcome> append(schemas::LogId log, const Asked& asked, const Decision& decision, Time now,
                         const projections::RowReader& rows);
  void submit_controls(schemas::LogId log, Partition& partition);
  Result<Decision> decide_on(schemas::LogId log, const Asked& asked,
                             const projections::Reader& view, Time now);
  bool lacks_topic(const Asked& asked) const;
  std::optional<schemas::Error> refuse_topic() const;
  bool would_write(schemas::LogId log, const Asked& asked);
  void declare_topic(Asked asked);
  Result<const Manifest*> manifest_of(const std::string& product);
  std::optional<schemas::Error> unmade_rule(const std::string& product,
                                            const Manifest& manifest) const;
  bool is_said(const schemas::Control& control) const;
  schemas::Offset submit_apart(schemas::LogId log, Partition& partition,
                               eventstore::RecordKind kind, eventstore::Payload payload);
  std::optional<schemas::Offset> confirm(schemas::LogId log, Partition& partition);
  Ownership::Standing standing_of(schemas::LogId log) const;

  void resume();
  void open_topics();
  Result<std::vector<eventstore::StoredRecord>> beginning_of(const eventstore::Topic& topic) const;
  void take_controls(const std::vector<eventstore::StoredRecord>& group);
  void doubt(Partition& partition, const schemas::Error& why);
  void stall(Partition& partition);
  void refuse_waiting(Answer waiting, const schemas::Error& why);
  void answer_line(Partition& partition, schemas::Offset durable_end);
  void answer(Answer& answer);
  static schemas::Error no_brokers();
  static schemas::Error not_ours();
  void drop(const InFlight& record);
  void refuse(Asked asked, schemas::Error error);
  void build_indexes();

  Parts parts_;
  std::mutex inbox_mutex_;
  std::vector<Asked> inbox_;
  bool drains_ = false;  // drain() is posted or runs
  Turns<Asked> turns_;
  Load load_{load_limits};

  Overlay overlay_;
  std::uint64_t next_ticket_ = 1;
  std::unordered_map<schemas::LogId, Partition> partitions_;
  std::vector<eventstore::Topic> unopened_;  // or whose beginning is not folded yet
  std::vector<Asked> topicless_;             // first manifests that wait for their topic
  std::unordered_map<std::string, Manifest> manifests_;
  bool builds_ = false;                   // build_indexes() is posted
  std::optional<schemas::Error> behind_;  // rows lack durable records: nothing goes on
};

}  // namespace manager
