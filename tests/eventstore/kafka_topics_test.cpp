// Goal: a topic that is missing is made as the log needs it; one that is there and is not so is
// refused by name, setting and value, with the command that mends it. Method: real brokers where
// KAFKA_BROKERS names some, and topics made for something else.
#include "eventstore/kafka_topics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/kafka_place.h"

namespace eventstore::kafka {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class TopicsOnBrokers : public testing::TestWithParam<NamedKafkaPlace> {
 protected:
  schemas::Result<void> provide(std::uint16_t partitions, Keeps keeps) const {
    return provide_topic(handle_.get(), name_, partitions, std::chrono::seconds(10), keeps);
  }
  std::string refusal(std::uint16_t partitions, Keeps keeps) const {
    auto provided = provide(partitions, keeps);
    EXPECT_FALSE(provided);
    return provided ? std::string() : provided.error().detail;
  }

  const std::unique_ptr<KafkaPlace> place_ = GetParam().make();
  const Handle handle_ = std::move(*make_consumer(place_->options()));
  const std::string name_ = place_->options().topic_prefix + "blue";
};

TEST_P(TopicsOnBrokers, WhatWasMadeIsFoundAsItMustBe) {
  for (const auto keeps : {Keeps::everything, Keeps::last_of_key}) {
    const auto name = name_ + (keeps == Keeps::everything ? ".log" : ".compacted");
    for (const auto* when : {"made", "found"}) {
      auto provided = provide_topic(handle_.get(), name, 3, std::chrono::seconds(10), keeps);
      EXPECT_TRUE(provided) << when << ": " << provided.error().detail;
    }
  }
}

TEST_P(TopicsOnBrokers, AnotherNumberOfPartitionsIsRefused) {
  ASSERT_TRUE(provide(3, Keeps::everything));
  EXPECT_THAT(refusal(4, Keeps::everything),
              AllOf(HasSubstr(name_ + " has 3 partitions"), HasSubstr("the log says 4")));
}

TEST_P(TopicsOnBrokers, SettingsThatLoseRecordsAreRefusedWithTheCommandThatMendsThem) {
  ASSERT_TRUE(provide(1, Keeps::last_of_key));
  EXPECT_THAT(
      refusal(1, Keeps::everything),
      AllOf(HasSubstr("topic " + name_), HasSubstr("cleanup.policy is compact, must be delete"),
            HasSubstr("retention.ms is 604800000, must be -1"),
            HasSubstr("kafka-configs.sh --bootstrap-server " + place_->options().brokers +
                      " --alter --entity-type topics --entity-name " + name_ + " --add-config "),
            HasSubstr("cleanup.policy=delete,retention.ms=-1"), Not(HasSubstr("unclean")),
            Not(HasSubstr("retention.bytes"))));
}

TEST_P(TopicsOnBrokers, ACompactedTopicMustNotBeTrimmed) {
  ASSERT_TRUE(provide(1, Keeps::everything));
  EXPECT_THAT(refusal(1, Keeps::last_of_key),
              AllOf(HasSubstr("cleanup.policy is delete, must be compact"),
                    HasSubstr("--add-config cleanup.policy=compact")));
}

/// Else a log founded while brokers come up would have one replica for ever.
TEST_P(TopicsOnBrokers, WhereThreeBrokersAreNamedNoTopicIsMadeWithFewerReplicas) {
  auto options = place_->options();
  const auto one = options.brokers.substr(0, options.brokers.find(','));
  options.brokers = one + "," + one + "," + one;
  const Handle handle = std::move(*make_consumer(options));
  const auto made = provide_topic(handle.get(), name_, 1, std::chrono::seconds(1));
  if (made) GTEST_SKIP() << "there are three brokers";
  EXPECT_THAT(made.error().detail,
              AllOf(HasSubstr("three replicas"), HasSubstr("start the others")));
  EXPECT_FALSE(*topic_exists(handle.get(), name_, std::chrono::seconds(10)));
}

TEST_P(TopicsOnBrokers, OneThatMustBeThereIsNotMade) {
  const auto checked = check_topic(handle_.get(), name_, 1, std::chrono::milliseconds(300));
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, schemas::ErrorCode::read_only);
  EXPECT_THAT(checked.error().detail,
              AllOf(HasSubstr("there is no topic " + name_), HasSubstr("not made anew")));
  EXPECT_FALSE(*topic_exists(handle_.get(), name_, std::chrono::seconds(10)));
  ASSERT_TRUE(provide(1, Keeps::everything));
  EXPECT_TRUE(check_topic(handle_.get(), name_, 1, std::chrono::seconds(10)));
}

TEST_P(TopicsOnBrokers, ATopicOfAProductThatHoldsRecordsIsFound) {
  const auto& prefix = place_->options().topic_prefix;
  const auto written = [&] {
    return *written_topic(handle_.get(), prefix, std::chrono::seconds(10));
  };
  const auto told = [](rd_kafka_t*, const rd_kafka_message_t*, void*) {};
  const auto sender = std::move(*make_sender(place_->options(), Acks::all, told, nullptr));
  const auto send = [&](const std::string& name) {
    const TopicHandle topic(rd_kafka_topic_new(sender.get(), name.c_str(), nullptr));
    char text[] = "x";
    ASSERT_EQ(rd_kafka_produce(topic.get(), 0, RD_KAFKA_MSG_F_COPY, text, 1, nullptr, 0, nullptr),
              0);
    ASSERT_EQ(rd_kafka_flush(sender.get(), 10'000), RD_KAFKA_RESP_ERR_NO_ERROR);
  };
  for (const auto* own : {"log", "keyring", "cluster", "other.projects"}) {
    ASSERT_TRUE(provide_topic(handle_.get(), prefix + own, 1, std::chrono::seconds(10)));
    send(prefix + own);
  }
  ASSERT_TRUE(provide(2, Keeps::everything));
  EXPECT_EQ(written(), std::nullopt) << "it holds none";
  send(name_);
  EXPECT_EQ(written(), name_);
}

TEST_P(TopicsOnBrokers, AskingWhetherThereIsOneMakesNone) {
  for (int time = 0; time < 2; ++time) {
    const auto exists = topic_exists(handle_.get(), name_, std::chrono::seconds(10));
    ASSERT_TRUE(exists);
    EXPECT_FALSE(*exists);
  }
}

INSTANTIATE_TEST_SUITE_P(Places, TopicsOnBrokers, testing::ValuesIn(kafka_broker_places()),
                         [](const auto& place) { return place.param.name; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TopicsOnBrokers);

}  // namespace
}  // namespace eventstore::kafka
