// Goal: the rules of endpoints, retry policies and deliveries. Method: given-when-then on a World
// without disk; an endpoint's states and a delivery's against everything that can be asked of them.

#include <array>
#include <map>

#include <gtest/gtest.h>

#include "projections/delivery_rows.h"
#include "tests/support/resource_world.h"

namespace manager {
namespace {

using projections::Delivery;
using projections::Endpoint;
using projections::EndpointHealth;
using schemas::DeliveryState;

class Webhooks : public ResourceWorld {
 protected:
  static inline const Uuid endpoint{{7}};

  static CreateEndpoint create(std::optional<Uuid> policy = {}) {
    return {.id = endpoint,
            .project = {},
            .retry_policy = policy,
            .config = policy ? "{\"retry_policy_id\":\"" +
                                   to_text(schemas::RetryPolicyId(*policy)) + "\"}"
                             : "{}",
            .secret = "sealed",
            .headers = {},
            .start = "tm1_start"};
  }
  static ChangeEndpoint change(std::uint64_t based_on, std::string config) {
    return {.id = endpoint,
            .based_on = Version{based_on},
            .project = {},
            .retry_policy = {},
            .config = std::move(config),
            .headers = {}};
  }
  static DeliveryRecord attempt(std::uint8_t id, std::uint32_t number, DeliveryState state) {
    DeliveryRecord record;
    record.id = Uuid{{id}};
    record.event = Uuid{{id, 1}};
    record.type = "project.created";
    record.attempt = number;
    record.started = Time{std::chrono::hours(1)};
    record.state = state;
    record.next = Time{std::chrono::hours(1'000'000)};
    return record;
  }
  static DeliveryRecord held(std::uint8_t id) {
    auto record = attempt(id, 0, DeliveryState::pending);
    record.held = true;
    return record;
  }
  DeliveryRecord leased(std::uint8_t id, std::uint32_t number) {
    auto record = attempt(id, number, DeliveryState::pending);
    record.started = world.clock().wall();
    record.next = record.started + std::chrono::minutes(1);
    return record;
  }
  /// By whoever has the lease.
  static DeliveryRecord said(std::uint8_t id, std::uint32_t number, DeliveryState state) {
    auto record = attempt(id, number, state);
    record.started = {};
    return record;
  }
  DeliveryRecord extended(std::uint8_t id, std::uint32_t number) {
    auto record = leased(id, number);
    record.started = {};
    record.next += std::chrono::minutes(1);
    return record;
  }
  static RecordDeliveries record(std::vector<DeliveryRecord> deliveries,
                                 std::optional<std::string> cursor = {},
                                 std::uint32_t generation = 0) {
    return {.endpoint = endpoint,
            .generation = generation,
            .deliveries = std::move(deliveries),
            .cursor = std::move(cursor)};
  }
  static SkipDeliveries skip(const std::vector<std::uint8_t>& ids,
                             std::optional<std::uint32_t> generation = {},
                             std::optional<Time> since = {}) {
    SkipDeliveries command{endpoint, generation, since, {}, "over"};
    for (const auto id : ids) command.ids.push_back(Uuid{{id}});
    return command;
  }
  template <typename State>
  std::optional<State> row(std::string_view product, const Uuid& id) {
    const auto found =
        world.reader(acme).get<State>(world.topic(std::string(product)), Entity{id, {}});
    return found ? std::optional(found->state) : std::nullopt;
  }
  std::optional<Delivery> delivery(std::uint8_t id) {
    return row<Delivery>(eventstore::deliveries_product, Uuid{{id}});
  }
  EndpointHealth health() {
    return row<EndpointHealth>(eventstore::deliveries_product, endpoint).value_or(EndpointHealth{});
  }
};

TEST_F(Webhooks, AnEndpointGoesThroughItsStates) {
  EXPECT_EQ(run(create()), "created 1");
  EXPECT_EQ(run(ResumeEndpoint{endpoint, {}}), "unchanged");
  EXPECT_EQ(run(PauseEndpoint{endpoint, false, "asked"}), "paused 2");
  EXPECT_EQ(run(PauseEndpoint{endpoint, false, "asked"}), "unchanged");
  EXPECT_EQ(run(TestEndpoint{endpoint}), "invalid-transition");
  EXPECT_EQ(run(PauseEndpoint{endpoint, true, "gone"}), "disabled 3");
  EXPECT_EQ(run(PauseEndpoint{endpoint, false, "asked"}), "invalid-transition");
  EXPECT_EQ(run(ResumeEndpoint{endpoint, {}}), "resumed 4");
  EXPECT_EQ(run(TestEndpoint{endpoint}), "tested 5");
  EXPECT_EQ(run(ResumeEndpoint{endpoint, "tm1_now"}), "resumed 6");
  const auto state = row<Endpoint>(eventstore::webhooks_product, endpoint);
  ASSERT_TRUE(state);
  EXPECT_EQ(state->generation, 1u);
  EXPECT_EQ(state->start, "tm1_now");
  EXPECT_EQ(run(DeleteEndpoint{endpoint}), "deleted 7");
  EXPECT_EQ(run(DeleteEndpoint{endpoint}), "not-found");
  EXPECT_EQ(run(TestEndpoint{endpoint}), "not-found");
}

TEST_F(Webhooks, AChangeIsMadeFromWhatTheEndpointIs) {
  run(create());
  EXPECT_EQ(run(change(1, R"({"a":1})")), "changed 2");
  EXPECT_EQ(run(change(2, R"({"a":1})")), "unchanged");
  EXPECT_EQ(run(change(1, R"({"a":2})")), "version-conflict");
}

TEST_F(Webhooks, ARotatedSecretStaysForAWhile) {
  run(create());
  for (int i = 0; i < 20; ++i) {
    run(RotateEndpointSecret{endpoint, "sealed" + std::to_string(i), std::chrono::hours(1)});
  }
  const auto many = row<Endpoint>(eventstore::webhooks_product, endpoint);
  EXPECT_EQ(many->secrets.size(), projections::old_secrets_max + 1);
  EXPECT_EQ(many->secrets.back().sealed, "sealed19");
  EXPECT_FALSE(many->secrets.back().expires);
  run(RotateEndpointSecret{endpoint, "last", std::chrono::seconds(0)});
  world.clock().pass(std::chrono::hours(2));
  run(RotateEndpointSecret{endpoint, "newest", std::chrono::hours(1)});
  EXPECT_EQ(row<Endpoint>(eventstore::webhooks_product, endpoint)->secrets.size(), 2u);
}

TEST_F(Webhooks, ARetryPolicyGoesWhenNobodyHasIt) {
  const auto policy = world.run(of(acme), CreateRetryPolicy{"{}"})->subject.id;
  EXPECT_EQ(run(create(policy)), "created 1");
  EXPECT_EQ(run(DeleteRetryPolicy{policy}), "in-use");
  EXPECT_EQ(run(ChangeRetryPolicy{policy, Version{1}, R"({"a":1})"}), "changed 2");
  EXPECT_EQ(run(ChangeRetryPolicy{policy, Version{1}, R"({"a":2})"}), "version-conflict");
  run(DeleteEndpoint{endpoint});
  EXPECT_EQ(run(DeleteRetryPolicy{policy}), "deleted 3");
  auto with_none = create(policy);
  with_none.id = Uuid{{8}};
  EXPECT_EQ(run(with_none), "invalid-request");
}

TEST_F(Webhooks, WhatNoLongerFitsADeliveryIsLeftOut) {
  run(create());
  EXPECT_EQ(run(record({attempt(1, 1, DeliveryState::failing)})), "attempted 1");
  EXPECT_EQ(run(record({attempt(1, 1, DeliveryState::failing)})), "unchanged");
  EXPECT_EQ(run(record({attempt(1, 3, DeliveryState::failing)})), "unchanged");
  EXPECT_EQ(run(record({held(1)})), "unchanged");
  EXPECT_EQ(run(record({attempt(1, 2, DeliveryState::succeeded),
                        attempt(1, 3, DeliveryState::succeeded)})),
            "attempted 2");
  EXPECT_EQ(run(record({attempt(1, 3, DeliveryState::failing)})), "unchanged");
  EXPECT_EQ(run(record({attempt(2, 2, DeliveryState::succeeded)})), "unchanged");
  EXPECT_EQ(run(record({held(3)})), "held 1");
  EXPECT_EQ(delivery(3)->state, DeliveryState::pending);
  EXPECT_EQ(run(record({attempt(3, 1, DeliveryState::exhausted)})), "attempted 2");
}

TEST_F(Webhooks, ADeliveryIsAskedForAgain) {
  run(create());
  EXPECT_EQ(run(ResendDeliveries{{Uuid{{1}}}}), "not-found");
  run(record({attempt(1, 1, DeliveryState::failing)}));
  run(record({attempt(1, 2, DeliveryState::exhausted)}));
  EXPECT_EQ(delivery(1)->attempts, 2u);
  EXPECT_EQ(run(ResendDeliveries{{Uuid{{1}}}}), "requested 3");
  EXPECT_EQ(run(ResendDeliveries{{Uuid{{1}}}}), "unchanged");
  EXPECT_EQ(delivery(1)->attempts, 0u);
  EXPECT_FALSE(delivery(1)->first_at);
  EXPECT_EQ(run(record({attempt(1, 3, DeliveryState::succeeded)})), "unchanged");
  EXPECT_EQ(run(record({attempt(1, 1, DeliveryState::succeeded)})), "attempted 4");
  EXPECT_EQ(delivery(1)->attempts_in_all, 3u);
  EXPECT_EQ(run(ResendDeliveries{{Uuid{{1}}, Uuid{{9}}}}), "requested 5");
  EXPECT_EQ(run(ResendDeliveries{{}}), "unchanged");
  run(DeleteEndpoint{endpoint});
  run(record({attempt(1, 1, DeliveryState::exhausted)}));
  EXPECT_EQ(run(ResendDeliveries{{Uuid{{1}}}}), "invalid-transition");
}

TEST_F(Webhooks, OnlyOpenDeliveriesAreSkippedAndTheyCanBeAskedForAgain) {
  run(create());
  run(record({attempt(1, 1, DeliveryState::failing), held(2),
              attempt(3, 1, DeliveryState::exhausted), attempt(4, 1, DeliveryState::succeeded)}));
  const auto over = skip({1, 2, 3, 4, 9});
  EXPECT_EQ(run(over), "skipped skipped 2");
  EXPECT_EQ(run(over), "unchanged");
  EXPECT_EQ(delivery(1)->state, DeliveryState::skipped);
  EXPECT_EQ(delivery(1)->error, "over");
  EXPECT_FALSE(delivery(1)->next);
  EXPECT_EQ(delivery(2)->state, DeliveryState::skipped);
  EXPECT_EQ(delivery(3)->state, DeliveryState::exhausted);
  EXPECT_EQ(delivery(4)->state, DeliveryState::succeeded);
  EXPECT_EQ(health().skipped, 2u);
  EXPECT_EQ(health().pending + health().failing, 0u);
  EXPECT_EQ(run(record({attempt(1, 2, DeliveryState::succeeded)})), "unchanged")
      << "what was on its way meanwhile";
  EXPECT_EQ(run(ResendDeliveries{{Uuid{{1}}}}), "requested 3");
  EXPECT_EQ(delivery(1)->state, DeliveryState::pending);
  EXPECT_EQ(health().skipped, 1u);
}

TEST_F(Webhooks, WhatIsAskedForBehindAResumptionIsNotSkipped) {
  run(create());
  run(record({attempt(1, 1, DeliveryState::failing), attempt(2, 1, DeliveryState::exhausted)}));
  run(ResendDeliveries{{Uuid{{1}}}});
  world.clock().pass(std::chrono::seconds(1));
  run(ResumeEndpoint{endpoint, "tm1_now"});
  const auto state = row<Endpoint>(eventstore::webhooks_product, endpoint);
  run(ResendDeliveries{{Uuid{{2}}}});
  EXPECT_EQ(run(skip({1, 2}, state->generation, state->active_since)), "skipped 3");
  EXPECT_EQ(delivery(1)->state, DeliveryState::skipped);
  EXPECT_EQ(delivery(2)->state, DeliveryState::pending);
}

TEST_F(Webhooks, NothingIsSkippedOnceDeliveriesBehindTheResumptionHaveBegun) {
  run(create());
  run(record({attempt(1, 1, DeliveryState::failing)}, "tm1_a", 0));
  run(record({}, "tm1_b", 1));
  EXPECT_EQ(run(skip({1}, 1)), "unchanged") << "by a deliverer that was paused";
  EXPECT_EQ(delivery(1)->state, DeliveryState::failing);
  EXPECT_EQ(run(skip({1}, 2)), "skipped 2");
}

TEST_F(Webhooks, AnotherEndpointsDeliveriesAreNotSkipped) {
  run(create());
  run(record({attempt(1, 1, DeliveryState::failing)}));
  auto other = skip({1});
  other.endpoint = Uuid{{8}};
  EXPECT_EQ(run(other), "unchanged");
}

TEST_F(Webhooks, OnlyWhatEndedLongAgoIsForgotten) {
  run(create());
  run(record({attempt(1, 1, DeliveryState::succeeded), attempt(2, 1, DeliveryState::exhausted),
              attempt(3, 1, DeliveryState::failing), held(4),
              attempt(5, 1, DeliveryState::exhausted), attempt(6, 1, DeliveryState::exhausted)}));
  run(skip({4}));
  world.clock().pass(std::chrono::hours(1));
  const auto ended_before = world.clock().wall();
  run(record({attempt(7, 1, DeliveryState::succeeded)}));
  run(ResendDeliveries{{Uuid{{5}}, Uuid{{6}}}});
  run(record({attempt(6, 1, DeliveryState::succeeded)}));
  ForgetDeliveries forget{{}, ended_before};
  for (std::uint8_t id = 1; id < 10; ++id) forget.ids.push_back(Uuid{{id}});
  forget.ids.push_back(Uuid{{1}});
  const auto before = health();
  EXPECT_EQ(run(forget), "forgotten forgotten forgotten 3");
  EXPECT_EQ(run(forget), "unchanged");
  for (const auto id : std::to_array<std::uint8_t>({1, 2, 4}))
    EXPECT_FALSE(delivery(id)) << int{id};
  for (const auto id : std::to_array<std::uint8_t>({3, 5, 6, 7}))
    EXPECT_TRUE(delivery(id)) << int{id};
  EXPECT_EQ(health().succeeded, before.succeeded) << "what was counted stays counted";
  EXPECT_EQ(health().exhausted, before.exhausted);
  EXPECT_EQ(run(ResendDeliveries{{Uuid{{2}}}}), "not-found");
}

TEST_F(Webhooks, OfAForgottenDeliveryNoRowIsLeft) {
  run(create());
  run(record({attempt(19, 1, DeliveryState::succeeded)}));
  const auto rows_of = [&](std::uint8_t id) {
    const Uuid delivery{{id}};
    const auto text = to_text(schemas::DeliveryId(delivery));
    std::size_t count = 0;
    world.rows().scan("", std::string(64, '\xff'), [&](auto key, auto) {
      count += key.contains(delivery.view()) || key.contains(text) ? 1 : 0;
      return true;
    });
    return count;
  };
  for (const auto state : {DeliveryState::succeeded, DeliveryState::exhausted}) {
    run(record({attempt(11, 1, state), held(12)}));
    run(record({attempt(12, 1, DeliveryState::failing)}));
    run(record({attempt(12, 2, state)}));
    run(ResendDeliveries{{Uuid{{12}}}});
    run(record({attempt(12, 1, state)}));
    EXPECT_GT(rows_of(11), 3u);
    EXPECT_GT(rows_of(12), 10u);
    world.clock().pass(std::chrono::hours(1));
    EXPECT_EQ(run(ForgetDeliveries{{Uuid{{11}}, Uuid{{12}}}, world.clock().wall()}),
              "forgotten forgotten 6");
    EXPECT_EQ(rows_of(11), 0u);
    EXPECT_EQ(rows_of(12), 0u);
  }
  EXPECT_GT(rows_of(19), 3u);
  const auto hash = world.hash();
  world.rebuild();
  EXPECT_EQ(world.hash(), hash);
}

TEST_F(Webhooks, TheCursorDoesNotGoBackToAnEarlierStart) {
  run(create());
  EXPECT_EQ(run(record({}, "tm1_a", 0)), "moved 1");
  EXPECT_EQ(run(record({}, "tm1_a", 0)), "unchanged");
  EXPECT_EQ(run(record({}, "tm1_b", 1)), "moved 2");
  EXPECT_EQ(run(record({}, "tm1_c", 0)), "unchanged");
}

TEST_F(Webhooks, AnEndpointsHealthCountsItsDeliveries) {
  run(create());
  run(record({attempt(1, 1, DeliveryState::succeeded), held(2),
              attempt(3, 1, DeliveryState::failing), attempt(4, 1, DeliveryState::exhausted)}));
  auto now = health();
  EXPECT_EQ(now.succeeded, 1u);
  EXPECT_EQ(now.pending, 1u);
  EXPECT_EQ(now.failing, 1u);
  EXPECT_EQ(now.exhausted, 1u);
  EXPECT_TRUE(now.failing_since);
  run(record({attempt(3, 2, DeliveryState::succeeded)}));
  run(ResendDeliveries{{Uuid{{4}}}});
  now = health();
  EXPECT_EQ(now.succeeded, 2u);
  EXPECT_EQ(now.pending, 2u);
  EXPECT_EQ(now.failing, 0u);
  EXPECT_EQ(now.exhausted, 0u);
  EXPECT_FALSE(now.failing_since);
}

TEST_F(Webhooks, ALeaseIsAnAttemptThatIsNotOverYet) {
  run(create());
  run(record({held(1), held(2)}));
  EXPECT_EQ(run(record({leased(1, 1)})), "attempted 2");
  EXPECT_EQ(run(record({leased(2, 2)})), "unchanged") << "no lease is the second";
  EXPECT_EQ(run(record({leased(3, 1)})), "unchanged") << "nothing is leased that does not wait";
  EXPECT_TRUE(projections::is_leased(*delivery(1)));
  EXPECT_FALSE(projections::is_leased(*delivery(2)));
  EXPECT_EQ(delivery(1)->attempts, 1u);
  EXPECT_TRUE(delivery(1)->next);
  EXPECT_EQ(health().pending, 2u);
  EXPECT_FALSE(health().failing_since);
  EXPECT_EQ(run(record({extended(1, 1)})), "attempted 3") << "kept longer";
  EXPECT_EQ(delivery(1)->attempts_in_all, 1u);
  EXPECT_EQ(run(record({said(1, 1, DeliveryState::succeeded)})), "attempted 4");
  EXPECT_EQ(delivery(1)->state, DeliveryState::succeeded);
  EXPECT_EQ(delivery(1)->attempts_in_all, 1u);
  EXPECT_EQ(run(record({leased(1, 1)})), "unchanged");
  EXPECT_EQ(health().succeeded, 1u);
  EXPECT_TRUE(health().last_success);
}

TEST_F(Webhooks, OfTwoWorkersOneHasADelivery) {
  run(create());
  run(record({held(1)}));
  EXPECT_EQ(run(record({leased(1, 1)})), "attempted 2");
  EXPECT_EQ(run(record({leased(1, 1)})), "unchanged") << "both saw it waiting";
  EXPECT_EQ(run(record({leased(1, 2)})), "unchanged") << "it has not run out";
  auto ended = leased(1, 1);
  ended.state = DeliveryState::exhausted;
  EXPECT_EQ(run(record({ended})), "unchanged") << "it has not run out";
  world.clock().pass(std::chrono::minutes(1));
  EXPECT_EQ(run(record({leased(1, 2)})), "attempted 3");
  EXPECT_EQ(run(record({leased(1, 2)})), "unchanged") << "both saw that it had run out";
  EXPECT_EQ(run(record({said(1, 1, DeliveryState::failing)})), "unchanged")
      << "of a lease that is another's now";
  EXPECT_EQ(run(record({said(1, 2, DeliveryState::failing)})), "attempted 4");
  EXPECT_TRUE(health().failing_since);
  EXPECT_EQ(run(record({said(1, 2, DeliveryState::succeeded)})), "unchanged");
  EXPECT_EQ(run(record({said(1, 3, DeliveryState::succeeded)})), "unchanged")
      << "of an attempt that nobody began";
  EXPECT_EQ(run(record({leased(1, 3)})), "unchanged") << "it was given back for a while";
  world.clock().pass(std::chrono::hours(2'000'000));
  EXPECT_EQ(run(record({leased(1, 3)})), "attempted 5");
  EXPECT_TRUE(health().failing_since) << "a lease is no success";
  world.clock().pass(std::chrono::minutes(1));
  ended = leased(1, 3);
  ended.state = DeliveryState::exhausted;
  EXPECT_EQ(run(record({ended})), "attempted 6") << "it ran out for the last time";
}

TEST_F(Webhooks, WhatIsLeasedIsSkippedTooAndNotAskedForTwice) {
  run(create());
  run(record({held(1)}));
  run(record({leased(1, 1)}));
  EXPECT_EQ(run(ResendDeliveries{{Uuid{{1}}}}), "unchanged");
  run(ResumeEndpoint{endpoint, "tm1_now"});
  const auto state = row<Endpoint>(eventstore::webhooks_product, endpoint);
  EXPECT_EQ(run(skip({1}, state->generation, state->active_since)), "skipped 3");
  EXPECT_FALSE(health().failing_since);
  EXPECT_EQ(run(record({said(1, 1, DeliveryState::succeeded)})), "unchanged");
}

TEST(DeliveryIds, FollowFromEndpointAndEventAndSortByTime) {
  const Uuid endpoint{{1}};
  const Uuid event{{2}};
  const Time early{std::chrono::hours(1)};
  const Time late{std::chrono::hours(2)};
  EXPECT_EQ(projections::delivery_id(endpoint, event, early),
            projections::delivery_id(endpoint, event, early));
  EXPECT_NE(projections::delivery_id(endpoint, event, early),
            projections::delivery_id(event, endpoint, early));
  EXPECT_LT(projections::delivery_id(endpoint, event, early),
            projections::delivery_id(event, endpoint, late));
}

}  // namespace
}  // namespace manager
