// Goal: the rules of resources, kinds and quotas. Method: given-when-then on a World without disk;
// the state machine by a table of every state against every command.

#include <map>

#include <gtest/gtest.h>

#include "projections/project_parts.h"
#include "tests/support/resource_world.h"

namespace manager {
namespace {

class Resources : public ResourceWorld {};

TEST_F(Resources, WithoutAProvisionerAResourceIsThereAtOnce) {
  EXPECT_EQ(run(create("cache")), "requested activated 2");
  const auto state = *found(last);
  EXPECT_EQ(state.status, Resource::Status::active);
  EXPECT_EQ(state.units, 4u);
  EXPECT_EQ(run(ScaleResource{last, 4}), "unchanged");
  EXPECT_EQ(run(ScaleResource{last, 9}), "scale_requested scaled 4");
  EXPECT_EQ(found(last)->units, 9u);
  EXPECT_EQ(run(DeleteResource{last}), "deprovision_requested deprovisioned 6");
  EXPECT_FALSE(found(last));
  EXPECT_EQ(run(DeleteResource{last}), "not-found");
}

TEST_F(Resources, AProvisionerMakesScalesAndTakesAway) {
  EXPECT_EQ(run(create("postgres")), "requested 1");
  EXPECT_EQ(found(last)->units, 0u);
  EXPECT_EQ(found(last)->requested_units, 4u);
  EXPECT_EQ(run(report(Reported::active, 1, R"({"host":"a"})")), "activated 2");
  EXPECT_EQ(found(last)->units, 4u);
  EXPECT_EQ(found(last)->outputs, R"({"host":"a"})");
  EXPECT_EQ(run(ScaleResource{last, 8}), "scale_requested 3");
  EXPECT_EQ(found(last)->units, 4u);
  EXPECT_EQ(run(report(Reported::active, 3)), "scaled 4");
  EXPECT_EQ(found(last)->units, 8u);
  EXPECT_EQ(found(last)->outputs, R"({"host":"a"})");
  EXPECT_EQ(run(DeleteResource{last}), "deprovision_requested 5");
  EXPECT_EQ(run(DeleteResource{last}), "unchanged");
  EXPECT_EQ(run(report(Reported::deprovisioned, 5)), "deprovisioned 6");
  EXPECT_FALSE(found(last));
}

TEST_F(Resources, TheSameReportAgainDoesNoHarm) {
  run(create("postgres"));
  EXPECT_EQ(run(report(Reported::active, 1)), "activated 2");
  EXPECT_EQ(run(report(Reported::active, 1)), "unchanged");
  run(ReportHealth{last, schemas::Health::healthy, {}});
  EXPECT_EQ(run(report(Reported::active, 1)), "unchanged");
  run(DeleteResource{last});
  EXPECT_EQ(run(report(Reported::active, 1)), "stale-report");
  EXPECT_EQ(run(report(Reported::deprovisioned, 4)), "deprovisioned 5");
  EXPECT_EQ(run(report(Reported::deprovisioned, 4)), "unchanged");
  EXPECT_EQ(run(report(Reported::active, 1)), "not-found");
}

TEST_F(Resources, AReportMustHaveSeenWhatWasAskedForLast) {
  run(create("postgres"));
  EXPECT_EQ(run(ConfigureResource{last, R"({"size":"large"})"}), "configured 2");
  EXPECT_EQ(run(report(Reported::active, 1)), "stale-report");
  EXPECT_EQ(run(report(Reported::active, 9)), "invalid-request");
  // Health and costs ask for nothing.
  EXPECT_EQ(run(ReportHealth{last, schemas::Health::degraded, "slow"}), "health_changed 3");
  EXPECT_EQ(run(cost("1.00")), "cost_recorded 4");
  EXPECT_EQ(run(report(Reported::active, 2)), "activated 5");
  EXPECT_EQ(run(ScaleResource{last, 5}), "scale_requested 6");
  EXPECT_EQ(run(report(Reported::active, 5)), "stale-report");
  EXPECT_EQ(run(report(Reported::failed, 6)), "failed 7");
  EXPECT_EQ(run(report(Reported::failed, 6)), "unchanged");
}

/// Every state against everything that can be asked or reported.
TEST_F(Resources, EveryTransitionAndEachThatIsForbidden) {
  const std::map<std::string, std::vector<std::string>> outcomes{
      // active, failed, deprovisioned, scale, configure, delete
      {"provisioning",
       {"activated", "failed", "invalid-transition", "invalid-transition", "configured",
        "deprovision_requested"}},
      {"active",
       {"invalid-transition", "invalid-transition", "invalid-transition", "scale_requested",
        "configured", "deprovision_requested"}},
      {"scaling",
       {"scaled", "failed", "invalid-transition", "invalid-transition", "configured",
        "deprovision_requested"}},
      {"failed",
       {"invalid-transition", "invalid-transition", "invalid-transition", "invalid-transition",
        "configured", "deprovision_requested"}},
      {"deprovisioning",
       {"invalid-transition", "invalid-transition", "deprovisioned", "invalid-transition",
        "invalid-transition", "unchanged"}},
      {"deprovisioned",
       {"not-found", "not-found", "unchanged", "not-found", "not-found", "not-found"}}};
  for (const auto& [state, expected] : outcomes) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
      bring_to(state);
      const auto version = current_version();
      const std::vector<Command> commands{
          report(Reported::active, version),        report(Reported::failed, version),
          report(Reported::deprovisioned, version), ScaleResource{last, 77},
          ConfigureResource{last, R"({"a":1})"},    DeleteResource{last}};
      const auto outcome = run(commands[i]);
      EXPECT_EQ(outcome.substr(0, outcome.find(' ')), expected[i]) << state << " command " << i;
    }
  }
}

TEST_F(Resources, AnEventThatCannotFollowAStateIsRefusedByTheFold) {
  using Status = Resource::Status;
  const std::vector<schemas::EventData> events{schemas::ResourceActivated{},
                                               schemas::ResourceScaleRequested{{}, 2, {}},
                                               schemas::ResourceScaled{},
                                               schemas::ResourceFailed{},
                                               schemas::ResourceConfigured{{}, "{}"},
                                               schemas::ResourceDeprovisionRequested{},
                                               schemas::ResourceDeprovisioned{}};
  const std::map<Status, std::string> fits{{Status::provisioning, "1..111."},
                                           {Status::active, ".1..11."},
                                           {Status::scaling, "..1111."},
                                           {Status::failed, "....11."},
                                           {Status::deprovisioning, "......1"}};
  for (const auto& [status, wanted] : fits) {
    std::string got;
    for (const auto& event : events) {
      Resource state{.status = status, .spec = "{}", .outputs = "{}"};
      got += projections::evolve(state, event, {}) ? '1' : '.';
    }
    EXPECT_EQ(got, wanted) << to_text(status);
  }
  for (const auto& event : events) {
    EXPECT_FALSE(projections::evolve(std::optional<Resource>(), event, {}));
  }
}

TEST_F(Resources, WhatARequestNamesMustBeThere) {
  auto command = create("postgres");
  command.environment = "qa";
  EXPECT_EQ(run(command), "not-found");
  EXPECT_EQ(run(create("nothing")), "not-found");
  command = create("postgres");
  command.project = Uuid{{9}};
  EXPECT_EQ(run(command), "not-found");
  // Foreign reads as missing.
  EXPECT_EQ(run_as(of(OrganizationId(Uuid{{2}})), create("postgres")), "not-found");
  EXPECT_EQ(run_as(of(acme, Space::test), create("postgres")), "not-found");
}

TEST_F(Resources, AnArchivedProjectsResourcesWaitButReportsDoNot) {
  run(create("postgres"));
  ASSERT_TRUE(world.run(of(acme), ArchiveProject{project}));
  const auto resource = last;
  EXPECT_EQ(run(create("postgres")), "invalid-transition");
  last = resource;
  EXPECT_EQ(run(ConfigureResource{last, R"({"a":1})"}), "invalid-transition");
  EXPECT_EQ(run(DeleteResource{last}), "invalid-transition");
  EXPECT_EQ(run(report(Reported::active, 1)), "activated 2");
  EXPECT_EQ(run(ReportHealth{last, schemas::Health::healthy, {}}), "health_changed 3");
  EXPECT_EQ(run(ScaleResource{last, 5}), "invalid-transition");
  ASSERT_TRUE(world.run(of(acme), RestoreProject{project}));
  EXPECT_EQ(run(ScaleResource{last, 5}), "scale_requested 4");
}

TEST_F(Resources, AnEnvironmentWithResourcesStays) {
  run(create("cache"));
  const DeleteEnvironment remove{project, "production"};
  EXPECT_EQ(run(remove), "in-use");
  EXPECT_EQ(run(DeleteEnvironment{project, "staging"}), "deleted 2");
  EXPECT_EQ(run(DeleteResource{last}), "deprovision_requested deprovisioned 4");
  EXPECT_EQ(run(remove), "deleted 2");
}

TEST_F(Resources, IfMatchIsHeeded) {
  run(create("postgres"));
  EXPECT_EQ(run_as(if_match(of(acme), 7), ConfigureResource{last, R"({"a":1})"}),
            "precondition-failed");
  EXPECT_EQ(run_as(if_match(of(acme), 1), ConfigureResource{last, R"({"a":1})"}), "configured 2");
  EXPECT_EQ(run_as(if_match(of(acme), 1), DeleteResource{last}), "precondition-failed");
}

TEST_F(Resources, AKeyOfOtherProjectsKnowsOfNoResource) {
  run(create("postgres"));
  projections::Access rights;
  rights.projects = std::vector<std::string>{"proj_01h2xcejqtf2nbrexx3vqjhp41"};
  auto context = of(acme);
  context.rights = std::make_shared<const projections::Access>(rights);
  const std::vector<Command> commands{create("postgres"),
                                      ScaleResource{last, 5},
                                      ConfigureResource{last, R"({"a":1})"},
                                      DeleteResource{last},
                                      report(Reported::active, 1),
                                      ReportHealth{last, schemas::Health::healthy, {}},
                                      cost("1.00")};
  for (const auto& command : commands) EXPECT_EQ(run_as(context, command), "not-found");
  rights.projects = std::vector{to_text(schemas::ProjectId(project))};
  context.rights = std::make_shared<const projections::Access>(rights);
  EXPECT_EQ(run_as(context, report(Reported::active, 1)), "activated 2");
}

TEST_F(Resources, HealthIsAHistory) {
  run(create("cache"));
  EXPECT_EQ(run(ReportHealth{last, schemas::Health::healthy, {}}), "health_changed 3");
  EXPECT_EQ(run(ReportHealth{last, schemas::Health::healthy, {}}), "unchanged");
  EXPECT_EQ(run(ReportHealth{last, schemas::Health::degraded, "slow"}), "health_changed 4");
  const auto page = world.reader(acme).list(
      world.topic("resources"), projections::HealthReport::kind, true,
      {.after = {}, .as_of = {}, .below = projections::health_of(last), .filter = {}});
  ASSERT_EQ(page.rows.size(), 2u);
  using projections::HealthReport;
  EXPECT_EQ(projections::decode_row<HealthReport>(page.rows[0].bytes).state.detail, "slow");
}

TEST_F(Resources, TheBatchSaysWhatItLookedAt) {
  run(create("cache"));
  const auto log = world.core().topics().log_of(world.topic("resources"), acme);
  const auto record = world.log().read_one(log, world.log().durable_end(log) - 1);
  ASSERT_TRUE(record);
  const auto batch = schemas::BatchView::trusted(record->payload.bytes());
  const auto references = batch.references();
  ASSERT_EQ(references.size(), 2u);
  EXPECT_EQ(references[0].log.topic, world.topic("projects"));
  EXPECT_EQ(references[1].log.topic, world.topic("resources"));
  EXPECT_GT(references[0].offset, 0u);
}

// ---- quotas ----

TEST_F(Resources, AQuotaBoundsCountAndUnits) {
  EXPECT_EQ(run(PutQuota{"postgres", 2, 10}), "changed 1");
  EXPECT_EQ(run(PutQuota{"postgres", 2, 10}), "unchanged");
  EXPECT_EQ(run(create("postgres", 11)), "over-quota");
  EXPECT_EQ(run(create("postgres", 6)), "requested 1");
  const auto first = last;
  EXPECT_EQ(run(create("postgres", 5)), "over-quota");
  EXPECT_EQ(run(create("cache", 500)), "requested activated 2");
  EXPECT_EQ(run(create("postgres", 4)), "requested 1");
  EXPECT_EQ(run(create("postgres", 0)), "over-quota");
  last = first;
  EXPECT_EQ(run(report(Reported::active, 1)), "activated 2");
  EXPECT_EQ(run(ScaleResource{first, 7}), "over-quota");
  // Less is asked for, more is in force: the larger counts.
  EXPECT_EQ(run(ScaleResource{first, 2}), "scale_requested 3");
  EXPECT_EQ(used("postgres"), "2 10");
  EXPECT_EQ(run(report(Reported::active, 3)), "scaled 4");
  EXPECT_EQ(used("postgres"), "2 6");
  EXPECT_EQ(run(DeleteResource{first}), "deprovision_requested 5");
  EXPECT_EQ(used("postgres"), "2 6");
  EXPECT_EQ(run(report(Reported::deprovisioned, 5)), "deprovisioned 6");
  EXPECT_EQ(used("postgres"), "1 4");
}

TEST_F(Resources, AQuotaThatIsLoweredStopsWhatIsNew) {
  run(create("cache", 5));
  EXPECT_EQ(run(PutQuota{"cache", 0, 3}), "changed 1");
  EXPECT_EQ(run(create("cache", 1)), "over-quota");
  EXPECT_EQ(run(ScaleResource{last, 4}), "scale_requested scaled 4");
  EXPECT_EQ(run(ScaleResource{last, 5}), "over-quota");
}

TEST_F(Resources, ManyAtOnceDoNotPassAQuota) {
  EXPECT_EQ(run(PutQuota{"cache", 10, 64}), "changed 1");
  std::vector<ReplyPtr> replies;
  for (int i = 0; i < 64; ++i) replies.push_back(world.send(of(acme), create("cache", 3)));
  world.settle();
  std::size_t made = 0;
  for (const auto& reply : replies) {
    made += reply->ok() ? 1 : 0;
    if (!reply->ok()) EXPECT_EQ(reply->code(), ErrorCode::over_quota);
  }
  EXPECT_EQ(made, 10u);
  EXPECT_EQ(used("cache"), "10 30");
}

TEST_F(Resources, TheRowsAreTheSameAfterARebuild) {
  run(create("postgres"));
  run(report(Reported::active, 1));
  world.clock().pass(std::chrono::hours(1000));
  run(ScaleResource{last, 8});
  run(cost("12.3400"));
  const auto before = world.hash();
  world.rebuild();
  EXPECT_EQ(world.hash(), before);
}

}  // namespace
}  // namespace manager
