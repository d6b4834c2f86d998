#include "manager/cluster.h"

#include <algorithm>

#include "schemas/packing.h"

namespace manager {
namespace {

using schemas::LogId;
using schemas::Uuid;

/// The finalizer of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014): every bit of the input changes half of the output's.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

std::uint64_t seed_of(const Uuid& process) {
  const auto first = schemas::get<std::uint64_t>(process.bytes.data());
  const auto second = schemas::get<std::uint64_t>(process.bytes.data() + 8);
  return mix(mix(first) ^ second);
}

std::uint64_t weight(std::uint64_t seed, LogId log) {
  const auto number = (static_cast<std::uint64_t>(log.topic) << 16) | log.partition;
  return mix(seed ^ mix(number));
}

}  // namespace

Cluster::Cluster(Self self)
    : self_{{.process = self.process,
             .state = Heartbeat::State::joining,
             .roles = self.roles,
             .name = std::move(self.name),
             .address = std::move(self.address),
             .owned = {}},
            {},
            seed_of(self.process)} {}

// ---- what was heard ----

void Cluster::heard(const Heartbeat& heartbeat, Time now) {
  const std::lock_guard lock(mutex_);
  candidates_.erase(heartbeat.process);
  silent_.erase(heartbeat.process);
  refresh(now);
  if (heartbeat.process == self_.said.process) {
    if (!is_listening(now)) listening_since_ = now;
    self_heard_ = now;
    return refresh(now);
  }
  const auto known = others_.find(heartbeat.process);
  if (known == others_.end()) {
    const Member member{heartbeat, now, seed_of(heartbeat.process)};
    others_.emplace(heartbeat.process, member);
    if (is_eligible(member)) eligible_since_ = now;
    return;
  }
  auto& member = known->second;
  if (heartbeat.count <= member.said.count) return;  // an older one came late
  const bool was_eligible = is_eligible(member);
  member.said = heartbeat;
  member.last = now;
  if (is_eligible(member) != was_eligible) eligible_since_ = now;
}

void Cluster::heard_of(const Uuid& process, Time now) {
  const std::lock_guard lock(mutex_);
  refresh(now);
  past_ended_.reset();
  if (!others_.contains(process)) candidates_.insert(process);
}

void Cluster::gone(const Uuid& process, Time now) {
  const std::lock_guard lock(mutex_);
  refresh(now);
  candidates_.erase(process);
  silent_.erase(process);
  const auto known = others_.find(process);
  if (known == others_.end()) return;
  if (is_eligible(known->second)) eligible_since_ = now;
  others_.erase(known);
}

void Cluster::past_ended(Time now) {
  const std::lock_guard lock(mutex_);
  past_ended_ = now;
  for (const auto& process : candidates_) silent_.try_emplace(process, now);
  refresh(now);
}

// ---- what we say ----

Cluster::Heartbeat Cluster::self() const {
  const std::lock_guard lock(mutex_);
  auto heartbeat = self_.said;
  heartbeat.owned.assign(owned_.begin(), owned_.end());
  return heartbeat;
}

void Cluster::own(LogId log) {
  const std::lock_guard lock(mutex_);
  owned_.insert(log);
}

void Cluster::release(LogId log) {
  const std::lock_guard lock(mutex_);
  owned_.erase(log);
}

void Cluster::leave() {
  const std::lock_guard lock(mutex_);
  self_.said.state = Heartbeat::State::leaving;
}

// ---- who should write what ----

/// Whether our own heartbeats come back: else silence tells about us, not about others.
bool Cluster::is_listening(Time now) const {
  return self_heard_ && now - *self_heard_ < silence_max;
}

/// Whether those who were there before us have had the time to say so.
bool Cluster::knows_the_others(Time now) const {
  return past_ended_ && is_listening(now) &&
         (candidates_.empty() || now - *past_ended_ >= candidates_wait);
}

/// Joins once it can, and forgets who has been silent for too long while we listened.
void Cluster::refresh(Time now) {
  if (self_.said.state == Heartbeat::State::joining && knows_the_others(now)) {
    self_.said.state = Heartbeat::State::serving;
    if (is_eligible(self_)) eligible_since_ = now;
  }
  if (!is_listening(now) || now - *listening_since_ <= silence_max) return;
  const auto silent = [&](const auto& member) { return now - member.second.last > silence_max; };
  for (auto member = others_.begin(); member != others_.end();) {
    if (!silent(*member)) {
      ++member;
      continue;
    }
    if (is_eligible(member->second)) eligible_since_ = now;
    silent_.emplace(member->first, member->second.last);
    member = others_.erase(member);
  }
}

bool Cluster::is_eligible(const Member& member) const {
  return member.said.state == Heartbeat::State::serving &&
         member.said.roles.has(eventstore::Role::manager);
}

const Cluster::Member* Cluster::preferred(LogId log) const {
  const Member* best = nullptr;
  const auto consider = [&](const Member& member) {
    if (!is_eligible(member)) return;
    // Weights of 64 bits are equal once in an age; then the process decides.
    const auto rank = [&](const Member& m) {
      return std::pair(weight(m.weight_seed, log), m.said.process);
    };
    if (best == nullptr || rank(member) > rank(*best)) best = &member;
  };
  for (const auto& [process, member] : others_) consider(member);
  consider(self_);
  // Nobody else is there: what waits for an owner waits for us.
  const bool may_join = self_.said.state == Heartbeat::State::joining &&
                        self_.said.roles.has(eventstore::Role::manager);
  return best == nullptr && may_join ? &self_ : best;
}

std::optional<Cluster::Owner> Cluster::owner_of(LogId log, Time now) {
  const std::lock_guard lock(mutex_);
  refresh(now);
  const auto* owner = preferred(log);
  if (owner == nullptr) return std::nullopt;
  return Owner{owner->said.process, owner->said.name, owner->said.address, owner == &self_};
}

bool Cluster::may_claim(LogId log, Time now) {
  const std::lock_guard lock(mutex_);
  refresh(now);
  if (!knows_the_others(now) || preferred(log) != &self_) return false;
  const bool is_owned = std::ranges::any_of(others_, [&](const auto& member) {
    return std::ranges::binary_search(member.second.said.owned, log);
  });
  return !is_owned || now - eligible_since_ > release_wait;
}

bool Cluster::release_wanted(LogId log, Time now) {
  const std::lock_guard lock(mutex_);
  refresh(now);
  return owned_.contains(log) && preferred(log) != &self_;
}

std::vector<Uuid> Cluster::long_silent(Time now) {
  const std::lock_guard lock(mutex_);
  refresh(now);
  std::vector<Uuid> named;
  for (const auto& [process, since] : silent_) {
    if (now - since > record_kept) named.push_back(process);
  }
  for (const auto& process : named) {
    silent_.erase(process);
    candidates_.erase(process);
  }
  return named;
}

std::vector<Cluster::Heartbeat> Cluster::living(Time now) {
  const std::lock_guard lock(mutex_);
  refresh(now);
  std::vector<Heartbeat> all;
  all.push_back(self_.said);
  all.back().owned.assign(owned_.begin(), owned_.end());
  for (const auto& [process, member] : others_) all.push_back(member.said);
  std::ranges::sort(all, {}, &Heartbeat::process);
  return all;
}

}  // namespace manager
