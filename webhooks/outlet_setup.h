#pragma once

#include <optional>
#include <string>

#include "eventstore/sealing.h"
#include "projections/reader.h"
#include "webhooks/outlet.h"
#include "webhooks/replay.h"

/// What an outlet is made of, from the rows.
namespace webhooks {

/// An endpoint, or a pipeline or a replay and what they go through and to.
struct OutletSource {
  schemas::Uuid id;  // of the channel
  std::optional<projections::Row<projections::Endpoint>>
      endpoint;  // empty: to a product, or it was deleted
  std::optional<projections::Row<projections::Replay>> replay;
  std::optional<projections::Row<projections::Pipeline>> pipeline;
  bool is_suspended = false;  // its organization: nothing of it is sent

  projections::Channel channel() const;
  /// Something is to be sent: a replay waits while its endpoint does, and all of a suspended
  /// organization waits.
  bool active() const;
  /// What it goes through or to was deleted, or moved to another project: says so.
  std::string_view orphaned() const;
  /// Of what it goes through.
  const schemas::Uuid& pipeline_id() const { return replay ? *replay->state.pipeline : id; }
  /// Of its start; a replay has one for ever.
  std::uint32_t generation() const;
};
/// The one of this id; a replay is found by its own.
std::optional<OutletSource> find_source(const projections::Reader& reader,
                                        schemas::TopicId webhooks, const schemas::Uuid& id);

/// The channel whose failed deliveries a replay takes; empty: it takes all events.
std::optional<schemas::Uuid> failed_of(const projections::Replay& replay,
                                       const ReplayConfig& config);

/// Of a source and of the retry policy that its endpoint names: an outlet is made anew when one of
/// them moves.
struct SourceVersions {
  std::string endpoint;  // its row; tests of it change nothing there
  schemas::Version policy{};
  schemas::Version replay{};
  schemas::Version pipeline{};
  friend bool operator==(const SourceVersions&, const SourceVersions&) = default;
};
SourceVersions versions_of(const projections::Reader& reader, schemas::TopicId webhooks,
                           const OutletSource& source);

struct SetupParts {
  const Scope& scope;
  const projections::Reader& reader;
  schemas::TopicId webhooks;
  schemas::TopicId deliveries;
  eventstore::Sealing& sealing;
};
schemas::Result<OutletSetup> setup_of(const SetupParts& parts, const OutletSource& source);

}  // namespace webhooks
