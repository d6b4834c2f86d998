// Goal: several processes that write the same partitions, over brokers that lose, delay and double
// what is sent, keep every promise: what was acknowledged counts once, at the place that was
// answered; what was refused never counts; every record that counts was decided on the state before
// it; everybody's rows are equal. Method: seeded schedules over a shared log in memory, each a few
// thousand steps; an oracle reads the log with nothing but the one rule. As a control, the rule
// without sequences must find forks where the real one finds none.

#include <random>
#include <set>

#include <gtest/gtest.h>

#include "projections/memory_store.h"
#include "tests/manager/contention_judge.h"
#include "tests/support/shared_log.h"
#include "tests/support/world.h"

namespace manager {
namespace {

using eventstore::SharedBrokers;
using eventstore::SharedLog;
using schemas::OrganizationId;

constexpr std::uint16_t partition_count = 2;
constexpr int organizations = 3;

/// Advice that changes its mind, or says that everything is everybody's.
struct Mood final : Ownership {
  Standing of(schemas::LogId) const override { return standing; }
  Standing standing = Standing::ours;
};

struct Node {
  Node(std::shared_ptr<SharedBrokers> brokers, const TestClock& clock, std::uint64_t seed)
      : core(Core::Options{.executor = context.get_executor(),
                           .clock = clock,
                           .nonce =
                               [seed](schemas::LogId log, const schemas::Epoch& epoch) {
                                 return seed * 0x9e3779b97f4a7c15 + log.partition * 31 +
                                        static_cast<std::uint64_t>(epoch.offset + 2) * 1'000'003;
                               },
                           .process = "node",
                           .rows = rows,
                           .on_applied = {},
                           .ownership = &mood}),
        log(std::move(brokers), core.observer()) {
    core.attach(log);
    EXPECT_TRUE(core.catch_up());
  }
  void poll() {
    context.restart();
    context.poll();
  }

  boost::asio::io_context context{1};
  projections::MemoryStore rows;
  Mood mood;
  Core core;
  SharedLog log;
  bool paused = false;
};

class Schedule {
 public:
  explicit Schedule(std::uint64_t seed) : random_(seed) {
    nodes_.resize(2 + random_() % 2);
    for (auto& node : nodes_) node = fresh();
    found();
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) step();
    end();
  }
  void check();
  const Judge::Found& found_by_judge() const { return found_; }

 private:
  std::unique_ptr<Node> fresh() { return std::make_unique<Node>(brokers_, clock_, ++lives_); }
  Node& any() { return *nodes_[random_() % nodes_.size()]; }
  bool chance(int percent) { return static_cast<int>(random_() % 100) < percent; }

  void found();
  void step();
  void send();
  void declare();
  void fault();
  void end();
  void settle();

  std::mt19937_64 random_;
  TestClock clock_;
  std::shared_ptr<SharedBrokers> brokers_ = std::make_shared<SharedBrokers>();
  std::uint64_t lives_ = 0;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<Sent> sent_;
  std::size_t declared_ = 0;
  Judge::Found found_;
};

/// All at once, as when a cluster is started for the first time.
void Schedule::found() {
  std::vector<std::optional<Result<void>>> done(nodes_.size());
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    nodes_[i]->core.found(partition_count, [&done, i](Result<void> result) { done[i] = result; });
  }
  settle();
  for (std::size_t round = 0; round < 20; ++round) {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      ASSERT_TRUE(done[i]) << "founding never ended";
      if (*done[i]) continue;
      ASSERT_EQ((*done[i]).error().code, ErrorCode::no_owner) << (*done[i]).error().detail;
      done[i].reset();
      nodes_[i]->core.found(partition_count, [&done, i](Result<void> result) { done[i] = result; });
      settle();
    }
  }
  for (auto& node : nodes_) {
    ASSERT_TRUE(node->core.founded());
    EXPECT_EQ(node->core.topics().log_id(), nodes_[0]->core.topics().log_id());
  }
}

void Schedule::step() {
  if (chance(3)) return fault();
  auto& node = any();
  const auto what = random_() % 10;
  if (what < 3) return send();
  if (what < 6) return node.log.deliver(SharedLog::Fate::stored);
  if (node.paused) return;
  if (what < 8) node.log.pump();
  node.poll();
  clock_.pass(std::chrono::milliseconds(random_() % 20));
  if (chance(5)) boost::asio::post(node.context, [&node] { node.core.tick(); });
  if (chance(20)) boost::asio::post(node.context, [&node] { node.core.rebalance(); });
}

void Schedule::send() {
  auto& node = any();
  if (node.paused) return;
  Sent sent{"c" + std::to_string(sent_.size()), std::make_shared<Reply>()};
  // Some again, with their key, wherever the first one went.
  if (!sent_.empty() && chance(20)) sent.correlation = sent_[random_() % sent_.size()].correlation;
  const auto number = std::hash<std::string>()(sent.correlation);
  const OrganizationId organization(schemas::Uuid{{std::uint8_t(1 + number % organizations)}});
  auto context = with_key(of(organization), sent.correlation);
  context.correlation = sent.correlation;
  node.core.commands().submit(std::move(context),
                              CreateProject{"a project", "slug-" + std::to_string(number % 40)},
                              [reply = sent.reply](Result<Outcome> result) {
                                EXPECT_FALSE(reply->here()) << "answered twice";
                                reply->result = std::move(result);
                              });
  sent_.push_back(std::move(sent));
}

/// A topic is made for it first, by whoever owns `tm.log`.
void Schedule::declare() {
  auto& node = any();
  if (node.paused) return;
  const auto name = "product" + std::to_string(random_() % 6);
  auto context = platform();
  context.correlation = "declares " + std::to_string(++declared_);
  node.core.commands().submit(
      std::move(context),
      DeclareProduct{name, R"({"kinds":{"k":{"events":{"k.e":{"fold":"merge"}}}}})"},
      [](const Result<Outcome>&) {});
}

void Schedule::fault() {
  auto& place = nodes_[random_() % nodes_.size()];
  auto& node = *place;
  switch (random_() % 11) {
    case 10:
      return node.log.refuse();
    case 8:
      // Longer than anybody waits for the brokers.
      clock_.pass(CommandHandler::patience + std::chrono::seconds{1});
      for (auto& each : nodes_) {
        if (!each->paused) boost::asio::post(each->context, [&each] { each->core.tick(); });
      }
      return;
    case 9:
      return declare();
    case 0:
      node.paused = !node.paused;
      return;
    case 1:
      place = fresh();  // killed: what it sent may still arrive
      return;
    case 2:
      return node.log.deliver(SharedLog::Fate::lost);
    case 3:
      return node.log.deliver(SharedLog::Fate::stored_twice);
    case 4:
      return node.log.cut();
    case 5:
      node.mood.standing = static_cast<Ownership::Standing>(random_() % 3);
      return;
    default:
      if (brokers_->zombies.empty()) return;
      auto& zombie = brokers_->zombies[random_() % brokers_->zombies.size()];
      if (zombie.empty()) return;
      brokers_->take(zombie.front());
      zombie.pop_front();
  }
}

void Schedule::settle() {
  for (int quiet = 0; quiet < 3; ++quiet) {
    for (auto& node : nodes_) {
      while (node->log.has_flights()) {
        node->log.deliver(SharedLog::Fate::stored);
        quiet = 0;
      }
      node->log.pump();
      node->poll();
    }
  }
}

/// No more faults: whatever waits must be answered now.
void Schedule::end() {
  for (auto& zombie : brokers_->zombies) {
    for (const auto& append : zombie) {
      if (chance(50)) brokers_->take(append);
    }
  }
  for (int round = 0; round < 4; ++round) {
    for (auto& node : nodes_) {
      node->paused = false;
      node->mood.standing = Ownership::Standing::ours;
      boost::asio::post(node->context, [&node] {
        node->core.tick();
        node->core.rebalance();
      });
    }
    settle();
  }
}

void Schedule::check() {
  Judge judge;
  for (auto log : brokers_->partitions()) {
    for (schemas::Offset offset = 0; offset < brokers_->end(log); ++offset) {
      const auto& [head, payload] = brokers_->at(log, offset);
      judge.read(log, offset, head, payload.bytes());
    }
  }
  judge.compare(sent_);
  found_ += judge.found;
  for (auto& node : nodes_) {
    EXPECT_EQ(projections::state_hash(node->rows), projections::state_hash(nodes_[0]->rows));
    std::set<std::string> names;
    for (const auto& topic : node->core.topics().all()) {
      EXPECT_TRUE(names.insert(topic.name).second) << topic.name << " has two numbers";
      EXPECT_EQ(node->core.topics().name(topic.id), nodes_[0]->core.topics().name(topic.id));
    }
  }
  auto last = fresh();
  EXPECT_EQ(projections::state_hash(last->rows), projections::state_hash(nodes_[0]->rows));
}

TEST(Contention, WhoDeclaresAProductIsToldWhenTheBrokersDoNotAnswer) {
  TestClock clock;
  auto brokers = std::make_shared<SharedBrokers>();
  const auto pump = [](Node& node) {
    while (node.log.has_flights()) {
      node.log.deliver(SharedLog::Fate::stored);
      node.log.pump();
      node.poll();
    }
  };
  Node founder(brokers, clock, 1);
  founder.core.found(partition_count, [](const Result<void>&) {});
  pump(founder);
  Node node(brokers, clock, 2);
  const auto reply = std::make_shared<Reply>();
  node.core.commands().submit(
      platform(), DeclareProduct{"late", R"({"kinds":{"k":{"events":{"k.e":{"fold":"merge"}}}}})"},
      [reply](Result<Outcome> result) { reply->result = std::move(result); });
  node.poll();
  node.log.deliver(SharedLog::Fate::stored);  // the claim of the manifest's partition
  node.log.pump();
  node.poll();
  ASSERT_TRUE(node.log.has_flights()) << "tm.log is claimed, and nobody answers";
  ASSERT_FALSE(reply->here());
  clock.pass(CommandHandler::patience + std::chrono::seconds{1});
  boost::asio::post(node.context, [&node] { node.core.tick(); });
  node.poll();
  ASSERT_TRUE(reply->here());
  EXPECT_EQ(reply->code(), ErrorCode::no_owner);
}

TEST(Contention, KeepsEveryPromiseInEverySchedule) {
  Judge::Found found;
  const auto* asked = std::getenv("CONTENTION_SCHEDULES");
// The sanitizers are there for the path, the number for the promises.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  constexpr std::uint64_t usual = 100;
#else
  constexpr std::uint64_t usual = 500;
#endif
  const auto schedules = asked ? std::strtoull(asked, nullptr, 10) : usual;
  for (std::uint64_t seed = 1; seed <= schedules && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Schedule schedule(seed);
    schedule.run(1'500);
    schedule.check();
    found += schedule.found_by_judge();
  }
  RecordProperty("acknowledged", static_cast<int>(found.acknowledged));
  RecordProperty("voids", static_cast<int>(found.voids));
  RecordProperty("forks_without_sequence", static_cast<int>(found.forks_without_sequence));
  EXPECT_GT(found.acknowledged, 20 * schedules);
  EXPECT_GT(found.voids, 20 * schedules);
  EXPECT_GT(found.forks_without_sequence, 0) << "the control, epochs without sequences, must fork";
}

}  // namespace
}  // namespace manager
