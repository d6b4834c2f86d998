#include "webhooks/deliverer.h"

#include <future>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "projections/delivery_rows.h"
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
  thread_ = std::thread([this] { run(); });
  started_ = true;
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
  std::vector<std::pair<Scope, Uuid>> deleted;
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
      if (topic == webhooks_) {
        changed.insert(scope);
        for (std::uint32_t i = 0; i < batch.event_count(); ++i) {
          const auto event = batch.event(i);
          if (event.type() == "endpoint.deleted") deleted.emplace_back(scope, event.entity().id);
        }
      }
      if (followed_.contains(scope)) touched.insert(scope);
    }
  }
  if (changed.empty() && asked.empty() && leased.empty() && touched.empty()) return;
  asio::post(context_, [this, changed = std::move(changed), asked = std::move(asked),
                        leased = std::move(leased), touched = std::move(touched),
                        deleted = std::move(deleted)] {
    for (const auto& scope : changed) look_at_soon(scope);
    for (const auto& [scope, id] : deleted) skip_deleted(scope, id);
    const auto each = [this](const Scope& scope, void (Outlet::*tell)()) {
      const auto found = scopes_.find(scope);
      if (found == scopes_.end()) return;
      for (auto& [id, place] : found->second) {
        if (place.outlet) ((*place.outlet).*tell)();
      }
    };
    for (const auto& scope : asked) {
      each(scope, &Outlet::look_at_due);
      skip_all_deleted(scope);  // a deletion may have come in between
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
    skip_all_deleted({organization, space});
  });
}

/// Once for all that asked meanwhile.
void Deliverer::look_at_soon(const Scope& scope) {
  if (!looks_.insert(scope).second) return;
  asio::post(context_, [this, scope] {
    looks_.erase(scope);
    look_at(scope);
  });
}

void Deliverer::look_at(const Scope& scope) {
  if (stopping_ || !is_ours(scope.organization)) return;
  const projections::Reader reader(parts_.rows, scope.organization, scope.space);
  std::set<Uuid> there;
  projections::ListOptions options{
      .after = {}, .limit = 1'000, .as_of = {}, .below = {}, .filter = {}};
  for (bool more = true; more;) {
    const auto page = reader.list(webhooks_, Endpoint::kind, true, options);
    for (const auto& found : page.rows) {
      const auto row = projections::decode_row<Endpoint>(found.bytes);
      there.insert(found.entity.id);
      place(scope, found.entity.id, versions_of(reader, row),
            row.state.status == Endpoint::Status::active);
    }
    more = page.more;
    if (more) options.after = page.rows.back().entity;
  }
  const auto known = scopes_.find(scope);
  if (known == scopes_.end()) return;
  std::vector<Uuid> gone;
  for (const auto& [id, place] : known->second) {
    if (!there.contains(id)) gone.push_back(id);
  }
  for (const auto& id : gone) place(scope, id, Versions{}, false);
}

Deliverer::Versions Deliverer::versions_of(const projections::Reader& reader,
                                           const projections::Row<Endpoint>& row) const {
  Versions versions;
  projections::Encoder{versions.endpoint}(row.state);
  const auto config = schemas::json::parse(row.state.config);
  const auto named = config ? config->root().find("retry_policy_id") : std::nullopt;
  const auto text = named ? named->as_string() : std::nullopt;
  const auto id = text ? schemas::parse_id<schemas::RetryPolicyTag>(*text) : std::nullopt;
  if (!id) return versions;
  const auto policy = reader.get<projections::RetryPolicyState>(webhooks_, {id->uuid(), {}});
  if (policy) versions.policy = policy->head.version;
  return versions;
}

/// Brings an endpoint's outlet to this version of it; one that is not active has none.
void Deliverer::place(const Scope& scope, const Uuid& id, const Versions& versions, bool active) {
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
  place.wanted = active ? versions : Versions{};
  if (place.retiring || !place.outlet) return;  // what comes then looks at the rows again
  place.retiring = true;
  place.outlet->retire([this, scope, id] {
    asio::post(context_, [this, scope, id] {
      remove(scope, id);
      look_at_soon(scope);
      skip_deleted(scope, id);
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
  auto timer = std::make_shared<asio::steady_timer>(context_, wait);
  timer->async_wait([this, scope, id, timer](boost::system::error_code failed) {
    if (failed || stopping_) return;
    is_ours(scope.organization) ? begin(scope, id) : remove(scope, id);
  });
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
  const auto row = reader.get<Endpoint>(webhooks_, {id, {}});
  const bool active = row && row->state.status == Endpoint::Status::active;
  if (!active || versions_of(reader, *row) != place.wanted) {
    remove(scope, id);
    look_at_soon(scope);
    return skip_deleted(scope, id);
  }
  const auto cursor = reader.get<projections::DeliveryCursor>(deliveries_, {id, {}});
  const auto begun = cursor ? cursor->state.generation : 0;
  if (row->state.generation > begun) return begin_anew(scope, id, row->state);
  // The endpoint's row is behind: of two logs one may be.
  if (row->state.generation < begun) return begin_later(scope, id, std::chrono::seconds(1));
  auto setup = setup_of(scope, id, *row);
  if (!setup) {
    spdlog::error("an endpoint cannot be delivered to endpoint={} detail=\"{}\"",
                  to_text(schemas::EndpointId(id)), setup.error().detail);
    return begin_later(scope, id, std::chrono::seconds(5));
  }
  place.outlet = std::make_shared<Outlet>(outlet_parts(), std::move(*setup));
  place.outlet->start();
}

/// It was resumed at another place: what is open is of before, and nobody wants it. The cursor is
/// recorded at once: from then on what is open is wanted.
void Deliverer::begin_anew(const Scope& scope, const Uuid& id, const Endpoint& endpoint) {
  const auto record_cursor = [this, scope, id, generation = endpoint.generation,
                              start = endpoint.start] {
    parts_.commands.submit(
        own_context(scope),
        manager::RecordDeliveries{
            .endpoint = id, .generation = generation, .deliveries = {}, .cursor = start},
        [this, scope, id](const Result<manager::Outcome>& outcome) {
          asio::post(context_, [this, scope, id, recorded = outcome.has_value()] {
            recorded ? set_up(scope, id) : begin_later(scope, id, std::chrono::seconds(1));
          });
        });
  };
  skip_open({.scope = scope,
             .command = {.endpoint = id,
                         .generation = endpoint.generation,
                         .since = endpoint.active_since,
                         .ids = {},
                         .reason = "the endpoint was resumed behind it"},
             .then =
                 [this, scope, id, record_cursor](bool done) {
                   done ? record_cursor() : begin_later(scope, id, std::chrono::seconds(1));
                 },
             .behind = {}});
}

/// A page of rows at a time.
void Deliverer::skip_open(Skipping skipping) {
  if (stopping_) return;
  const auto& scope = skipping.scope;
  if (!is_ours(scope.organization)) return skipping.then(false);
  auto command = skipping.command;
  try {
    const projections::Reader reader(parts_.rows, scope.organization, scope.space);
    const auto open = reader.list(deliveries_, projections::lane_kind, true,
                                  {.after = skipping.behind,
                                   .limit = 1'000,
                                   .as_of = {},
                                   .below = schemas::Entity{command.endpoint, {}},
                                   .filter = {}});
    if (open.rows.empty()) return skipping.then(true);
    for (const auto& row : open.rows) command.ids.push_back(projections::delivery_in(row.entity));
    skipping.behind = open.rows.back().entity;
  } catch (const projections::StoreFailure& failure) {
    spdlog::warn("deliveries wait to be skipped detail=\"{}\"", failure.what());
    return skipping.then(false);
  }
  auto context = own_context(scope);
  parts_.commands.submit(
      std::move(context), std::move(command),
      [this, skipping = std::move(skipping)](const Result<manager::Outcome>& outcome) {
        asio::post(context_, [this, skipping, done = outcome.has_value()] {
          done ? skip_open(skipping) : skipping.then(false);
        });
      });
}

/// What is open of an endpoint that is no more: once nothing of it is on its way.
void Deliverer::skip_deleted(const Scope& scope, const Uuid& id) {
  const auto known = scopes_.find(scope);
  const bool ends = known != scopes_.end() && known->second.contains(id);
  if (stopping_ || ends || !is_ours(scope.organization)) return;
  const projections::Reader reader(parts_.rows, scope.organization, scope.space);
  const auto health = reader.get<projections::EndpointHealth>(deliveries_, {id, {}});
  if (!health || health->state.pending + health->state.failing == 0) return;
  // Not there is not deleted: of two logs, that of endpoints may be read less far.
  const auto endpoint = reader.existence(webhooks_, Endpoint::kind, {id, {}});
  if (endpoint.there || endpoint.version == schemas::Version{}) return;
  const auto again = [this, scope, id](bool done) {
    if (done) return;
    auto timer = std::make_shared<asio::steady_timer>(context_, std::chrono::seconds(1));
    timer->async_wait([this, scope, id, timer](boost::system::error_code failed) {
      if (!failed) skip_deleted(scope, id);
    });
  };
  skip_open({.scope = scope,
             .command = {.endpoint = id,
                         .generation = {},
                         .since = {},
                         .ids = {},
                         .reason = "its endpoint was deleted"},
             .then = again,
             .behind = {}});
}

/// Whoever delivered before may have ended before it could.
void Deliverer::skip_all_deleted(const Scope& scope) {
  if (!is_ours(scope.organization)) return;
  const projections::Reader reader(parts_.rows, scope.organization, scope.space);
  projections::ListOptions options{
      .after = {}, .limit = 1'000, .as_of = {}, .below = {}, .filter = {}};
  for (bool more = true; more;) {
    const auto page = reader.list(deliveries_, projections::EndpointHealth::kind, true, options);
    for (const auto& found : page.rows) skip_deleted(scope, found.entity.id);
    more = page.more;
    if (more) options.after = page.rows.back().entity;
  }
}

Result<OutletSetup> Deliverer::setup_of(const Scope& scope, const Uuid& id,
                                        const projections::Row<Endpoint>& row) {
  const projections::Reader reader(parts_.rows, scope.organization, scope.space);
  const schemas::Entity entity{id, {}};
  auto config = parse_endpoint_config(row.state.config);
  if (!config) return std::unexpected(std::move(config).error());
  OutletSetup setup{.scope = scope,
                    .id = id,
                    .generation = row.state.generation,
                    .project = row.state.project,
                    .config = *config,
                    .policy = retry_policy_of(reader, webhooks_, *config),
                    .place = row.state.start};
  if (!config->filter.empty()) {
    auto filter = schemas::cel::Filter::compile(config->filter);
    if (!filter) return std::unexpected(std::move(filter).error());
    setup.filter = std::make_shared<const schemas::cel::Filter>(std::move(*filter));
  }
  if (setup.config.kind == EndpointKind::push) {
    auto url = parse_webhook_url(setup.config.url);
    if (!url) return std::unexpected(std::move(url).error());
    setup.url = std::move(*url);
    if (auto opened = open_sealed(row.state, setup); !opened) {
      return std::unexpected(std::move(opened).error());
    }
  }
  const auto cursor = reader.get<projections::DeliveryCursor>(deliveries_, entity);
  if (cursor && cursor->state.generation == setup.generation) setup.place = cursor->state.mark;
  const auto health = reader.get<projections::EndpointHealth>(deliveries_, entity);
  if (health) setup.health = health->state;
  setup.active_since = row.state.active_since;
  return setup;
}

Result<void> Deliverer::open_sealed(const Endpoint& endpoint, OutletSetup& setup) {
  const schemas::Entity entity{setup.id, {}};
  const auto place = [&](std::string_view field) {
    return eventstore::FieldPlace{setup.scope.organization, setup.scope.space, Endpoint::kind,
                                  entity, field};
  };
  for (const auto& secret : endpoint.secrets) {
    auto opened = parts_.sealing.open(place("secret"), secret.sealed);
    if (!opened) return std::unexpected(std::move(opened).error());
    auto signer = parse_signer(opened->reveal());
    if (!signer) return std::unexpected(std::move(signer).error());
    setup.signers.push_back({std::move(*signer), secret.expires});
  }
  if (endpoint.headers.empty()) return {};
  auto opened = parts_.sealing.open(place("headers"), endpoint.headers);
  if (!opened) return std::unexpected(std::move(opened).error());
  const auto document = schemas::json::parse(opened->reveal());
  if (!document) return std::unexpected(document.error());
  for (const auto& [name, value] : document->root().members()) {
    setup.headers.emplace_back(name, value.as_string().value_or(""));
  }
  return {};
}

// ---- who sends next ----

OutletParts Deliverer::outlet_parts() {
  return {.executor = context_.get_executor(),
          .pool = pool_,
          .events = parts_.events,
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
