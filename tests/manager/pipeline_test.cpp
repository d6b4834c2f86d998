// Goal: every command about pipelines gives its event or its refusal, and their cursors say from
// where on which version counts. Method: given, when, then, over folded rows.
#include <gtest/gtest.h>

#include "projections/delivery_rows.h"
#include "tests/support/resource_world.h"

namespace manager {
namespace {

using projections::DeliveryCursor;
using projections::Pipeline;

class Pipelines : public ResourceWorld {
 protected:
  static inline const Uuid endpoint{{7}};

  static CreatePipeline create() {
    return {.project = {}, .endpoint = {}, .config = "{}", .start = "tm1_start"};
  }
  CreateEndpoint endpoint_of(std::optional<Uuid> of) {
    return {.id = endpoint,
            .project = of,
            .retry_policy = {},
            .config = "{}",
            .secret = "sealed",
            .headers = {},
            .start = "tm1_start"};
  }
  projections::Reader reader() { return world.reader(acme); }
  schemas::TopicId webhooks() { return world.topic(std::string(eventstore::webhooks_product)); }
  Uuid id() {
    const auto page =
        reader().list(webhooks(), Pipeline::kind, true,
                      {.after = {}, .limit = 1, .as_of = {}, .below = {}, .filter = {}});
    return page.rows.empty() ? Uuid{{99}} : page.rows.front().entity.id;
  }
  std::optional<Pipeline> state() {
    const auto row = reader().get<Pipeline>(webhooks(), {id(), {}});
    return row ? std::optional(row->state) : std::nullopt;
  }
  RecordDeliveries cursor(std::string mark, std::uint32_t generation, std::uint64_t version) {
    return {.endpoint = {},
            .generation = generation,
            .deliveries = {},
            .cursor = std::move(mark),
            .replay = {},
            .pipeline = id(),
            .version = Version{version}};
  }
  std::string stands() {
    const auto row =
        reader().get<DeliveryCursor>(world.topic(std::string(eventstore::deliveries_product)),
                                     projections::Channel{{}, {}, id()}.cursor());
    if (!row) return "nowhere";
    return row->state.mark + " " + std::to_string(row->state.generation) + " " +
           std::to_string(to_number(row->state.version));
  }
};

TEST_F(Pipelines, OneGoesThroughItsStates) {
  EXPECT_EQ(run(create()), "created 1");
  EXPECT_EQ(run(ResumePipeline{id(), {}}), "unchanged");
  EXPECT_EQ(run(PausePipeline{id(), "asked"}), "paused 2");
  EXPECT_EQ(run(PausePipeline{id(), "asked"}), "unchanged");
  EXPECT_EQ(state()->reason, "asked");
  EXPECT_EQ(run(ResumePipeline{id(), {}}), "resumed 3");
  EXPECT_EQ(state()->generation, 0u);
  EXPECT_EQ(run(ResumePipeline{id(), "tm1_now"}), "resumed 4");
  EXPECT_EQ(state()->generation, 1u);
  EXPECT_EQ(state()->start, "tm1_now");
  const auto gone = id();
  EXPECT_EQ(run(DeletePipeline{gone}), "deleted 5");
  for (const auto& command :
       std::vector<Command>{PausePipeline{gone, "asked"}, ResumePipeline{gone, {}},
                            DeletePipeline{gone}, ChangePipeline{.id = gone}}) {
    EXPECT_EQ(run(command), "not-found");
  }
}

TEST_F(Pipelines, OneIsMadePausedIfAsked) {
  auto command = create();
  command.paused = true;
  EXPECT_EQ(run(command), "created 1");
  EXPECT_EQ(state()->status, Pipeline::Status::paused);
  EXPECT_EQ(run(ResumePipeline{id(), {}}), "resumed 2");
}

TEST_F(Pipelines, WhatItMakesHasTheVersionOfItsChange) {
  run(create());
  EXPECT_EQ(state()->version, Version{1});
  run(PausePipeline{id(), "asked"});
  EXPECT_EQ(run(ChangePipeline{.id = id(), .based_on = Version{2}, .project = {}, .config = "{}"}),
            "unchanged");
  EXPECT_EQ(run(ChangePipeline{.id = id(), .based_on = Version{2}, .project = {}, .config = "[]"}),
            "changed 3");
  run(ResumePipeline{id(), {}});
  EXPECT_EQ(state()->version, Version{3});
  EXPECT_EQ(run(ChangePipeline{.id = id(), .based_on = Version{3}, .project = {}, .config = "1"}),
            "version-conflict");
}

TEST_F(Pipelines, WhatItRefersToIsThereAndGoesTogether) {
  auto command = create();
  command.endpoint = endpoint;
  EXPECT_EQ(run(command), "invalid-request");
  ASSERT_EQ(run(endpoint_of(project)), "created 1");
  EXPECT_EQ(run(command), "invalid-request");  // all of the organization's events
  command.project = Uuid{{98}};
  EXPECT_EQ(run(command), "invalid-request");
  command.project = project;
  EXPECT_EQ(run(command), "created 1");
  EXPECT_EQ(run(ChangePipeline{.id = id(), .based_on = Version{1}, .project = {}, .config = "[]"}),
            "invalid-request");
}

TEST_F(Pipelines, ItsCursorGoesOnAndNeverBackToAnOlderVersion) {
  run(create());
  EXPECT_EQ(stands(), "nowhere");
  EXPECT_EQ(run(cursor("tm1_a", 0, 1)), "moved 1");
  EXPECT_EQ(run(cursor("tm1_a", 0, 1)), "unchanged");
  EXPECT_EQ(run(cursor("tm1_a", 0, 4)), "moved 2");    // from there on
  EXPECT_EQ(run(cursor("tm1_b", 0, 1)), "unchanged");  // of who had it before
  EXPECT_EQ(stands(), "tm1_a 0 4");
  EXPECT_EQ(run(cursor("tm1_c", 1, 4)), "moved 3");
  EXPECT_EQ(run(cursor("tm1_d", 0, 5)), "unchanged");
  EXPECT_EQ(stands(), "tm1_c 1 4");
}

TEST_F(Pipelines, AReplayThroughItNeedsIt) {
  RequestReplay request{.id = Uuid{{8}},
                        .project = {},
                        .endpoint = {},
                        .config = "{}",
                        .from = "tm1_from",
                        .to = "tm1_to",
                        .pipeline = Uuid{{99}}};
  EXPECT_EQ(run(request), "invalid-request");
  run(create());
  request.pipeline = id();
  EXPECT_EQ(run(request), "requested 1");
}

}  // namespace
}  // namespace manager
