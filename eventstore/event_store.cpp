#include "eventstore/event_store.h"

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "schemas/crypto.h"
#include "schemas/planted.h"

namespace eventstore {
namespace {

using namespace std::chrono_literals;

/// LOG.md 2: a jump of more than a minute against the monotonic clock is refused.
constexpr auto clock_jump_max = 60s;

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
  fresh.tip = log_->state(log);
  // The nonce was derived from the epoch before the claim, which a restart no longer has: a claim
  // is this process's own when its successor's input, its own epoch, was signed by the same seed.
  if (fresh.tip.epoch.offset >= 0) {
    auto claim = log_->read_one(log, static_cast<Offset>(fresh.tip.epoch.offset));
    if (claim && !fresh.tip.lost() && nonce_(log, claim->head.epoch) == fresh.tip.epoch.nonce) {
      fresh.standing = Standing::owned;
    }
  }
  return fresh;
}

bool EventStore::owned(LogId log) {
  return partition(log).standing == Standing::owned;
}

void EventStore::claim(LogId log) {
  auto& target = partition(log);
  if (target.standing != Standing::unclaimed) return;
  target.standing = Standing::claiming;
  target.tip = log_->state(log);
  auto record = make_claim(target.tip, nonce_(log, target.tip.epoch), process_);
  submitted_.push_back({log, target.tip.next_offset, record.head, std::move(record.payload)});
  flush();
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
  std::vector<LogId> claimed;
  for (const auto& record : group) {
    if (record.head.kind != RecordKind::claim) continue;
    auto& target = partition(record.log);
    if (target.standing != Standing::claiming) continue;
    // Folded through a claim: the partition is ours when the rule made our nonce the current one.
    const auto verdict = target.tip.apply(record.offset, record.head, record.payload.bytes());
    const bool ours = target.tip.epoch.nonce == nonce_(record.log, record.head.epoch);
    target.standing = verdict == Verdict::claim && ours ? Standing::owned : Standing::unclaimed;
    claimed.push_back(record.log);
  }
  owner_->durable(group);
  for (auto log : claimed) owner_->claimed(log);
}

void EventStore::fail(const AppendFailure& failure) {
  // Whatever was submitted behind the failure is gone with it; the partition starts again from what
  // is durable, under a new claim.
  std::erase_if(submitted_, [&](const Append& a) { return a.log == failure.log; });
  partitions_.erase(failure.log);
  owner_->failed(failure);
}

}  // namespace eventstore
