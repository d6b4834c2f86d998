#include "manager/core.h"

#include <algorithm>

#include "schemas/controls.h"

namespace manager {
namespace {

constexpr std::uint16_t log_format = 1;

}  // namespace

Core::Core(Options options)
    : options_(std::move(options)),
      store_(options_.executor, options_.clock, options_.nonce, options_.process),
      projector_(options_.rows, progress_, &topics_) {}

void Core::attach(eventstore::Log& log) {
  log_ = &log;
  handler_ = std::make_unique<CommandHandler>(
      CommandHandler::Parts{.core = options_.executor,
                            .clock = options_.clock,
                            .log = log,
                            .store = store_,
                            .topics = topics_,
                            .rows = options_.rows,
                            .projector = projector_,
                            .progress = progress_,
                            .on_applied = [this](const auto& group) { applied(group); },
                            .ownership = options_.ownership});
  deprovisioning_ =
      std::make_unique<Deprovisioning>(Deprovisioning::Parts{.core = options_.executor,
                                                             .log = log,
                                                             .topics = topics_,
                                                             .rows = options_.rows,
                                                             .commands = *handler_,
                                                             .ownership = options_.ownership});
  store_.attach(log, *handler_);
}

void Core::applied(const std::vector<eventstore::StoredRecord>& group) {
  if (options_.on_applied) options_.on_applied(group);
  deprovisioning_->applied(group);
}

Result<projections::Projector::CaughtUp> Core::catch_up(
    const projections::Projector::Report& report) {
  auto loaded = eventstore::load_topics(*log_, topics_, eventstore::NoLog::is_made);
  if (!loaded) return std::unexpected(std::move(loaded).error());
  auto known = check_topics();
  if (!known) return std::unexpected(std::move(known).error());
  return projector_.catch_up(*log_, report);
}

/// Records of a topic that `tm.log` does not name: its records were lost, and with them the numbers
/// and the partition count under which everything else was written. Nothing may be founded anew.
Result<void> Core::check_topics() const {
  if (log_->read_only()) return {};
  for (auto id : log_->partitions()) {
    if (id.topic == schemas::log_topic || !topics_.name(id.topic).empty()) continue;
    return fail(ErrorCode::internal,
                "the log holds records of topic " + std::to_string(static_cast<int>(id.topic)) +
                    ", which tm.log does not name: restore tm.log from a backup");
  }
  return {};
}

bool Core::founded() const {
  return topics_.partition_count() != 0 &&
         std::ranges::all_of(eventstore::built_in_products,
                             [this](auto product) { return topics_.find(product).has_value(); });
}

void Core::found(std::uint16_t partitions, std::function<void(Result<void>)> done) {
  if (topics_.partition_count() != 0) return found_next(0, std::move(done));
  schemas::LogIdentity identity{schemas::make_uuid(options_.clock.wall()), partitions, log_format};
  handler_->append_control(identity, [this, done = std::move(done)](Result<void> written) {
    if (!written) return done(std::move(written));
    found_next(0, done);
  });
}

/// One topic after the other: each has its number before the next is asked for.
void Core::found_next(std::size_t index, std::function<void(Result<void>)> done) {
  const auto& products = eventstore::built_in_products;
  while (index < std::size(products) && topics_.find(products[index])) ++index;
  if (index == std::size(products)) return done({});
  schemas::TopicAdded added{topics_.next_id(), std::string(products[index])};
  handler_->append_control(added, [this, index, done = std::move(done)](Result<void> written) {
    if (!written) return done(std::move(written));
    found_next(index + 1, done);
  });
}

}  // namespace manager
