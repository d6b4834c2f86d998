#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "schemas/ids.h"
#include "schemas/result.h"

namespace manager {

/// What waits for the disk, in commands and bytes: of everybody, and of each organization, so that
/// none of them takes all of it. Lines of bulk requests take three quarters of either at most, so
/// that single commands find room beside any number of them. Any thread; the lock is held for a few
/// instructions only.
class Load {
 public:
  enum class Kind : std::uint8_t { single, bulk };
  enum class Sheds : std::uint8_t { no, yes };
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
  bool enter(schemas::OrganizationId organization, Kind kind, Amount amount) {
    std::lock_guard lock(mutex_);
    auto own = by_organization_.find(organization);
    const auto there = own == by_organization_.end() ? Held{} : own->second;
    if (!fits(all_, kind, amount, limits_.all)) return false;
    if (!fits(there, kind, amount, limits_.of_one)) return false;
    add(all_, kind, amount);
    add(by_organization_[organization], kind, amount);
    return true;
  }
  /// One that waited for its turn alone has had it; `sheds` says whether those that come now would
  /// be refused then.
  void decided(schemas::OrganizationId organization, Sheds sheds) {
    std::lock_guard lock(mutex_);
    auto own = by_organization_.find(organization);
    remove(all_, Kind::single, {.undecided = 1});
    remove(own->second, Kind::single, {.undecided = 1});
    own->second.sheds = sheds;
  }
  /// Whether it is shedding with more than these waiting for their turn.
  bool sheds(schemas::OrganizationId organization, std::size_t undecided) {
    std::lock_guard lock(mutex_);
    auto own = by_organization_.find(organization);
    return own != by_organization_.end() && own->second.sheds == Sheds::yes &&
           own->second.all.undecided > undecided;
  }
  /// Counts what is there already, however much it is.
  void add(schemas::OrganizationId organization, Amount amount) {
    std::lock_guard lock(mutex_);
    add(all_, Kind::single, amount);
    add(by_organization_[organization], Kind::single, amount);
  }
  void leave(schemas::OrganizationId organization, Kind kind, Amount amount) {
    std::lock_guard lock(mutex_);
    auto own = by_organization_.find(organization);
    remove(all_, kind, amount);
    remove(own->second, kind, amount);
    const auto& left = own->second.all;
    if (left.commands == 0 && left.bytes == 0) by_organization_.erase(own);
  }

 private:
  struct Held {
    Amount all;
    Amount bulk;              // of them
    Sheds sheds = Sheds::no;  // of an organization, see turns.h
  };
  static bool fits(const Held& held, Kind kind, const Amount& more, const Amount& limit) {
    const auto within = [&more](const Amount& there, std::size_t commands, std::size_t bytes) {
      return there.commands + more.commands <= commands && there.bytes + more.bytes <= bytes;
    };
    if (!within(held.all, limit.commands, limit.bytes)) return false;
    return kind == Kind::single || within(held.bulk, limit.commands / 4 * 3, limit.bytes / 4 * 3);
  }
  static void add(Held& to, Kind kind, const Amount& amount) {
    add(to.all, amount);
    if (kind == Kind::bulk) add(to.bulk, amount);
  }
  static void add(Amount& to, const Amount& amount) {
    to.commands += amount.commands;
    to.bytes += amount.bytes;
    to.undecided += amount.undecided;
  }
  static void remove(Held& from, Kind kind, const Amount& amount) {
    remove(from.all, amount);
    if (kind == Kind::bulk) remove(from.bulk, amount);
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
  Held all_;
  std::unordered_map<schemas::OrganizationId, Held> by_organization_;
};

}  // namespace manager
