#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>

#include "eventstore/clock.h"
#include "schemas/ids.h"

namespace manager {

/// What waits for its turn on the core thread, oldest first, in two lines:
///
///     lines of bulk requests ──►  a slice of time each, in turn   ──► decide
///     all else               ──►  refused when they wait too long ──► decide
///
/// So a bulk request, whose own window bounds what it has waiting, holds up nobody for longer than
/// a slice, and more commands than can be decided are refused early instead of all being answered
/// late. This is controlled delay (K. Nichols and V. Jacobson, "Controlling Queue Delay", ACM Queue
/// 10(5), 2012; for servers B. Maurer, "Fail at Scale", ACM Queue 13(8), 2015), with a count added:
/// many clients that wait for their answers, each with a heavy command, are no overload.
///
/// - It begins to shed when waits were over `delay` for all of `patience` and an organization has
///   over `many` waiting. What waited over `delay` is refused then, where its organization has over
///   `some` waiting.
/// - It ends with a wait under half of `delay`, or under half of `some` waiting in all.
///
/// `Item` has `since`, `organization` and `bulk`. For one thread.
template <typename Item>
class Turns {
 public:
  using Time = eventstore::MonotonicTime;
  using Duration = Time::duration;
  static constexpr std::size_t many = 256;
  static constexpr std::size_t some = 64;
  static constexpr Duration delay = std::chrono::milliseconds(25);
  static constexpr Duration patience = std::chrono::milliseconds(100);
  static constexpr Duration slice = std::chrono::milliseconds(4);

  void add(Item item) {
    if (!item.bulk) ++waiting_[item.organization];
    (item.bulk ? bulk_ : single_).push_back(std::move(item));
  }
  bool empty() const { return single_.empty() && bulk_.empty(); }
  /// Whether it refuses those with over `some` waiting.
  bool sheds() const { return sheds_; }

  /// Gives `take` or `refuse` what is first in line, for a slice of each line. `now` is asked again
  /// and again.
  template <typename Now, typename Take, typename Refuse>
  void run(const Now& now, const Take& take, const Refuse& refuse) {
    const auto begun = now();
    for (auto moment = begun; !single_.empty() && moment - begun < slice; moment = now()) {
      const bool late = waits_too_long(single_.front(), moment);
      auto item = pop(single_);
      leave(item.organization);
      late ? refuse(std::move(item)) : take(std::move(item));
    }
    if (single_.empty()) calm_down();
    const auto bulk_begun = now();
    while (!bulk_.empty() && now() - bulk_begun < slice) take(pop(bulk_));
  }

 private:
  bool waits_too_long(const Item& item, Time now) {
    const auto waited = now - item.since;
    const auto waiting = waiting_.at(item.organization);
    if (waited <= delay / 2 || single_.size() < some / 2) calm_down();
    if (waited <= delay) return false;
    if (!late_since_) late_since_ = now;
    sheds_ = sheds_ || (waiting > many && now - *late_since_ >= patience);
    return sheds_ && waiting > some;
  }
  void calm_down() {
    late_since_.reset();
    sheds_ = false;
  }
  void leave(schemas::OrganizationId organization) {
    auto found = waiting_.find(organization);
    if (--found->second == 0) waiting_.erase(found);
  }
  static Item pop(std::deque<Item>& line) {
    auto item = std::move(line.front());
    line.pop_front();
    return item;
  }

  std::deque<Item> single_;
  std::deque<Item> bulk_;
  std::unordered_map<schemas::OrganizationId, std::size_t> waiting_;  // of single_
  std::optional<Time> late_since_;  // nobody has waited shortly since then
  bool sheds_ = false;
};

}  // namespace manager
