#pragma once

#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/simulation/model.h"
#include "tests/simulation/simulated_world.h"

/// One life of a simulated world beside the model. What must hold after every step:
///
/// - Acknowledged: in the log, once, the same bytes at the same offset, for ever; the answer is the
///   model's. Unknown: there or not, but then nothing behind it; a retry with its key tells which.
///   Refused, for whatever reason: nothing happened.
/// - No answer comes before what it was decided on is durable; those of a partition come in the
///   order of their commands; each command gets one.
/// - The rows show exactly what was acknowledged, in lists, pages and single entities, now and as
/// of
///   any acknowledged place; two spaces and two organizations never mix.
/// - An answer that blames the disk comes only while something is wrong with it; writes go on
///   without a restart once a full disk has room. Opening reports no damage and never fails for
///   good.
/// - Accepted time never falls; versions count from 1; rows made anew are the same rows.
namespace simulation {

/// One thing that happens. `dice` settles its details, so a step means much the same wherever in a
/// schedule it stands, and a schedule can be shrunk.
struct Step {
  enum class Kind : std::uint8_t {
    ask,
    commit,
    pump,
    look,
    pass_time,
    fail_call,
    power_off,
    slow_disk,
    full_disk,
    full_rows,
    kill,
    cut_power,
    restart,
    rebuild,
  };
  Kind kind;
  std::uint32_t dice;
};
std::string to_text(const Step& step);

struct Schedule {
  std::uint32_t seed;
  std::vector<Step> steps;
};
Schedule make_schedule(std::uint32_t seed);

/// A promise was broken; the text says which.
struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Life {
 public:
  /// Whoever wants to follow gets every step and every answer as a line.
  using Trace = std::function<void(const std::string&)>;
  explicit Life(std::uint32_t seed, Trace trace = {});
  ~Life();

  /// Throws Broken.
  void run(const Schedule& schedule);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace simulation
