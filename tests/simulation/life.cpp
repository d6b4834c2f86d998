#include "tests/simulation/life.h"

#include <algorithm>

#include <fmt/format.h>

#include "tests/simulation/checks.h"

namespace simulation {
namespace {

using Kind = Step::Kind;
using Action = Intent::Action;

const schemas::Error no_space{ErrorCode::disk_full, "no space", {}, {}};

struct KindLine {
  Kind kind;
  std::string_view name;
  std::uint32_t weight;
};
constexpr KindLine kinds[] = {
    {Kind::ask, "ask", 44},
    {Kind::commit, "commit", 14},
    {Kind::pump, "pump", 6},
    {Kind::look, "look", 6},
    {Kind::pass_time, "pass_time", 3},
    {Kind::fail_call, "fail_call", 4},
    {Kind::power_off, "power_off", 3},
    {Kind::slow_disk, "slow_disk", 1},
    {Kind::full_disk, "full_disk", 2},
    {Kind::full_rows, "full_rows", 2},
    {Kind::kill, "kill", 3},
    {Kind::cut_power, "cut_power", 4},
    {Kind::restart, "restart", 2},
    {Kind::rebuild, "rebuild", 1},
};

constexpr std::string_view manifest = R"({"kinds":{"file":{"events":{
    "file.set":{"fold":"replace"},"file.merged":{"fold":"merge"},"file.gone":{"fold":"delete"}}}}})";

/// The details of one step.
class Dice {
 public:
  explicit Dice(std::uint32_t seed) : random_(seed) {}
  std::uint32_t below(std::uint32_t end) { return random_() % end; }
  bool once_in(std::uint32_t times) { return below(times) == 0; }
  std::mt19937& generator() { return random_; }

 private:
  std::mt19937 random_;
};

OrganizationId organization(std::uint32_t number) {
  return OrganizationId(Uuid{{static_cast<std::uint8_t>(number + 1)}});
}

std::vector<FileEvent> random_events(Dice& dice) {
  std::vector<FileEvent> events;
  for (auto count = 1 + dice.below(3); count > 0; --count) {
    events.push_back({fmt::format("f{}", dice.below(4)),
                      static_cast<FileEvent::Change>(dice.below(5) == 0 ? 2 : dice.below(2)),
                      fmt::format("m{}", dice.below(3)), static_cast<int>(dice.below(1000))});
  }
  return events;
}

}  // namespace

std::string to_text(const Step& step) {
  const auto line = std::ranges::find(kinds, step.kind, &KindLine::kind);
  return fmt::format("{} {}", line->name, step.dice);
}

Schedule make_schedule(std::uint32_t seed) {
  std::mt19937 random(seed);
  std::uint32_t sum = 0;
  for (const auto& line : kinds) sum += line.weight;
  Schedule schedule{seed, {}};
  const auto length = 30 + random() % 60;
  while (schedule.steps.size() < length) {
    auto at = random() % sum;
    const auto* line = kinds;
    while (at >= line->weight) at -= (line++)->weight;
    schedule.steps.push_back({line->kind, static_cast<std::uint32_t>(random())});
  }
  return schedule;
}

class Life::Impl {
 public:
  Impl(std::uint32_t seed, Trace trace) : world_(seed), trace_(std::move(trace)) {}

  void run(const Schedule& schedule) {
    begin();
    for (const auto& step : schedule.steps) {
      say([&] { return to_text(step); });
      take(step);
      look_at_rows();
    }
    end();
  }

 private:
  void begin() {
    must(world_.open(), "a new journal");
    std::optional<Result<manager::Outcome>> declared;
    world_.send(manager::platform(), manager::DeclareProduct{"git", std::string(manifest)},
                [&](auto result) { declared = std::move(result); });
    world_.settle();
    if (!declared || !*declared) throw Broken("the product cannot be declared");
  }

  /// Whatever happened: after a last power cut everything is there, and rows made anew are the
  /// same.
  void end() {
    go_on(true, 0);
    try_again();
    settle();
    check_timelines(world_, ledger_);
    const auto hash = world_.hash();
    go_on(false, 0);
    if (world_.hash() != hash) throw Broken("rows differ after a crash");
    rebuild();
    look_at_rows();
    check_timelines(world_, ledger_);
  }

  void take(const Step& step) {
    Dice dice(step.dice);
    switch (step.kind) {
      case Kind::ask:
        return ask(random_intent(dice));
      case Kind::commit:
        return settle();
      case Kind::pump:
        disturbed_ = trouble();
        world_.pump();
        if (dice.once_in(2)) return go_on(dice.once_in(2), dice.below(6));
        return settle();
      case Kind::look:
        return check_past_and_pages(world_, ledger_, dice.generator());
      case Kind::pass_time:
        return pass_time(dice);
      case Kind::fail_call:
        world_.disk().fail_call(1 + dice.below(6),
                                dice.once_in(3) ? ErrorCode::disk_full : ErrorCode::internal);
        return;
      case Kind::power_off:
        return lose_power(dice);
      case Kind::slow_disk:
        return slow_down(dice);
      case Kind::full_disk:
        return fill_disk(dice);
      case Kind::full_rows:
        return fill_rows(dice);
      case Kind::kill:
        return go_on(false, dice.below(6));
      case Kind::cut_power:
        return go_on(true, dice.below(6));
      case Kind::restart:
        return restart();
      case Kind::rebuild:
        return rebuild();
    }
  }

  // ---- asking ----

  Intent random_intent(Dice& dice) {
    Intent intent{
        .scope = {organization(dice.below(3)), dice.once_in(3) ? Space::test : Space::live,
                  dice.once_in(2) ? Product::projects : Product::files},
        .action = Action::append};
    if (intent.scope.product == Product::files) {
      intent.events = random_events(dice);
      if (dice.once_in(3)) {
        const Expected expected{static_cast<Expected::Case>(dice.below(6)),
                                schemas::Version{dice.below(4)}};
        intent.condition = {fmt::format("f{}", dice.below(4)), expected};
      }
    } else {
      choose_project_action(intent, dice);
    }
    if (dice.once_in(5)) intent.if_match = 1 + dice.below(3);
    if (dice.once_in(2)) intent.key = fmt::format("key{}", dice.below(5));
    return intent;
  }

  void choose_project_action(Intent& intent, Dice& dice) {
    std::vector<int> known;
    for (const auto& [number, id] : ledger_.projects()) {
      if (ledger_.scope_of(number) == intent.scope) known.push_back(number);
    }
    const auto name = fmt::format("n{}", dice.below(3));
    const auto slug = fmt::format("s{}", dice.below(4));
    if (known.empty() || dice.once_in(3)) {
      intent.action = Action::create;
      intent.project = next_project_++;
      intent.name = name;
      intent.slug = slug;
      return;
    }
    constexpr Action actions[] = {Action::change, Action::change, Action::archive, Action::restore,
                                  Action::remove};
    intent.action = actions[dice.below(std::size(actions))];
    intent.project = known[dice.below(static_cast<std::uint32_t>(known.size()))];
    if (intent.action != Action::change) return;
    if (dice.once_in(2)) intent.name = name;
    if (dice.once_in(2)) intent.slug = slug;
  }

  void ask(const Intent& intent) {
    const auto known = ledger_.projects().find(intent.project);
    const auto id = known == ledger_.projects().end() ? Uuid{} : known->second;
    const auto log = world_.core().topics().log_of(world_.topic(name_of(intent.scope.product)),
                                                   intent.scope.organization);
    say([&] { return "  " + intent.request() + (intent.key ? " with " + *intent.key : ""); });
    auto answer = ledger_.sent(intent, log, world_.clock().wall());
    world_.send(intent.context(), intent.command(id),
                [this, answer = std::move(answer)](Result<manager::Outcome> result) {
                  say([&] {
                    return "  = " + (result ? fmt::format("offset {} of partition {}",
                                                          result->position.offset,
                                                          result->position.log.partition)
                                            : result.error().detail);
                  });
                  answer(std::move(result));
                });
    ledger_.take_answers(false, trouble());
  }

  /// Whoever was left without an answer asks again, with the same key.
  void try_again() {
    for (const auto& intent : ledger_.take_retries()) ask(intent);
  }

  // ---- what the disk does ----

  /// Whether an answer may blame the disk.
  bool trouble() {
    return disturbed_ || full_ || world_.disk().armed() || world_.log().read_only() ||
           world_.rows().broken();
  }

  void settle() {
    disturbed_ = trouble();  // what is armed may go off now
    world_.settle();
    disturbed_ = disturbed_ || trouble();
    ledger_.take_answers(true, disturbed_);
    disturbed_ = false;
  }

  void pass_time(Dice& dice) {
    if (!ledger_.in_flight() && dice.once_in(2)) {
      world_.clock().pass(std::chrono::hours{dice.below(10)} + std::chrono::minutes{17});
    } else if (dice.once_in(2)) {
      jump(std::chrono::seconds{static_cast<int>(dice.below(11)) - 5});
    } else {
      world_.clock().pass(std::chrono::milliseconds{dice.below(5000)});
    }
  }

  /// Never so far from the monotonic clock that writes are refused, in all of a life.
  void jump(std::chrono::seconds by) {
    constexpr std::chrono::seconds drift_max{25};
    if (std::chrono::abs(drift_ + by) > drift_max) by = -by;
    drift_ += by;
    world_.clock().jump(by);
  }

  void lose_power(Dice& dice) {
    world_.disk().power_off_at(1 + dice.below(5));
    settle();
    world_.disk().disarm();  // only the process may have died
    go_on(!dice.once_in(3), dice.below(6));
  }

  void slow_down(Dice& dice) {
    const auto latency = std::chrono::milliseconds{dice.below(800)};
    world_.disk().on_call([this, latency] { world_.clock().pass(latency); });
  }

  void fill_disk(Dice& dice) {
    full_ = !full_;
    world_.disk().set_capacity(full_ ? dice.below(2) * 48 * 1024 : ~std::uint64_t{0});
    if (full_) return;
    world_.rows().mend();
    world_.core().tick();
    if (world_.rows().broken()) throw Broken("rows do not go on although there is space");
    settle();
  }

  /// The rows' disk is full, and has room again in the same step: what was in flight is in the log,
  /// nothing more gets there meanwhile.
  void fill_rows(Dice& dice) {
    world_.rows().break_with(no_space);
    settle();
    look_at_rows();
    for (auto count = dice.below(3); count > 0; --count) ask(random_intent(dice));
    settle();
    world_.core().tick();
    world_.rows().mend();
    world_.core().tick();
    if (world_.rows().broken()) throw Broken("rows do not go on although there is space");
    ledger_.read_back(world_.log(), !world_.log().read_only());
    try_again();
    settle();
  }

  // ---- deaths ----

  void go_on(bool power_cut, std::uint64_t kept_rows) {
    ledger_.died();
    die(power_cut, kept_rows);
    // Some openings die as well; what they have done so far must not matter, what they showed
    // stays.
    Dice dice(static_cast<std::uint32_t>(kept_rows * 2 + power_cut + world_.disk().calls()));
    for (int times = dice.once_in(3) ? 2 : 0; times > 0; --times) {
      const bool off = dice.once_in(2);
      const auto call = 1 + dice.below(24);
      const auto code = dice.once_in(2) ? ErrorCode::disk_full : ErrorCode::internal;
      off ? world_.disk().power_off_at(call) : world_.disk().fail_call(call, code);
      const auto opened = world_.open();
      say([&] { return opened ? "  opened" : "  " + opened.error().detail; });
      if (opened) ledger_.read_back(world_.log(), !world_.log().read_only());
      die(off || dice.once_in(2), dice.below(6));
    }
    come_back(dice.once_in(2) ? Disk::as_it_is : Disk::with_space);
  }

  void die(bool power_cut, std::uint64_t kept_rows) {
    power_cut ? world_.cut_power(kept_rows) : world_.kill(kept_rows);
  }

  enum class Disk : std::uint8_t { with_space, as_it_is };
  void come_back(Disk disk = Disk::with_space) {
    world_.disk().disarm();
    world_.disk().on_call({});
    if (full_ && disk == Disk::with_space) {
      full_ = false;
      world_.disk().set_capacity(~std::uint64_t{0});
    }
    if (full_) world_.rows().break_with(no_space);
    disturbed_ = false;
    must(world_.open(), "the journal");
    ledger_.read_back(world_.log(), true);
    look_at_rows();
    try_again();
  }

  void restart() {
    settle();
    ledger_.died();
    world_.close();
    come_back();
  }

  void rebuild() {
    settle();
    ledger_.died();
    const bool writable = !world_.log().read_only();
    const auto hash = world_.hash();
    world_.kill(0);
    world_.forget_rows();
    come_back();
    if (writable && world_.hash() != hash) throw Broken("rows made anew differ");
  }

  // ---- seeing ----

  void look_at_rows() { check_rows(world_, ledger_); }

  static void must(const Result<void>& opened, std::string_view what) {
    if (!opened) throw Broken(fmt::format("{} does not open: {}", what, opened.error().detail));
  }

  template <typename Text>
  void say(const Text& text) {
    if (trace_) trace_(text());
  }

  SimulatedWorld world_;
  Ledger ledger_;
  Trace trace_;
  int next_project_ = 0;
  bool full_ = false;
  std::chrono::seconds drift_{};  // of the wall clock
  bool disturbed_ = false;
};

Life::Life(std::uint32_t seed, Trace trace)
    : impl_(std::make_unique<Impl>(seed, std::move(trace))) {}
Life::~Life() = default;

void Life::run(const Schedule& schedule) {
  impl_->run(schedule);
}

}  // namespace simulation
