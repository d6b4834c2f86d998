#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "eventstore/clock.h"

/// How far something is, for people who wait for it.
namespace api::cli {

/// How much is done: a count of things, and the fraction of all that there is to do, when that is
/// known.
struct Done {
  std::uint64_t done = 0;
  std::optional<double> fraction;  // 0 to 1
};

/// How fast it goes, over the last seconds: pure arithmetic.
class Pace {
 public:
  void note(eventstore::MonotonicTime now, Done done);
  /// Things per second.
  std::optional<double> rate() const;
  std::optional<std::chrono::seconds> remaining() const;

 private:
  struct Sample {
    eventstore::MonotonicTime time;
    Done done;
  };
  double seconds() const;
  std::deque<Sample> samples_;  // of the window, and one before it
};

/// `4,321,000`.
std::string grouped(std::uint64_t number);
/// `45 s`, `12 min`, `3 h 5 min`.
std::string to_text(std::chrono::seconds duration);
/// `import  [#####.....]  50 %  49,000 events  52,100/s  1 s left`
std::string progress_text(std::string_view task, std::string_view things, Done done,
                          const Pace& pace);

/// One line on stderr that is written over and over, and wiped at the end. Silent when stderr is no
/// terminal. A few times per second at most, so it may be told of every step.
class ProgressLine {
 public:
  /// Both live longer.
  ProgressLine(std::string_view task, std::string_view things);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(Done done);

 private:
  std::string_view task_;
  std::string_view things_;
  bool terminal_;
  bool drawn_ = false;
  eventstore::MonotonicTime next_{};
  Pace pace_;
};

}  // namespace api::cli
