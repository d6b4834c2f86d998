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

namespace {

/// Its row and what is known of its past; how many times it was written.
std::size_t forget(const ForgottenDelivery& forgotten, std::string_view kind,
                   const Entity& entity) {
  const KindScope scope{forgotten.organization, forgotten.space, forgotten.topic, kind};
  forgotten.changes[row_key(scope, entity)] = std::nullopt;
  const auto from = history_prefix(scope, entity);
  std::vector<std::string> keys;  // none is changed while they are read
  forgotten.rows.scan(from, prefix_end(from), [&](auto key, auto) {
    keys.emplace_back(key);
    return true;
  });
  for (auto& key : keys) forgotten.changes[std::move(key)] = std::nullopt;
  return keys.size();
}

}  // namespace

void forget_delivery_rows(const ForgottenDelivery& forgotten) {
  const auto& delivery = forgotten.row.state;
  const auto id = id_text(forgotten.delivery);
  const auto times = forget(forgotten, Delivery::kind, {forgotten.delivery, {}});
  forget(forgotten, delivery_of_kind, {delivery.channel().id(), "a/" + id});
  for (const auto state : {DeliveryState::pending, DeliveryState::failing, DeliveryState::exhausted,
                           DeliveryState::skipped}) {
    if (times == 1 && state != delivery.state) continue;  // it was never in another one
    for (const auto& of : {delivery.channel().id(), any_channel}) {
      forget(forgotten, delivery_of_kind, {of, fmt::format("{}/{}", letter_of(state), id)});
    }
  }
  const KindScope scope{forgotten.organization, forgotten.space, forgotten.topic, Delivery::kind};
  const auto kept = std::max(kept_from(forgotten.rows, scope), forgotten.row.head.offset);
  std::string bytes;
  Encoder{bytes}(kept);
  forgotten.changes[kept_from_key(scope)] = std::move(bytes);
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
