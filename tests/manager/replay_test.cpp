// Goal: the rules of replays. Method: given-when-then on a World without disk; each state against
// everything that can be asked of it, and what becomes of a replay's deliveries.

#include <gtest/gtest.h>

#include "projections/delivery_rows.h"
#include "tests/support/resource_world.h"

namespace manager {
namespace {

using projections::Delivery;
using projections::EndpointHealth;
using projections::Replay;
using schemas::DeliveryState;

class Replays : public ResourceWorld {
 protected:
  static inline const Uuid endpoint{{7}};
  static inline const Uuid replay{{8}};

  void SetUp() override {
    ResourceWorld::SetUp();
    ASSERT_EQ(run(endpoint_of({})), "created 1");
  }

  static CreateEndpoint endpoint_of(std::optional<Uuid> project) {
    return {.id = endpoint,
            .project = project,
            .retry_policy = {},
            .config = "{}",
            .secret = "sealed",
            .headers = {},
            .start = "tm1_start"};
  }
  static RequestReplay request(const Uuid& id = replay) {
    return {.id = id,
            .project = {},
            .endpoint = endpoint,
            .config = "{}",
            .from = "tm1_from",
            .to = "tm1_to"};
  }
  static RecordDeliveries record(std::uint8_t id, std::optional<Uuid> of, DeliveryState state,
                                 std::optional<std::string> cursor = {}) {
    DeliveryRecord one;
    one.id = Uuid{{id}};
    one.event = Uuid{{1, 1}};
    one.type = "project.created";
    one.attempt = 1;
    one.started = Time{std::chrono::hours(1)};
    one.state = state;
    one.next = Time{std::chrono::hours(1'000'000)};
    return {.endpoint = endpoint,
            .generation = 0,
            .deliveries = {one},
            .cursor = std::move(cursor),
            .replay = of};
  }
  SkipDeliveries skip(std::uint8_t id, std::optional<Uuid> of) {
    return {.endpoint = endpoint,
            .generation = {},
            .since = {},
            .ids = {Uuid{{id}}},
            .reason = "over",
            .replay = of};
  }
  template <typename State>
  std::optional<State> row(std::string_view product, const Entity& entity) {
    const auto found = world.reader(acme).get<State>(world.topic(std::string(product)), entity);
    return found ? std::optional(found->state) : std::nullopt;
  }
  std::optional<Replay> state() { return row<Replay>(eventstore::webhooks_product, {replay, {}}); }
  EndpointHealth health(const Uuid& channel) {
    return row<EndpointHealth>(eventstore::deliveries_product, {channel, {}})
        .value_or(EndpointHealth{});
  }
  std::size_t open() {
    return world.reader(acme)
        .list(world.topic(std::string(eventstore::webhooks_product)), projections::open_replay_kind,
              true, {.after = {}, .limit = 1'000, .as_of = {}, .below = {}, .filter = {}})
        .rows.size();
  }
};

TEST_F(Replays, OneGoesThroughItsStates) {
  EXPECT_EQ(run(request()), "requested 1");
  EXPECT_EQ(open(), 1u);
  EXPECT_EQ(run(ResumeReplay{replay}), "unchanged");
  EXPECT_EQ(run(PauseReplay{replay, "asked"}), "paused 2");
  EXPECT_EQ(state()->reason, "asked");
  EXPECT_EQ(run(PauseReplay{replay, "asked"}), "unchanged");
  EXPECT_EQ(run(CompleteReplay{.id = replay}), "unchanged");  // somebody stopped it meanwhile
  EXPECT_EQ(open(), 1u);
  EXPECT_EQ(run(ResumeReplay{replay}), "resumed 3");
  EXPECT_EQ(state()->reason, "");
  EXPECT_EQ(run(CompleteReplay{.id = replay, .succeeded = 5}), "completed 4");
  EXPECT_EQ(open(), 0u);
  for (const auto& command : std::vector<Command>{
           PauseReplay{replay, "asked"}, ResumeReplay{replay}, CancelReplay{replay, "asked"}}) {
    EXPECT_EQ(run(command), "invalid-transition");
  }
  EXPECT_EQ(run(CompleteReplay{.id = replay}), "unchanged");
}

TEST_F(Replays, OneThatWasCancelledStaysSo) {
  run(request());
  run(PauseReplay{replay, "asked"});
  EXPECT_EQ(run(CancelReplay{replay, "enough"}), "cancelled 3");
  EXPECT_EQ(open(), 0u);
  EXPECT_EQ(run(CancelReplay{replay, "enough"}), "unchanged");
  EXPECT_EQ(run(PauseReplay{replay, "asked"}), "invalid-transition");
  EXPECT_EQ(run(ResumeReplay{replay}), "invalid-transition");
  EXPECT_EQ(run(CompleteReplay{.id = replay}), "unchanged");
  EXPECT_EQ(state()->reason, "enough");
}

TEST_F(Replays, WhatIsNotThereCannotBeAskedFor) {
  auto command = request();
  command.endpoint = Uuid{{99}};
  EXPECT_EQ(run(command), "invalid-request");
  command = request();
  command.project = Uuid{{99}};
  EXPECT_EQ(run(command), "invalid-request");
  for (const auto& unknown :
       std::vector<Command>{PauseReplay{replay, "asked"}, ResumeReplay{replay},
                            CancelReplay{replay, "asked"}, CompleteReplay{.id = replay}}) {
    EXPECT_EQ(run(unknown), "not-found");
  }
}

TEST_F(Replays, OfAnEndpointOfAProjectItIsOfThatProject) {
  run(DeleteEndpoint{endpoint});
  auto other = endpoint_of(project);
  other.id = Uuid{{17}};
  ASSERT_EQ(run(other), "created 1");
  auto command = request();
  command.endpoint = other.id;
  EXPECT_EQ(run(command), "invalid-request");  // all of the organization's events
  command.project = project;
  EXPECT_EQ(run(command), "requested 1");
}

TEST_F(Replays, SoManyAreOpenAtOnce) {
  for (std::size_t i = 0; i < open_replays_max; ++i) {
    ASSERT_EQ(run(request(Uuid{{9, static_cast<std::uint8_t>(i)}})), "requested 1");
  }
  EXPECT_EQ(run(request()), "over-quota");
  run(CancelReplay{Uuid{{9, 0}}, "enough"});
  EXPECT_EQ(run(request()), "requested 1");
}

TEST_F(Replays, ItsDeliveriesAreItsOwn) {
  run(request());
  EXPECT_EQ(run(record(1, {}, DeliveryState::exhausted, "tm1_live")), "attempted moved 1");
  EXPECT_EQ(run(record(2, replay, DeliveryState::succeeded, "tm1_replayed")), "attempted moved 1");
  EXPECT_EQ(health(endpoint).exhausted, 1u);
  EXPECT_EQ(health(endpoint).succeeded, 0u);
  EXPECT_EQ(health(replay).succeeded, 1u);
  const auto cursor = [&](const Entity& entity) {
    return row<projections::DeliveryCursor>(eventstore::deliveries_product, entity)->mark;
  };
  EXPECT_EQ(cursor({endpoint, {}}), "tm1_live");
  EXPECT_EQ(cursor({endpoint, to_text(schemas::ReplayId(replay))}), "tm1_replayed");
  EXPECT_EQ(run(skip(1, replay)), "unchanged");
}

TEST_F(Replays, WhatIsOpenIsAskedForAgainWhileItGoesOn) {
  run(request());
  run(record(2, replay, DeliveryState::exhausted));
  EXPECT_EQ(run(ResendDeliveries{{Uuid{{2}}}}), "requested 2");
  EXPECT_EQ(run(skip(2, {})), "unchanged");  // not the endpoint's
  run(CancelReplay{replay, "enough"});
  EXPECT_EQ(run(skip(2, replay)), "skipped 3");
  EXPECT_EQ(run(ResendDeliveries{{Uuid{{2}}}}), "invalid-transition");
}

}  // namespace
}  // namespace manager
