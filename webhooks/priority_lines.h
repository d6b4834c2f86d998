#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <utility>

#include "webhooks/pipeline.h"

namespace webhooks {

/// Those who wait, by priority: while all of them wait, of seven turns high has four, normal two
/// and low one, spread evenly (smooth weighted round robin, as nginx has it since 1.3.1). Within a
/// priority first come, first served. One thread.
template <typename T>
class PriorityLines {
 public:
  void add(Priority priority, T one) {
    lines_[static_cast<std::size_t>(priority)].waiting.push_back(std::move(one));
  }
  bool empty() const {
    return std::ranges::all_of(lines_, [](const Line& line) { return line.waiting.empty(); });
  }
  /// Who is next; somebody waits.
  T next() {
    Line* chosen = nullptr;
    int paid = 0;
    for (auto& line : lines_) {
      if (line.waiting.empty()) {
        line.credit = 0;  // what is not used is not kept
        continue;
      }
      line.credit += line.share;
      paid += line.share;
      if (chosen == nullptr || line.credit > chosen->credit) chosen = &line;
    }
    chosen->credit -= paid;
    auto one = std::move(chosen->waiting.front());
    chosen->waiting.pop_front();
    return one;
  }

 private:
  struct Line {
    int share;
    int credit = 0;
    std::deque<T> waiting = {};
  };
  std::array<Line, 3> lines_{Line{.share = 1}, Line{.share = 2}, Line{.share = 4}};  // by Priority
};

}  // namespace webhooks
