// Goal: what belongs to a project goes with it, whatever comes late and whoever is killed between
// two steps. Method: a World without disk; time passes by ticks.

#include "manager/deprovisioning.h"

#include <gtest/gtest.h>

#include "projections/project_parts.h"
#include "tests/support/resource_world.h"

namespace manager {
namespace {

class Deprovisions : public ResourceWorld {
 protected:
  std::vector<Uuid> create_many(const char* kind, int count) {
    std::vector<Uuid> made;
    for (int i = 0; i < count; ++i) {
      run(create(kind));
      made.push_back(last);
    }
    return made;
  }
  void pass() {
    world.core().tick();
    world.settle();
  }
  bool is_deprovisioning(const Uuid& id) {
    const auto state = found(id);
    return state && state->status == Resource::Status::deprovisioning;
  }
  /// How many events of a type the resource has.
  std::size_t count_of(const Uuid& id, std::string_view type) {
    std::size_t count = 0;
    for (const auto& place : world.reader(acme).events_of(world.topic("resources"), Resource::kind,
                                                          {id, {}}, {.behind = {}, .limit = 100})) {
      count += event_at(place).type() == type ? 1 : 0;
    }
    return count;
  }
  schemas::EventView event_at(const projections::Reader::EventPlace& place) {
    const auto log = world.core().topics().log_of(world.topic("resources"), acme);
    record_ = *world.log().read_one(log, place.offset);
    return schemas::BatchView::trusted(record_.payload.bytes()).event(place.index);
  }
  schemas::BatchView batch_of_last() {
    return schemas::BatchView::trusted(record_.payload.bytes());
  }

 private:
  eventstore::StoredRecord record_;
};

TEST_F(Deprovisions, DeletingAProjectTakesItsResourcesAlong) {
  const auto made = create_many("postgres", 70);
  const auto cached = create_many("cache", 3);
  const auto deleted = world.run(of(acme), DeleteProject{project});
  ASSERT_TRUE(deleted);
  world.settle();
  for (const auto& id : made) {
    EXPECT_TRUE(is_deprovisioning(id));
    EXPECT_EQ(count_of(id, "resource.deprovision_requested"), 1u);
  }
  for (const auto& id : cached) EXPECT_FALSE(found(id));
  const auto places = world.reader(acme).events_of(world.topic("resources"), Resource::kind,
                                                   {made[0], {}}, {.behind = {}});
  EXPECT_EQ(event_at(places.back()).causation(), deleted->events.front().id);
}

TEST_F(Deprovisions, WhatGoesAlongHasTheHopsOfWhatItGoesWith) {
  const auto made = create_many("postgres", 1);
  auto context = of(acme);
  context.hops = 5;
  context.causation = schemas::EventId(made.front());
  const auto deleted_project = world.run(std::move(context), DeleteProject{project});
  ASSERT_TRUE(deleted_project);
  world.settle();
  const auto places = world.reader(acme).events_of(world.topic("resources"), Resource::kind,
                                                   {made[0], {}}, {.behind = {}});
  const auto deleted = deleted_project->events.front().id;
  EXPECT_EQ(event_at(places.back()).causation(), deleted);
  EXPECT_EQ(batch_of_last().hops(), 5);
}

TEST_F(Deprovisions, OtherProjectsKeepTheirs) {
  run(create("postgres"));
  const auto mine = last;
  const auto other = world.run(of(acme), CreateProject{"Other", {}});
  ASSERT_TRUE(other);
  ASSERT_TRUE(world.run(of(acme), DeleteProject{other->subject.id}));
  pass();
  EXPECT_FALSE(is_deprovisioning(mine));
}

/// Deleted while the command that refers to it was on its way: decided on rows of before.
TEST_F(Deprovisions, AResourceThatComesLateGoesToo) {
  run(create("cache"));  // the partition is this process's
  auto removed = world.send(of(acme), DeleteProject{project});
  auto created = world.send(of(acme), create("postgres"));
  world.settle();
  ASSERT_TRUE(removed->ok());
  ASSERT_TRUE(created->ok());
  EXPECT_TRUE(is_deprovisioning(created->outcome().subject.id));
}

TEST_F(Deprovisions, AResourceThatComesLateIntoADeletedEnvironmentGoesToo) {
  auto first = create("cache");
  first.environment = "staging";
  run(first);
  auto removed = world.send(of(acme), DeleteEnvironment{project, "production"});
  auto created = world.send(of(acme), create("postgres"));
  auto other = create("postgres");
  other.environment = "staging";
  auto stays = world.send(of(acme), other);
  world.settle();
  ASSERT_TRUE(removed->ok());
  EXPECT_TRUE(is_deprovisioning(created->outcome().subject.id));
  EXPECT_FALSE(is_deprovisioning(stays->outcome().subject.id));
}

/// The process dies at every point between the deletion and the last step.
TEST_F(Deprovisions, WhoeverIsKilledGoesOnAtTheNextStart) {
  for (int commits = 0; commits < 8; ++commits) {
    auto other = world.run(of(acme), CreateProject{"Shop", {}});
    ASSERT_TRUE(other);
    project = other->subject.id;
    const auto made = create_many("postgres", 40);
    auto removed = world.send(of(acme), DeleteProject{project});
    for (int i = 0; i < commits; ++i) {
      world.log().pump();
      world.poll();
    }
    world.crash();
    const bool deleted =
        !world.reader(acme).find(world.topic("projects"), "project", {project, {}});
    pass();
    pass();
    for (const auto& id : made) {
      EXPECT_EQ(is_deprovisioning(id), deleted) << "after " << commits;
      EXPECT_EQ(count_of(id, "resource.deprovision_requested"), deleted ? 1u : 0u);
    }
    EXPECT_TRUE(deleted || commits == 0);
  }
}

TEST_F(Deprovisions, ALookFindsWhatIsLeftOverAndWhy) {
  run(create("postgres"));
  const auto id = last;
  auto removed = world.send(of(acme), DeleteProject{project});
  world.log().pump();  // durable, and nobody was told
  world.crash();
  EXPECT_FALSE(is_deprovisioning(id));
  pass();
  EXPECT_TRUE(is_deprovisioning(id));
  const auto places = world.reader(acme).events_of(world.topic("resources"), Resource::kind,
                                                   {id, {}}, {.behind = {}});
  EXPECT_TRUE(event_at(places.back()).causation().has_value());
}

}  // namespace
}  // namespace manager
