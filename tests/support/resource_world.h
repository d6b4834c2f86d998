#pragma once

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "projections/evolve.h"
#include "projections/resource_rows.h"
#include "tests/support/world.h"

/// A World with a project and two kinds of resources: `cache`, which is there at once, and
/// `postgres`, which somebody has to make. Outcomes read as words: the last parts of the events'
/// types and the subject's version, `unchanged`, or the name of the problem.
namespace manager {

using projections::Resource;
using schemas::OrganizationId;

inline std::string problem_name(ErrorCode code) {
  static const std::map<ErrorCode, std::string> names{
      {ErrorCode::not_found, "not-found"},
      {ErrorCode::precondition_failed, "precondition-failed"},
      {ErrorCode::invalid_request, "invalid-request"},
      {ErrorCode::over_quota, "over-quota"},
      {ErrorCode::stale_report, "stale-report"},
      {ErrorCode::in_use, "in-use"},
      {ErrorCode::version_conflict, "version-conflict"},
      {ErrorCode::internal, "internal"},
      {ErrorCode::invalid_transition, "invalid-transition"}};
  return names.at(code);
}

class ResourceWorld : public testing::Test {
 protected:
  static inline const OrganizationId acme{Uuid{{1}}};

  void SetUp() override {
    const auto created = world.run(of(acme), CreateProject{"Web shop", {}});
    ASSERT_TRUE(created);
    project = created->subject.id;
    const projections::UnitCost price{"0.02", "EUR", schemas::Per::hour};
    ASSERT_TRUE(world.run(platform(), PutResourceKind{"cache", false, price}));
    ASSERT_TRUE(world.run(platform(), PutResourceKind{"postgres", true, price}));
  }

  CreateResource create(std::string kind, std::uint64_t units = 4) {
    return {.project = project,
            .environment = "production",
            .kind = std::move(kind),
            .name = "main",
            .units = units,
            .spec = "{}"};
  }
  ReportResource report(Reported state, std::uint64_t observed,
                        std::optional<std::string> outputs = {}) {
    return {last, state, Version{observed}, {}, std::move(outputs)};
  }
  RecordCost cost(std::string amount) {
    const auto now = world.clock().wall();
    return {last, std::move(amount), "EUR", now, now + std::chrono::hours(1), {}};
  }

  std::string run_as(CommandContext context, Command command) {
    const auto outcome = world.run(std::move(context), std::move(command));
    if (!outcome) return problem_name(outcome.error().code);
    if (outcome->unchanged) return "unchanged";
    const bool creates = outcome->events.front().kind == "resource";
    if (creates) last = outcome->subject.id;
    std::string words;
    for (const auto& type : types_of(outcome->position)) words += type + " ";
    return words + std::to_string(to_number(outcome->events.back().version));
  }
  std::string run(Command command) { return run_as(of(acme), std::move(command)); }

  std::vector<std::string> types_of(const schemas::Position& position) {
    const auto record =
        world.log().read_one(position.log, static_cast<schemas::Offset>(position.offset));
    std::vector<std::string> types;
    if (!record) return types;
    const auto batch = schemas::BatchView::trusted(record->payload.bytes());
    for (std::uint32_t i = 0; i < batch.event_count(); ++i) {
      const auto type = batch.event(i).type();
      types.emplace_back(type.substr(type.find('.') + 1));
    }
    return types;
  }

  std::optional<Resource> found(const Uuid& id) {
    auto row = world.reader(acme).get<Resource>(world.topic("resources"), Entity{id, {}});
    if (!row) return std::nullopt;
    return row->state;
  }
  std::uint64_t current_version() {
    return to_number(
        world.reader(acme).existence(world.topic("resources"), Resource::kind, {last, {}}).version);
  }
  std::string used(const std::string& kind) {
    const auto row =
        world.reader(acme).get<projections::QuotaUsage>(world.topic("resources"), Entity{{}, kind});
    if (!row) return "0 0";
    return std::to_string(row->state.count) + " " + std::to_string(row->state.units);
  }

  /// A new resource in this state.
  void bring_to(std::string_view state) {
    ASSERT_EQ(run(create("postgres")), "requested 1");
    const auto step = [this](Command command) { ASSERT_NE(run(std::move(command)), "unchanged"); };
    if (state == "provisioning") return;
    if (state == "failed") return step(report(Reported::failed, 1));
    step(report(Reported::active, 1));
    if (state == "active") return;
    if (state == "scaling") return step(ScaleResource{last, 5});
    step(DeleteResource{last});
    if (state == "deprovisioned") step(report(Reported::deprovisioned, 3));
  }

  World world;
  Uuid project;
  Uuid last;  // resource that was made or changed
};

}  // namespace manager
