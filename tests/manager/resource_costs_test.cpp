// Goal: quotas and costs agree with a model after any commands, and a month of metered cost equals
// an independent computation to the last digit. Method: random commands on a World whose time
// passes, against a model that keeps its own books; the seed is printed.

#include <random>

#include <gtest/gtest.h>

#include "projections/costs.h"
#include "schemas/time.h"
#include "tests/support/resource_world.h"

namespace manager {
namespace {

using projections::MonthCosts;
using schemas::Int128;

/// How a model keeps its books: a list of stretches, summed anew whenever somebody asks.
struct Stretch {
  Time from;
  std::optional<Time> to;  // absent: runs
  std::uint64_t units;
  Int128 per_hour;  // billionths
};

std::string text_of(Int128 billionths) {
  return schemas::Decimal(billionths, 0).text();
}

class ResourceCosts : public ResourceWorld {
 protected:
  MonthCosts costs(std::string_view month, std::optional<std::int64_t> as_of = {}) {
    auto found = projections::costs_of(world.reader(acme), {.topic = world.topic("resources"),
                                                            .project = project,
                                                            .month = *schemas::parse_month(month),
                                                            .until = world.clock().wall(),
                                                            .as_of = as_of});
    EXPECT_TRUE(found);
    return *found;
  }
  std::string total(std::string_view month) {
    const auto found = costs(month).total;
    return found.contains("EUR") ? found.at("EUR").rounded().text() : "none";
  }
  /// A price for what is asked for from now on.
  void price(const char* amount, schemas::Per per = schemas::Per::hour) {
    ASSERT_TRUE(world.run(
        platform(), PutResourceKind{"cache", false, projections::UnitCost{amount, "EUR", per}}));
  }
  void go_to(std::string_view time) {
    world.clock().pass(*schemas::parse_time(time) - world.clock().wall());
  }
};

TEST_F(ResourceCosts, AMonthsEndSplitsAStretch) {
  go_to("2026-10-31T23:00:00Z");
  run(create("cache", 3));
  go_to("2026-11-01T02:00:00Z");
  EXPECT_EQ(total("2026-10"), "0.06");
  EXPECT_EQ(total("2026-11"), "0.12");
  run(DeleteResource{last});
  go_to("2026-11-09T00:00:00Z");
  EXPECT_EQ(total("2026-10"), "0.06");
  EXPECT_EQ(total("2026-11"), "0.12");
  EXPECT_EQ(total("2026-12"), "none");
}

TEST_F(ResourceCosts, APriceHoldsForWhatIsAskedForFromThenOn) {
  go_to("2026-11-01T00:00:00Z");
  run(create("cache", 1));
  go_to("2026-11-01T10:00:00Z");
  price("1");
  go_to("2026-11-01T20:00:00Z");
  EXPECT_EQ(total("2026-11"), "0.4");
  run(ScaleResource{last, 2});
  go_to("2026-11-01T21:00:00Z");
  EXPECT_EQ(total("2026-11"), "2.4");
  price("24", schemas::Per::day);
  run(ScaleResource{last, 1});
  go_to("2026-11-01T22:00:00Z");
  EXPECT_EQ(total("2026-11"), "3.4");
}

TEST_F(ResourceCosts, NobodyPaysForWhatFailedOrIsBeingTakenAway) {
  go_to("2026-11-01T00:00:00Z");
  run(create("postgres", 1));
  go_to("2026-11-01T01:00:00Z");
  EXPECT_EQ(total("2026-11"), "none");
  run(report(Reported::active, 1));
  go_to("2026-11-01T02:00:00Z");
  run(ScaleResource{last, 2});
  go_to("2026-11-01T03:00:00Z");
  EXPECT_EQ(total("2026-11"), "0.04");
  run(report(Reported::failed, 3));
  go_to("2026-11-01T09:00:00Z");
  EXPECT_EQ(total("2026-11"), "0.04");
}

TEST_F(ResourceCosts, ReportedSharesOfMonthsAddUp) {
  run(create("cache"));
  price("0");
  RecordCost command{last,
                     "10",
                     "CHF",
                     *schemas::parse_time("2026-01-31T00:00:00Z"),
                     *schemas::parse_time("2026-03-02T00:00:00Z"),
                     {}};
  run(command);
  const auto share = [&](const char* month) { return costs(month).total.at("CHF").rounded(); };
  const auto sum = add(*add(share("2026-01"), share("2026-02")), share("2026-03"));
  EXPECT_EQ(sum->text(), "10");
  EXPECT_EQ(share("2026-01").text(), "0.333333333");
  EXPECT_EQ(share("2026-02").text(), "9.333333333");
  EXPECT_EQ(share("2026-03").text(), "0.333333334");
}

/// A month over 1,000 resources, whole and in parts, with prices that do not divide evenly.
TEST_F(ResourceCosts, AMonthOverAThousandResourcesIsExact) {
  std::mt19937_64 random(7);
  go_to("2026-10-20T00:00:00Z");
  std::vector<std::vector<Stretch>> books;
  std::vector<std::pair<Uuid, std::size_t>> alive;
  const Int128 prices[] = {20'000'000, 1, 333'333'333, 7'777'777};
  const char* texts[] = {"0.02", "0.000000001", "0.333333333", "0.007777777"};
  const auto begin = *schemas::parse_time("2026-11-01T00:00:00Z");
  const auto end = *schemas::parse_time("2026-12-01T00:00:00Z");
  for (std::size_t i = 0; i < 1000; ++i) {
    const auto which = random() % 4;
    if (i % 50 == 0) price(texts[which]);
    const auto per_hour = i % 50 == 0 ? prices[which] : books.back().front().per_hour;
    const auto units = 1 + random() % 1'000'000;
    ASSERT_EQ(run(create("cache", units)), "requested activated 2");
    books.push_back({{world.clock().wall(), {}, units, per_hour}});
    alive.emplace_back(last, i);
    world.clock().pass(std::chrono::milliseconds(random() % 3'000'000));
    if (random() % 3 == 0) {
      std::swap(alive[random() % alive.size()], alive.back());
      ASSERT_EQ(run(DeleteResource{alive.back().first}), "deprovision_requested deprovisioned 4");
      books[alive.back().second].back().to = world.clock().wall();
      alive.pop_back();
    }
  }
  if (world.clock().wall() < end) go_to("2026-12-01T00:00:00Z");
  Int128 numerator = 0;  // billionths per hour, times milliseconds
  for (const auto& stretches : books) {
    for (const auto& [from, to, units, per_hour] : stretches) {
      const auto first = std::max(from, begin);
      const auto ends = std::min(to.value_or(world.clock().wall()), end);
      if (first < ends) numerator += per_hour * units * (ends - first).count();
    }
  }
  const Int128 hour = 3'600'000;
  EXPECT_EQ(total("2026-11"), text_of((2 * numerator + hour) / (2 * hour)));
  const auto found = costs("2026-11");
  EXPECT_GT(found.by_resource.size(), 500u);
  EXPECT_EQ(found.by_kind.at("cache").at("EUR").rounded(), found.total.at("EUR").rounded());
}

/// Random commands; after each of them usage and sums are those of the model.
class RandomResources : public ResourceCosts {
 protected:
  struct Model {
    Resource::Status status = Resource::Status::provisioning;
    bool external = true;
    std::uint64_t units = 0;
    std::uint64_t requested = 0;
    std::uint64_t version = 1;
    std::uint64_t changed = 1;
    std::vector<Stretch> stretches = {};
  };
  static constexpr Int128 per_hour = 20'000'000;

  std::string expected_usage(const std::string& kind) const {
    std::uint64_t count = 0;
    std::uint64_t units = 0;
    for (const auto& [id, one] : models_) {
      if (one.external != (kind == "postgres")) continue;
      ++count;
      units += std::max(one.units, one.requested);
    }
    return std::to_string(count) + " " + std::to_string(units);
  }
  std::uint64_t units_of(const std::string& kind) const {
    const auto text = expected_usage(kind);
    return std::stoull(text.substr(text.find(' ')));
  }
  void meter(Model& model) {
    const auto now = world.clock().wall();
    if (!model.stretches.empty() && !model.stretches.back().to) model.stretches.back().to = now;
    const bool runs =
        model.status == Resource::Status::active || model.status == Resource::Status::scaling;
    if (runs) model.stretches.push_back({now, {}, model.units, per_hour});
  }
  std::string expected_total(std::string_view month) {
    const auto begin = schemas::begin_of(*schemas::parse_month(month));
    const auto end = schemas::end_of(*schemas::parse_month(month));
    Int128 numerator = 0;
    bool any = false;
    auto add = [&](const Model& model) {
      for (const auto& [from, to, units, price] : model.stretches) {
        const auto first = std::max(from, begin);
        const auto ends = std::min(to.value_or(world.clock().wall()), end);
        if (first >= ends) continue;
        any = true;
        numerator += price * units * (ends - first).count();
      }
    };
    for (const auto& [id, one] : models_) add(one);
    for (const auto& one : gone_) add(one);
    const Int128 hour = 3'600'000;
    return any ? text_of((2 * numerator + hour) / (2 * hour)) : "none";
  }
  void ask_for_one(std::uint64_t units, bool external);
  void scale(Model& model, std::uint64_t units);
  void report_active(Model& model);
  bool take_away(Model& model);
  void random_step(std::mt19937_64& random);

  std::map<Uuid, Model> models_;
  std::vector<Model> gone_;
  static constexpr std::uint64_t count_max = 6;
  static constexpr std::uint64_t units_max = 40;
};

void RandomResources::ask_for_one(std::uint64_t units, bool external) {
  const std::string kind = external ? "postgres" : "cache";
  const auto usage = expected_usage(kind);
  const bool fits = std::stoull(usage) < count_max && units_of(kind) + units <= units_max;
  ASSERT_EQ(run(create(kind, units)) != "over-quota", fits) << usage << " and " << units;
  if (!fits) return;
  auto& model = models_[last] = {.external = external, .requested = units};
  if (!external) {
    model.status = Resource::Status::active;
    model.units = units;
    model.version = model.changed = 2;
  }
  meter(model);
}

void RandomResources::scale(Model& model, std::uint64_t units) {
  const auto more = units > model.units ? units - model.units : 0;
  const bool fits =
      more == 0 || units_of(model.external ? "postgres" : "cache") + more <= units_max;
  const auto outcome = run(ScaleResource{last, units});
  if (model.status != Resource::Status::active) {
    EXPECT_EQ(outcome, "invalid-transition");
  } else if (units == model.units) {
    EXPECT_EQ(outcome, "unchanged");
  } else if (!fits) {
    EXPECT_EQ(outcome, "over-quota");
  } else {
    EXPECT_TRUE(outcome.starts_with("scale_requested")) << outcome;
    model.requested = units;
    if (model.external) model.status = Resource::Status::scaling;
    if (!model.external) model.units = units;
    model.version += model.external ? 1 : 2;
    model.changed = model.version;
    meter(model);
  }
}

void RandomResources::report_active(Model& model) {
  const bool may =
      model.status == Resource::Status::provisioning || model.status == Resource::Status::scaling;
  const auto outcome = run(report(Reported::active, model.changed));
  if (!may) {
    EXPECT_TRUE(outcome == "invalid-transition" || outcome == "unchanged") << outcome;
    return;
  }
  model.status = Resource::Status::active;
  model.units = model.requested;
  model.changed = ++model.version;
  meter(model);
}

/// Answers whether it is gone.
bool RandomResources::take_away(Model& model) {
  const bool waits = model.status == Resource::Status::deprovisioning;
  const auto outcome =
      waits ? run(report(Reported::deprovisioned, model.changed)) : run(DeleteResource{last});
  EXPECT_TRUE(outcome.starts_with("deprovision")) << outcome;
  model.status = Resource::Status::deprovisioning;
  model.changed = ++model.version;
  meter(model);
  return waits || !model.external;
}

void RandomResources::random_step(std::mt19937_64& random) {
  const auto units = 1 + random() % 12;
  if (models_.empty() || random() % 4 == 0) return ask_for_one(units, random() % 2 == 0);
  auto at = std::next(models_.begin(), static_cast<std::ptrdiff_t>(random() % models_.size()));
  auto& model = at->second;
  last = at->first;
  switch (random() % 4) {
    case 0:
      return scale(model, units);
    case 1:
      return report_active(model);
    case 2:  // a version, and nothing else
      run(ReportHealth{last, schemas::Health::healthy, std::to_string(random())});
      ++model.version;
      return;
    default:
      if (!take_away(model)) return;
      gone_.push_back(model);
      models_.erase(at);
  }
}

TEST_F(RandomResources, KeepQuotasAndSumsRight) {
  for (const unsigned seed : {1u, 2u, 3u, 4u}) {
    std::mt19937_64 random(seed);
    SCOPED_TRACE(seed);
    for (const auto* kind : {"cache", "postgres"}) run(PutQuota{kind, count_max, units_max});
    for (int step = 0; step < 400; ++step) {
      random_step(random);
      if (HasFatalFailure()) return;
      ASSERT_EQ(used("cache"), expected_usage("cache")) << "step " << step;
      ASSERT_EQ(used("postgres"), expected_usage("postgres")) << "step " << step;
      world.clock().pass(std::chrono::milliseconds(random() % 20'000'000));
      const auto month = schemas::to_text(schemas::month_of(world.clock().wall()));
      ASSERT_EQ(total(month), expected_total(month)) << "step " << step;
    }
    const auto before = world.hash();
    world.rebuild();
    EXPECT_EQ(world.hash(), before);
  }
}

}  // namespace
}  // namespace manager
