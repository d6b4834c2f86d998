#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "projections/delivery_rows.h"
#include "projections/reader.h"
#include "webhooks/deliverer.h"

/// Skipping: deliveries that nobody waits for any more.
namespace webhooks {

namespace asio = boost::asio;
using projections::Endpoint;
using projections::Pipeline;
using projections::Replay;
using schemas::Result;
using schemas::Uuid;

/// It was resumed at another place: what is open is of before, and nobody wants it. The cursor is
/// recorded at once: from then on what is open is wanted.
void Deliverer::begin_anew(const Scope& scope, const OutletSource& source) {
  const auto* pipeline = source.pipeline ? &source.pipeline->state : nullptr;
  const auto& start = pipeline != nullptr ? pipeline->start : source.endpoint->state.start;
  const auto since =
      pipeline != nullptr ? pipeline->active_since : source.endpoint->state.active_since;
  const auto channel = source.channel();
  skip_open({.scope = scope,
             .command = {.endpoint = channel.endpoint,
                         .generation = source.generation(),
                         .since = since,
                         .ids = {},
                         .reason = pipeline != nullptr ? "the pipeline was resumed behind it"
                                                       : "the endpoint was resumed behind it",
                         .pipeline = channel.pipeline},
             .then =
                 [this, scope, source, start](bool done) {
                   done ? take_up(scope, source, start)
                        : begin_later(scope, source.id, std::chrono::seconds(1));
                 },
             .behind = {}});
}

/// From this place on it is as its row says, a pipeline also of this version: recorded before
/// anything is made so.
void Deliverer::take_up(const Scope& scope, const OutletSource& source, const std::string& place) {
  const auto channel = source.channel();
  const auto version = source.pipeline ? source.pipeline->state.version : schemas::Version{};
  parts_.commands.submit(own_context(scope),
                         manager::RecordDeliveries{.endpoint = channel.endpoint,
                                                   .generation = source.generation(),
                                                   .deliveries = {},
                                                   .cursor = place,
                                                   .pipeline = channel.pipeline,
                                                   .version = version},
                         [this, scope, id = source.id](const Result<manager::Outcome>& outcome) {
                           asio::post(context_, [this, scope, id, recorded = outcome.has_value()] {
                             recorded ? set_up(scope, id)
                                      : begin_later(scope, id, std::chrono::seconds(1));
                           });
                         });
}

/// A page of rows at a time.
void Deliverer::skip_open(Skipping skipping) {
  if (stopping_) return;
  const auto& scope = skipping.scope;
  if (!is_ours(scope.organization)) return skipping.then(false);
  auto command = skipping.command;
  const projections::Channel channel{command.endpoint, command.replay, command.pipeline};
  try {
    const projections::Reader reader(parts_.rows, scope.organization, scope.space);
    const auto open = reader.list(deliveries_, projections::lane_kind, true,
                                  {.after = skipping.behind,
                                   .limit = 1'000,
                                   .as_of = {},
                                   .below = schemas::Entity{channel.id(), {}},
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

/// Why nobody waits for a channel's deliveries any more, if so.
std::optional<Deliverer::Ended> Deliverer::ended(const projections::Reader& reader,
                                                 const Uuid& id) const {
  if (const auto replay = reader.get<Replay>(webhooks_, {id, {}})) {
    if (!replay->state.ended()) return std::nullopt;
    return Ended{{replay->state.endpoint.value_or(Uuid{}), id, replay->state.pipeline},
                 "the replay has ended"};
  }
  const auto pipeline = reader.existence(webhooks_, Pipeline::kind, {id, {}});
  if (pipeline.version != schemas::Version{}) {
    if (pipeline.there) return std::nullopt;
    return Ended{{Uuid{}, {}, id}, "its pipeline was deleted"};
  }
  // Not there is not deleted: of two logs, that of endpoints may be read less far.
  const auto endpoint = reader.existence(webhooks_, Endpoint::kind, {id, {}});
  if (endpoint.there || endpoint.version == schemas::Version{}) return std::nullopt;
  return Ended{{id, {}, {}}, "its endpoint was deleted"};
}

/// What is open of an endpoint or a replay that is no more: once nothing of it is on its way.
void Deliverer::skip_ended(const Scope& scope, const Uuid& id) {
  const auto known = scopes_.find(scope);
  const bool ends = known != scopes_.end() && known->second.contains(id);
  if (stopping_ || ends || !is_ours(scope.organization)) return;
  const projections::Reader reader(parts_.rows, scope.organization, scope.space);
  const auto health = reader.get<projections::EndpointHealth>(deliveries_, {id, {}});
  if (!health || health->state.pending + health->state.failing == 0) return;
  const auto ended = this->ended(reader, id);
  if (!ended) return;
  const auto again = [this, scope, id](bool done) {
    if (done) return;
    after(std::chrono::seconds(1), [this, scope, id] { skip_ended(scope, id); });
  };
  skip_open({.scope = scope,
             .command = {.endpoint = ended->channel.endpoint,
                         .generation = {},
                         .since = {},
                         .ids = {},
                         .reason = ended->reason,
                         .replay = ended->channel.replay,
                         .pipeline = ended->channel.pipeline},
             .then = again,
             .behind = {}});
}

/// Whoever delivered before may have ended before it could.
void Deliverer::skip_all_ended(const Scope& scope) {
  if (!is_ours(scope.organization)) return;
  const projections::Reader reader(parts_.rows, scope.organization, scope.space);
  projections::ListOptions options{
      .after = {}, .limit = 1'000, .as_of = {}, .below = {}, .filter = {}};
  for (bool more = true; more;) {
    const auto page = reader.list(deliveries_, projections::EndpointHealth::kind, true, options);
    for (const auto& found : page.rows) {
      const auto health = projections::decode_row<projections::EndpointHealth>(found.bytes).state;
      if (health.pending + health.failing > 0) skip_ended(scope, found.entity.id);
    }
    more = page.more;
    if (more) options.after = page.rows.back().entity;
  }
}

/// A replay or a pipeline that can go no longer where it was to go.
void Deliverer::stop(const Scope& scope, const OutletSource& orphan) {
  std::string reason(orphan.orphaned());
  std::optional<manager::Command> command;
  if (orphan.replay) {
    command = manager::CancelReplay{orphan.id, std::move(reason)};
  } else if (orphan.pipeline->state.status == Pipeline::Status::active) {
    command = manager::PausePipeline{orphan.id, std::move(reason)};
  }
  if (!command) return;
  parts_.commands.submit(own_context(scope), std::move(*command),
                         [this, scope](const Result<manager::Outcome>& outcome) {
                           if (!outcome) asio::post(context_, [this, scope] { look_later(scope); });
                         });
}

}  // namespace webhooks
