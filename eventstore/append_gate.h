#pragma once

#include <optional>

#include "eventstore/record.h"

/// Decides for one partition which appends may be written: the one whose `expected` is the next
/// offset. Its user is a backend's writer thread; it keeps no lock.
///
/// A failure is told once. What its submitter had queued behind the failed append, before it could
/// know, continues the failed run and is covered by that one failure:
///
///     next = 10    queue: 10 (fails) 11 12 | 13 | 10' 11'
///                         refuse     covered     take
namespace eventstore {

class AppendGate {
 public:
  enum class Answer { take, refuse, covered };

  explicit AppendGate(Offset next = 0) : next_(next) {}

  Answer admit(Offset expected) {
    if (expected == next_) {
      ++next_;
      failed_run_.reset();
      return Answer::take;
    }
    const bool continues = failed_run_ == expected;
    failed_run_ = expected + 1;
    return continues ? Answer::covered : Answer::refuse;
  }

  /// As `admit` when nothing can be written: never answers take.
  Answer turn_away(Offset expected) {
    const bool continues = failed_run_ == expected;
    failed_run_ = expected + 1;
    return continues ? Answer::covered : Answer::refuse;
  }

  /// Everything admitted from `first` on was not written after all.
  void take_back(Offset first) {
    failed_run_ = next_;
    next_ = first;
  }

  /// What came before is settled: from here on.
  void go_on_at(Offset next) { *this = AppendGate(next); }

  Offset next() const { return next_; }

 private:
  Offset next_;
  std::optional<Offset> failed_run_;  // where the run that was refused last would go on
};

}  // namespace eventstore
