#include "tests/simulation/ledger.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tests/simulation/life.h"

namespace simulation {
namespace {

template <typename... Parts>
[[noreturn]] void broken(fmt::format_string<Parts...> text, Parts&&... parts) {
  throw Broken(fmt::format(text, std::forward<Parts>(parts)...));
}

/// Answers that blame the disk, not the command.
bool is_failure(const Result<manager::Outcome>& result) {
  if (result) return false;
  switch (result.error().code) {
    case ErrorCode::disk_full:
    case ErrorCode::read_only:
    case ErrorCode::outcome_unknown:
    case ErrorCode::internal:
      return true;
    default:
      return false;
  }
}

std::string text_of(const Result<manager::Outcome>& result) {
  if (!result) return fmt::format("'{}'", result.error().detail);
  return fmt::format("unchanged={} replayed={} events={}", result->unchanged, result->replayed,
                     result->events.size());
}

void check(const Intent& intent, const Expectation& expected,
           const Result<manager::Outcome>& result) {
  const auto request = intent.request();
  if (result.has_value() == expected.refused.has_value()) {
    broken("'{}' was answered {}, which the rules do not", request, text_of(result));
  }
  if (expected.refused) {
    if (result.error().code != *expected.refused) {
      broken("'{}' was refused for another reason: {}", request, text_of(result));
    }
    return;
  }
  std::vector<std::uint64_t> versions;
  for (const auto& event : result->events) versions.push_back(to_number(event.version));
  if (result->unchanged != expected.unchanged || result->replayed != expected.replayed ||
      versions != expected.versions) {
    broken("'{}' was answered {} with versions {}, not unchanged={} replayed={} versions {}",
           request, text_of(result), versions, expected.unchanged, expected.replayed,
           expected.versions);
  }
}

}  // namespace

Ledger::Answer Ledger::sent(Intent intent, LogId log, Time now) {
  auto& lane = lanes_[log];
  const auto scope = intent.scope;
  if (lane.scopes.insert(scope).second) planned_[scope] = known_[scope];
  auto expected = planned_[scope].run(intent, now);
  if (intent.action == Intent::Action::create) scopes_.emplace(intent.project, scope);
  auto pending = std::make_shared<Pending>(std::move(intent), std::move(expected), now);
  lane.line.push_back(pending);
  return [this, pending](Result<manager::Outcome> result) {
    if (pending->result) {
      broken("'{}' was answered twice", pending->intent.request());
    }
    pending->result = std::move(result);
    pending->answered_at = ++answers_;
  };
}

void Ledger::take_answers(bool all, bool trouble) {
  for (auto& [log, lane] : lanes_) take_line(lane, all, trouble);
}

void Ledger::take_line(Lane& lane, bool all, bool trouble) {
  bool failed = false;
  while (!lane.line.empty() && (lane.line.front()->result || failed || all)) {
    const auto pending = lane.line.front();
    lane.line.pop_front();
    if (!pending->result) broken("'{}' was never answered", pending->intent.request());
    if (pending->answered_at < lane.last_answer) {
      broken("the answer to '{}' came before one to an earlier command", pending->intent.request());
    }
    lane.last_answer = pending->answered_at;
    const bool failure = is_failure(*pending->result);
    if (failed && !failure) {
      // Of an unknown one that the log has, but the rows have not, others may speak already.
      if (pending->expected.writes()) {
        broken("'{}' was answered {} on top of a command that failed", pending->intent.request(),
               text_of(*pending->result));
      }
      lane.presumed = lane.unknown.size();
    }
    failed = failed || failure;
    failure ? take_failure(lane, pending, trouble) : take(lane, *pending);
  }
  for (const auto& pending : lane.line) {
    if (pending->result) {
      broken("'{}' was answered before '{}'", pending->intent.request(),
             lane.line.front()->intent.request());
    }
  }
  if (failed) plan_again(lane);
}

void Ledger::take(Lane& lane, const Pending& pending) {
  check(pending.intent, pending.expected, *pending.result);
  if (pending.expected.refused) return;
  const auto& outcome = **pending.result;
  if (pending.expected.project >= 0) learn_id(pending, outcome.subject.id);
  if (pending.expected.writes()) accept(lane, pending, outcome.position, outcome.recorded);
}

void Ledger::take_failure(Lane& lane, const PendingPtr& pending, bool trouble) {
  const auto& error = pending->result->error();
  if (!trouble) {
    broken("'{}' was answered '{}' although nothing is wrong", pending->intent.request(),
           error.detail);
  }
  const bool unknown = error.code == ErrorCode::outcome_unknown;
  if (unknown && pending->expected.writes()) lane.unknown.push_back(pending);
}

void Ledger::accept(Lane& lane, const Pending& pending, const schemas::Position& position,
                    Time recorded) {
  const auto& intent = pending.intent;
  if (recorded < lane.recorded) broken("accepted time fell at '{}'", intent.request());
  lane.recorded = recorded;
  auto& state = known_[intent.scope];
  const auto happened = state.run(intent, pending.decided);
  if (happened != pending.expected) {
    broken("'{}' happened on another state than the one it was decided on", intent.request());
  }
  lane.accepted.push_back({position, intent.scope, happened.versions.size(), state});
}

void Ledger::learn_id(const Pending& pending, const Uuid& id) {
  const auto [known, is_new] = projects_.try_emplace(pending.expected.project, id);
  if (known->second != id) {
    broken("'{}' was about another project than it named", pending.intent.request());
  }
}

void Ledger::plan_again(const Lane& lane) {
  for (const auto& scope : lane.scopes) planned_[scope] = known_[scope];
}

void Ledger::died() {
  for (auto& [log, lane] : lanes_) {
    for (const auto& pending : lane.line) {
      if (pending->expected.writes()) lane.unknown.push_back(pending);
    }
    lane.line.clear();
    lane.last_answer = 0;
    plan_again(lane);
  }
}

void Ledger::read_back(eventstore::Log& log, bool final) {
  for (auto& [id, lane] : lanes_) {
    read_lane(log, id, lane);
    if (lane.presumed > 0) broken("an answer was given on top of what never happened");
    if (!final) continue;
    for (const auto& pending : lane.unknown) {
      if (pending->intent.key) retries_.push_back(pending->intent);
    }
    lane.unknown.clear();
  }
}

void Ledger::read_lane(eventstore::Log& log, LogId id, Lane& lane) {
  auto cursor = log.read({{id, 0}});
  if (!cursor) broken("the log cannot be read: {}", cursor.error().detail);
  eventstore::PartitionState state;
  std::map<std::string, std::uint64_t> versions;
  std::size_t count = 0;
  while (true) {
    auto record = (*cursor)->next();
    if (!record) broken("the log cannot be read: {}", record.error().detail);
    if (!*record) break;
    const auto payload = (**record).payload.bytes();
    const auto verdict = state.apply((**record).offset, (**record).head, payload);
    if (verdict == eventstore::Verdict::fork) broken("the log is forked");
    if (verdict != eventstore::Verdict::events) continue;
    const auto batch = schemas::BatchView::verify(payload);
    if (!batch) broken("a record does not verify");
    for (std::uint32_t i = 0; i < batch->event_count(); ++i) {
      const auto event = batch->event(i);
      const auto entity =
          fmt::format("{} {} {} {}", to_text(batch->organization()), to_text(batch->space()),
                      event.entity().name, to_text(schemas::EventId(event.entity().id)));
      if (to_number(event.version()) != ++versions[entity]) broken("versions have a hole");
    }
    read_record(lane, count++, state.position(id), *batch);
  }
  if (count < lane.accepted.size()) {
    broken("{} acknowledged records are gone", lane.accepted.size() - count);
  }
  plan_again(lane);
}

/// The record is what was acknowledged there, or else the first one whose outcome was unknown.
void Ledger::read_record(Lane& lane, std::size_t index, const schemas::Position& position,
                         const schemas::BatchView& batch) {
  if (index < lane.accepted.size()) {
    if (lane.accepted[index].position != position) {
      broken("an acknowledged record is not what it was, or not where it was");
    }
    return;
  }
  if (lane.unknown.empty()) broken("the log holds a record that was refused, or twice");
  const auto pending = lane.unknown.front();
  const auto& intent = pending->intent;
  bool same = batch.organization() == intent.scope.organization &&
              batch.space() == intent.scope.space &&
              batch.event_count() == pending->expected.versions.size();
  for (std::uint32_t i = 0; same && i < batch.event_count(); ++i) {
    same = to_number(batch.event(i).version()) == pending->expected.versions[i];
  }
  if (!same) broken("the log holds another record than '{}'", intent.request());
  if (pending->expected.project >= 0) learn_id(*pending, batch.event(0).entity().id);
  lane.unknown.erase(lane.unknown.begin());
  if (lane.presumed > 0) --lane.presumed;
  if (intent.key) retries_.push_back(intent);
  accept(lane, *pending, position, batch.recorded());
}

bool Ledger::in_flight() const {
  return std::ranges::any_of(lanes_, [](const auto& lane) { return !lane.second.line.empty(); });
}

std::vector<const Accepted*> Ledger::accepted() const {
  std::vector<const Accepted*> all;
  for (const auto& [log, lane] : lanes_) {
    for (const auto& record : lane.accepted) all.push_back(&record);
  }
  return all;
}

std::optional<Scope> Ledger::scope_of(int project) const {
  const auto found = scopes_.find(project);
  return found == scopes_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace simulation
