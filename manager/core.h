#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "eventstore/event_store.h"
#include "eventstore/topics.h"
#include "manager/command_handler.h"
#include "manager/deprovisioning.h"
#include "projections/progress.h"
#include "projections/projector.h"
#include "projections/read_store.h"

namespace manager {

/// The parts that run on the core thread, joined: event store, projector, command handler, and what
/// they share. The same assembly under the program and under tests.
///
///     Core core(options);
///     auto log = open_some_log(core.observer());     // memory, journal, Kafka
///     core.attach(*log);
///     core.catch_up();                               // rows reach the log's durable end
///     core.found(64, [] (Result<void>) { … });       // a new log gets its identity and topics
///
/// `commands()` takes commands from then on. The log must be closed before the core ends.
class Core {
 public:
  struct Options {
    boost::asio::any_io_executor executor;
    const eventstore::Clock& clock;
    eventstore::EventStore::Nonce nonce;
    std::string process;
    projections::ReadStore& rows;
    std::function<void(const std::vector<eventstore::StoredRecord>&)> on_applied;
    const Ownership* ownership = nullptr;  // null: this process writes everything
  };
  explicit Core(Options options);

  eventstore::LogObserver& observer() { return store_; }
  void attach(eventstore::Log& log);
  /// Topics, then rows. Blocks; before any command. Fails when `tm.log` lacks what the rest needs.
  Result<projections::Projector::CaughtUp> catch_up(
      const projections::Projector::Report& report = {});
  /// Whether the log has its identity and every built-in topic.
  bool founded() const;
  /// Writes what a log lacks of identity and built-in topics: all of it when it is new, the rest
  /// when founding it was cut off or a newer version has more products. Core thread; `done` there
  /// too.
  void found(std::uint16_t partitions, std::function<void(Result<void>)> done);

  /// Core thread, about every second.
  void tick() {
    handler_->tick();
    deprovisioning_->tick();
  }
  /// CommandHandler's, core thread.
  void rebalance() { handler_->rebalance(); }
  std::vector<schemas::LogId> owned() const { return store_.owned(); }

  /// The row store took others that are exactly as far. Core thread.
  void go_on_with_other_rows() { projector_.go_on_with_other_rows(); }

  Commands& commands() { return *handler_; }
  eventstore::Topics& topics() { return topics_; }
  projections::Progress& progress() { return progress_; }
  projections::Projector& projector() { return projector_; }

 private:
  Result<void> check_topics() const;
  void applied(const std::vector<eventstore::StoredRecord>& group);
  void found_next(std::size_t index, std::function<void(Result<void>)> done);

  Options options_;
  eventstore::EventStore store_;
  eventstore::Topics topics_;
  projections::Progress progress_;
  projections::Projector projector_;
  eventstore::Log* log_ = nullptr;
  std::unique_ptr<CommandHandler> handler_;
  std::unique_ptr<Deprovisioning> deprovisioning_;
};

}  // namespace manager
