#include "projections/fold.h"

#include <algorithm>
#include <functional>

#include "projections/delivery_rows.h"
#include "projections/evolve.h"
#include "projections/layered_rows.h"
#include "projections/project_parts.h"
#include "projections/reader.h"
#include "projections/resource_rows.h"
#include "projections/trimming.h"
#include "schemas/planted.h"

namespace projections {
namespace {

using schemas::ErrorCode;

/// One event at its place, with the rows as they are before it.
struct FoldedEvent {
  const RowReader& rows;
  const FoldedRecord& record;
  const schemas::EventView& event;
  const schemas::EventData& data;  // of the event
  std::uint32_t index;
  WriteSet& changes;
  const FoldLimits& limits;
  std::size_t& changed_bytes;  // of the record so far
  TrimAllowance& trims;        // what is left for the record

  KindScope scope() const {
    return {record.batch.organization(), record.batch.space(), record.log.topic, event.kind()};
  }
};

void put_unique(const FoldedEvent& e, std::string_view field, const std::string* before,
                const std::string* after, const Entity& entity) {
  if (before != nullptr && after != nullptr && *before == *after) return;
  if (before != nullptr) e.changes[unique_key(e.scope(), field, *before)] = std::nullopt;
  if (after != nullptr) e.changes[unique_key(e.scope(), field, *after)] = entity_key(entity);
}

/// Rows that hang on an entity beside its own: unique values, credentials. Most kinds have none.
template <typename State>
void fold_side_rows(const FoldedEvent&, const Entity&, const std::optional<State>&,
                    const std::optional<State>&) {}

template <typename State>
  requires requires(State s) { s.slug; }
void fold_side_rows(const FoldedEvent& e, const Entity& entity, const std::optional<State>& before,
                    const std::optional<State>& after) {
  put_unique(e, "slug", before ? &before->slug : nullptr, after ? &after->slug : nullptr, entity);
}

/// An entity that another one's first event brings along, at its first version.
template <typename State>
void put_first_row(const FoldedEvent& e, const Entity& entity, const State& state) {
  const KindScope scope{e.record.batch.organization(), e.record.batch.space(), e.record.log.topic,
                        State::kind};
  const auto recorded = e.record.batch.recorded();
  const auto row = encode_row({.version = Version{1},
                               .created_at = recorded,
                               .updated_at = recorded,
                               .offset = e.record.offset},
                              state);
  e.changes[history_key(scope, entity, e.record.offset, e.index)] = row;
  e.changes[row_key(scope, entity)] = row;
}

void fold_side_rows(const FoldedEvent& e, const Entity& entity,
                    const std::optional<Project>& before, const std::optional<Project>& after) {
  put_unique(e, "slug", before ? &before->slug : nullptr, after ? &after->slug : nullptr, entity);
  if (before || !after) return;
  for (const auto name : first_environments) {
    put_first_row(e, environment_entity(entity.id, name), Environment{});
  }
}

void fold_side_rows(const FoldedEvent& e, const Entity& entity, const std::optional<Key>& before,
                    const std::optional<Key>& after) {
  if (before) {
    for (const auto& credential : before->credentials) {
      e.changes[access_key(credential.digest)] = std::nullopt;
    }
  }
  if (!after) return;
  auto earlier = [](std::optional<Time> a, std::optional<Time> b) {
    if (a && b) return std::optional(std::min(*a, *b));
    return a ? a : b;
  };
  for (const auto& credential : after->credentials) {
    std::string row;
    Encoder{row}(Access{.organization = e.record.batch.organization().uuid(),
                        .space = e.record.batch.space(),
                        .key = entity.id,
                        .permissions = after->permissions,
                        .projects = after->projects,
                        .expires = earlier(after->expires, credential.expires),
                        .platform = after->platform});
    e.changes[access_key(credential.digest)] = std::move(row);
  }
}

void fold_side_rows(const FoldedEvent& e, const Entity& entity, const std::optional<Product>&,
                    const std::optional<Product>& after) {
  if (after) fold_builds(e.rows, entity.name, after->manifest, e.changes);
}

/// Those that have not ended are few, and asked for often.
void fold_side_rows(const FoldedEvent& e, const Entity& entity, const std::optional<Replay>&,
                    const std::optional<Replay>& after) {
  auto scope = e.scope();
  scope.kind = open_replay_kind;
  const auto recorded = e.record.batch.recorded();
  const RowHead head{.version = e.event.version(),
                     .created_at = recorded,
                     .updated_at = recorded,
                     .offset = e.record.offset,
                     .deleted = false};
  e.changes[row_key(scope, entity)] =
      after && !after->ended() ? std::optional(encode_head(head)) : std::nullopt;
}

void fold_side_rows(const FoldedEvent& e, const Entity& entity,
                    const std::optional<Declared>& before, const std::optional<Declared>& after) {
  const std::vector<Index>* indexes = nullptr;
  if (e.record.indexes != nullptr) {
    const auto found = e.record.indexes->find(e.event.kind());
    if (found != e.record.indexes->end()) indexes = &found->second;
  }
  if (indexes != nullptr) {
    fold_entries(e.scope(), *indexes, entity, before ? &before->json : nullptr,
                 after ? &after->json : nullptr, e.record.offset, e.changes);
  }
  trim_history({.rows = e.rows,
                .scope = e.scope(),
                .entity = entity,
                .newest = e.event.version(),
                .recorded = e.record.batch.recorded(),
                .bounds = std::get<schemas::Json>(e.data).keep,
                .indexes = indexes},
               e.trims, e.changes);
}

/// What belongs to a resource, or counts it, is folded from the event itself too.
Result<void> fold_more_rows(const FoldedEvent& e, const Entity& entity,
                            const std::optional<Resource>& before,
                            const std::optional<Resource>& after) {
  return fold_resource_rows({.rows = e.rows,
                             .changes = e.changes,
                             .organization = e.record.batch.organization(),
                             .space = e.record.batch.space(),
                             .topic = e.record.log.topic,
                             .recorded = e.record.batch.recorded(),
                             .offset = e.record.offset,
                             .index = e.index,
                             .resource = entity.id,
                             .version = e.event.version(),
                             .before = before,
                             .after = after,
                             .data = e.data});
}
template <typename State>
Result<void> fold_more_rows(const FoldedEvent& e, const Entity& entity,
                            const std::optional<State>& before, const std::optional<State>& after) {
  fold_side_rows(e, entity, before, after);
  return {};
}

/// What grows with an entity's events. Members of built-in kinds have limits of their own.
template <typename State>
std::size_t growing_bytes(const State&) {
  return 0;
}
std::size_t growing_bytes(const Declared& state) {
  return state.json.size();
}

std::unexpected<schemas::Error> too_large(const FoldedEvent& e, const Entity& entity,
                                          std::string detail) {
  return fail(ErrorCode::record_too_large, "event " + std::to_string(e.index) + " (" +
                                               std::string(e.event.kind()) + " '" + entity.name +
                                               "'): " + std::move(detail));
}

/// Before anything is written, so that the work of a refused record is bounded too.
Result<void> keep_within_limits(const FoldedEvent& e, const Entity& entity, std::size_t state_bytes,
                                std::size_t history_bytes) {
  if (state_bytes > e.limits.state_bytes) {
    return too_large(e, entity,
                     "the entity would have " + std::to_string(state_bytes) +
                         " bytes of state; it may have " + std::to_string(e.limits.state_bytes) +
                         ": spread it over several entities");
  }
  e.changed_bytes += history_bytes;
  if (e.changed_bytes > e.limits.changed_bytes) {
    return too_large(e, entity,
                     "every event keeps its entity's whole state, and those of one request may "
                     "have " +
                         std::to_string(e.limits.changed_bytes) +
                         " bytes: send fewer events at once, or fewer for large entities");
  }
  return {};
}

/// The entity's row, its history row, and what hangs on it.
template <typename State>
Result<void> fold_event(const FoldedEvent& e) {
  auto entity = e.event.entity();
  auto scope = e.scope();
  Reader reader(e.rows, scope.organization, scope.space);
  auto current = reader.get<State>(scope.topic, entity, scope.kind);
  auto existence = current ? Reader::Existence{current->head.version, true}
                           : reader.existence(scope.topic, scope.kind, entity);
  if (e.event.version() != next(existence.version)) {
    return fail(ErrorCode::projection_frozen, "its version does not follow the entity's version");
  }
  const Time recorded = e.record.batch.recorded();
  std::optional<State> before;
  if (current) before = current->state;
  auto after = evolve(std::move(before), e.data, Moment{recorded, e.event.version()});
  if (!after) return std::unexpected(std::move(after).error());

  if (!*after && planted(schemas::Fault::refuse_to_fold_deletions)) {
    return fail(ErrorCode::projection_frozen, "this build does not fold deletions");
  }

  RowHead head{.version = e.event.version(),
               .created_at = current ? current->head.created_at : recorded,
               .updated_at = recorded,
               .offset = e.record.offset,
               .deleted = !after->has_value()};
  auto row = *after ? encode_row(head, **after) : encode_head(head);
  auto history = history_key(scope, entity, e.record.offset, e.index);
  auto kept = keep_within_limits(e, entity, *after ? growing_bytes(**after) : 0,
                                 history.size() + row.size());
  if (!kept) return kept;
  e.changes[std::move(history)] = row;
  auto alive = row_key(scope, entity);
  auto deleted = deleted_key(scope, entity);
  if (*after) {
    e.changes[std::move(alive)] = std::move(row);
    if (!current && to_number(existence.version) > 0) e.changes[std::move(deleted)] = std::nullopt;
  } else {
    e.changes[std::move(deleted)] = std::move(row);
    e.changes[std::move(alive)] = std::nullopt;
  }
  if constexpr (std::is_same_v<State, Delivery>) {
    fold_delivery_rows({.rows = e.rows,
                        .changes = e.changes,
                        .organization = scope.organization,
                        .space = scope.space,
                        .topic = scope.topic,
                        .head = head,
                        .index = e.index,
                        .delivery = entity.id,
                        .before = current ? std::optional(current->state) : std::nullopt,
                        .after = **after});
    return {};
  } else {
    return fold_more_rows(e, entity, current ? std::optional(current->state) : std::nullopt,
                          *after);
  }
}

/// Of a delivery nothing stays, not even that it was there.
Result<void> fold_forgotten(const FoldedEvent& e) {
  const auto entity = e.event.entity();
  const auto scope = e.scope();
  const auto row =
      Reader(e.rows, scope.organization, scope.space).get<Delivery>(scope.topic, entity);
  auto after = evolve(row ? std::optional(row->state) : std::nullopt, e.data,
                      Moment{e.record.batch.recorded(), e.event.version()});
  if (!after) return std::unexpected(std::move(after).error());
  if (e.event.version() != next(row->head.version)) {
    return fail(ErrorCode::projection_frozen, "its version does not follow the entity's version");
  }
  e.changed_bytes += forget_delivery_rows({.rows = e.rows,
                                           .changes = e.changes,
                                           .organization = scope.organization,
                                           .space = scope.space,
                                           .topic = scope.topic,
                                           .delivery = entity.id,
                                           .row = *row});
  return {};
}

/// Written every time: a look whether it is there already could meet another partition's record
/// that is then refused, and this one's type would never be noted.
void fold_used_type(const FoldedEvent& e) {
  e.changes[used_type_key(e.record.log.topic, e.event.kind(), e.event.type())] = "";
}

Result<void> fold_one(const FoldedEvent& e) {
  if (std::holds_alternative<schemas::Json>(e.data)) {
    fold_used_type(e);
    return fold_event<Declared>(e);
  }
  if (e.event.kind() == Project::kind) return fold_event<Project>(e);
  if (e.event.kind() == Environment::kind) return fold_event<Environment>(e);
  if (e.event.kind() == Member::kind) return fold_event<Member>(e);
  if (e.event.kind() == Settings::kind) return fold_event<Settings>(e);
  if (e.event.kind() == Secret::kind) return fold_event<Secret>(e);
  if (e.event.kind() == Organization::kind) return fold_event<Organization>(e);
  if (e.event.kind() == Key::kind) return fold_event<Key>(e);
  if (e.event.kind() == Product::kind) return fold_event<Product>(e);
  if (e.event.kind() == Resource::kind) return fold_event<Resource>(e);
  if (e.event.kind() == Quota::kind) return fold_event<Quota>(e);
  if (e.event.kind() == ResourceKind::kind) return fold_event<ResourceKind>(e);
  if (std::holds_alternative<schemas::DeliveryForgotten>(e.data)) return fold_forgotten(e);
  if (e.event.kind() == Delivery::kind) return fold_event<Delivery>(e);
  if (e.event.kind() == DeliveryCursor::kind) return fold_event<DeliveryCursor>(e);
  if (e.event.kind() == Endpoint::kind) return fold_event<Endpoint>(e);
  if (e.event.kind() == RetryPolicyState::kind) return fold_event<RetryPolicyState>(e);
  if (e.event.kind() == Replay::kind) return fold_event<Replay>(e);
  if (e.event.kind() == Pipeline::kind) return fold_event<Pipeline>(e);
  return fail(ErrorCode::projection_frozen, "its kind is unknown to this version");
}

void fold_first_answer(const FoldedRecord& record, WriteSet& changes) {
  auto proof = record.batch.idempotency();
  if (!proof) return;
  auto key = idempotency_key(record.batch.organization(), record.batch.space(), record.log.topic,
                             proof->key);
  std::string row;
  Encoder encoder(row);
  encoder(record.log.partition);
  encoder(record.offset);
  encoder(record.batch.recorded());
  row.append(reinterpret_cast<const char*>(proof->request.data()), proof->request.size());
  changes[expiry_key(record.log, record.batch.recorded(), key)] = "";
  changes[std::move(key)] = std::move(row);
}

}  // namespace

void fold_place(const FoldedRecord& record, WriteSet& changes) {
  auto key = record_key(record.batch.organization(), record.batch.space(), record.log.topic,
                        record.offset);
  std::string row;
  Encoder{row}(record.batch.recorded());
  changes[std::move(key)] = std::move(row);
}

Result<std::size_t> fold(const RowReader& rows, const FoldedRecord& record, WriteSet& changes,
                         const FoldLimits& limits) {
  WriteSet folded;
  std::size_t changed_bytes = 0;
  TrimAllowance trims;
  LayeredRows layered(rows, folded);
  for (std::uint32_t index = 0; index < record.batch.event_count(); ++index) {
    auto event = record.batch.event(index);
    const auto data = event.data();
    auto done =
        fold_one({layered, record, event, data, index, folded, limits, changed_bytes, trims});
    if (!done && done.error().code == ErrorCode::record_too_large) {
      return std::unexpected(std::move(done).error());
    }
    if (!done) {
      auto error = std::move(done).error();
      error.detail = "event " + to_text(event.id()) + " (" + std::string(event.type()) +
                     ") cannot be applied: " + error.detail;
      return std::unexpected(std::move(error));
    }
  }
  fold_place(record, folded);
  fold_first_answer(record, folded);
  while (!folded.empty()) {
    auto inserted = changes.insert(folded.extract(folded.begin()));
    if (!inserted.inserted) inserted.position->second = std::move(inserted.node.mapped());
  }
  return changed_bytes;
}

FirstAnswer decode_first_answer(std::string_view row) {
  FirstAnswer answer;
  Decoder decoder(row);
  decoder(answer.partition);
  decoder(answer.offset);
  decoder(answer.recorded);
  ENSURE(decoder.rest().size() == answer.request.size());
  std::ranges::copy(decoder.rest(), answer.request.begin());
  return answer;
}

std::optional<FirstAnswer> find_first_answer(const RowReader& rows, OrganizationId organization,
                                             Space space, TopicId topic,
                                             const schemas::ShortDigest& key) {
  auto row = rows.get(idempotency_key(organization, space, topic, key));
  return row ? std::optional(decode_first_answer(*row)) : std::nullopt;
}

}  // namespace projections
