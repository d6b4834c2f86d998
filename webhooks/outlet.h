#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include "eventstore/clock.h"
#include "manager/command_handler.h"
#include "projections/read_store.h"
#include "projections/states.h"
#include "webhooks/event_reader.h"
#include "webhooks/event_writer.h"
#include "webhooks/http_client.h"
#include "webhooks/pace.h"
#include "webhooks/pipeline.h"
#include "webhooks/retry_policy.h"
#include "webhooks/signature.h"

namespace webhooks {

class Outlet;

/// What all outlets have in common; the deliverer's.
struct OutletParts {
  boost::asio::any_io_executor executor;
  boost::asio::thread_pool& pool;  // where events are read, opened and sealed
  EventReader& events;
  EventWriter& writer;
  manager::Commands& commands;
  const projections::ReadStore& rows;
  schemas::TopicId deliveries;
  const HttpGuard& guard;
  const eventstore::Clock& clock;
  std::string user_agent;
  /// It may have something to send: it gets a turn.
  std::function<void(std::shared_ptr<Outlet>)> ready;
  /// Bytes of events that are read and not sent, of all outlets.
  std::size_t& queued_bytes;
  /// Of an attempt, to bound how many there are.
  std::function<void(const schemas::OrganizationId&)> began;
  std::function<void(const schemas::OrganizationId&)> ended;
};

/// Of a command of the deliverer's own.
manager::CommandContext own_context(const Scope& scope);

/// For our own log.
std::string shown(const projections::Channel& channel);

/// An endpoint, a pipeline or a replay, as the rows and the keyring have it.
struct OutletSetup {
  Scope scope;
  projections::Channel channel;
  std::uint32_t generation = 0;
  std::optional<schemas::Uuid> project;
  EndpointConfig config;
  RetryPolicy policy;
  struct ExpiringSigner {
    Signer signer;
    std::optional<schemas::Time> expires;
  };
  std::vector<ExpiringSigner> signers;  // newest last
  HttpHeaders headers;
  WebhookUrl url;
  std::shared_ptr<const schemas::cel::Filter> filter;
  std::string place;  // a mark: everything before it is done with
  std::string until;  // of a replay: a mark, its end
  std::optional<schemas::Uuid>
      failed_of;                      // a channel: only events whose delivery there is exhausted
  std::vector<std::string> products;  // of a replay: only of these; empty: all
  std::string to_product;             // a replay or a pipeline writes there
  std::optional<schemas::Uuid> endpoint;  // that it goes to; none: it is written
  std::optional<PipelineStep> pipeline;   // that it goes through
  Priority priority = Priority::normal;
  projections::EndpointHealth health;
  schemas::Time active_since;  // made or last resumed

  const schemas::Uuid& id() const { return channel.id(); }
  bool is_replay() const { return channel.replay.has_value(); }
  bool is_written() const { return !endpoint; }
};

// clang-format off
/// One channel's deliveries: reads the log behind its cursor, sends, records what became of it.
///
///     log ─► queue_ ─► attempt ─► records_ ─► RecordDeliveries ─► rows
///              │          ▲                                        │
///              │          ╰── due rows, released rows ◄────────────╯
///              ╰─► held: an earlier event of its lane is not through
///
/// What is in the log has to be sent or told of before the cursor passes it, so nothing is lost
/// whenever the process dies; what was sent and not recorded is sent again under the same id. What
/// waits for its next attempt is in rows, ordered by time, not in memory. A lane has one event
/// between its sending and its record being in the rows: that is the order.
///
/// A pull endpoint's are not sent: each is recorded as waiting, in the order of the log, and workers
/// lease them from the rows (api/resources/leases.cpp), at any process. So many wait there; the rest
/// is in the log.
///
/// A replay's end where its range does, and say so once each has an outcome.
///
/// One executor, the deliverer's.
// clang-format on
class Outlet : public std::enable_shared_from_this<Outlet> {
 public:
  Outlet(const OutletParts& parts, OutletSetup setup);
  ~Outlet();

  const OutletSetup& setup() const { return setup_; }
  void start();
  /// There may be new events.
  void wake();
  /// Somebody asked for a delivery again.
  void look_at_due();
  /// Workers said something: of a pull endpoint more may wait.
  void look_at_waiting();
  /// Its turn: sends or holds something. True: there may be more.
  bool take_turn();
  /// Sends nothing more. `done` once everything that was sent is recorded, and the cursor too.
  void retire(std::function<void()> done);
  /// Something failed on our side: nothing more for so long.
  void back_off(std::chrono::milliseconds time);
  /// The partition is another process's now: records nothing more either.
  void abandon();

  /// For FairTurns: what it was before.
  bool set_waiting(bool waiting) { return std::exchange(waiting_, waiting); }

 private:
  using Time = schemas::Time;
  using Sequence = std::uint64_t;  // of what was read, from 0
  struct Item {
    Sequence sequence;
    ReadEvent event;
  };
  struct Passed {
    std::string mark;
    bool settled;
  };
  /// An attempt on its way.
  struct Attempting {
    std::optional<Sequence> sequence;  // of what came from the log
    manager::DeliveryRecord record;    // as far as it is known
    EventBody body;                    // empty: to be read again
    Time first_at;
    Pace::Send send{};
  };
  struct Recording {
    std::optional<Sequence> sequence;
    manager::DeliveryRecord record;
    bool disable = false;
  };
  struct Idle {
    HttpConnection connection;
    Time since;
  };

  // reading (outlet.cpp)
  void read_more();
  struct Looked {
    schemas::Result<ReadEvents> read;
    std::set<schemas::Uuid> passed_over;  // have a delivery already, or are not wanted
  };
  Looked look_at_log(const std::string& place) const;
  bool is_passed_over(const ReadEvent& event) const;
  void on_read(Looked looked);
  void drop_queue();
  Wanted wanted() const;
  void settle(Sequence sequence);
  void find_released();

  // of a pull endpoint (outlet_waiting.cpp)
  bool pulled() const { return setup_.config.kind == EndpointKind::pull; }
  bool let_wait();
  bool enough_wait();
  bool many_could_be_leased() const;

  // sending (outlet_sending.cpp)
  bool take_fresh();
  Attempting first_attempt(Item item);
  bool take_again();
  /// A delivery, and its row as it was found.
  struct Found {
    schemas::Uuid id;
    projections::Row<projections::Delivery> row;
  };
  std::optional<Found> next_again();
  bool lane_is_open(std::uint64_t lane) const;
  std::optional<schemas::Uuid> first_open(std::uint64_t lane) const;
  void send(Attempting attempting);
  static awaitable<void> attempt(std::shared_ptr<Outlet> self, Attempting attempting);
  awaitable<schemas::Result<EventBody>> body_of(manager::DeliveryRecord& record);
  struct Answered {
    HttpResult<HttpAnswerHead> answer;
    HttpTiming timing;
  };
  awaitable<Answered> post(const Attempting& attempting, std::chrono::milliseconds timeout);
  awaitable<HttpResult<HttpConnection>> connection(std::chrono::steady_clock::time_point until,
                                                   bool& kept);
  HttpRequest request_of(const Attempting& attempting) const;
  void on_answer(Attempting attempting, Answered answered, std::chrono::microseconds took);
  awaitable<Answered> try_once(Attempting& attempting);
  awaitable<Answered> republish(manager::DeliveryRecord& record);
  void end_unsent(const Attempting& attempting);

  // recording (outlet_recording.cpp)
  void record(Recording recording);
  void flush();
  bool cursor_is_due() const;
  void on_recorded(const schemas::Result<manager::Outcome>& outcome);
  void follow(const Recording& recording);
  void release(std::uint64_t lane);
  void pause_if_failing();
  void ask(manager::Command command, bool Outlet::* asked);
  void ask_to_pause();
  void check_retired();
  void check_complete();

  void arm();
  void on_timer();
  Time now() const { return parts_.clock.wall(); }
  projections::Reader reader() const {
    return {parts_.rows, setup_.scope.organization, setup_.scope.space};
  }

  static constexpr std::size_t queue_max = 256;
  static constexpr std::size_t read_bytes_max = std::size_t{1} << 20;
  static constexpr std::size_t queue_bytes_max = std::size_t{4} << 20;
  static constexpr std::size_t queued_bytes_max = std::size_t{256} << 20;  // of all outlets
  static constexpr std::size_t unsettled_max = 2'000;
  static constexpr std::size_t waiting_max = 10'000;  // of a pull endpoint, in rows
  static constexpr std::size_t waiting_max_ever = 100'000;
  static constexpr std::chrono::milliseconds waiting_every{100};
  static constexpr std::chrono::milliseconds waiting_every_max{2'000};
  static constexpr std::size_t records_max = 1'000;  // of one command, and its bytes:
  static constexpr std::size_t records_bytes_max = std::size_t{1} << 20;
  static constexpr std::size_t body_kept = 4'096;
  static constexpr std::size_t error_kept = 500;
  static constexpr std::chrono::seconds cursor_every{10};
  static constexpr std::size_t cursor_every_events = 10'000;
  static constexpr std::chrono::seconds idle_for{20};

  const OutletParts parts_;
  const OutletSetup setup_;

  // reading
  std::string place_;  // behind what was read last
  bool reading_ = false;
  bool more_ = true;                 // behind place_
  bool read_all_ = false;            // of a replay: nothing more can come
  const schemas::Time check_until_;  // what was accepted before may have been delivered already
  std::deque<Item> queue_;
  std::size_t queue_bytes_ = 0;
  std::deque<Passed> window_;  // what was read and is not behind the cursor yet
  Sequence window_begin_ = 0;  // of its first
  Sequence read_ = 0;

  bool enough_wait_ = false;  // of a pull endpoint
  Time looked_at_waiting_{};
  std::chrono::milliseconds look_at_waiting_every_ = waiting_every;

  // sending
  Pace pace_;
  std::optional<RateCap> rate_;
  std::unordered_set<std::uint64_t> busy_;  // lanes: from the sending to the record
  std::set<schemas::Uuid> again_;           // deliveries that are tried again right now
  std::deque<schemas::Uuid> released_;      // whose turn in their lanes has come
  std::vector<Idle> idle_;
  std::optional<Time> next_due_;
  bool due_known_ = false;
  bool prefers_again_ = false;
  bool waiting_ = false;
  std::minstd_rand random_;

  // recording
  std::deque<Recording> records_;
  std::vector<Recording> recording_;  // under way
  bool is_recording_ = false;
  std::string cursor_;           // what may be recorded as cursor
  std::string cursor_recorded_;  // what was
  std::string cursor_recording_;
  std::size_t passed_since_cursor_ = 0;
  Time cursor_at_{};
  projections::EndpointHealth health_;
  struct PauseWish {
    bool disable;
    std::string reason;
  };
  std::optional<PauseWish> pause_wish_;
  bool pause_asked_ = false;
  bool completion_asked_ = false;
  bool find_released_ = false;  // on the timer

  std::size_t unsettled_ = 0;  // attempts and records that are not in the rows yet
  Time not_before_{};          // after something failed on our side
  boost::asio::steady_timer timer_;
  bool retiring_ = false;
  bool abandoned_ = false;
  std::function<void()> retired_;
};

}  // namespace webhooks
