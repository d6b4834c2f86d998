#include "webhooks/deliverer.h"

#include <future>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "projections/delivery_rows.h"
#include "projections/organization.h"
#include "projections/reader.h"

namespace webhooks {

namespace asio = boost::asio;
using projections::Endpoint;
using schemas::OrganizationId;
using schemas::Result;
using schemas::Uuid;

Deliverer::Deliverer(Parts parts)
    : parts_(std::move(parts)), work_(asio::make_work_guard(context_)) {
  if (!parts_.guard.resolve) {
    parts_.guard.resolve = [this](std::string host) {
      return resolve_on(resolvers_, std::move(host));
    };
  }
}

Deliverer::~Deliverer() {
  stop();
}

void Deliverer::start() {
  webhooks_ = *parts_.topics.find(eventstore::webhooks_product);
  deliveries_ = *parts_.topics.find(eventstore::deliveries_product);
  identity_ = *parts_.topics.find(eventstore::identity_product);
  thread_ = std::thread([this] { run(); });
  started_ = true;
  asio::post(context_, [this] { forget_later(); });
  if (parts_.ownership == nullptr) asio::post(context_, [this] { look_at_all(); });
}

/// What the rows cannot say now is asked again by whoever noticed, or at the next event.
void Deliverer::run() {
  for (;;) {
    try {
      context_.run();
      return;
    } catch (const std::exception& failure) {
      spdlog::error("deliveries go on after detail=\"{}\"", failure.what());
    }
  }
}

void Deliverer::stop() {
  if (!thread_.joinable()) return;
  std::promise<void> ended;
  asio::post(context_, [&] {
    stopping_ = true;
    auto left = std::make_shared<std::size_t>(1);
    const auto one_less = [&ended, left] {
      if (--*left == 0) ended.set_value();
    };
    for (auto& [scope, outlets] : scopes_) {
      for (auto& [id, place] : outlets) {
        if (!place.outlet || place.retiring) continue;
        ++*left;
        place.outlet->retire(one_less);
      }
    }
    one_less();
  });
  // Receivers that take their time are not waited for: what they were sent is sent again.
  ended.get_future().wait_for(std::chrono::seconds(2));
  work_.reset();
  context_.stop();
  thread_.join();
  pool_.join();
  replay_pool_.join();
  resolvers_.join();
}

// ---- on the core thread ----

void Deliverer::applied(const std::vector<eventstore::StoredRecord>& group) {
  if (!started_) return;
  if (group.empty()) {
    asio::post(context_, [this] { look_again(); });
    return;
  }
  std::unordered_set<Scope, ScopeHash> changed;
  std::unordered_set<Scope, ScopeHash> asked;
  std::unordered_set<Scope, ScopeHash> leased;
  std::unordered_set<Scope, ScopeHash> touched;
  std::vector<std::pair<Scope, Uuid>> ended;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& record : group) {
      if (record.head.kind != eventstore::RecordKind::events) continue;
      const auto batch = schemas::BatchView::trusted(record.payload.bytes());
      const Scope scope{batch.organization(), batch.space()};
      const auto topic = record.log.topic;
      if (topic == deliveries_) {
        const bool is_own = batch.actor().kind == schemas::ActorKind::system;
        if (!is_own) (batch.event(0).type() == "delivery.requested" ? asked : leased).insert(scope);
        continue;
      }
      if (topic == identity_) {
        for (std::uint32_t i = 0; i < batch.event_count(); ++i) {
          const auto event = batch.event(i);
          const auto type = event.type();
          if (type != "organization.suspended" && type != "organization.resumed") continue;
          for (const auto space : {schemas::Space::live, schemas::Space::test}) {
            changed.insert({OrganizationId(event.entity().id), space});
          }
        }
      }
      if (topic == webhooks_) {
        changed.insert(scope);
        for (std::uint32_t i = 0; i < batch.event_count(); ++i) {
          const auto event = batch.event(i);
          const auto type = event.type();
          const bool ends = type == "endpoint.deleted" || type == "replay.cancelled" ||
                            type == "pipeline.deleted";
          if (ends) ended.emplace_back(scope, event.entity().id);
        }
      }
      if (followed_.contains(scope)) touched.insert(scope);
    }
  }
  if (changed.empty() && asked.empty() && leased.empty() && touched.empty()) return;
  asio::post(context_,
             [this, changed = std::move(changed), asked = std::move(asked),
              leased = std::move(leased), touched = std::move(touched), ended = std::move(ended)] {
               for (const auto& scope : changed) look_at_soon(scope);
               for (const auto& [scope, id] : ended) skip_ended(scope, id);
               const auto each = [this](const Scope& scope, void (Outlet::*tell)()) {
                 const auto found = scopes_.find(scope);
                 if (found == scopes_.end()) return;
                 for (auto& [id, place] : found->second) {
                   if (place.outlet) ((*place.outlet).*tell)();
                 }
               };
               for (const auto& scope : asked) {
                 each(scope, &Outlet::look_at_due);
                 skip_all_ended(scope);  // a deletion may have come in between
               }
               for (const auto& scope : leased) each(scope, &Outlet::look_at_waiting);
               for (const auto& scope : touched) each(scope, &Outlet::wake);
             });
}

void Deliverer::tick() {
  if (!started_ || parts_.ownership == nullptr) return;
  std::set<std::uint16_t> ours;
  for (std::uint16_t i = 0; i < parts_.topics.partition_count(); ++i) {
    if (parts_.ownership->of({deliveries_, i}) == manager::Ownership::Standing::ours) {
      ours.insert(i);
    }
  }
  if (ours == ours_) return;
  ours_ = std::move(ours);
  asio::post(context_, [this] { look_at_all(); });
}

bool Deliverer::is_ours(OrganizationId organization) const {
  return parts_.ownership == nullptr ||
         parts_.ownership->of(parts_.topics.log_of(deliveries_, organization)) ==
             manager::Ownership::Standing::ours;
}

// ---- which outlets there are ----

/// Anything may have come.
void Deliverer::look_again() {
  look_at_all();
  for (auto& [scope, outlets] : scopes_) {
    for (auto& [id, place] : outlets) {
      if (!place.outlet || place.retiring) continue;
      place.outlet->wake();
      place.outlet->look_at_due();
    }
  }
}

void Deliverer::look_at_all() {
  std::vector<Scope> gone;
  for (const auto& [scope, outlets] : scopes_) {
    if (!is_ours(scope.organization)) gone.push_back(scope);
  }
  for (const auto& scope : gone) abandon(scope);
  projections::each_scope(parts_.rows, [this](OrganizationId organization, schemas::Space space) {
    look_at({organization, space});
    skip_all_ended({organization, space});
  });
}

/// Once for all that asked meanwhile.
void Deliverer::look_at_soon(const Scope& scope) {
  if (!looks_.insert(scope).second) return;
  asio::post(context_, [this, scope] {
    looks_.erase(scope);
    try {
      look_at(scope);
    } catch (const projections::StoreFailure& failure) {
      spdlog::warn("endpoints wait for the rows detail=\"{}\"", failure.what());
      look_later(scope);
    }
  });
}

/// Once, however many ask for it.
void Deliverer::look_later(const Scope& scope) {
  if (!later_looks_.insert(scope).second) return;
  after(std::chrono::seconds(1), [this, scope] {
    later_looks_.erase(scope);
    look_at_soon(scope);
  });
}

void Deliverer::after(std::chrono::milliseconds wait, std::function<void()> then) {
  auto timer = std::make_shared<asio::steady_timer>(context_, wait);
  timer->async_wait([this, timer, then = std::move(then)](boost::system::error_code failed) {
    if (!failed && !stopping_) then();
  });
}

void Deliverer::look_at(const Scope& scope) {
  if (stopping_ || !is_ours(scope.organization)) return;
  const projections::Reader reader(parts_.rows, scope.organization, scope.space);
  const bool suspended = is_suspended(scope.organization);
  std::set<Uuid> there;
  for (const auto kind :
       {Endpoint::kind, projections::Pipeline::kind, projections::open_replay_kind}) {
    projections::ListOptions options{
        .after = {}, .limit = 1'000, .as_of = {}, .below = {}, .filter = {}};
    for (bool more = true; more;) {
      const auto page = reader.list(webhooks_, kind, true, options);
      for (const auto& found : page.rows) {
        auto source = find_source(reader, webhooks_, found.entity.id);
        if (!source) continue;
        source->is_suspended = suspended;
        if (!source->orphaned().empty()) stop(scope, *source);
        there.insert(found.entity.id);
        place(scope, found.entity.id, versions_of(reader, webhooks_, *source), source->active());
      }
      more = page.more;
      if (more) options.after = page.rows.back().entity;
    }
  }
  const auto known = scopes_.find(scope);
  if (known == scopes_.end()) return;
  std::vector<Uuid> gone;
  for (const auto& [id, place] : known->second) {
    if (!there.contains(id)) gone.push_back(id);
  }
  for (const auto& id : gone) place(scope, id, SourceVersions{}, false);
}

bool Deliverer::is_suspended(OrganizationId organization) const {
  return projections::status_of(parts_.rows, identity_, organization) ==
         projections::Organization::Status::suspended;
}

/// Brings a channel's outlet to these versions of it; one that is not active has none.
void Deliverer::place(const Scope& scope, const Uuid& id, const SourceVersions& versions,
                      bool active) {
  const auto known = scopes_.find(scope);
  const bool is_new = known == scopes_.end() || !known->second.contains(id);
  if (is_new) {
    if (!active) return;
    scopes_[scope][id] = {.outlet = nullptr, .wanted = versions, .retiring = false};
    {
      const std::lock_guard lock(mutex_);
      followed_.insert(scope);
    }
    return begin(scope, id);
  }
  auto& place = known->second[id];
  if (place.wanted == versions && active) return;
  place.wanted = active ? versions : SourceVersions{};
  if (place.retiring || !place.outlet) return;  // what comes then looks at the rows again
  place.retiring = true;
  place.outlet->retire([this, scope, id] {
    asio::post(context_, [this, scope, id] {
      remove(scope, id);
      look_at_soon(scope);
      skip_ended(scope, id);
    });
  });
}

void Deliverer::remove(const Scope& scope, const Uuid& id) {
  const auto found = scopes_.find(scope);
  if (found == scopes_.end()) return;
  found->second.erase(id);
  if (!found->second.empty()) return;
  scopes_.erase(found);
  const std::lock_guard lock(mutex_);
  followed_.erase(scope);
}

/// Another process writes their partition: what is on its way here is sent again there.
void Deliverer::abandon(const Scope& scope) {
  auto found = scopes_.find(scope);
  for (auto& [id, place] : found->second) {
    if (place.outlet) place.outlet->abandon();
  }
  scopes_.erase(found);
  const std::lock_guard lock(mutex_);
  followed_.erase(scope);
}

/// First of all a command that changes nothing: its answer says that the rows here have all that
/// any deliverer before recorded.
void Deliverer::begin(const Scope& scope, const Uuid& id) {
  parts_.commands.submit(
      own_context(scope),
      manager::RecordDeliveries{.endpoint = id, .generation = 0, .deliveries = {}, .cursor = {}},
      [this, scope, id](const Result<manager::Outcome>& outcome) {
        if (outcome) {
          asio::post(context_, [this, scope, id] { set_up(scope, id); });
          return;
        }
        asio::post(context_,
                   [this, scope, id] { begin_later(scope, id, std::chrono::seconds(1)); });
      });
}

void Deliverer::begin_later(const Scope& scope, const Uuid& id, std::chrono::milliseconds wait) {
  after(wait,
        [this, scope, id] { is_ours(scope.organization) ? begin(scope, id) : remove(scope, id); });
}

void Deliverer::set_up(const Scope& scope, const Uuid& id) {
  try {
    set_up_by_rows(scope, id);
  } catch (const projections::StoreFailure& failure) {
    spdlog::warn("an endpoint waits for the rows detail=\"{}\"", failure.what());
    begin_later(scope, id, std::chrono::seconds(1));
  }
}

void Deliverer::set_up_by_rows(const Scope& scope, const Uuid& id) {
  const auto found = scopes_.find(scope);
  if (stopping_ || found == scopes_.end() || !found->second.contains(id)) return;
  auto& place = found->second[id];
  if (place.outlet) return;
  const projections::Reader reader(parts_.rows, scope.organization, scope.space);
  auto source = find_source(reader, webhooks_, id);
  if (source) source->is_suspended = is_suspended(scope.organization);
  if (!source || !source->active() || versions_of(reader, webhooks_, *source) != place.wanted) {
    remove(scope, id);
    look_at_soon(scope);
    return skip_ended(scope, id);
  }
  const auto channel = source->channel();
  const auto cursor = reader.get<projections::DeliveryCursor>(deliveries_, channel.cursor());
  const auto begun = cursor ? cursor->state.generation : 0;
  if (source->generation() > begun) return begin_anew(scope, *source);
  // The row of what begins is behind: of two logs one may be.
  if (source->generation() < begun) return begin_later(scope, id, std::chrono::seconds(1));
  if (source->pipeline && !source->replay) {
    const auto& state = source->pipeline->state;
    const auto known = cursor ? cursor->state.version : schemas::Version{};
    if (state.version > known)
      return take_up(scope, *source, cursor ? cursor->state.mark : state.start);
    if (state.version < known) return begin_later(scope, id, std::chrono::seconds(1));
  }
  auto setup = setup_of({scope, reader, webhooks_, deliveries_, parts_.sealing}, *source);
  if (!setup) {
    spdlog::error("nothing can be delivered {} detail=\"{}\"", shown(channel),
                  setup.error().detail);
    return begin_later(scope, id, std::chrono::seconds(5));
  }
  const auto outlet = std::make_shared<Outlet>(outlet_parts(channel.replay ? replay_pool_ : pool_),
                                               std::move(*setup));
  outlet->start();  // where it throws, it is begun anew
  place.outlet = outlet;
}

// ---- who sends next ----

OutletParts Deliverer::outlet_parts(asio::thread_pool& pool) {
  return {.executor = context_.get_executor(),
          .pool = pool,
          .events = parts_.events,
          .writer = parts_.writer,
          .commands = parts_.commands,
          .rows = parts_.rows,
          .deliveries = deliveries_,
          .guard = parts_.guard,
          .clock = parts_.clock,
          .user_agent = parts_.user_agent,
          .ready =
              [this](std::shared_ptr<Outlet> outlet) {
                const auto organization = outlet->setup().scope.organization;
                turns_.add(organization, std::move(outlet));
                turn_soon();
              },
          .queued_bytes = queued_bytes_,
          .began =
              [this](const OrganizationId& organization) {
                ++in_flight_;
                ++in_flight_of_[organization];
              },
          .ended =
              [this](const OrganizationId& organization) {
                --in_flight_;
                const auto found = in_flight_of_.find(organization);
                if (--found->second == 0) in_flight_of_.erase(found);
                turn_soon();
              }};
}

void Deliverer::turn_soon() {
  if (stopping_ || std::exchange(turning_, true)) return;
  asio::post(context_, [this] { take_turns(); });
}

/// An organization may have as many attempts in flight as are free (dynamic thresholds, Choudhury
/// and Hahne 1998): however many hang, there is room for one more organization.
bool Deliverer::may_send(const OrganizationId& organization) const {
  const auto found = in_flight_of_.find(organization);
  const auto own = found == in_flight_of_.end() ? 0 : found->second;
  return own < std::min(in_flight_each, in_flight_max - in_flight_);
}

/// A few at a time, so that answers are read in between.
void Deliverer::take_turns() {
  turning_ = false;
  const auto may = [this](const OrganizationId& organization) { return may_send(organization); };
  constexpr int at_once = 64;
  for (int i = 0; i < at_once; ++i) {
    auto outlet = turns_.next(may);
    if (!outlet) return;  // whoever has enough in flight goes on when an attempt ends
    const auto organization = outlet->setup().scope.organization;
    try {
      if (outlet->take_turn()) turns_.add(organization, std::move(outlet));
    } catch (const std::exception& failure) {
      spdlog::warn("deliveries wait for the rows detail=\"{}\"", failure.what());
      outlet->back_off(std::chrono::seconds(1));
    }
  }
  turn_soon();
}

}  // namespace webhooks
