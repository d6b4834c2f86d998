#include <algorithm>
#include <exception>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "projections/delivery_rows.h"
#include "projections/reader.h"
#include "webhooks/deliverer.h"
#include "webhooks/replay.h"

/// Forgetting: deliveries that ended longer ago than they are kept.
namespace webhooks {

namespace asio = boost::asio;
using projections::Delivery;
using schemas::OrganizationId;
using schemas::Result;
using schemas::Uuid;

namespace {

/// What one command may have to delete, in events of deliveries: a few milliseconds of the thread
/// that decides.
constexpr std::uint64_t events_at_once = 250;

void warn(const std::exception& failure) {
  spdlog::warn("old deliveries wait to be forgotten detail=\"{}\"", failure.what());
}

}  // namespace

void Deliverer::Forgetting::next_scope() {
  scopes.pop_back();
  behind.reset();
  channels.clear();
  done = false;
  oldest_left = begun;
}

void Deliverer::forget_later() {
  const auto every = std::clamp<std::chrono::milliseconds>(
      parts_.keep / 100, std::chrono::seconds(1), std::chrono::hours(1));
  after(every, [this] {
    forget_later();
    if (!std::exchange(forgetting_, true)) forget_old();
  });
}

void Deliverer::forget_old() {
  const auto begun = parts_.clock.wall();
  auto forgetting = std::make_shared<Forgetting>(
      Forgetting{.begun = begun, .ended_before = begun - parts_.keep, .oldest_left = begun});
  asio::post(replay_pool_, [this, forgetting] {
    try {
      projections::each_scope(parts_.rows, [&](OrganizationId organization, schemas::Space space) {
        forgetting->scopes.push_back({organization, space});
      });
    } catch (const std::exception& failure) {
      warn(failure);
    }
    forget_page_after({}, forgetting);
  });
}

void Deliverer::forget_page_after(std::chrono::milliseconds wait,
                                  const std::shared_ptr<Forgetting>& forgetting) {
  asio::post(context_, [this, wait, forgetting] {
    after(wait, [this, forgetting] {
      try {
        forget_page(forgetting);
      } catch (const std::exception& failure) {
        warn(failure);
        forgetting_ = false;
      }
    });
  });
}

/// A page of rows at a time, looked at where nobody waits for it.
void Deliverer::forget_page(const std::shared_ptr<Forgetting>& forgetting) {
  auto& scopes = forgetting->scopes;
  while (!scopes.empty()) {
    const auto scope = scopes.back();
    if (forgetting->done) nothing_old_until_[scope] = forgetting->oldest_left + parts_.keep;
    const auto known = nothing_old_until_.find(scope);
    const bool has_old = known == nothing_old_until_.end() || known->second <= forgetting->begun;
    if (!forgetting->done && has_old && is_ours(scope.organization)) break;
    forgetting->next_scope();
  }
  if (scopes.empty()) {
    forgetting_ = false;
    return;
  }
  asio::post(replay_pool_, [this, forgetting] {
    try {
      auto old = find_old(*forgetting);
      if (old.empty()) return forget_page_after({}, forgetting);
      forget(std::move(old), forgetting);
    } catch (const std::exception& failure) {
      warn(failure);
      forgetting->scopes.clear();
      forget_page_after({}, forgetting);
    }
  });
}

/// Others have the thread that decides for as long as this had it. What cannot be recorded waits
/// for the next time.
void Deliverer::forget(std::vector<Uuid> old, const std::shared_ptr<Forgetting>& forgetting) {
  const auto begun = std::chrono::steady_clock::now();
  parts_.commands.submit(
      own_context(forgetting->scopes.back()),
      manager::ForgetDeliveries{std::move(old), forgetting->ended_before},
      [this, forgetting, begun](const Result<manager::Outcome>& outcome) {
        if (!outcome) {
          spdlog::warn("old deliveries wait to be forgotten detail=\"{}\"", outcome.error().detail);
          forgetting->scopes.clear();
        }
        const auto took = std::chrono::steady_clock::now() - begun;
        forget_page_after(std::chrono::ceil<std::chrono::milliseconds>(took), forgetting);
      });
}

/// Of one page. Ids rise with the time at which events were accepted, and nothing ended before
/// that.
std::vector<Uuid> Deliverer::find_old(Forgetting& forgetting) {
  const auto scope = forgetting.scopes.back();
  const projections::Reader reader(parts_.rows, scope.organization, scope.space);
  const auto page = reader.list(deliveries_, Delivery::kind, true,
                                {.after = forgetting.behind,
                                 .limit = events_at_once,
                                 .as_of = {},
                                 .below = {},
                                 .filter = {}});
  const auto wanted = still_to_replay(reader);
  const auto leave = [&](schemas::Time since) {
    forgetting.oldest_left = std::min(forgetting.oldest_left, since);
  };
  std::vector<Uuid> old;
  std::uint64_t events = 0;
  forgetting.done = !page.more;
  for (const auto& found : page.rows) {
    const auto accepted = projections::accepted_in(found.entity.id);
    if (accepted >= forgetting.ended_before) {
      leave(accepted);
      forgetting.done = true;
      break;
    }
    forgetting.behind = found.entity;
    const auto [head, state] = projections::decode_row<Delivery>(found.bytes);
    if (state.open()) continue;
    if (head.updated_at >= forgetting.ended_before) {
      leave(head.updated_at);
      continue;
    }
    const bool is_wanted =
        state.state == schemas::DeliveryState::exhausted && wanted.contains(state.channel().id());
    if (is_wanted || !is_passed(forgetting, scope, state)) {
      leave(forgetting.ended_before);
      continue;
    }
    old.push_back(found.entity.id);
    events += to_number(head.version);
    if (events < events_at_once) continue;
    forgetting.done = false;
    break;
  }
  return old;
}

/// Channels whose failed deliveries a replay has yet to look at.
std::set<Uuid> Deliverer::still_to_replay(const projections::Reader& reader) const {
  std::set<Uuid> channels;
  projections::ListOptions options{
      .after = {}, .limit = 1'000, .as_of = {}, .below = {}, .filter = {}};
  for (bool more = true; more;) {
    const auto page = reader.list(webhooks_, projections::open_replay_kind, true, options);
    for (const auto& found : page.rows) {
      const auto replay = reader.get<projections::Replay>(webhooks_, found.entity);
      const auto config =
          replay ? parse_replay_config(replay->state.config) : Result<ReplayConfig>();
      const auto of = replay && config ? failed_of(replay->state, *config) : std::nullopt;
      if (of) channels.insert(*of);
    }
    more = page.more;
    if (more) options.after = page.rows.back().entity;
  }
  return channels;
}

/// Whether its channel will not read its event again: a deliverer that begins looks only behind
/// the cursor whether an event has a delivery.
bool Deliverer::is_passed(Forgetting& forgetting, const Scope& scope,
                          const Delivery& delivery) const {
  const auto channel = delivery.channel();
  const auto [known, is_new] = forgetting.channels.try_emplace(channel.id());
  auto& passed = known->second;
  if (is_new) passed = passed_by(scope, channel);
  if (passed.all) return true;
  const auto place = passed.places.find(delivery.topic);
  const projections::Place own{static_cast<std::int64_t>(delivery.offset), delivery.index};
  return place != passed.places.end() && own <= place->second;
}

Deliverer::Passed Deliverer::passed_by(const Scope& scope,
                                       const projections::Channel& channel) const {
  const projections::Reader reader(parts_.rows, scope.organization, scope.space);
  if (ended(reader, channel.id())) return {.all = true};
  const auto cursor = reader.get<projections::DeliveryCursor>(deliveries_, channel.cursor());
  if (!cursor) return {};
  auto places = parts_.events.places(scope, cursor->state.mark);
  if (!places) {
    spdlog::warn("a cursor cannot be read {} detail=\"{}\"", shown(channel), places.error().detail);
    return {};
  }
  return {.places = std::move(*places)};
}

}  // namespace webhooks
