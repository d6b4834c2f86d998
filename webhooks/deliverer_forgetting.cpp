#include <algorithm>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "projections/delivery_rows.h"
#include "projections/reader.h"
#include "webhooks/deliverer.h"

/// Forgetting: deliveries that ended longer ago than they are kept.
namespace webhooks {

namespace asio = boost::asio;
using projections::Delivery;
using schemas::OrganizationId;
using schemas::Result;
using schemas::Uuid;

void Deliverer::Forgetting::next_scope() {
  scopes.pop_back();
  behind.reset();
  channels.clear();
}

void Deliverer::forget_later() {
  const auto every = std::clamp<std::chrono::milliseconds>(
      parts_.keep / 100, std::chrono::seconds(1), std::chrono::minutes(10));
  after(every, [this] { forget_old(); });
}

void Deliverer::forget_old() {
  auto forgetting =
      std::make_shared<Forgetting>(Forgetting{.ended_before = parts_.clock.wall() - parts_.keep});
  try {
    projections::each_scope(parts_.rows, [&](OrganizationId organization, schemas::Space space) {
      if (is_ours(organization)) forgetting->scopes.push_back({organization, space});
    });
  } catch (const projections::StoreFailure& failure) {
    spdlog::warn("old deliveries wait for the rows detail=\"{}\"", failure.what());
  }
  forget_page(forgetting);
}

/// A page of rows at a time, looked at where others do not wait for it.
void Deliverer::forget_page(const std::shared_ptr<Forgetting>& forgetting) {
  if (stopping_) return;
  if (forgetting->scopes.empty()) return forget_later();
  const auto scope = forgetting->scopes.back();
  if (!is_ours(scope.organization)) {
    forgetting->next_scope();
    return forget_page(forgetting);
  }
  const auto go_on = [this, forgetting] {
    asio::post(context_, [this, forgetting] { forget_page(forgetting); });
  };
  asio::post(replay_pool_, [this, forgetting, scope, go_on] {
    std::vector<Uuid> old;
    try {
      old = find_old(*forgetting);
    } catch (const projections::StoreFailure& failure) {
      spdlog::warn("old deliveries wait for the rows detail=\"{}\"", failure.what());
      forgetting->next_scope();
    }
    if (old.empty()) return go_on();
    parts_.commands.submit(own_context(scope),
                           manager::ForgetDeliveries{std::move(old), forgetting->ended_before},
                           [go_on](const Result<manager::Outcome>& outcome) {
                             if (!outcome) {
                               spdlog::warn("old deliveries wait to be forgotten detail=\"{}\"",
                                            outcome.error().detail);
                             }
                             go_on();
                           });
  });
}

/// Of one page. Ids rise with the time at which events were accepted, and nothing ended before
/// that.
std::vector<Uuid> Deliverer::find_old(Forgetting& forgetting) {
  const auto scope = forgetting.scopes.back();
  const projections::Reader reader(parts_.rows, scope.organization, scope.space);
  const auto page = reader.list(
      deliveries_, Delivery::kind, true,
      {.after = forgetting.behind, .limit = 1'000, .as_of = {}, .below = {}, .filter = {}});
  std::vector<Uuid> old;
  bool more = page.more;
  for (const auto& found : page.rows) {
    if (projections::accepted_in(found.entity.id) >= forgetting.ended_before) {
      more = false;
      break;
    }
    const auto [head, state] = projections::decode_row<Delivery>(found.bytes);
    if (state.open() || head.updated_at >= forgetting.ended_before) continue;
    const auto channel = state.channel();
    const auto [known, is_new] = forgetting.channels.try_emplace(channel.id());
    auto& passed = known->second;
    if (is_new) passed = passed_by(scope, channel);
    const auto place = passed.places.find(state.topic);
    const bool is_passed =
        place != passed.places.end() &&
        projections::Place{static_cast<std::int64_t>(state.offset), state.index} <= place->second;
    if (passed.all || is_passed) old.push_back(found.entity.id);
  }
  if (more) {
    forgetting.behind = page.rows.back().entity;
  } else {
    forgetting.next_scope();
  }
  return old;
}

/// What a channel will not read again: a deliverer that begins looks only there whether an event
/// has a delivery.
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
