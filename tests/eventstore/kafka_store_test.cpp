// Goal: whoever owns a partition of a log on Kafka knows its own claim whatever became of its
// report, gives way to a late claim and can claim again, and judges what is unknown only behind the
// next claim. Method: the event store over librdkafka's mock cluster, whose answers the test
// chooses; what others send late is sent by hand. Schedules of all this at random:
// tests/manager/contention_test.cpp.
#include <algorithm>

#include <boost/asio/io_context.hpp>

#include "eventstore/event_store.h"
#include "tests/eventstore/kafka_fixture.h"
#include "tests/support/world.h"

namespace eventstore {
namespace {

// The thread sanitizer does not know threads of C11, which librdkafka has.
#if !__has_feature(thread_sanitizer)

using Outcome = AppendFailure::Outcome;
using Texts = std::vector<std::string>;
using namespace std::chrono_literals;

class Told final : public EventStore::Owner {
 public:
  void durable(const std::vector<StoredRecord>&) override {}
  void landed(LogId, Offset offset) override { what.push_back("landed " + std::to_string(offset)); }
  void voided(LogId, const schemas::Error&) override { what.push_back("voided"); }
  void failed(const AppendFailure& failure) override {
    const bool refused = failure.outcome == Outcome::refused;
    what.push_back(refused ? "refused" : "unknown");
  }
  void claimed(LogId) override { what.push_back("claimed"); }
  Texts what;
};

class KafkaStore : public testing::Test {
 protected:
  void open() {
    log_ = harness_.open(store_);
    ASSERT_TRUE(log_->open_topic({blue, "blue", 8}));
    store_.attach(*log_, owner_);
  }
  void TearDown() override { log_->close(); }

  template <typename Condition>
  bool until(Condition condition) {
    return comes_true([&] {
      context_.restart();
      context_.poll();
      return condition();
    });
  }
  void own() {
    store_.claim(in_blue);
    ASSERT_TRUE(until([&] { return store_.owned(in_blue); }));
    // So that the next request is the next record's.
    store_.submit(in_blue, RecordKind::noop, {});
    store_.flush();
    const auto end = store_.tip(in_blue).next_offset;
    ASSERT_TRUE(until([&] { return log_->durable_end(in_blue) == end && !owner_.what.empty(); }));
    ASSERT_TRUE(until([&] { return owner_.what.back() == "landed " + std::to_string(end - 1); }));
    owner_.what.clear();
  }
  /// Submits a no-op; what others would have to send so that it arrives late.
  Append submit(std::string_view text) {
    PartitionWriter same(in_blue, store_.tip(in_blue));
    auto record = same.noop(text);
    store_.submit(in_blue, RecordKind::noop, record.payload);
    store_.flush();
    return record;
  }
  /// The next record never arrives, and its outcome is unknown.
  void lose_next() { harness_.answer_late(5s, 1, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT); }
  /// What was decided on a place that another's record took is refused, and tried again.
  void expect_goes_on() {
    owner_.what.clear();
    for (int attempt = 0; attempt < 2; ++attempt) {
      submit("goes on");
      ASSERT_TRUE(until([&] { return !owner_.what.empty(); }));
      if (owner_.what != Texts{"refused"}) break;
      owner_.what.clear();
    }
    EXPECT_EQ(owner_.what, Texts{"landed " + std::to_string(store_.tip(in_blue).next_offset - 1)});
    EXPECT_EQ(held_by(harness_).texts().back(), "goes on");
  }

  boost::asio::io_context context_;
  manager::TestClock clock_;
  Told owner_;
  EventStore store_{context_.get_executor(), clock_,
                    [](LogId, const Epoch& epoch) {
                      return 1'000 + static_cast<std::uint64_t>(epoch.offset + 1);
                    },
                    "process"};
  KafkaMockHarness harness_;
  std::unique_ptr<Log> log_;
};

TEST_F(KafkaStore, AClaimWhoseReportIsLostIsKnownByItsNonceAndItsSecondCopyIsVoid) {
  harness_.options.outcome_after = 20s;
  harness_.options.properties["socket.timeout.ms"] = "1100";
  open();
  harness_.answer_late(4s);
  store_.claim(in_blue);
  ASSERT_TRUE(until([&] { return store_.owned(in_blue); })) << "by what was read back";
  EXPECT_EQ(owner_.what, Texts{"claimed"});
  // Sent again after a second, and written again by the mock.
  ASSERT_TRUE(until([&] { return log_->durable_end(in_blue) == 2; }));
  ASSERT_TRUE(until([&] { return owner_.what.size() == 2; })) << "its second copy is told too";
  EXPECT_TRUE(store_.owned(in_blue));
  const auto held = held_by(harness_);
  EXPECT_EQ(held.verdicts, (std::vector{Verdict::claim, Verdict::void_claim}));
  EXPECT_EQ(held.state.epoch, (Epoch{0, 1'000}));
  expect_goes_on();
}

TEST_F(KafkaStore, ALateClaimOfADeadProcessDeposesALivingOwnerWhoClaimsAgain) {
  open();
  own();
  auto dead = make_claim(log_->state(in_blue), 77, "dead");
  harness_.send(Append{in_blue, 0, dead.head, std::move(dead.payload)}, "tm.blue");
  ASSERT_TRUE(until([&] { return !store_.owned(in_blue); }));
  EXPECT_EQ(owner_.what, Texts{"voided"}) << "what it decides now counts no more";
  EXPECT_EQ(log_->state(in_blue).epoch.nonce, 77u);
  store_.claim(in_blue);
  ASSERT_TRUE(until([&] { return store_.owned(in_blue); }));
  EXPECT_NE(log_->state(in_blue).epoch.nonce, 77u);
  expect_goes_on();
}

TEST_F(KafkaStore, WhatIsUnknownIsVoidOnceAClaimStandsThoughItArrivesLater) {
  harness_.options.outcome_after = 1s;
  open();
  own();
  lose_next();
  const auto late = submit("late");
  ASSERT_TRUE(until([&] { return owner_.what.size() == 3; }));
  EXPECT_EQ(owner_.what, (Texts{"unknown", "voided", "claimed"}));
  harness_.send(late, "tm.blue");
  const auto end = log_->state(in_blue).epoch.offset + 2;
  ASSERT_TRUE(until([&] { return log_->durable_end(in_blue) == static_cast<Offset>(end); }));
  EXPECT_EQ(owner_.what.size(), 3u) << "it is not told as landed";
  EXPECT_EQ(held_by(harness_).verdicts.back(), Verdict::void_epoch);
  EXPECT_TRUE(store_.owned(in_blue));
  expect_goes_on();
}

TEST_F(KafkaStore, WhatIsUnknownLandsWhenItArrivesBeforeTheClaimThatFollows) {
  harness_.options.outcome_after = 2s;
  open();
  own();
  lose_next();
  harness_.answer_late(800ms, 1, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);  // the claim's first try
  const auto late = submit("late");
  ASSERT_TRUE(until([&] { return !owner_.what.empty(); }));
  EXPECT_EQ(owner_.what, Texts{"unknown"});
  std::this_thread::sleep_for(100ms);  // the claim is on its way
  harness_.send(late, "tm.blue");
  // On a slow machine a claim may fail, or be the first to arrive.
  ASSERT_TRUE(until([&] {
    store_.claim(in_blue);
    return store_.owned(in_blue);
  }));
  const bool counts = held_by(harness_).texts().back() == "late";
  EXPECT_EQ(std::ranges::count(owner_.what, "landed 2"), counts ? 1 : 0);
  EXPECT_EQ(std::ranges::count(owner_.what, "voided"), counts ? 0 : 1);
  expect_goes_on();
}

#endif

}  // namespace
}  // namespace eventstore
