#pragma once

#include <cstddef>
#include <mutex>
#include <unordered_map>

#include "schemas/ids.h"
#include "schemas/result.h"

namespace manager {

/// What waits for the disk, in commands and bytes: of everybody, and of each organization, so that
/// none of them takes all of it. Any thread; the lock is held for a few instructions only.
class Load {
 public:
  struct Amount {
    std::size_t commands = 0;
    std::size_t bytes = 0;
    std::size_t undecided = 0;  // those of the commands that wait for their turn alone
  };
  struct Limits {
    Amount all;
    Amount of_one;  // organization
  };
  explicit Load(Limits limits) : limits_(limits) {}

  /// Counts what is asked for, if it is not too much.
  bool enter(schemas::OrganizationId organization, Amount amount) {
    std::lock_guard lock(mutex_);
    auto own = by_organization_.find(organization);
    const auto there = own == by_organization_.end() ? Amount{} : own->second;
    if (!fits(all_, amount, limits_.all) || !fits(there, amount, limits_.of_one)) return false;
    add(all_, amount);
    add(by_organization_[organization], amount);
    return true;
  }
  std::size_t undecided(schemas::OrganizationId organization) {
    std::lock_guard lock(mutex_);
    auto own = by_organization_.find(organization);
    return own == by_organization_.end() ? 0 : own->second.undecided;
  }
  /// Counts what is there already, however much it is.
  void add(schemas::OrganizationId organization, Amount amount) {
    std::lock_guard lock(mutex_);
    add(all_, amount);
    add(by_organization_[organization], amount);
  }
  void leave(schemas::OrganizationId organization, Amount amount) {
    std::lock_guard lock(mutex_);
    auto own = by_organization_.find(organization);
    remove(all_, amount);
    remove(own->second, amount);
    if (own->second.commands == 0 && own->second.bytes == 0) by_organization_.erase(own);
  }

 private:
  static bool fits(const Amount& there, const Amount& more, const Amount& limit) {
    return there.commands + more.commands <= limit.commands &&
           there.bytes + more.bytes <= limit.bytes;
  }
  static void add(Amount& to, const Amount& amount) {
    to.commands += amount.commands;
    to.bytes += amount.bytes;
    to.undecided += amount.undecided;
  }
  static void remove(Amount& from, const Amount& amount) {
    ENSURE(from.commands >= amount.commands && from.bytes >= amount.bytes &&
           from.undecided >= amount.undecided);
    from.commands -= amount.commands;
    from.bytes -= amount.bytes;
    from.undecided -= amount.undecided;
  }

  const Limits limits_;
  std::mutex mutex_;
  Amount all_;
  std::unordered_map<schemas::OrganizationId, Amount> by_organization_;
};

}  // namespace manager
