#include "projections/delivery_rows.h"

#include <algorithm>
#include <charconv>

#include <fmt/core.h>

#include "projections/reader.h"
#include "projections/trimming.h"
#include "schemas/crypto.h"
#include "schemas/result.h"

namespace projections {
namespace {

using schemas::DeliveryState;

/// Stands for every channel; no id that is made has it.
constexpr Uuid any_channel = [] {
  Uuid all;
  all.bytes.fill(0xff);
  return all;
}();

std::string id_text(const Uuid& delivery) {
  return to_text(schemas::DeliveryId(delivery));
}

char letter_of(DeliveryState state) {
  switch (state) {
    case DeliveryState::pending:
      return 'p';
    case DeliveryState::failing:
      return 'f';
    case DeliveryState::exhausted:
      return 'x';
    case DeliveryState::skipped:
      return 'k';
    case DeliveryState::succeeded:
      return 's';
  }
  return '?';
}

Entity due_entity(const Delivery& delivery, const Uuid& id) {
  return {delivery.channel().id(),
          fmt::format("{:016x}/{}", delivery.next->time_since_epoch().count(), id_text(id))};
}
Entity lane_entity(const Delivery& delivery, const Uuid& id) {
  return {delivery.channel().id(), fmt::format("{}{:04x}{:016x}{:08x}/{}", lane_text(delivery.lane),
                                               static_cast<unsigned>(delivery.topic),
                                               delivery.offset, delivery.index, id_text(id))};
}

class Rows {
 public:
  explicit Rows(const DeliveryChange& change) : change_(change) {}

  void put(std::string_view kind, const Entity& entity, bool there) {
    change_.changes[row_key(scope(kind), entity)] =
        there ? std::optional(encode_head(change_.head)) : std::nullopt;
  }
  void put_with_history(std::string_view kind, const Entity& entity, bool there) {
    put(kind, entity, there);
    auto head = change_.head;
    head.deleted = !there;
    change_.changes[history_key(scope(kind), entity, head.offset, change_.index)] =
        encode_head(head);
  }

 private:
  KindScope scope(std::string_view kind) const {
    return {change_.organization, change_.space, change_.topic, kind};
  }

  const DeliveryChange& change_;
};

bool is_due(const Delivery& delivery) {
  return delivery.open() && delivery.next.has_value();
}

/// Rows of the state before go, those of the state after come.
void fold_places(const DeliveryChange& change) {
  Rows rows(change);
  const auto id = change.delivery;
  const auto in_state = [&](const Delivery& delivery, bool there) {
    if (delivery.state == DeliveryState::succeeded) return;
    for (const auto& of : {delivery.channel().id(), any_channel}) {
      rows.put_with_history(delivery_of_kind,
                            {of, fmt::format("{}/{}", letter_of(delivery.state), id_text(id))},
                            there);
    }
  };
  if (change.before) {
    if (is_due(*change.before)) rows.put(due_kind, due_entity(*change.before, id), false);
    if (change.before->open()) rows.put(lane_kind, lane_entity(*change.before, id), false);
    if (change.before->state != change.after.state) in_state(*change.before, false);
  } else {
    rows.put_with_history(delivery_of_kind, {change.after.channel().id(), "a/" + id_text(id)},
                          true);
  }
  if (is_due(change.after)) rows.put(due_kind, due_entity(change.after, id), true);
  if (change.after.open()) rows.put(lane_kind, lane_entity(change.after, id), true);
  const bool is_new_there = !change.before || change.before->state != change.after.state;
  if (is_new_there) in_state(change.after, true);
}

std::uint64_t& count_of(EndpointHealth& health, DeliveryState state) {
  switch (state) {
    case DeliveryState::pending:
      return health.pending;
    case DeliveryState::failing:
      return health.failing;
    case DeliveryState::exhausted:
      return health.exhausted;
    case DeliveryState::skipped:
      return health.skipped;
    case DeliveryState::succeeded:
      break;
  }
  return health.succeeded;
}

/// An attempt, as a failure or a success: at once, or of a worker who had it leased.
bool has_ended(const DeliveryChange& change) {
  const auto& before = change.before;
  const auto& after = change.after;
  if (after.state == DeliveryState::pending || after.state == DeliveryState::skipped) return false;
  return !before || after.attempts_in_all > before->attempts_in_all || is_leased(*before);
}

void fold_health(const DeliveryChange& change) {
  const auto key = row_key({change.organization, change.space, change.topic, EndpointHealth::kind},
                           {change.after.channel().id(), {}});
  const auto bytes = change.rows.get(key);
  EndpointHealth health = bytes ? decode_row<EndpointHealth>(*bytes).state : EndpointHealth{};
  if (change.before) --count_of(health, change.before->state);
  ++count_of(health, change.after.state);
  if (has_ended(change)) {
    health.last_status = change.after.status;
    if (change.after.state == DeliveryState::succeeded) {
      health.failing_since.reset();
      health.last_success = change.head.updated_at;
    } else if (!health.failing_since) {
      health.failing_since = change.head.updated_at;
    }
  }
  change.changes[key] = encode_row(change.head, health);
}

}  // namespace

void fold_delivery_rows(const DeliveryChange& change) {
  fold_places(change);
  fold_health(change);
}

std::size_t forget_delivery_rows(const ForgottenDelivery& forgotten) {
  std::size_t bytes = 0;
  const auto remove = [&](std::string key) {
    bytes += key.size();
    forgotten.changes[std::move(key)] = std::nullopt;
  };
  const auto scope = [&](std::string_view kind) {
    return KindScope{forgotten.organization, forgotten.space, forgotten.topic, kind};
  };
  const auto own = scope(Delivery::kind);
  const auto of = scope(delivery_of_kind);
  const auto channel = forgotten.row.state.channel().id();
  const auto id = id_text(forgotten.delivery);

  // Each event left a history row, and others at the same place, as fold_places has it.
  const auto from = history_prefix(own, {forgotten.delivery, {}});
  std::vector<std::pair<std::string, DeliveryState>> past;  // the newest first
  forgotten.rows.scan(from, prefix_end(from), [&](auto key, auto row) {
    past.emplace_back(key.substr(from.size()), decode_row<Delivery>(row).state.state);
    return true;
  });
  const auto remove_of = [&](const Uuid& whose, const std::string& name, const std::string* place) {
    const Entity entity{whose, name + id};
    remove(place ? history_prefix(of, entity) + *place : row_key(of, entity));
  };
  const auto remove_state = [&](DeliveryState state, const std::string* place) {
    if (state == DeliveryState::succeeded) return;
    for (const auto& whose : {channel, any_channel}) {
      remove_of(whose, {letter_of(state), '/'}, place);
    }
  };
  std::optional<DeliveryState> before;
  for (auto then = past.rbegin(); then != past.rend(); ++then) {
    const auto& [place, state] = *then;
    remove(from + place);
    if (!before) remove_of(channel, "a/", &place);
    if (before && before != state) remove_state(*before, &place);
    if (before != state) remove_state(state, &place);
    before = state;
  }
  remove(row_key(own, {forgotten.delivery, {}}));
  remove_of(channel, "a/", nullptr);
  remove_state(forgotten.row.state.state, nullptr);

  const auto kept = std::max(kept_from(forgotten.rows, own), forgotten.row.head.offset);
  std::string row;
  Encoder{row}(kept);
  forgotten.changes[kept_from_key(own)] = std::move(row);
  return bytes;
}

bool is_leased(const Delivery& delivery) {
  return delivery.state == DeliveryState::pending && delivery.attempts > 0;
}

Uuid delivery_in(const Entity& entity) {
  const std::string_view name = entity.name;
  const auto id = schemas::parse_id<schemas::DeliveryTag>(name.substr(name.rfind('/') + 1));
  ENSURE(id.has_value());
  return id->uuid();
}

schemas::Time due_in(const Entity& entity) {
  std::int64_t milliseconds = 0;
  const std::string_view digits = std::string_view(entity.name).substr(0, 16);
  std::from_chars(digits.data(), digits.data() + digits.size(), milliseconds, 16);
  return schemas::Time{std::chrono::milliseconds{milliseconds}};
}

std::string lane_text(std::uint64_t lane) {
  return fmt::format("{:016x}/", lane);
}

Entity lane_of(const Uuid& channel, std::uint64_t lane) {
  return {channel, lane_text(lane)};
}

Entity end_of_lane(const Entity& entity) {
  return {entity.id, entity.name.substr(0, entity.name.find('/') + 1) + "~"};
}

Entity deliveries_of(const std::optional<Uuid>& channel, std::optional<DeliveryState> state) {
  return {channel.value_or(any_channel), state ? std::string{letter_of(*state), '/'} : "a/"};
}

Uuid delivery_id(const Uuid& channel, const Uuid& event, schemas::Time recorded) {
  std::string of;
  of += channel.view();
  of += event.view();
  const auto digest = schemas::sha256(schemas::bytes_of(of));
  Uuid id;
  std::copy_n(digest.begin(), id.bytes.size(), id.bytes.begin());
  const auto milliseconds = static_cast<std::uint64_t>(recorded.time_since_epoch().count());
  for (std::size_t i = 0; i < 6; ++i) {
    id.bytes[i] = static_cast<std::uint8_t>(milliseconds >> (40 - 8 * i));
  }
  // RFC 9562 5.8: version 8, which is for ids made in a way of one's own, and the variant.
  id.bytes[6] = static_cast<std::uint8_t>(0x80 | (id.bytes[6] & 0x0f));
  id.bytes[8] = static_cast<std::uint8_t>(0x80 | (id.bytes[8] & 0x3f));
  return id;
}

schemas::Time accepted_in(const Uuid& delivery) {
  std::int64_t milliseconds = 0;
  for (std::size_t i = 0; i < 6; ++i) milliseconds = milliseconds << 8 | delivery.bytes[i];
  return schemas::Time{std::chrono::milliseconds{milliseconds}};
}

}  // namespace projections
