#include "eventstore/event_store.h"

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "schemas/controls.h"
#include "schemas/crypto.h"
#include "schemas/planted.h"

namespace eventstore {
namespace {

using namespace std::chrono_literals;

/// LOG.md 2: a jump of more than a minute against the monotonic clock is refused.
constexpr auto clock_jump_max = 60s;

schemas::Error moved_on() {
  return {schemas::ErrorCode::outcome_unknown, "the record stands at another place", {}, {}};
}
schemas::Error not_written() {
  return {schemas::ErrorCode::no_owner,
          "the brokers did not take this write in time; nothing of it was written, try it again",
          {},
          {}};
}
schemas::Error taken_over() {
  return {schemas::ErrorCode::no_owner,
          "another process took over while this was written; nothing of it counts, try it again",
          {},
          {}};
}

}  // namespace

EventStore::EventStore(boost::asio::any_io_executor core, const Clock& clock, Nonce nonce,
                       std::string process)
    : core_(std::move(core)),
      clock_(clock),
      nonce_(std::move(nonce)),
      process_(std::move(process)),
      anchor_monotonic_(clock.monotonic()),
      anchor_wall_(clock.wall()) {}

void EventStore::attach(Log& log, Owner& owner) {
  log_ = &log;
  owner_ = &owner;
}

EventStore::Partition& EventStore::partition(LogId log) {
  auto [found, is_new] = partitions_.try_emplace(log);
  if (!is_new) return found->second;
  auto& fresh = found->second;
  fresh.folded = log_->state(log);
  fresh.tip = fresh.folded;
  // What another life of this process sent may still arrive: there every start claims anew.
  if (log_->shared()) return fresh;
  // The nonce was derived from the epoch before the claim, which a restart no longer has: a claim
  // is this process's own when its successor's input, its own epoch, was signed by the same seed.
  if (fresh.tip.epoch.offset >= 0) {
    auto claim = log_->read_one(log, static_cast<Offset>(fresh.tip.epoch.offset));
    if (claim && !fresh.tip.lost() && nonce_(log, claim->head.epoch) == fresh.tip.epoch.nonce) {
      fresh.standing = Standing::owned;
      fresh.ours = fresh.tip.epoch;
    }
  }
  return fresh;
}

bool EventStore::owned(LogId log) {
  return partition(log).standing == Standing::owned;
}

std::vector<LogId> EventStore::owned() const {
  std::vector<LogId> logs;
  for (const auto& [log, partition] : partitions_) {
    if (partition.standing == Standing::owned) logs.push_back(log);
  }
  return logs;
}

void EventStore::claim(LogId log) {
  auto& target = partition(log);
  if (target.standing != Standing::unclaimed) return;
  target.standing = Standing::claiming;
  claims_due_.erase(log);
  auto record = make_claim(target.folded, nonce_(log, target.folded.epoch), process_);
  submitted_.push_back({log, target.folded.next_offset, record.head, std::move(record.payload)});
  flush();
}

void EventStore::release(LogId log) {
  auto& target = partition(log);
  ENSURE(target.standing == Standing::owned && target.in_flight.empty());
  target.standing = Standing::unclaimed;
}

void EventStore::tick() {
  for (auto log : std::exchange(claims_due_, {})) claim(log);
}

schemas::Result<Time> EventStore::now(LogId log) {
  const auto wall = clock_.wall();
  const auto monotonic = clock_.monotonic();
  const auto passed =
      std::chrono::duration_cast<std::chrono::milliseconds>(monotonic - anchor_monotonic_);
  const auto jump = wall - (anchor_wall_ + passed);
  if (jump > clock_jump_max || jump < -clock_jump_max) {
    if (!std::exchange(jumped_, true)) {
      spdlog::critical("clock jump, writes are refused seconds={}",
                       std::chrono::duration_cast<std::chrono::seconds>(jump).count());
    }
    return schemas::fail(
        schemas::ErrorCode::clock_jump,
        "the machine's clock moved by " +
            std::to_string(std::chrono::duration_cast<std::chrono::seconds>(jump).count()) +
            " s against its monotonic clock; set it right or restart the process");
  }
  jumped_ = false;
  anchor_wall_ = wall;
  anchor_monotonic_ = monotonic;
  if (planted(schemas::Fault::let_time_fall)) return wall;
  return std::max(wall, partition(log).tip.recorded);
}

const PartitionState& EventStore::tip(LogId log) {
  return partition(log).tip;
}

const PartitionState& EventStore::submit(LogId log, RecordKind kind, Payload payload) {
  auto& target = partition(log);
  ENSURE(target.standing == Standing::owned);
  auto& tip = target.tip;
  const auto bytes = payload.bytes();
  RecordHead head{.length = static_cast<std::uint32_t>(bytes.size()),
                  .kind = kind,
                  .epoch = tip.epoch,
                  .sequence = tip.sequence,
                  .chain = kind == RecordKind::events ? next_chain(tip.chain, bytes) : tip.chain,
                  .payload_crc = schemas::crc32c(bytes)};
  const auto offset = tip.next_offset;
  auto verdict = tip.apply_own(offset, head, bytes);
  ENSURE(verdict == Verdict::events || verdict == Verdict::control);
  target.in_flight.push_back(offset);
  submitted_.push_back({log, offset, head, std::move(payload)});
  return tip;
}

void EventStore::flush() {
  if (submitted_.empty()) return;
  log_->append(std::exchange(submitted_, {}));
}

void EventStore::on_durable(Group group) {
  boost::asio::post(core_, [this, group = std::move(group)] { settle(*group); });
}

void EventStore::on_failure(AppendFailure failure) {
  boost::asio::post(core_, [this, failure = std::move(failure)] { fail(failure); });
}

void EventStore::settle(const std::vector<StoredRecord>& group) {
  std::vector<Told> told;
  for (const auto& record : group) {
    const auto known = partitions_.find(record.log);
    if (known != partitions_.end()) follow(record, known->second, told);
  }
  owner_->durable(group);
  for (const auto& one : told) tell(one);
  flush();
}

void EventStore::follow(const StoredRecord& record, Partition& partition, std::vector<Told>& told) {
  auto& [folded, tip, in_flight, standing, ours] = partition;
  if (record.offset < folded.next_offset) return;
  if (record.after_loss) folded.lose();
  const bool own = ours == record.head.epoch && record.head.kind != RecordKind::claim;
  const auto bytes = record.payload.bytes();
  const auto verdict = own ? folded.apply_own(record.offset, record.head, bytes)
                           : folded.apply(record.offset, record.head, bytes);
  if (record.head.kind == RecordKind::claim) {
    return follow_claim(record, verdict, partition, told);
  }
  const bool counts = verdict == Verdict::events || verdict == Verdict::control;
  if (!own || !counts) {
    tip.next_offset = std::max(tip.next_offset, folded.next_offset);
    return;
  }
  if (in_flight.empty()) {
    // It was told refused, wrongly: nothing more is decided on top of a state without it.
    spdlog::critical("a refused record counts topic={} partition={} offset={}",
                     static_cast<int>(record.log.topic), record.log.partition, record.offset);
    standing = Standing::unclaimed;
    return;
  }
  const auto expected = in_flight.front();
  if (expected != record.offset && standing == Standing::owned) {
    // A stranger's record came before it. It counts, but what was decided on its place is wrong.
    fail({record.log, expected, AppendFailure::Outcome::unknown, moved_on()});
  }
  in_flight.pop_front();
  told.push_back({record.log, Told::What::landed, record.offset});
}

void EventStore::follow_claim(const StoredRecord& record, Verdict verdict, Partition& partition,
                              std::vector<Told>& told) {
  auto& [folded, tip, in_flight, standing, ours] = partition;
  const auto control = schemas::read_control(record.payload.bytes());
  const auto* claim = control ? std::get_if<schemas::Claim>(&*control) : nullptr;
  const bool is_ours = claim && claim->nonce == nonce_(record.log, record.head.epoch);
  if (verdict == Verdict::claim) {
    // Nothing of the epochs before it can count from here on.
    if (!std::exchange(in_flight, {}).empty() || standing == Standing::owned) {
      std::erase_if(submitted_, [&](const Append& a) {
        return a.log == record.log && a.head.kind != RecordKind::claim;
      });
      told.push_back({record.log, Told::What::voided, 0, is_ours ? not_written() : taken_over()});
    }
    if (standing == Standing::owned) standing = Standing::unclaimed;
    if (is_ours && standing == Standing::claiming) {
      standing = Standing::owned;
      ours = folded.epoch;
      tip = folded;
    }
  } else {
    if (is_ours && standing == Standing::claiming) standing = Standing::unclaimed;  // too late
    tip.next_offset = std::max(tip.next_offset, folded.next_offset);
  }
  if (is_ours) told.push_back({record.log, Told::What::claimed});
}

void EventStore::tell(const Told& told) {
  switch (told.what) {
    case Told::What::landed:
      return owner_->landed(told.log, told.offset);
    case Told::What::voided:
      return owner_->voided(told.log, told.why);
    case Told::What::claimed:
      return owner_->claimed(told.log);
  }
}

void EventStore::fail(const AppendFailure& failure) {
  auto& target = partition(failure.log);
  // Whatever was submitted behind the failure is gone with it.
  std::erase_if(submitted_, [&](const Append& a) { return a.log == failure.log; });
  const bool in_doubt =
      failure.outcome == AppendFailure::Outcome::unknown && !log_->read_only() && log_->shared();
  if (target.standing == Standing::claiming) {
    target.standing = Standing::unclaimed;
    if (!target.in_flight.empty()) {
      claims_due_.insert(failure.log);
      return;
    }
  } else if (in_doubt) {
    target.standing = Standing::unclaimed;
  } else {
    std::erase_if(target.in_flight, [&](Offset expected) { return expected >= failure.first; });
    target.tip = target.folded;
  }
  owner_->failed(failure);
  if (in_doubt && !target.in_flight.empty()) claim(failure.log);
}

}  // namespace eventstore
