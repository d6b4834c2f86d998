#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "projections/row.h"
#include "projections/row_keys.h"
#include "projections/rows.h"
#include "projections/states.h"

// clang-format off
/// What is folded beside a delivery's own row. Each has a channel's id and a name:
///
///     delivery_due     0000019…/dlv_…    when it is tried next, milliseconds in hex: failing ones,
///                                        those that somebody asked for again, those that are
///                                        leased
///     delivery_lane    lane/place/dlv_…  what is still to be delivered, lane by lane, in order
///     delivery_of      a/dlv_…           all of a channel; under a state's letter: those in it that
///                                        have not succeeded; the same for all channels. With
///                                        history, for lists of the past
///     endpoint_health  (no name)         how many there are of each state, and since when it fails
///
/// Pure, time is the record's.
// clang-format on
namespace projections {

struct DeliveryChange {
  const RowReader& rows;  // before the event
  WriteSet& changes;
  OrganizationId organization;
  Space space;
  TopicId topic;
  RowHead head;         // of the delivery's row after the event
  std::uint32_t index;  // of the event in its record
  Uuid delivery;
  const std::optional<Delivery>& before;
  const Delivery& after;
};
void fold_delivery_rows(const DeliveryChange& change);

/// What is left of a delivery that ended long ago: that lists of the past, of a moment at which it
/// had not ended, are not to be had any more (kept_from), and its share of what is counted. Answers
/// how many bytes of keys went.
struct ForgottenDelivery {
  const RowReader& rows;  // before the event
  WriteSet& changes;
  OrganizationId organization;
  Space space;
  TopicId topic;
  Uuid delivery;
  const Row<Delivery>& row;
};
std::size_t forget_delivery_rows(const ForgottenDelivery& forgotten);

inline constexpr std::string_view due_kind = "delivery_due";
inline constexpr std::string_view lane_kind = "delivery_lane";
inline constexpr std::string_view delivery_of_kind = "delivery_of";
/// Replays that have not ended; beside their own rows.
inline constexpr std::string_view open_replay_kind = "open_replay";

/// An attempt of it has begun and has no outcome: a worker has it, until `next`.
bool is_leased(const Delivery& delivery);

/// The delivery that the last part of such an entity's name says.
Uuid delivery_in(const Entity& entity);
/// When it is due; of an entity of due_kind.
schemas::Time due_in(const Entity& entity);
/// Everything of one lane.
Entity lane_of(const Uuid& channel, std::uint64_t lane);
/// Behind everything of the lane that an entity of lane_kind is in.
Entity end_of_lane(const Entity& entity);
/// The lane, as entities of lane_kind name it, and so their order.
std::string lane_text(std::uint64_t lane);
/// All of one channel, or of any; of one state, or of all (any channel: a state is needed).
Entity deliveries_of(const std::optional<Uuid>& channel,
                     std::optional<schemas::DeliveryState> state);

/// The delivery of an event in a channel: the same however often it is tried. Ids begin with the
/// time at which the event was accepted, so that they sort by it; what follows is a digest.
Uuid delivery_id(const Uuid& channel, const Uuid& event, schemas::Time recorded);
/// That time.
schemas::Time accepted_in(const Uuid& delivery);

}  // namespace projections
