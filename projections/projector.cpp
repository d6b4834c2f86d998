#include "projections/projector.h"

#include <algorithm>
#include <map>

#include <spdlog/spdlog.h>

#include "projections/layered_rows.h"
#include "projections/row.h"
#include "schemas/planted.h"

namespace projections {
namespace {

using eventstore::PartitionState;
using eventstore::StoredRecord;
using eventstore::Verdict;
using schemas::Fault;
using schemas::LogId;
using schemas::planted;
using schemas::Result;

/// What a restart folds again at most: well under a second of folding.
constexpr std::uint64_t unflushed_events_max = 30'000;
/// What one write while catching up holds: events, and bytes of payloads and history, so that it
/// stays small with large ones too.
constexpr std::uint64_t pass_events_max = 2'000;
constexpr std::size_t pass_bytes_max = std::size_t{8} << 20;

constexpr std::chrono::minutes sweep_pause{1};

std::string encode_state(const PartitionState& state) {
  std::string row;
  Encoder encoder(row);
  encoder(state.next_offset);
  encoder(state.epoch.offset);
  encoder(state.epoch.nonce);
  encoder(state.sequence);
  encoder(state.recorded);
  encoder(state.last_offset);
  encoder(state.last_epoch.offset);
  encoder(state.last_epoch.nonce);
  encoder(state.last_sequence);
  row.append(reinterpret_cast<const char*>(state.chain.data()), state.chain.size());
  return row;
}

}  // namespace

PartitionState decode_position(std::string_view row) {
  PartitionState state;
  Decoder decoder(row);
  decoder(state.next_offset);
  decoder(state.epoch.offset);
  decoder(state.epoch.nonce);
  decoder(state.sequence);
  decoder(state.recorded);
  decoder(state.last_offset);
  decoder(state.last_epoch.offset);
  decoder(state.last_epoch.nonce);
  decoder(state.last_sequence);
  ENSURE(decoder.rest().size() == state.chain.size());
  std::ranges::copy(decoder.rest(), state.chain.begin());
  return state;
}

PartitionState folded_of(const RowReader& rows, LogId log) {
  const auto row = rows.get(position_key(log));
  return row ? decode_position(*row) : PartitionState{};
}

bool can_replace(const RowReader& others, const RowReader& rows) {
  const auto read = [](const RowReader& from, const std::string& prefix) {
    std::map<std::string, std::string> found;
    from.scan(prefix, prefix_end(prefix), [&](std::string_view key, std::string_view row) {
      found.emplace(key, row);
      return true;
    });
    return found;
  };
  if (read(others, positions_prefix()) != read(rows, positions_prefix())) return false;
  const auto frozen = read(others, frozen_prefix());
  return std::ranges::all_of(read(rows, frozen_prefix()),
                             [&](const auto& one) { return frozen.contains(one.first); });
}

namespace {

std::string encode_frozen(const Frozen& frozen) {
  std::string row;
  Encoder encoder(row);
  encoder(frozen.partition);
  encoder(frozen.offset);
  encoder(frozen.reason);
  return row;
}

void report_frozen(const Frozen& frozen) {
  spdlog::error("projection frozen organization={} space={} topic={} offset={} reason=\"{}\"",
                to_text(frozen.scope.organization), to_text(frozen.scope.space),
                static_cast<int>(frozen.scope.topic), frozen.offset, frozen.reason);
}

}  // namespace

Result<void> Projector::apply(const std::vector<StoredRecord>& group, const Prepared& prepared) {
  if (!caught_up_) return {};
  Pass pass;
  for (const auto& record : group) {
    auto taken = take(record, pass, prepared);
    if (!taken) return taken;
  }
  return write(pass);
}

Result<void> Projector::take(const StoredRecord& record, Pass& pass, const Prepared& prepared) {
  auto& state = states_[record.log];
  if (record.offset < state.next_offset) return {};
  if (record.after_loss) state.lose();
  auto verdict = state.apply(record.offset, record.head, record.payload.bytes());
  if (verdict == Verdict::void_epoch && planted(Fault::ignore_epoch)) verdict = Verdict::events;
  if (verdict == Verdict::void_sequence && planted(Fault::ignore_sequence)) {
    verdict = Verdict::events;
  }
  pass.accepted.try_emplace(record.log);
  switch (verdict) {
    case Verdict::events:
      pass.accepted[record.log].push_back(state.position(record.log));
      fold_record(record, pass, prepared);
      return {};
    case Verdict::control:
    case Verdict::claim:
      return {};
    case Verdict::void_claim:
    case Verdict::void_epoch:
    case Verdict::void_sequence:
      ++skipped_[static_cast<std::size_t>(verdict)];
      return {};
    case Verdict::fork:
    case Verdict::malformed:
      return schemas::fail(schemas::ErrorCode::read_only,
                           "topic " + std::to_string(static_cast<int>(record.log.topic)) +
                               " partition " + std::to_string(record.log.partition) + " offset " +
                               std::to_string(record.offset) + " is a " +
                               std::string(eventstore::to_text(verdict)) +
                               ": folding stops; run `tidemark log verify`");
  }
  return {};
}

void Projector::fold_record(const StoredRecord& record, Pass& pass, const Prepared& prepared) {
  auto batch = schemas::BatchView::trusted(record.payload.bytes());
  pass.events += batch.event_count();
  if (frozen({batch.organization(), batch.space(), record.log.topic}) != nullptr) {
    merge_ready(pass);
    fold_place(folded(record), pass.changes);
    return;
  }
  if (const auto* ready = prepared ? prepared(record) : nullptr) {
    pass.ready.push_back(ready);
    if (!pass.changes.empty()) merge_ready(pass);
    return take_manifests(batch);
  }
  merge_ready(pass);
  LayeredRows rows(rows_, pass.changes);
  auto done = fold(rows, folded(record), pass.changes);
  if (!done && planted(Fault::skip_what_cannot_be_applied)) return;
  if (!done) return freeze(record, done.error().detail, pass);
  take_manifests(batch);
  pass.bytes += record.payload.bytes().size() + *done;
  if (planted(Fault::forget_first_answers_on_rebuild)) {
    const auto first_answer = [](const auto& row) { return row.first.substr(17, 1) == "I"; };
    std::erase_if(pass.changes, first_answer);
  }
}

/// Keeps the order of writes where some records come folded and some do not.
void Projector::merge_ready(Pass& pass) {
  for (const auto* ready : std::exchange(pass.ready, {})) {
    for (const auto& [key, value] : *ready) pass.changes.insert_or_assign(key, value);
  }
}

void Projector::freeze(const StoredRecord& record, std::string reason, Pass& pass) {
  auto batch = schemas::BatchView::trusted(record.payload.bytes());
  Frozen frozen{{batch.organization(), batch.space(), record.log.topic},
                record.log.partition,
                record.offset,
                std::move(reason)};
  report_frozen(frozen);
  pass.changes[frozen_key(frozen.scope)] = encode_frozen(frozen);
  fold_place(folded(record), pass.changes);
  frozen_.push_back(std::move(frozen));
  progress_.set_frozen(frozen_);
}

Result<void> Projector::write(Pass& pass) {
  for (const auto& [log, accepted] : pass.accepted) {
    pass.changes[position_key(log)] = encode_state(states_[log]);
  }
  // Forgetting comes first, so that a key which this pass uses again keeps its answer.
  WriteSet forgotten;
  for (const auto& [log, accepted] : pass.accepted) {
    if (!accepted.empty()) forget_old_answers(log, 2 * accepted.size(), forgotten);
  }
  std::vector<const WriteSet*> changes{&forgotten};
  changes.insert(changes.end(), pass.ready.begin(), pass.ready.end());
  changes.push_back(&pass.changes);
  if (planted(Fault::write_position_apart)) {
    WriteSet positions;
    for (const auto& [log, accepted] : pass.accepted) {
      positions.insert(pass.changes.extract(position_key(log)));
    }
    if (auto written = rows_.write(changes); !written) return written;
    changes = {&positions};
    if (auto written = rows_.write(changes); !written) return written;
  } else if (auto written = rows_.write(changes); !written) {
    return written;
  }
  for (const auto& [log, accepted] : pass.accepted) progress_.advance(log, states_[log], accepted);
  unflushed_events_ += pass.events;
  if (unflushed_events_ >= unflushed_events_max) {
    rows_.flush_soon();
    unflushed_events_ = 0;
  }
  return {};
}

/// Idempotency rows end 24 h after they were recorded, in the time of their own log: a clock that
/// was wrong once makes no other log forget. Two of them leave for each record that comes, so no
/// sweep ever has much to do; each begins behind the last, so that it does not walk over what the
/// store has yet to clear away, and who finds nothing more does not look again for a while.
void Projector::forget_old_answers(LogId log, std::size_t limit, WriteSet& forgotten) {
  const auto oldest_kept = states_[log].recorded - idempotency_window;
  auto& sweep = sweeps_[log];
  if (oldest_kept < sweep.next) return;
  if (sweep.from.empty()) sweep.from = expiry_prefix(log);
  rows_.scan(sweep.from, expiry_key(log, oldest_kept, ""), [&](std::string_view key, auto) {
    auto row = idempotency_row_of(key);
    // A key that was used again since has a younger answer in the same row.
    auto answer = rows_.get(row);
    if (answer && decode_first_answer(*answer).recorded < oldest_kept) {
      forgotten[std::string(row)] = std::nullopt;
    }
    forgotten[std::string(key)] = std::nullopt;
    sweep.from = key;
    return --limit > 0;
  });
  if (limit > 0) sweep.next = oldest_kept + sweep_pause;
}

const Frozen* Projector::frozen(const FrozenScope& scope) const {
  auto found = std::ranges::find(frozen_, scope, &Frozen::scope);
  return found == frozen_.end() ? nullptr : &*found;
}

void Projector::load_positions() {
  rows_.scan(positions_prefix(), prefix_end(positions_prefix()),
             [&](std::string_view key, std::string_view row) {
               auto& state = states_[parse_position_key(key)];
               state = decode_position(row);
               if (planted(Fault::apply_twice_after_crash)) state = {};
               return true;
             });
  load_indexes();
}

/// A stored position must still be the log's: the last event record stands where it stood, and what
/// came behind it (claims, no-ops, void records) leads to the same epoch and sequence again.
Result<void> Projector::check_position(eventstore::Log& log, LogId id,
                                       const PartitionState& state) const {
  auto lost = [&] {
    return schemas::fail(schemas::ErrorCode::lost_mark,
                         "the rows stand at a position of another or a longer log");
  };
  // Of a damaged partition nothing can be told: the rows stay what they were when it was whole.
  auto unreadable = [&](const schemas::Error& error) {
    return error.code == schemas::ErrorCode::read_only && log.read_only();
  };
  if (state.next_offset > log.durable_end(id)) return log.read_only() ? Result<void>() : lost();
  PartitionState seen;
  if (state.last_offset >= 0) {
    auto record = log.read_one(id, static_cast<schemas::Offset>(state.last_offset));
    if (!record && unreadable(record.error())) return {};
    if (!record) return std::unexpected(std::move(record).error());
    seen = {.next_offset = record->offset + 1,
            .epoch = record->head.epoch,
            .sequence = record->head.sequence + 1,
            .chain = record->head.chain,
            .recorded = state.recorded,
            .last_offset = state.last_offset,
            .last_epoch = record->head.epoch,
            .last_sequence = record->head.sequence};
  }
  if (seen.next_offset < state.next_offset) {
    auto cursor = log.read({{id, seen.next_offset}});
    if (!cursor) return std::unexpected(std::move(cursor).error());
    while (seen.next_offset < state.next_offset) {
      auto record = (*cursor)->next();
      if (!record && unreadable(record.error())) return {};
      if (!record) return std::unexpected(std::move(record).error());
      if (!*record) return lost();
      if ((*record)->after_loss) seen.lose();
      seen.apply((*record)->offset, (*record)->head, (*record)->payload.bytes());
    }
  }
  return seen == state ? Result<void>() : lost();
}

Result<Projector::CaughtUp> Projector::catch_up(eventstore::Log& log, const Report& report,
                                                const std::optional<Ends>& ends) {
  if (!rows_.broken()) {
    auto done = check_and_fold(log, report, ends);
    if (done || !rows_.broken()) return done;
  }
  CaughtUp done;
  auto held = rows_.hold([&]() -> Result<void> {
    forget();
    auto folded = check_and_fold(log, report, ends);
    if (!folded) return std::unexpected(std::move(folded).error());
    done = *folded;
    return {};
  });
  if (!held) return std::unexpected(std::move(held).error());
  return done;
}

Result<Projector::CaughtUp> Projector::check_and_fold(eventstore::Log& log, const Report& report,
                                                      const std::optional<Ends>& ends) {
  load_positions();
  for (auto id : log.partitions()) states_.try_emplace(id);
  for (const auto& [id, state] : states_) {
    auto checked = check_position(log, id, state);
    if (!checked) return std::unexpected(std::move(checked).error());
  }
  for (const auto& [id, state] : states_) progress_.advance(id, state, {});
  auto thawed = load_frozen(log);
  if (!thawed) return std::unexpected(std::move(thawed).error());
  auto done = fold_rest(log, report, ends);
  if (!done) return done;
  auto agreed = check_beliefs(log);
  if (!agreed) return std::unexpected(std::move(agreed).error());
  caught_up_ = true;
  return done;
}

Result<Projector::CaughtUp> Projector::fold_rest(eventstore::Log& log, const Report& report,
                                                 const std::optional<Ends>& ends) {
  std::vector<eventstore::ReadFrom> from;
  Ends left;
  for (auto id : log.partitions()) states_.try_emplace(id);
  for (const auto& [id, state] : states_) {
    const auto asked = ends ? ends->find(id) : Ends::const_iterator();
    const auto end = !ends ? log.durable_end(id) : asked == ends->end() ? 0 : asked->second;
    if (state.next_offset >= end) continue;
    from.push_back({id, state.next_offset});
    left.emplace(id, end);
  }
  if (from.empty()) return CaughtUp{};
  auto cursor = log.read(std::move(from));
  if (!cursor) return std::unexpected(std::move(cursor).error());
  return fold_from(**cursor, report, ends ? std::optional(std::move(left)) : std::nullopt);
}

Result<Projector::CaughtUp> Projector::follow(eventstore::Log& log, const Ends& ends) {
  return fold_rest(log, {}, ends);
}

/// With everything folded, rows and log must believe the same of each partition. They do not when a
/// loss was accepted behind what the rows had already folded.
Result<void> Projector::check_beliefs(const eventstore::Log& log) const {
  if (log.read_only()) return {};
  for (const auto& [id, state] : states_) {
    const auto believed = log.state(id);
    if (believed.next_offset != state.next_offset) continue;
    const bool same_sequence =
        believed.sequence == state.sequence || believed.lost() || state.lost();
    if (believed.epoch == state.epoch && believed.chain == state.chain && same_sequence) continue;
    return schemas::fail(schemas::ErrorCode::lost_mark,
                         "the rows hold records that no longer count in the log");
  }
  return {};
}

/// To the log's end, or to `ends`, of which each is left out once it is reached.
Result<Projector::CaughtUp> Projector::fold_from(eventstore::Cursor& cursor, const Report& report,
                                                 std::optional<Ends> ends) {
  CaughtUp done;
  Pass pass;
  for (bool more = true; more;) {
    auto record = cursor.next();
    if (!record && cursor.stopped()) {
      spdlog::critical("rows of a partition stand still detail=\"{}\"", record.error().detail);
      ++done.stopped;
      continue;
    }
    if (!record) return std::unexpected(std::move(record).error());
    more = record->has_value();
    if (more && ends) {
      const auto end = ends->find((*record)->log);
      if (end == ends->end()) continue;
      if ((*record)->offset + 1 >= end->second) ends->erase(end);
      more = !ends->empty();
    }
    if (*record) {
      auto taken = take(**record, pass, {});
      if (!taken) return std::unexpected(std::move(taken).error());
      ++done.records;
    }
    if (!more || pass.events >= pass_events_max || pass.bytes >= pass_bytes_max) {
      done.events += pass.events;
      auto written = write(pass);
      if (!written) return std::unexpected(std::move(written).error());
      pass = {};
      if (report) report(done);
    }
  }
  return done;
}

Result<void> Projector::resume(eventstore::Log& log) {
  return rows_.resume([&]() -> Result<void> {
    forget();
    load_positions();
    auto thawed = load_frozen(log);
    if (!thawed) return thawed;
    auto folded = fold_rest(log, {}, {});
    return folded ? Result<void>() : std::unexpected(std::move(folded).error());
  });
}

void Projector::go_on_with_other_rows() {
  forget();
  load_positions();
  frozen_ = read_frozen();
  progress_.set_frozen(frozen_);
}

/// What the rows said.
void Projector::forget() {
  states_.clear();
  frozen_.clear();
  sweeps_.clear();
  indexes_.clear();
}

std::vector<Frozen> Projector::read_frozen() const {
  std::vector<Frozen> found;
  rows_.scan(frozen_prefix(), prefix_end(frozen_prefix()), [&](std::string_view key, auto row) {
    Frozen frozen{parse_frozen_key(key), 0, 0, {}};
    Decoder decoder(row);
    decoder(frozen.partition);
    decoder(frozen.offset);
    decoder(frozen.reason);
    found.push_back(std::move(frozen));
    return true;
  });
  return found;
}

Result<void> Projector::load_frozen(eventstore::Log& log) {
  for (auto& frozen : read_frozen()) {
    auto thawed = thaw(frozen, log);
    if (!thawed) return std::unexpected(std::move(thawed).error());
    if (!*thawed) frozen_.push_back(std::move(frozen));
  }
  progress_.set_frozen(frozen_);
  return {};
}

/// Folds what was only noted since the freeze, in pieces that each leave a consistent frozen row;
/// true when all of it could be applied.
Result<bool> Projector::thaw(Frozen& frozen, eventstore::Log& log) {
  for (;;) {
    WriteSet changes;
    const auto thawed = thaw_piece(frozen, log, changes);
    changes[frozen_key(frozen.scope)] =
        thawed == Thawed::all ? std::nullopt : std::optional(encode_frozen(frozen));
    auto written = rows_.write(changes);
    if (!written) return std::unexpected(std::move(written).error());
    if (thawed == Thawed::stuck) report_frozen(frozen);
    if (thawed != Thawed::piece) return thawed == Thawed::all;
  }
}

/// A record that cannot be read keeps its product frozen, and nobody else: `frozen` says why.
Projector::Thawed Projector::thaw_piece(Frozen& frozen, eventstore::Log& log, WriteSet& changes) {
  const auto& [organization, space, topic] = frozen.scope;
  std::vector<schemas::Offset> offsets;
  rows_.scan(record_key(organization, space, topic, frozen.offset),
             prefix_end(record_key(organization, space, topic, ~schemas::Offset{0})),
             [&](std::string_view key, auto) {
               offsets.push_back(read_u64(key.substr(key.size() - 8)));
               return offsets.size() < pass_events_max;
             });
  std::uint64_t events = 0;
  std::size_t bytes = 0;
  for (auto offset : offsets) {
    if (events >= pass_events_max || bytes >= pass_bytes_max) return Thawed::piece;
    frozen.offset = offset;
    auto record = log.read_one({topic, frozen.partition}, offset);
    if (!record) {
      frozen.reason = "its record at offset " + std::to_string(offset) +
                      " cannot be read: " + record.error().detail;
      return Thawed::stuck;
    }
    auto done = fold(LayeredRows(rows_, changes), folded(*record), changes);
    if (!done) {
      frozen.reason = done.error().detail;
      return Thawed::stuck;
    }
    frozen.offset = offset + 1;
    events += schemas::BatchView::trusted(record->payload.bytes()).event_count();
    bytes += record->payload.bytes().size() + *done;
  }
  return offsets.size() < pass_events_max ? Thawed::all : Thawed::piece;
}

}  // namespace projections
