// Goal: processes hear of each other at once and twice a second, and know what was said before they
// came from what is said now; what stops in peace is gone; the bytes of a heartbeat come back as
// they were, and no others are taken for one. Method: the topic on librdkafka's mock, and on real
// brokers where KAFKA_BROKERS names some.
#include "eventstore/kafka_heartbeats.h"

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/kafka_place.h"

namespace eventstore::kafka {
namespace {

using namespace std::chrono_literals;
using schemas::TopicId;
using schemas::Uuid;
using When = Heartbeats::Listener::When;

Uuid process(std::uint8_t number) {
  Uuid uuid;
  uuid.bytes.back() = number;
  return uuid;
}

Heartbeat sample() {
  return {.process = process(7),
          .count = 9,
          .state = Heartbeat::State::leaving,
          .roles = *parse_roles("gateway,manager"),
          .name = "host:1",
          .address = "127.0.0.1:7000",
          .owned = {{TopicId{0}, 0}, {TopicId{1}, 3}, {TopicId{1}, 60}}};
}

// ---- the bytes ----

TEST(HeartbeatBytes, ComeBackAsTheyWere) {
  const auto read = decode_heartbeat(encode(sample()));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, sample());
}

TEST(HeartbeatBytes, WhatALaterVersionAddsIsPassedOver) {
  auto bytes = encode(sample());
  bytes.insert(bytes.end(), {1, 2, 3});
  EXPECT_EQ(*decode_heartbeat(bytes), sample());
}

TEST(HeartbeatBytes, CutOffOnesAreRefused) {
  const auto bytes = encode(sample());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_heartbeat(std::span(bytes).first(size))) << size;
  }
}

TEST(HeartbeatBytes, OnesOfNoVersionAreRefused) {
  auto bytes = encode(sample());
  bytes[2] = 4;  // no such state
  EXPECT_FALSE(decode_heartbeat(bytes));
  EXPECT_FALSE(decode_heartbeat(std::vector<std::uint8_t>(200, 0)));
}

TEST(HeartbeatBytes, WhateverIsTakenIsWhatSomebodyCouldHaveSaid) {
  const auto bytes = encode(sample());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      auto flipped = bytes;
      flipped[at] ^= static_cast<std::uint8_t>(1 << bit);
      const auto read = decode_heartbeat(flipped);
      if (read) EXPECT_EQ(*decode_heartbeat(encode(*read)), *read) << at << "." << bit;
    }
  }
}

// ---- the topic ----

/// A process of the cluster: says who it is and remembers what it heard.
class Member final : public Heartbeats::Listener {
 public:
  Member(std::uint8_t number, const Options& options) {
    says_ = sample();
    says_.process = process(number);
    says_.state = Heartbeat::State::serving;
    auto opened = Heartbeats::open(
        options,
        [this] {
          const std::lock_guard lock(mutex_);
          return says_;
        },
        *this);
    EXPECT_TRUE(opened) << opened.error().detail;
    if (!opened) return;
    heartbeats_ = std::move(*opened);
    heartbeats_->start();
  }

  void stop() { heartbeats_.reset(); }
  void own(LogId log) {
    {
      const std::lock_guard lock(mutex_);
      says_.owned = {log};
    }
    heartbeats_->changed();
  }

  bool hears(const std::function<bool(const Heartbeat&, When)>& that) {
    return wait([&] {
      return std::ranges::any_of(heard_, [&](const auto& h) { return that(h.first, h.second); });
    });
  }
  bool hears(std::uint8_t number, When when) {
    return hears(
        [&](const auto& h, When at) { return h.process == process(number) && at == when; });
  }
  bool knows_where_the_past_ended() {
    return wait([&] { return past_ended_; });
  }
  bool is_told_of_the_end_of(std::uint8_t number) {
    return wait([&] { return std::ranges::find(gone_, process(number)) != gone_.end(); });
  }
  std::size_t count(std::uint8_t number) {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::ranges::count_if(
        heard_, [&](const auto& h) { return h.first.process == process(number); }));
  }
  bool has_heard(std::uint8_t number, When when) {
    const std::lock_guard lock(mutex_);
    return std::ranges::any_of(heard_, [&](const auto& h) {
      return h.first.process == process(number) && h.second == when;
    });
  }

 private:
  bool wait(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex_);
    return told_.wait_for(lock, 10s, condition);
  }
  void on_heartbeat(const Heartbeat& heartbeat, When when) override {
    const std::lock_guard lock(mutex_);
    heard_.emplace_back(heartbeat, when);
    told_.notify_all();
  }
  void on_gone(const Uuid& gone) override {
    const std::lock_guard lock(mutex_);
    gone_.push_back(gone);
    told_.notify_all();
  }
  void on_past_ended() override {
    const std::lock_guard lock(mutex_);
    past_ended_ = true;
    told_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable told_;
  Heartbeat says_;
  std::vector<std::pair<Heartbeat, When>> heard_;
  std::vector<Uuid> gone_;
  bool past_ended_ = false;
  std::unique_ptr<Heartbeats> heartbeats_;  // the last one: its thread uses the others
};

class HeartbeatsOnBrokers : public testing::TestWithParam<NamedKafkaPlace> {
 protected:
  const std::unique_ptr<KafkaPlace> place_ = GetParam().make();
  const Options options_ = place_->options();
};

TEST_P(HeartbeatsOnBrokers, AreHeardByAllAgainAndAgain) {
  Member a(1, options_);
  Member b(2, options_);
  EXPECT_TRUE(a.hears(2, When::now));
  EXPECT_TRUE(b.hears(1, When::now));
  EXPECT_TRUE(a.hears(1, When::now)) << "one hears oneself, too";
  EXPECT_TRUE(a.hears([](const auto& h, When) { return h.process == process(2) && h.count >= 3; }));
  EXPECT_GE(a.count(2), 2u);
}

TEST_P(HeartbeatsOnBrokers, WhatStoodThereBeforeIsPast) {
  {
    const Member makes_the_topic(1, options_);
  }
  const auto dead = encode(sample());
  ASSERT_TRUE(place_->put(options_.topic_prefix + "cluster", {dead.begin(), dead.end()}));
  Member late(2, options_);
  ASSERT_TRUE(late.hears(2, When::now) && late.knows_where_the_past_ended());
  EXPECT_TRUE(late.hears(7, When::past));
  EXPECT_FALSE(late.has_heard(7, When::now));
}

TEST_P(HeartbeatsOnBrokers, WhatIsNoHeartbeatIsPassedOver) {
  Member a(1, options_);
  ASSERT_TRUE(a.hears(1, When::now));
  ASSERT_TRUE(place_->put(options_.topic_prefix + "cluster", "nonsense"));
  const auto count = a.count(1);
  EXPECT_TRUE(a.hears([&](const auto& h, When) { return h.count > count + 1; }));
}

TEST_P(HeartbeatsOnBrokers, AChangeIsHeardAtOnce) {
  Member a(1, options_);
  Member b(2, options_);
  ASSERT_TRUE(b.hears(1, When::now));
  const auto before = std::chrono::steady_clock::now();
  a.own({TopicId{5}, 5});
  EXPECT_TRUE(
      b.hears([](const auto& h, When) { return h.owned == std::vector<LogId>{{TopicId{5}, 5}}; }));
  EXPECT_LT(std::chrono::steady_clock::now() - before, Heartbeats::period);
}

TEST_P(HeartbeatsOnBrokers, WhoStopsIsGone) {
  Member a(1, options_);
  Member b(2, options_);
  ASSERT_TRUE(b.hears(1, When::now));
  a.stop();
  EXPECT_TRUE(b.is_told_of_the_end_of(1));
}

INSTANTIATE_TEST_SUITE_P(Places, HeartbeatsOnBrokers, testing::ValuesIn(kafka_places()),
                         [](const auto& place) { return place.param.name; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(HeartbeatsOnBrokers);

}  // namespace
}  // namespace eventstore::kafka
